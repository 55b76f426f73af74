"""What the emit step says of the program it wrote."""

from pathlib import Path

from attrs import field, frozen

from qreg_emit.program import Port


@frozen
class EmittedLayer:
    """One node. A node without a function shares its input's memory."""

    name: str
    op: str
    emitter: str
    function: str
    data_bytes: int  # constants that this node is the first to read
    exact: bool  # the C gives bit for bit what the op's definition gives


@frozen
class TensorPlace:
    """One range of the arena and the nodes (by index) during which it is in use."""

    tensor: str
    layer: str
    scratch: bool
    bytes: int
    offset: int
    first: int
    last: int


@frozen(kw_only=True)
class Emission:
    """``lower_bound_bytes`` is what any arrangement of these tensors needs at least."""

    name: str
    target: str
    files: tuple[str, ...]
    arena_bytes: int
    lower_bound_bytes: int
    arena_alignment: int
    weight_bytes: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    layers: tuple[EmittedLayer, ...]
    arena: tuple[TensorPlace, ...]
    model_sha256: str
    folder: Path = field(metadata={"json": False})
