"""Quantisers on the layers of a network: attached by name, found again, taken off."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial

import torch
from attrs import frozen
from torch import nn
from torch.nn.utils import parametrize

from qreg.errors import QregError
from qreg_codeq.layers import Layer, find_layers
from qreg_codeq.quantizer import DeadZoneQuantizer

Patterns = str | Iterable[str]


@frozen
class Attached:
    """Quantisers by layer; every other layer that has parameters, by the reason it got none."""

    layers: Mapping[str, DeadZoneQuantizer]
    skipped: Mapping[str, str]


def attach_quantizers(
    model: nn.Module,
    include: Patterns = ("*",),
    exclude: Patterns = (),
    *,
    bits: int | tuple[int, int] = (2, 8),
    theta_dz: float = 3.0,
    theta_bit: float = 3.0,
    quantile: float = 0.99,
    norms: bool = False,
) -> Attached:
    """Puts a quantiser on each layer that ``include`` names and ``exclude`` does not.

    A pattern is the whole path of a layer or a glob over it: ``conv1`` is not ``layer1.0.conv1``,
    ``*conv1`` is both. Normalisations and weights of one axis get one with ``norms=True`` only.
    A weight that layers share has one quantiser. Raises QregError, and changes nothing, for a
    pattern that selects nothing, and for a weight that has no levels.
    """
    layers = find_layers(model)
    reasons = _reasons(layers, include, exclude, norms)
    chosen = [layer for layer, reason in reasons.items() if not reason]
    new = partial(
        DeadZoneQuantizer, bits, theta_dz=theta_dz, theta_bit=theta_bit, quantile=quantile
    )
    for layer, quantizer in _made(chosen, new):
        _own_class(layer.module)
        # Unsafe is not to compare types and shapes, which would only quantise once more.
        parametrize.register_parametrization(layer.module, layer.tensor, quantizer, unsafe=True)
        layer.module.get_submodule("parametrizations").train(layer.module.training)
    return Attached(
        layers=_by_name(chosen),
        skipped={layer.name: reason for layer, reason in reasons.items() if reason},
    )


def detach_quantizers(model: nn.Module, keep: bool = True) -> dict[str, int | None]:
    """Takes every quantiser off; gives the bits by layer, None for one that was switched off.

    The layers keep their quantised weights, or with ``keep=False`` the float ones. They stay the
    same parameters, so an optimiser goes on with them.
    """
    layers = [layer for layer in find_layers(model) if layer.quantizer]
    for layer in layers:
        if len(layer.parametrizations) > 1:
            raise QregError(
                f"{layer.name}: its weight has other parametrisations beside the quantiser, which "
                "would go with it; remove those first"
            )
    bits = {n: q.bits if q.enabled else None for n, q in _by_name(layers).items()}
    with torch.no_grad():  # all of them first: layers may share a weight
        baked = [getattr(layer.module, layer.tensor) for layer in layers]
    for layer, weight in zip(layers, baked, strict=True):
        _own_class(layer.module)
        parametrize.remove_parametrizations(layer.module, layer.tensor, leave_parametrized=False)
        if keep:
            layer.weight.data.copy_(weight)
    return bits


def quantizers(model: nn.Module) -> dict[str, DeadZoneQuantizer]:
    """The quantisers of a model by layer. Raises QregError where there is none."""
    found = _by_name(find_layers(model))
    if not found:
        raise QregError("the model has no quantisers; attach_quantizers(model) puts them on")
    return found


def _reasons(
    layers: Sequence[Layer], include: Patterns, exclude: Patterns, norms: bool
) -> dict[Layer, str]:
    """Why each layer gets no quantiser; "" where it gets one, as one does of every pattern."""
    wanted = _selected("include", include, layers)
    excluded = set().union(*_selected("exclude", exclude, layers).values())
    included = set().union(*wanted.values())
    reasons = dict.fromkeys(layers, "not included")
    reasons |= {layer: layer.obstacle(norms) for layer in layers if layer in included - excluded}
    reasons |= dict.fromkeys(excluded, "excluded")
    _check_each_gives_one(wanted, reasons)
    return reasons


def _selected(role: str, patterns: Patterns, layers: Sequence[Layer]) -> dict[str, set[Layer]]:
    """The layers of each pattern, at least one."""
    given = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    found = {
        pattern: {la for la in layers if any(fnmatchcase(name, pattern) for name in la.names)}
        for pattern in given
    }
    for pattern, chosen in found.items():
        if not chosen:
            names = [name for layer in layers for name in layer.names]
            raise QregError(
                f"{role} pattern {pattern!r} names no layer: a pattern is a whole name, or a glob "
                f"over it such as '*.conv1'; {_near(pattern, names)}"
            )
    return found


def _near(pattern: str, names: list[str]) -> str:
    """What may have been meant: layers inside, names that contain it, names like it."""
    inside = [f"{pattern}.*"] if any(name.startswith(f"{pattern}.") for name in names) else []
    parts = [name for name in names if pattern and pattern in name]
    alike = get_close_matches(pattern, names, 3)
    near = list(dict.fromkeys((*inside, *alike, *parts)))[:3]
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"layers are {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"


def _check_each_gives_one(wanted: Mapping[str, set[Layer]], reasons: Mapping[Layer, str]) -> None:
    for pattern, layers in wanted.items():
        told = [f"{la.name}: {why}" for la, why in reasons.items() if why and la in layers]
        if len(told) == len(layers):
            more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
            raise QregError(
                f"include pattern {pattern!r} gives nothing to quantise: "
                f"{'; '.join(told[:3])}{more}"
            )


def _made(
    layers: Sequence[Layer], new: Callable[..., DeadZoneQuantizer]
) -> list[tuple[Layer, DeadZoneQuantizer]]:
    """Each layer with its quantiser, which has been asked for the levels of the weight."""
    made: dict[int, DeadZoneQuantizer] = {}
    for layer in layers:
        weight = layer.weight
        if id(weight) not in made:
            made[id(weight)] = new(layer=layer.name or "the model").to(weight.device)
            made[id(weight)].grid(weight)
    return [(layer, made[id(layer.weight)]) for layer in layers]


def _by_name(layers: Iterable[Layer]) -> dict[str, DeadZoneQuantizer]:
    return {layer.name: layer.quantizer for layer in layers if layer.quantizer}


def _own_class(module: nn.Module) -> None:
    """A deep copy shares the class that torch made for the original, and torch edits that class."""
    if parametrize.is_parametrized(module):
        made = type(module)
        body = {k: v for k, v in vars(made).items() if k not in {"__dict__", "__weakref__"}}
        module.__class__ = type(made.__name__, made.__bases__, body)
