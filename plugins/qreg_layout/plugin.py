"""Data movement: cost, dead channels and C."""

from qreg.hooks import hookimpl
from qreg.specs import CEmitterSpec, LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="move",
            targets=(
                "onnx.Flatten",
                "onnx.Reshape",
                "onnx.Transpose",
                "onnx.Pad",
                "onnx.Concat",
                "onnx.Slice",
                "onnx.Identity",
                "onnx.Squeeze",
                "onnx.Unsqueeze",
            ),
            summary="moves data, computes nothing",
            source="ONNX operator definitions",
            estimate="qreg_layout.cost:move",
        ),
        ShortcutHandlerSpec(
            name="move",
            targets=(
                "onnx.Flatten",
                "onnx.Reshape",
                "onnx.Transpose",
                "onnx.Slice",
                "onnx.Identity",
                "onnx.Squeeze",
                "onnx.Unsqueeze",
            ),
            summary="states move with the elements",
            propagate="qreg_channels.movement:propagate",
        ),
        ShortcutHandlerSpec(
            name="concat",
            targets=("onnx.Concat",),
            summary="states of all parts side by side",
            propagate="qreg_channels.movement:join",
        ),
        ShortcutHandlerSpec(
            name="pad",
            targets=("onnx.Pad",),
            summary="padding is known; the rest moves",
            propagate="qreg_channels.movement:pad",
        ),
        CEmitterSpec(
            name="reshape",
            targets=(
                "onnx.Flatten",
                "onnx.Reshape",
                "onnx.Identity",
                "onnx.Squeeze",
                "onnx.Unsqueeze",
            ),
            dtypes=("float32", "int8", "uint8"),
            summary="the same elements under another shape",
            template="qreg_c:reshape.c.j2",
            context="qreg_layout.emit:reshape",
        ),
        CEmitterSpec(
            name="transpose",
            targets=("onnx.Transpose",),
            dtypes=("float32", "int8", "uint8"),
            summary="permuted axes",
            template="qreg_c:transpose.c.j2",
            context="qreg_layout.emit:transpose",
        ),
        CEmitterSpec(
            name="pad",
            targets=("onnx.Pad",),
            dtypes=("float32", "int8", "uint8"),
            summary="constant padding",
            template="qreg_c:pad.c.j2",
            context="qreg_layout.emit:pad",
        ),
    )
