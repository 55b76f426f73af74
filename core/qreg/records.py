"""The records plugins exchange. Plain data: sizes are ints (or symbols), names are strings."""

import re
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

from attrs import field, frozen

from qreg.errors import QregError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:
    Array = object  # numpy is not imported for listing plugins

_BITS = re.compile(r"[a-z]+(\d+)")


def item_bits(dtype: str) -> int:
    """Bits of one element: 8 for ``int8``, 16 for ``bfloat16``, 4 for ``uint4``; bool takes a byte."""
    match = _BITS.match(dtype)
    if match:
        return int(match[1])
    if dtype == "bool":
        return 8
    raise QregError(f"element type {dtype!r} has no fixed size")


class Constant(Protocol):
    """A tensor stored in the model; its numbers are read when asked for."""

    def numpy(self) -> Array: ...


@frozen
class Tensor:
    """One edge of the graph. ``value`` is set for parameters and other constants.

    ``bits`` is what an element of a constant takes where that is fewer than its type has: a weight
    on seven levels that is stored as float32 has 3.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    value: Constant | None = field(default=None, eq=False, repr=False)
    bits: int | None = field(default=None, eq=False)
    learned: bool = field(
        default=True, eq=False
    )  # False: a constant that is no parameter, a buffer

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return -(-self.elements * item_bits(self.dtype) // 8)

    def numpy(self) -> Array:
        """The constant's numbers; only for tensors that have a value."""
        assert self.value is not None, self.name
        return self.value.numpy()


@frozen
class OpCall:
    """One node as estimators, handlers, rules and emitters see it.

    ``name`` is the layer's name (the module path of its weight where there is one), ``node`` the
    node's name in the file, ``target`` the op: ``onnx.Conv``, ``com.microsoft.QGemm``.

    A call of PyTorch's dispatcher is one too: ``aten.conv2d.default``. Its inputs are the tensors
    among the arguments in the schema's order, a list of tensors written out; every other argument
    is an attribute under the schema's name, so is a number given where a tensor could stand, and
    for a list of tensors its length. In-place ops are spelled as the op that makes a new tensor.
    """

    target: str
    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    attributes: Mapping[str, Any] = field(factory=dict)
    node: str = ""
    opset: int = 1

    @property
    def op(self) -> str:
        """``Conv`` of ``onnx.Conv``, ``conv2d`` of ``aten.conv2d.default``."""
        *_, packet, last = self.target.split(".")
        return packet if self.target.startswith("aten.") or last == "default" else last

    def input(self, index: int) -> Tensor:
        """A required input; use ``optional`` for one that may be absent."""
        tensor = self.optional(index)
        assert tensor is not None, f"{self.name}: input {index} is absent"
        return tensor

    def optional(self, index: int) -> Tensor | None:
        return self.inputs[index] if index < len(self.inputs) else None

    @property
    def output(self) -> Tensor:
        return self.outputs[0]

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """The inputs stored in the model."""
        return tuple(t for t in self.inputs if t is not None and t.value is not None)

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """The inputs computed at run time."""
        return tuple(t for t in self.inputs if t is not None and t.value is None)


@frozen
class Table:
    """Rows for people. None is unknown and shown as ``?``; ``footer`` is the row of totals.

    The last ``optional`` columns may be left out where the window is too narrow for them, and rows
    ``idle``, by index, which say nothing: only files for programs have them.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]
    footer: tuple[str | int | float | None, ...] = ()
    notes: tuple[str, ...] = ()
    optional: int = 0
    idle: tuple[int, ...] = ()


@frozen(kw_only=True)
class Weight:
    """Which input of a call is the stored factor of a product, and how both meet the channels.

    Where the weight has fewer entries along ``in_axis`` than the data has channels, its first axis
    is cut into ``groups`` equal blocks, each for its own share of the channels; where it has fewer
    along ``out_axis`` than the output, each block makes its own share of the output's. An axis that
    data or output lack: the factor is made inside the op, or the product is none of its channels.
    """

    input: int  # of the call
    in_axis: int  # of the weight: runs along the data's channels
    out_axis: int  # of the weight: runs along the output's channels
    zero_point: int | None = None  # the input that holds the weight's zero-point
    data: int = 0  # the call's other operand
    data_axis: int = 1  # channels of the data: the axis that is summed over
    output_axis: int = 1
    groups: int = 1


@frozen
class Contraction:
    """``count`` products of an (m, k) by a (k, n) matrix.

    ``weight`` is the factor that may be stored, None where both are activations. ``masked``
    products are thrown away by a causal mask; they are counted all the same.
    """

    m: int
    n: int
    k: int
    count: int = 1
    weight: Weight | None = None
    masked: int = 0

    @property
    def macs(self) -> int:
        return self.count * self.m * self.n * self.k


@frozen
class Cost:
    """What an estimator says of one op: contractions, and other arithmetic kept apart from them.

    An op that only looks at its input in another way (a view in PyTorch) moves no bytes. ``read``
    says for an input how many elements are, where not all: rows of a table that is looked up.
    """

    contractions: tuple[Contraction, ...] = ()
    elementwise_flops: int = 0
    moves: bool = True
    read: tuple[tuple[int, int], ...] = ()  # (input, elements)

    @property
    def macs(self) -> int:
        return sum(c.macs for c in self.contractions)


@frozen
class Trace:
    """What runs for one input of the model: its ops in execution order.

    ``varying`` tensors are made by calls that another input may run otherwise, or not at all:
    numbers that the code read from this one may be among their attributes.
    """

    calls: tuple[OpCall, ...]
    outputs: tuple[str, ...]  # the tensors that the model gives, by name
    lacking: tuple[OpCall, ...] = ()  # ops that have a tensor of unknown shape
    source: str = "the ONNX graph"  # where the ops were seen
    varying: frozenset[str] = frozenset()
