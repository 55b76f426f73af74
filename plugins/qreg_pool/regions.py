"""What pooling over regions of interest costs."""

from qreg.records import Cost, OpCall

BILINEAR = 7  # four products, three additions


def roi_align(call: OpCall) -> Cost | None:
    """Per output element ``sampling_ratio ** 2`` points, each four products and three additions,
    and one operation to join it with the others.

    With a ratio of 0 the number of points follows from the regions' sizes, which are data.

    Source: ONNX RoiAlign-22; ``torchvision::roi_align``, where -1 stands for 0.
    """
    ratio = call.attribute("sampling_ratio", 0)
    if ratio <= 0:
        return None
    return Cost(elementwise_flops=call.output.elements * ratio * ratio * (BILINEAR + 1))


def crop_and_resize(call: OpCall) -> Cost:
    """Seven operations per output element, none where the nearest one is taken.

    Source: com.microsoft CropAndResize-1.
    """
    nearest = call.attribute("mode", "bilinear") == "nearest"
    return Cost(elementwise_flops=0 if nearest else BILINEAR * call.output.elements)
