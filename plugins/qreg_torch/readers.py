"""Bits of weights quantised by the tools people use. Each reader takes what holds or makes a weight."""

import math
import re
from typing import Any

import torch

_DIGITS = re.compile(r"\d+")


def fake_quantize(quantizer: Any, weight: torch.Tensor) -> int | None:
    """Of torch.ao.quantization.FakeQuantize as a parametrisation; None while it is switched off."""
    if any(weight is own for own in quantizer.__dict__.get("_buffers", {}).values()):
        return None  # its scale, for example
    enabled = getattr(quantizer, "fake_quant_enabled", None)
    off = isinstance(enabled, torch.Tensor) and not enabled.is_meta and not bool(enabled.any())
    return None if off else _levels(quantizer)


def quantization_aware(module: Any, weight: torch.Tensor) -> int | None:
    """Of a module of torch.ao.nn.qat, which quantises its weight whenever it runs."""
    quantizer = getattr(module, "weight_fake_quant", None)
    if quantizer is None or not _is_weight_of(module, weight):
        return None
    return fake_quantize(quantizer, weight)


def brevitas(module: Any, weight: torch.Tensor) -> int | None:
    """Of a layer of Brevitas: what it, or the proxy that quantises its weight, says of the width."""
    proxy = getattr(module, "weight_quant", None)
    if not _is_weight_of(module, weight) or not getattr(proxy, "is_quant_enabled", True):
        return None
    tell = getattr(module, "quant_weight_bit_width", None) or getattr(proxy, "bit_width", None)
    if tell is None:
        return None
    with torch.no_grad():
        width = tell()
    return None if width is None else math.ceil(float(width))


def torchao(holder: Any, weight: torch.Tensor) -> int | None:
    """Of a weight of torchao's classes, or of a layer that quantises its weight whenever it runs.

    The levels it was given, else the type it stands for, else the digits of its class's name
    (``Int4Tensor`` stores two elements in a byte), else the type of the integers it stores.
    """
    if not isinstance(holder, torch.Tensor):
        config = getattr(getattr(holder, "weight_fake_quantizer", None), "config", None)
        return _digits(getattr(config, "dtype", "")) if _is_weight_of(holder, weight) else None
    inner = getattr(holder, "original_weight_tensor", None)
    if inner is not None:
        return torchao(inner, weight)
    told = _levels(holder) or _digits(getattr(holder, "target_dtype", ""))
    told = told or _digits(type(holder).__name__)
    if told is None and hasattr(holder, "tensor_impl"):
        told = 8 * int(holder.tensor_impl.get_plain()[0].dtype.itemsize)
    return told


def _levels(quantizer: Any) -> int | None:
    """Bits that number the levels from ``quant_min`` to ``quant_max``."""
    lowest, highest = getattr(quantizer, "quant_min", None), getattr(quantizer, "quant_max", None)
    if lowest is None or highest is None:
        return None
    return max(1, int(highest - lowest).bit_length())


def _digits(name: object) -> int | None:
    match = _DIGITS.search(str(name))
    return int(match[0]) if match else None


def _is_weight_of(module: Any, weight: torch.Tensor) -> bool:
    """Not its bias: what such a module says is about its weight."""
    return module.__dict__.get("_parameters", {}).get("weight") is weight
