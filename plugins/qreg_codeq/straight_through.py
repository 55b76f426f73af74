"""Rounding that lets gradients pass.

Source: Wenshøj et al., "CoDeQ", arXiv 2512.12981, eq. 9-19; straight-through estimators are
Bengio, Léonard and Courville, arXiv 1308.3432.
"""

from typing import Any

import torch
from torch import Tensor


def dead_zone_quantize(weight: Tensor, shift: Tensor, step: Tensor, top: Tensor) -> Tensor:
    """step * q + shift * sign(q) with the codes q of ``weight``, integers of magnitude <= ``top``.

    q = clamp(round(sign(w) relu(|w| - shift) / step)), half to even, so that a weight on the edge
    of the dead zone becomes 0. Backwards round, clamp and relu count as the identity and sign as a
    constant: d/dw is 1 everywhere, also at w = 0; d/dstep is the rounding error, q less what was
    rounded; d/dshift is sign(q) - sign(w), nothing but for the weights in the dead zone.
    Source: CoDeQ, eq. 9-19.
    """
    quantized: Tensor = _DeadZone.apply(weight, shift, step, top)  # type: ignore[no-untyped-call]
    return quantized


def round_half_even(value: Tensor) -> Tensor:
    """The nearest whole number, with the gradient of ``value`` itself."""
    rounded: Tensor = _Round.apply(value)  # type: ignore[no-untyped-call]
    return rounded


def _codes(weight: Tensor, shift: Tensor, step: Tensor, top: Tensor) -> tuple[Tensor, Tensor]:
    """(what is rounded, the codes)."""
    scaled = weight.sign() * (weight.abs() - shift).relu() / step
    return scaled, scaled.round().clamp(-top, top)


class _DeadZone(torch.autograd.Function):
    """See ``dead_zone_quantize``. Codes are computed again backwards, which saves keeping them."""

    @staticmethod
    def forward(weight: Tensor, shift: Tensor, step: Tensor, top: Tensor) -> Tensor:
        _, codes = _codes(weight, shift, step, top)
        return step * codes + shift * codes.sign()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        weight, shift, step, top = ctx.saved_tensors
        scaled, codes = _codes(weight, shift, step, top)
        to_shift = (grad * (codes.sign() - weight.sign())).sum()
        return grad, to_shift, (grad * (codes - scaled)).sum(), None


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(value: Tensor) -> Tensor:
        return value.round()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad
