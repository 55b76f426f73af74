"""No standard op is without a cost, but for those listed here with the reason.

The lists are also in the documentation, so that nobody has to look for them here.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import onnx
import pytest
from attrs import evolve
from cost_calls import call_of, installed
from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime

from qreg.records import OpCall
from qreg.specs import LayerEstimatorSpec
from qreg_cost.estimate_cost import cost_of

PAGE = (Path(__file__).parents[2] / "docs" / "elementwise.md").read_text()

# Reasons as the documentation gives them.
BODY = "its body runs as often as the data say"
DATA = "how much is computed follows from the data"
STRINGS = "works on strings or maps"
FILES = "decodes a file format"
ONNX = {
    "onnx.If": BODY, "onnx.Loop": BODY, "onnx.Scan": BODY, "onnx.SequenceMap": BODY,
    "ai.onnx.preview.training.Gradient": BODY,
    "onnx.MaxRoiPool": DATA, "onnx.NonMaxSuppression": DATA, "onnx.TfIdfVectorizer": DATA,
    "ai.onnx.ml.TreeEnsemble": DATA, "ai.onnx.ml.TreeEnsembleClassifier": DATA,
    "ai.onnx.ml.TreeEnsembleRegressor": DATA,
    "onnx.ImageDecoder": FILES,
    "onnx.RegexFullMatch": STRINGS, "onnx.StringConcat": STRINGS,
    "onnx.StringNormalizer": STRINGS, "onnx.StringSplit": STRINGS,
    "ai.onnx.ml.CastMap": STRINGS, "ai.onnx.ml.CategoryMapper": STRINGS,
    "ai.onnx.ml.DictVectorizer": STRINGS, "ai.onnx.ml.ZipMap": STRINGS,
}  # fmt: skip
# Contractions that nobody has taken up yet.
CONTRACTIONS = {
    "onnx.LinearAttention", "ai.onnx.preview.FlexAttention", "ai.onnx.ml.LinearClassifier",
    "ai.onnx.ml.LinearRegressor", "ai.onnx.ml.SVMClassifier", "ai.onnx.ml.SVMRegressor",
}  # fmt: skip
MICROSOFT = {
    BODY: "BeamSearch GreedySearch Sampling WhisperBeamSearch",
    DATA: """DynamicTimeWarping NGramRepeatBlock MoE QMoE SparseAttention SparsePagedAttention
        DynamicSparseAttention SparseAttentionIndexer PackedSparseAttentionIndexer PagedAttention
        SparseToDenseMatMul""",
    STRINGS: "Tokenizer WordConvEmbedding",
    "hashes": "MurmurHash3 NGramHashMapping VarlenNGramHashMapping",
    "a format of its own": """QuantizeBFP DequantizeBFP MatMulFpQ4 MatMulBlockQuantizedFp4Weight
        MatMulBlockQuantizedFp8Weight""",
    "another library's graph": "EPContext Snpe",
    "an example": "SampleOp BifurcationDetector",
    "a contraction nobody has taken up yet": """AttnLSTM DecoderAttention EngramGate GatedDeltaNet
        GatedRelativePositionBias HyperConnectionPostMix HyperConnectionPreMix LinearAttention
        LongformerAttention MatMulNBitsMlp MatMulNBitsQkv QOrderedLongformerAttention
        QOrderedMatMul VarlenCausalConvWithState""",
}  # fmt: skip


def unserved(targets: Iterable[str]) -> set[str]:
    catalogue = installed()
    return {t for t in targets if catalogue.choose(LayerEstimatorSpec, t) is None}


def test_every_op_of_onnx_has_a_cost_or_a_reason() -> None:
    schemas = onnx.defs.get_all_schemas_with_history()
    found = unserved(f"{s.domain or 'onnx'}.{s.name}" for s in schemas)

    assert found - CONTRACTIONS == set(ONNX)


def test_every_op_of_onnx_runtime_has_a_cost_or_a_reason() -> None:
    schemas = [s for s in onnxruntime.get_all_operator_schema() if s.domain == "com.microsoft"]
    reasons = {f"com.microsoft.{name}" for names in MICROSOFT.values() for name in names.split()}

    assert len(schemas) > 100
    assert unserved(f"com.microsoft.{s.name}" for s in schemas) - reasons == set()


def test_what_no_estimator_serves_is_in_the_documentation() -> None:
    section = PAGE.partition("## Ops without a cost")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([\w.]+)`", section))

    assert {t.removeprefix("onnx.") for t in ONNX} - named == set()


def packets() -> dict[str, Any]:
    """PyTorch's ops that take or give tensors, without those that write to an argument."""
    torch = pytest.importorskip("torch")
    found = {}
    for schema in torch._C._jit_get_all_schemas():
        namespace, _, name = schema.name.partition("::")
        kinds = [str(a.type) for a in (*schema.arguments, *schema.returns)]
        if namespace == "aten" and any("Tensor" in k for k in kinds) and not schema.is_mutable:
            found[name] = getattr(torch.ops.aten, name)
    return found


