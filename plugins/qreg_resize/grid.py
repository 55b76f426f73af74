"""What sampling at positions that are data costs.

Every coordinate is scaled to pixels (three operations), rounded down, and gives its weights; these
are multiplied over the axes, once per point; each channel then takes a weighted mean.
"""

from qreg.records import Cost, OpCall
from qreg_resize.cost import weighted_mean

SCALE = 3  # ((x + 1) * size - 1) / 2, the halves folded
# Rounding and weights per coordinate. Linear: the fraction and its complement. Cubic: the fraction,
# three distances, and polynomials of 5, 5, 6 and 6 operations.
WEIGHTS = {"nearest": 1, "linear": 1 + 2, "cubic": 1 + 1 + 3 + 22}
WIDTH = {"nearest": 1, "linear": 2, "cubic": 4}
MODES = {"bilinear": "linear", "bicubic": "cubic", 0: "linear", 1: "nearest", 2: "cubic"}


def sampled(points: int, axes: int, elements: int, mode: str) -> int:
    """Operations for ``elements`` values at ``points`` positions of so many axes.

    Source: ONNX GridSample-22; PyTorch ``aten/src/ATen/native/GridSampler.h``.
    """
    taps = WIDTH[mode] ** axes
    weights = taps * (axes - 1) if taps > 1 else 0
    each_point = axes * (SCALE + WEIGHTS[mode]) + weights
    return points * each_point + elements * weighted_mean(taps)


def mode_of(call: OpCall) -> str:
    """``nearest``, ``linear`` or ``cubic``; operator sets and PyTorch spell it differently."""
    given = call.attribute("mode", call.attribute("interpolation_mode", 0))
    return str(MODES.get(given, given))


def grid_sample(call: OpCall) -> Cost:
    """Over image and grid (N, ..., axes). Source: ONNX GridSample-22; ``aten::grid_sampler``."""
    grid = call.input(1)
    axes = grid.shape[-1]
    flops = sampled(grid.elements // axes, axes, call.output.elements, mode_of(call))
    return Cost(elementwise_flops=flops)


def grid_sample_backward(call: OpCall) -> Cost:
    """Over gradient, image, grid: for the image per neighbour a product and an addition, for the
    grid per neighbour and axis two products and an addition.

    Source: PyTorch ``aten::grid_sampler_2d_backward``.
    """
    gradient, grid, mode = call.input(0), call.input(2), mode_of(call)
    axes = grid.shape[-1]
    taps = WIDTH[mode] ** axes
    image, place = call.attribute("output_mask", (True, True))
    each = (2 * taps if image else 0) + (3 * axes * taps if place and taps > 1 else 0)
    weights = sampled(grid.elements // axes, axes, 0, mode)
    return Cost(elementwise_flops=weights + each * gradient.elements)


def affine_grid(call: OpCall) -> Cost:
    """Per coordinate ``axes`` products and as many additions.

    Source: ONNX AffineGrid-20; PyTorch ``aten::affine_grid_generator``.
    """
    return Cost(elementwise_flops=2 * call.output.shape[-1] * call.output.elements)


def affine_grid_backward(call: OpCall) -> Cost:
    """Per coordinate of the gradient a product and an addition into each of ``axes + 1`` numbers.

    Source: PyTorch ``aten::affine_grid_generator_backward``.
    """
    gradient = call.input(0)
    axes = len(call.attribute("size")) - 2
    return Cost(elementwise_flops=2 * (axes + 1) * gradient.elements)
