"""Models read from ``.onnx`` files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from qreg.catalogue import Catalogue
from qreg.errors import QregError, cause_of
from qreg_onnx.prepare import prepare, prepared


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
        return _guarded(lambda: prepare(ir.from_proto(proto), shapes, catalogue))
    except QregError as exc:
        raise QregError(f"{path}: {exc}") from exc


def load_object(
    source: object, shapes: Mapping[str, Sequence[int]], catalogue: Catalogue
) -> ir.Model:
    """A prepared model from an ``onnx.ModelProto``."""
    assert isinstance(source, onnx.ModelProto)
    return _guarded(lambda: prepare(ir.from_proto(source), shapes, catalogue))


def load_model(
    source: object, shapes: Mapping[str, Sequence[int]], catalogue: Catalogue
) -> ir.Model:
    """A prepared copy of an ``onnx_ir.Model``; both read the same constants."""
    assert isinstance(source, ir.Model)
    if prepared(source) and not shapes:
        return source.clone()
    return _guarded(lambda: prepare(source.clone(), shapes, catalogue))


def _guarded(made: Callable[[], ir.Model]) -> ir.Model:
    try:
        return made()
    except QregError:
        raise
    except Exception as exc:  # a hostile model may break any assumption of the reader
        raise QregError(f"this is not a valid ONNX model: {cause_of(_root(exc))}") from exc


def _root(exc: BaseException) -> BaseException:
    """What set it off: ``onnx_ir`` wraps an error once per function that was reading."""
    while exc.__cause__ is not None:
        exc = exc.__cause__
    return exc
