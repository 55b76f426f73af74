"""What draws the thetas to zero: wider dead zones and fewer bits, against the loss of the task."""

from typing import Any

import torch
from torch import Tensor, nn

from qreg_codeq.attach import quantizers


def parameter_groups(
    model: nn.Module,
    *,
    lr: float,
    weight_decay: float = 0.01,
    decay_dz: float = 0.01,
    decay_bit: float = 0.01,
    theta_lr: float | None = None,
) -> list[dict[str, Any]]:
    """Groups ``base``, ``dz`` and ``bit`` for AdamW, each with its decay; one that is empty is left out.

    AdamW's decay is decoupled: every step takes lr * decay off each theta, whatever the gradients
    are. That is what the reference code of CoDeQ does; ``penalty`` is what its paper writes.
    ``theta_lr`` is the thetas' own learning rate. Where the bits are fixed there is no theta_bit.
    """
    dz, bit = _thetas(model)
    thetas = {*dz, *bit}
    groups = (
        ("base", [p for p in model.parameters() if p not in thetas], lr, weight_decay),
        ("dz", dz, theta_lr or lr, decay_dz),
        ("bit", bit, theta_lr or lr, decay_bit),
    )
    return [
        {"name": name, "params": params, "lr": rate, "weight_decay": decay}
        for name, params, rate, decay in groups
        if params
    ]


def penalty(model: nn.Module, decay_dz: float = 0.01, decay_bit: float = 0.01) -> Tensor:
    """decay_dz * sum of theta_dz^2 + decay_bit * sum of theta_bit^2, to be added to the loss.

    With it, keep the thetas out of weight decay. Source: CoDeQ, arXiv 2512.12981, its training loss.
    """
    dz, bit = _thetas(model)
    parts = [
        decay * theta.square()
        for decay, group in ((decay_dz, dz), (decay_bit, bit))
        for theta in group
    ]
    return torch.stack([part.to(parts[0].device) for part in parts]).sum()


def _thetas(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Those of dead zones and those of widths, a shared one once."""
    found = dict.fromkeys(quantizers(model).values())
    return [q.theta_dz for q in found], [q.theta_bit for q in found if q.theta_bit is not None]
