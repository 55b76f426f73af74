"""Bits of weights, read from what quantises them."""

import sys
import types
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the torch extra")

import torch_nets as nets
from attrs import evolve
from torch.nn.utils import parametrize

from qreg.catalogue import Catalogue, Entry, discover
from qreg.errors import QregError
from qreg.specs import Spec
from qreg_onnx.graph import op_calls, tensor_of
from qreg_torch.bits import weight_bits
from qreg_torch.capture import capture
from qreg_torch.frontend import load_module
from qreg_torch.specs import BitReaderSpec

nn = torch.nn
CATALOGUE = discover()
Fake = torch.ao.quantization.FakeQuantize


def bits_of(module: Any, size: list[int]) -> dict[str, int | None]:
    """Bits of the weights by layer."""
    calls = capture(module, shapes={"input": size}, catalogue=CATALOGUE).trace().calls
    return {c.name: c.input(1).bits for c in calls if c.op in ("linear", "conv2d")}


@pytest.mark.parametrize(
    ("lowest", "highest", "bits"),
    [(-128, 127, 8), (-127, 127, 8), (0, 15, 4), (-1, 1, 2), (0, 1, 1)],
)
def test_a_fake_quantiser_has_the_bits_that_number_its_levels(
    lowest: int, highest: int, bits: int
) -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    kind = torch.qint8 if lowest < 0 else torch.quint8
    quantizer = Fake(quant_min=lowest, quant_max=highest, dtype=kind)
    parametrize.register_parametrization(module[0], "weight", quantizer)

    assert bits_of(module, [1, 3]) == {"0": bits, "1": None}
    assert weight_bits(module, CATALOGUE) == {"0.weight": bits}
    quantizer.disable_fake_quant()
    assert bits_of(module, [1, 3]) == {"0": None, "1": None}


def test_bits_are_read_again_for_every_trace() -> None:
    module = nn.Sequential(nn.Linear(3, 3))
    quantizer = Fake(quant_min=0, quant_max=15)
    parametrize.register_parametrization(module[0], "weight", quantizer)
    captured = capture(module, shapes={"input": [1, 3]}, catalogue=CATALOGUE)

    found = [captured.trace().calls[0].input(1).bits]
    quantizer.quant_max = 63
    found.append(captured.trace().calls[0].input(1).bits)

    assert found == [4, 6]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*reduce_range.*:UserWarning")
def test_layers_of_quantisation_aware_training_have_constant_weights_with_bits() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).train()
    module.qconfig = torch.ao.quantization.get_default_qat_qconfig("fbgemm")
    prepared = torch.ao.quantization.prepare_qat(module)

    trace = capture(prepared, shapes={"input": [1, 3, 8, 8]}, catalogue=CATALOGUE).trace()

    (conv,) = (c for c in trace.calls if c.op == "conv2d")
    assert (conv.name, conv.input(1).bits) == ("0", 8)
    assert len(set(conv.input(1).numpy().flat)) > 50  # it is quantised on 255 levels
    maker = next(c for c in trace.calls if conv.input(1) in c.outputs)
    assert (maker.input(0).name, maker.input(0).bits) == ("0.weight", 8)


def foreign(name: str, **members: Any) -> types.ModuleType:
    """A module of that name, whose classes are its own."""
    module = types.ModuleType(name)
    for member, value in members.items():
        value.__module__ = name
        setattr(module, member, value)
    return module


class QuantLinear(nn.Linear):  # type: ignore[misc,name-defined]
    def quant_weight_bit_width(self) -> Any:
        return torch.tensor(4.0)


class ProxyLinear(nn.Linear):  # type: ignore[misc,name-defined]
    weight_quant = types.SimpleNamespace(is_quant_enabled=True, bit_width=lambda: torch.tensor(2.5))


def test_brevitas_layers_tell_their_weights_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "brevitas.nn.quant_linear"
    made = foreign(name, QuantLinear=QuantLinear, ProxyLinear=ProxyLinear)
    monkeypatch.setitem(sys.modules, name, made)

    module = nn.Sequential(
        QuantLinear(3, 3), ProxyLinear(3, 3), type("Own", (QuantLinear,), {})(3, 2)
    )

    assert bits_of(module, [1, 3]) == {"0": 4, "1": 3, "2": 4}
    trace = capture(module, shapes={"input": [1, 3]}, catalogue=CATALOGUE).trace()
    assert trace.calls[0].input(2).bits is None  # the bias