def test_every_core_and_pointwise_op_of_pytorch_has_a_cost() -> None:
    torch = pytest.importorskip("torch")
    wanted = {torch.Tag.core, torch.Tag.pointwise}
    names = [name for name, packet in packets().items()
             if any(wanted & set(getattr(packet, o).tags) for o in packet.overloads())]  # fmt: skip

    assert len(names) > 250
    assert unserved(f"aten.{name}.default" for name in names) == set()


def test_every_op_of_pytorch_that_is_named_exists() -> None:
    torch = pytest.importorskip("torch")
    targets = {t for e in installed().of(LayerEstimatorSpec) for t in e.spec.targets}

    named = {t.split(".")[1] for t in targets if t.startswith("aten.")}
    assert len(named) > 800
    assert [n for n in sorted(named) if not hasattr(torch.ops.aten, n)] == []


def test_no_two_entries_claim_one_op() -> None:
    targets = [t for e in installed().of(LayerEstimatorSpec) for t in e.spec.targets]

    assert len(targets) == len(set(targets))


# Networks ---------------------------------------------------------------------------------------


def watched(run: Any) -> list[OpCall]:
    """The calls of a run, as a tracer spells them."""
    from torch.utils._python_dispatch import TorchDispatchMode

    from qreg_torch.schema import described

    calls: list[OpCall] = []

    class Watch(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            if func.namespace == "aten":  # the profiler has marks of its own
                call = call_of(func, args, kwargs or {}, result)
                made = call.outputs or tuple(t for t in call.inputs[:1] if t is not None)
                calls.append(evolve(call, target=described(func).target, outputs=made))
            return result

    with Watch():
        run()
    return calls


@pytest.mark.parametrize(
    "name", ["resnet18", "efficientnet_b0", "vit_b16", "gpt2", "llama_gqa", "lstm"]
)
@pytest.mark.parametrize("optimiser", ["AdamW", "SGD"])
def test_a_step_of_training_has_no_op_without_a_cost(name: str, optimiser: str) -> None:
    torch = pytest.importorskip("torch")
    from zoo import ZOO

    with torch.device("cpu" if name == "lstm" else "meta"):
        module, inputs = ZOO[name].build().train(), ZOO[name].inputs()
        given = {} if optimiser == "AdamW" else {"momentum": 0.9, "weight_decay": 1e-4}
        steps = getattr(torch.optim, optimiser)(module.parameters(), lr=0.01, foreach=True, **given)

    def step() -> None:
        result = module(*inputs)
        logits = (result[0] if isinstance(result, tuple) else result).flatten(0, -2)
        labels = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
        torch.nn.functional.cross_entropy(logits, labels).backward()
        steps.step()

    calls = watched(step)

    assert {c.target for c in calls if cost_of(c, installed()) is None} == set()
    updated = [
        c for c in calls if c.op == "_foreach_addcdiv" or c.target == "aten._foreach_add.List"
    ]
    parameters = sum(p.numel() for p in module.parameters())
    assert any(cost_of(c, installed()).elementwise_flops >= parameters for c in updated)  # type: ignore[union-attr]


def test_elementwise_operations_of_resnet20_by_hand() -> None:
    """Batch norm is 2, ReLU 1, a shortcut 1 per element; then a mean of 8 by 8 and ten biases."""
    pytest.importorskip("torch")
    from zoo import ZOO

    from qreg_torch.capture import capture

    trace = capture(
        ZOO["resnet20_a"].build(), ZOO["resnet20_a"].inputs(), catalogue=installed()
    ).trace()

    costs = [cost_of(call, installed()) for call in trace.calls]
    sizes = 16 * 32 * 32, 32 * 16 * 16, 64 * 8 * 8
    convolved = 7 * sizes[0] + 6 * sizes[1] + 6 * sizes[2]
    expected = (2 + 1) * convolved + 3 * sum(sizes) + 64 * 8 * 8 + 10
    assert sum(c.elementwise_flops for c in costs if c is not None) == expected
