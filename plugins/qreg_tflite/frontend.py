"""Models read from ``.tflite`` files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx_ir as ir

from qreg.catalogue import Catalogue
from qreg.errors import QregError, cause_of
from qreg_onnx.graph import has_static_type, tensor_of
from qreg_onnx.prepare import prepare
from qreg_tflite.convert import converted
from qreg_tflite.flatfile import read_network
from qreg_tflite.records import Network


def load(source: object, shapes: Mapping[str, Sequence[int]], catalogue: Catalogue) -> ir.Model:
    """A prepared model from a file. Raises QregError naming the file and what is wrong in it.

    Sizes are those of the file; its inputs keep their order of axes and their type.
    """
    path = Path(str(source))
    if not path.is_file():
        raise QregError(f"{path}: no such file")
    try:
        model = converted(_network(path.read_bytes()), path.stem)
        declared = _types(model)
        _prepare(model, shapes, catalogue)
        _check(declared, _types(model))
    except QregError as exc:
        raise QregError(f"{path}: {exc}") from exc
    except OSError as exc:
        raise QregError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
    return model


def _network(data: bytes) -> Network:
    try:
        return read_network(data)
    except QregError:
        raise
    except Exception as exc:  # an offset that leads nowhere breaks any assumption of the reader
        raise QregError(
            f"is not a complete TFLite file; convert or download it again ({cause_of(exc)})"
        ) from exc


def _prepare(model: ir.Model, shapes: Mapping[str, Sequence[int]], catalogue: Catalogue) -> None:
    try:
        prepare(model, shapes, catalogue)
    except QregError:
        raise
    except Exception as exc:  # a hostile file may break any assumption of ONNX's own code
        raise QregError(f"does not make a valid ONNX graph: {cause_of(exc)}") from exc


def _types(model: ir.Model) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Element type and sizes of every computed tensor."""
    values = [v for node in model.graph for v in node.outputs if v.name and has_static_type(v)]
    return {t.name: (t.dtype, t.shape) for t in map(tensor_of, values)}


def _check(
    declared: Mapping[str, tuple[str, tuple[int, ...]]],
    found: Mapping[str, tuple[str, tuple[int, ...]]],
) -> None:
    """Raise QregError where the file declares other sizes than its operators give."""
    for name, (dtype, shape) in found.items():
        wanted = declared.get(name, (dtype, shape))
        if wanted != (dtype, shape):
            raise QregError(
                f"tensor {name!r} is {wanted[0]} {list(wanted[1])} in the file, but its operator "
                f"gives {dtype} {list(shape)}; convert the network again"
            )
