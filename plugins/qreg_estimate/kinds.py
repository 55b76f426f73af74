"""What kind of work an op is, as far as hardware tells kinds apart."""

from fnmatch import fnmatchcase

from qreg.records import OpCall
from qreg_fusion.records import FusedOp

CONV, DEPTHWISE, GEMM, ELEMENTWISE = "conv", "depthwise", "gemm", "elementwise"
NAMED = (
    (CONV, "*Conv*"),
    (CONV, "*convolution*"),
    (GEMM, "*Gemm*"),
    (GEMM, "*MatMul*"),
    ("pool", "*Pool*"),
    ("softmax", "*Softmax*"),
    ("norm", "*Normalization*"),
)
KINDS = tuple(dict.fromkeys((*(kind for kind, _ in NAMED), DEPTHWISE, ELEMENTWISE)))


def kind_of(op: FusedOp) -> str:
    """``conv``, ``depthwise``, ``gemm``, ``pool``, ``softmax``, ``norm`` or ``elementwise``.

    The first op of the group that contracts decides, else the first whose name says what it is;
    an op of another name is a ``gemm`` where it multiplies and accumulates.
    """
    kinds = [(_named(call.target), call) for call in op.calls]
    for wanted in ((CONV, GEMM), KINDS):
        for kind, call in kinds:
            if kind in wanted:
                return DEPTHWISE if kind == CONV and _is_depthwise(call) else kind
    return GEMM if op.cost is not None and op.cost.macs else ELEMENTWISE


def _named(target: str) -> str:
    return next((kind for kind, pattern in NAMED if fnmatchcase(target, pattern)), "")


def _is_depthwise(call: OpCall) -> bool:
    """One input channel per group (ONNX Conv-22, attribute ``group``)."""
    channels = call.input(0).shape[1]
    return channels > 1 and bool(call.attribute("group", 1) == channels)
