"""What the outputs should be: by ONNX Runtime, or by the reference where that is no authority."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir
import onnxruntime
from attrs import frozen

from qreg.catalogue import Catalogue
from qreg.errors import QregError
from qreg.records import Array, OpCall
from qreg.specs import OpSpec
from qreg_numerics.interpret import interpret
from qreg_numerics.platform import CONTRACTIONS, X86_AVX2, unclaimed
from qreg_onnx.evaluate import Evaluator
from qreg_onnx.runtime import session

KNOWN_VARIANTS = {X86_AVX2: "x86-64 with AVX2 (fused multiply-add)"}
MIXED = ("uint8", "int8")

Run = Callable[[Mapping[str, Array]], dict[str, Array]]


@frozen(eq=False)
class Oracle:
    """``run`` computes one run's outputs; ``reason`` is why it is not ONNX Runtime."""

    name: str
    reason: str
    run: Run


def oracle(model: ir.Model, calls: tuple[OpCall, ...], catalogue: Catalogue) -> Oracle:
    """ONNX Runtime, node by node as the file says; the reference where it computes otherwise."""
    deviations = unclaimed(calls)
    if deviations:
        more = f" (and {len(deviations) - 1} more nodes)" if len(deviations) > 1 else ""
        return _reference(model, catalogue, deviations[0] + more)
    try:
        ready = session(model, optimise=False)
    except QregError as exc:
        return _reference(model, catalogue, str(exc))
    names = [o.name for o in ready.get_outputs()]

    def run(feed: Mapping[str, Array]) -> dict[str, Array]:
        return dict(zip(names, map(np.asarray, ready.run(None, dict(feed))), strict=True))

    return Oracle(f"ONNX Runtime {onnxruntime.__version__}", "", run)


def arithmetic(calls: tuple[OpCall, ...], catalogue: Catalogue) -> str:
    """What is claimed of ops that processors compute differently; empty where none do."""
    claims = {}
    for call in calls:
        entry = catalogue.choose(OpSpec, call.target, call.opset)
        if entry is not None and entry.spec.arithmetic:
            claims[call.op] = KNOWN_VARIANTS.get(entry.spec.arithmetic, entry.spec.arithmetic)
        if call.target in CONTRACTIONS and (call.input(0).dtype, call.input(3).dtype) == MIXED:
            claims[call.op] = "x86-64 with VNNI (sums of uint8 x int8 never saturate)"
    return "; ".join(f"{op} as on {variant}" for op, variant in sorted(claims.items()))


def _reference(model: ir.Model, catalogue: Catalogue, reason: str) -> Oracle:
    evaluate = Evaluator(catalogue)
    return Oracle("numpy reference", reason, lambda f: interpret(model, f, catalogue, (), evaluate))
