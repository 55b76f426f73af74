"""Models read from ``.onnx`` files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from qreg.catalogue import Catalogue, cause_of
from qreg.errors import QregError
from qreg_onnx.prepare import prepare


def load(source: object, shapes: Mapping[str, Sequence[int]], catalogue: Catalogue) -> ir.Model:
    """A prepared model from a file. Raises QregError naming the file and what is wrong in it."""
    path = Path(str(source))
    if not path.is_file():
        raise QregError(f"{path}: no such file")
    try:
        proto = onnx.load(path)
    except DecodeError as exc:
        raise QregError(
            f"{path}: is not a complete ONNX file; export or download it again"
        ) from exc
    except (OSError, ValueError, onnx.checker.ValidationError) as exc:
        raise QregError(f"{path}: cannot be read: {exc}") from exc
    if not proto.graph.node:
        raise QregError(f"{path}: holds no graph; export or download it again")
    try:
        return prepare(ir.from_proto(proto), shapes, catalogue)
    except QregError as exc:
        raise QregError(f"{path}: {exc}") from exc
    except Exception as exc:  # a hostile file may break any assumption of the reader
        raise QregError(f"{path}: is not a valid ONNX model: {cause_of(exc)}") from exc


def load_object(
    source: object, shapes: Mapping[str, Sequence[int]], catalogue: Catalogue
) -> ir.Model:
    """A prepared model from an ``onnx.ModelProto``."""
    assert isinstance(source, onnx.ModelProto)
    return prepare(ir.from_proto(source), shapes, catalogue)
