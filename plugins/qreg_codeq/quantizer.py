"""The dead-zone quantiser of one weight, as a parametrisation.

Source: Wenshøj et al., "CoDeQ: End-to-End Joint Model Compression with Dead-Zone Quantizer for
High-Sparsity and Low-Precision Networks", arXiv 2512.12981, eq. 9-19, and its reference code for
the quantile and the two guards of 1e-8.
"""

from math import floor
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn

from qreg.errors import QregError
from qreg_codeq.straight_through import dead_zone_quantize, round_half_even

EPSILON = 1e-8  # keeps the step from 0 where the dead zone covers the whole range
FEWEST_BITS, MOST_BITS = 2, 24  # one bit leaves no level but 0; float32 counts exactly to 2^24
RETREAT = "take the last good state_dict and a lower learning rate"
PLAIN = (Tensor, nn.Parameter)


@frozen(kw_only=True)
class Grid:
    """The levels a weight is rounded to. ``dead_zone`` is the width of what becomes 0."""

    bits: int
    absmax: float
    dead_zone: float
    step: float

    @property
    def shift(self) -> float:
        """What every level but 0 lies off a multiple of the step; negative where the step is wide."""
        return (self.dead_zone - self.step) / 2

    @property
    def levels(self) -> tuple[float, ...]:
        """Ascending, 0 in the middle: 2^bits - 1 of them."""
        above = [self.shift + k * self.step for k in range(1, 2 ** (self.bits - 1))]
        return (*(-level for level in reversed(above)), 0.0, *above)


class DeadZoneQuantizer(nn.Module):
    """``weight`` rounded to the levels of its ``Grid``, with gradients to it and to both thetas.

    ``bits`` is a number, or the range within which the width is learned. ``theta_dz`` sets the dead
    zone, 2 absmax (1 - |tanh theta_dz|) wide; ``theta_bit`` the width, from the fewest bits at 0 to
    the most. ``quantile`` of the magnitudes is ``absmax``, and 1.0 the largest. ``layer`` is what
    messages call the weight. While ``enabled`` is False the weight passes as it is.

    Raises QregError for settings that mean nothing; a weight that is not finite or has no range
    raises it when it is quantised, outside of tracing and compilation.
    """

    def __init__(
        self,
        bits: int | tuple[int, int] = (2, 8),
        *,
        theta_dz: float = 3.0,
        theta_bit: float = 3.0,
        quantile: float = 0.99,
        layer: str = "weight",
    ) -> None:
        super().__init__()
        self.layer, self.enabled = layer, True
        self.min_bits, self.max_bits = bits if isinstance(bits, tuple) else (bits, bits)
        self.quantile = quantile
        self._check_settings()
        learned = self.min_bits < self.max_bits
        self.theta_dz = nn.Parameter(torch.tensor(float(theta_dz)))
        self.theta_bit = nn.Parameter(torch.tensor(float(theta_bit))) if learned else None

    @property
    def bits(self) -> int:
        """Bits of a quantised weight, as learned so far."""
        self._check_thetas()
        with torch.no_grad():
            return int(self._width().item())

    def grid(self, weight: Tensor) -> Grid:
        """The levels that ``weight``, the float one, has at present."""
        with torch.no_grad():
            absmax, dead_zone, step, _ = self._sizes(_widened(weight))
        return Grid(
            bits=self.bits, absmax=absmax.item(), dead_zone=dead_zone.item(), step=step.item()
        )

    def forward(self, weight: Tensor) -> Tensor:
        if not self.enabled:
            return weight
        wide = _widened(weight)
        _, dead_zone, step, top = self._sizes(wide)
        return dead_zone_quantize(wide, (dead_zone - step) / 2, step, top).to(weight.dtype)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What is stored when a weight is assigned: the float weight itself."""
        return weight

    def get_extra_state(self) -> Tensor:
        """The settings, so that a checkpoint computes what was trained."""
        return torch.tensor([self.min_bits, self.max_bits, self.quantile], dtype=torch.float64)

    def set_extra_state(self, state: Any) -> None:
        smallest, largest, self.quantile = state.tolist()
        self.min_bits, self.max_bits = int(smallest), int(largest)

    def extra_repr(self) -> str:
        width = self.max_bits if self.theta_bit is None else (self.min_bits, self.max_bits)
        return f"bits={width}, quantile={self.quantile}"

    def _sizes(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(absmax, width of the dead zone, step, largest code) as scalars. Source: CoDeQ, eq. 9-19."""
        absmax, largest = self._range(weight.detach().abs().flatten())
        top = torch.pow(2.0, self._width().to(weight) - 1) - 1
        dead_zone = 2 * absmax * (1 - torch.tanh(self.theta_dz.to(weight)).abs())
        step = (absmax - dead_zone / 2) / (top - 0.5) + EPSILON
        if type(weight) in PLAIN and not (weight.is_meta or torch.compiler.is_compiling()):
            self._check(weight, absmax, largest, step)
        return absmax, dead_zone, step, top

    def _width(self) -> Tensor:
        """Bits as a number without fraction, with the gradient of the number before rounding."""
        if self.theta_bit is None:
            return self.theta_dz.new_tensor(self.max_bits)
        room = self.max_bits - self.min_bits
        exact = room * torch.tanh(self.theta_bit).abs() + self.min_bits
        return round_half_even(exact)

    def _range(self, magnitudes: Tensor) -> tuple[Tensor, Tensor]:
        """(the quantile, linear between the two nearest; the largest, which NaN counts as)."""
        last = magnitudes.numel() - 1
        position = self.quantile * last
        below = min(floor(position), last)
        # torch.quantile takes 2^24 elements at most, and sorts all of them.
        top = magnitudes.topk(last - below + 1).values
        return top[-1].lerp(top[max(last - below - 1, 0)], position - below), top[0]

    def _check(self, weight: Tensor, absmax: Tensor, largest: Tensor, step: Tensor) -> None:
        good = torch.isfinite(largest) & torch.isfinite(step) & ((absmax > 0) | (largest == 0))
        if bool(good):  # one wait for the device
            return
        wrong = int((~torch.isfinite(weight)).sum())
        if wrong:
            raise QregError(
                f"{self.layer}: {wrong} of {weight.numel()} weights are NaN or infinite and have "
                f"no level; {RETREAT}"
            )
        self._check_thetas()
        raise QregError(
            f"{self.layer}: {int((weight != 0).sum())} of {weight.numel()} weights are not zero, "
            f"so quantile {self.quantile} of the magnitudes is 0 and leaves no range; "
            "quantile=1.0 takes the largest"
        )

    def _check_thetas(self) -> None:
        for name, theta in (("theta_dz", self.theta_dz), ("theta_bit", self.theta_bit)):
            if theta is not None and not bool(torch.isfinite(theta)):
                raise QregError(f"{self.layer}: {name} is {theta.item()}; {RETREAT}")

    def _check_settings(self) -> None:
        few, many = self.min_bits, self.max_bits
        whole = isinstance(few, int) and isinstance(many, int)
        if not (whole and FEWEST_BITS <= few <= many <= MOST_BITS):
            raise QregError(
                f"{self.layer}: bits={few if few == many else (few, many)}: give a number from "
                f"{FEWEST_BITS} to {MOST_BITS}, or two of them, the fewer first"
            )
        if not 0 < self.quantile <= 1:
            raise QregError(
                f"{self.layer}: quantile={self.quantile}: give a number above 0 and up to 1"
            )


def _widened(weight: Tensor) -> Tensor:
    """At least float32: in float16 the guard of 1e-8 is 0."""
    return weight.float() if weight.element_size() < 4 else weight