class Int4Tensor(torch.Tensor):  # type: ignore[misc]
    """Stores two elements in a byte, and stands for reals."""

    @staticmethod
    def __new__(cls, packed: Any) -> Any:
        size = (packed.shape[0], packed.shape[1] * 2)
        return torch.Tensor._make_wrapper_subclass(cls, size, dtype=torch.float32)

    def __init__(self, packed: Any) -> None:
        self.qdata = packed

    def dequantize(self) -> Any:
        parts = (self.qdata & 15, self.qdata >> 4)
        return torch.stack(parts, 2).flatten(1).float() - 8

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            if func is torch.nn.functional.linear:
                return func(args[0], args[1].dequantize(), *args[2:])
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.detach.default:
            return cls(args[0].qdata)
        raise NotImplementedError(str(func))


class AffineQuantizedTensor(Int4Tensor):
    quant_min, quant_max = 0, 7


def test_weights_of_torchaos_classes_are_read_without_being_taken_apart() -> None:
    foreign("torchao.dtypes", Int4Tensor=Int4Tensor, AffineQuantizedTensor=AffineQuantizedTensor)
    packed = torch.tensor([[0x18, 0x2F], [0x88, 0x08], [0x79, 0x10]], dtype=torch.uint8)
    module, levelled = nn.Linear(4, 3), nn.Linear(4, 3)
    module.weight = nn.Parameter(Int4Tensor(packed), requires_grad=False)
    levelled.weight = nn.Parameter(AffineQuantizedTensor(packed), requires_grad=False)

    trace = capture(module, shapes={"input": [2, 4]}, catalogue=CATALOGUE).trace()

    (linear,) = trace.calls
    assert (linear.target, linear.input(1).shape) == ("aten.linear.default", (3, 4))
    assert linear.input(1).bits == 4
    assert linear.input(1).numpy().tolist() == [[0, -7, 7, -6], [0, 0, 0, -8], [1, -1, -8, -7]]
    assert bits_of(levelled, [2, 4]) == {"linear": 3}


def levels(holder: Any, weight: Any) -> Any:
    return holder.answer


def with_reader(target: str) -> Catalogue:
    spec = BitReaderSpec(name="own", targets=(target,), read=f"{__name__}:levels")
    entry: Entry[Spec] = Entry("test", "test", "1", __name__, spec)
    return evolve(CATALOGUE, entries=(*CATALOGUE.entries, entry))


def test_a_reader_that_answers_nonsense_is_named() -> None:
    module = nn.Linear(3, 3)
    quantizer = nets.Half()
    quantizer.answer = 2.5
    parametrize.register_parametrization(module, "weight", quantizer, unsafe=True)
    catalogue = with_reader(f"object {nets.__name__}.Half")

    with pytest.raises(QregError) as caught:
        capture(module, shapes={"input": [1, 3]}, catalogue=catalogue).trace()

    assert str(caught.value) == (
        "weight: bit_readers test/own (test 1) gave 2.5; its contract is (object, weight) -> int | "
        "None; that is a fault of the plugin"
    )


def test_the_onnx_path_bakes_quantised_weights_and_keeps_their_bits() -> None:
    module = nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.Conv1d(3, 2, 1))
    quantizer = nets.Half()
    quantizer.answer = 2
    parametrize.register_parametrization(module[0], "weight", quantizer, unsafe=True)

    model = load_module(module, {"input": [1, 2, 8]}, with_reader(f"object {nets.__name__}.Half"))

    first, _, last = op_calls(model)
    with torch.no_grad():
        expected = module[0].weight.numpy()
    assert (first.input(1).numpy() == expected).all()
    assert (first.input(1).bits, last.input(1).bits) == (2, None)
    assert parametrize.is_parametrized(module[0])


def test_a_weight_that_the_exporter_transposes_keeps_its_bits() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    quantizer = nets.Half()
    quantizer.answer = 2
    parametrize.register_parametrization(module[0], "weight", quantizer, unsafe=True)

    catalogue = with_reader(f"object {nets.__name__}.Half")
    model = load_module(module, {"input": [5, 1, 4]}, catalogue)

    calls = {(c.op, c.input(1).shape): c.input(1).bits for c in op_calls(model)}
    assert calls == {
        ("MatMul", (4, 3)): 2, ("Add", (3,)): None, ("MatMul", (3, 2)): None, ("Add", (2,)): None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "bits"),
    [("3", 3), ("", None), ("0", None), ("-3", None), ("9" * 5000, None), ("³", None)],
)
def test_bits_in_a_file_are_believed_where_they_are_a_small_number(written: str, bits: int) -> None:
    import onnx_ir as ir

    value = ir.Value(name="w", const_value=ir.tensor([1.0]))
    value.shape, value.dtype = ir.Shape([1]), ir.DataType.FLOAT
    value.metadata_props["qreg.bits"] = written

    assert tensor_of(value).bits == bits
