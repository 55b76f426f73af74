"""What each operator's table of options holds, under the names used here."""

from typing import Any

import tflite

from qreg.errors import QregError

Fields = dict[str, str]

NOTHING_STORED = (b"\4\0\4\0\4\0\0\0", 4)  # a table without fields: each has its default

ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
_ACTIVATION = {"activation": "FusedActivationFunction"}
_WINDOW = {"padding": "Padding", "stride_h": "StrideH", "stride_w": "StrideW", **_ACTIVATION}
_DILATED = {**_WINDOW, "dilation_h": "DilationHFactor", "dilation_w": "DilationWFactor"}
_POOL = {**_WINDOW, "kernel_h": "FilterHeight", "kernel_w": "FilterWidth"}
_RESIZE = {"align_corners": "AlignCorners", "half_pixel": "HalfPixelCenters"}
_REDUCER = ("ReducerOptions", {"keep_dims": "KeepDims"})

# Source: TensorFlow Lite schema 3, tensorflow/compiler/mlir/lite/schema/schema.fbs.
TABLES: dict[str, tuple[str, Fields]] = {
    "ADD": ("AddOptions", _ACTIVATION),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _POOL),
    "BATCH_MATMUL": ("BatchMatMulOptions", {"adj_x": "AdjX", "adj_y": "AdjY"}),
    "CONCATENATION": ("ConcatenationOptions", {"axis": "Axis", **_ACTIVATION}),
    "CONV_2D": ("Conv2DOptions", _DILATED),
    "CONV_3D": (
        "Conv3DOptions",
        {**_DILATED, "stride_d": "StrideD", "dilation_d": "DilationDFactor"},
    ),
    "CUMSUM": ("CumsumOptions", {"exclusive": "Exclusive", "reverse": "Reverse"}),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", _DILATED),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", {"block": "BlockSize"}),
    "DIV": ("DivOptions", _ACTIVATION),
    "FULLY_CONNECTED": ("FullyConnectedOptions", {"format": "WeightsFormat", **_ACTIVATION}),
    "GATHER": ("GatherOptions", {"axis": "Axis", "batch_dims": "BatchDims"}),
    "GELU": ("GeluOptions", {"approximate": "Approximate"}),
    "L2_NORMALIZATION": ("L2NormOptions", _ACTIVATION),
    "LEAKY_RELU": ("LeakyReluOptions", {"alpha": "Alpha"}),
    "MAX_POOL_2D": ("Pool2DOptions", _POOL),
    "MEAN": _REDUCER,
    "MIRROR_PAD": ("MirrorPadOptions", {"mode": "Mode"}),
    "MUL": ("MulOptions", _ACTIVATION),
    "PACK": ("PackOptions", {"axis": "Axis"}),
    "REDUCE_MAX": _REDUCER,
    "REDUCE_MIN": _REDUCER,
    "REDUCE_PROD": _REDUCER,
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", _RESIZE),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", _RESIZE),
    "SOFTMAX": ("SoftmaxOptions", {"beta": "Beta"}),
    "SPACE_TO_DEPTH": ("SpaceToDepthOptions", {"block": "BlockSize"}),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        {
            "begin_mask": "BeginMask",
            "end_mask": "EndMask",
            "ellipsis_mask": "EllipsisMask",
            "new_axis_mask": "NewAxisMask",
            "shrink_axis_mask": "ShrinkAxisMask",
        },
    ),
    "SUB": ("SubOptions", _ACTIVATION),
    "SUM": _REDUCER,
    "TRANSPOSE_CONV": ("TransposeConvOptions", _WINDOW),
    "UNPACK": ("UnpackOptions", {"axis": "Axis"}),
}


def options_of(operator: Any, name: str) -> dict[str, Any]:
    """The operator's options; the format's defaults where it stores none.

    Raises QregError for a table of another operator.
    """
    kind, fields = TABLES.get(name, ("", {}))
    table = operator.BuiltinOptions()
    if not kind:
        return {}
    if table is not None and operator.BuiltinOptionsType() != getattr(tflite.BuiltinOptions, kind):
        raise QregError(f"operator {name} has options of another operator")
    holder = getattr(tflite, kind)()
    holder.Init(*(NOTHING_STORED if table is None else (table.Bytes, table.Pos)))
    found = {ours: getattr(holder, theirs)() for ours, theirs in fields.items()}
    if "activation" in found:
        found["activation"] = _activation(found["activation"], name)
    return found


def _activation(code: int, name: str) -> str:
    if not 0 <= code < len(ACTIVATIONS):
        raise QregError(f"operator {name} has fused activation {code}, which no version knows")
    return ACTIVATIONS[code]
