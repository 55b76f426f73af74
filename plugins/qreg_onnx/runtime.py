"""ONNX Runtime sessions, set up alike everywhere: one thread, no logging, clear refusals."""

from typing import TypeAlias

import onnx
import onnx_ir as ir
import onnxruntime as ort

from qreg.errors import QregError

RUNTIME_IR = 11  # IR versions newer than this are refused by releases still in use

Session: TypeAlias = ort.InferenceSession


def session(model: onnx.ModelProto | ir.Model, optimise: bool = True) -> Session:
    """A CPU session. Raises QregError with ONNX Runtime's reason when it does not take the model."""
    proto = model if isinstance(model, onnx.ModelProto) else ir.to_proto(model)
    proto.ir_version = min(proto.ir_version, RUNTIME_IR)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    try:
        data = proto.SerializeToString(deterministic=True)
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # ONNX Runtime's exception classes share no base of their own
        reason = str(exc).splitlines()[0]
        raise QregError(f"ONNX Runtime does not take the model: {reason}") from exc
