"""PyTorch's tensors as numpy arrays and back, without copying where both can look at the same bytes."""

import warnings

import ml_dtypes
import numpy as np
import torch

from qreg.records import Array

# Types that numpy knows through ml_dtypes only, and integers of their size to carry the bytes.
CARRIED = {
    torch.bfloat16: (torch.int16, np.dtype(ml_dtypes.bfloat16)),
    torch.float8_e4m3fn: (torch.uint8, np.dtype(ml_dtypes.float8_e4m3fn)),
    torch.float8_e4m3fnuz: (torch.uint8, np.dtype(ml_dtypes.float8_e4m3fnuz)),
    torch.float8_e5m2: (torch.uint8, np.dtype(ml_dtypes.float8_e5m2)),
    torch.float8_e5m2fnuz: (torch.uint8, np.dtype(ml_dtypes.float8_e5m2fnuz)),
}
CARRIERS = {kind: (carrier, dtype) for dtype, (carrier, kind) in CARRIED.items()}


def to_array(tensor: torch.Tensor) -> Array:
    """The numbers of a tensor, ``bfloat16`` and 8-bit floats as the types of ml_dtypes.

    Of a quantised tensor the integers it stores; of a tensor class of its own what it stands for.
    """
    plain = dense(tensor.detach()).cpu().resolve_conj().resolve_neg()
    if plain.dtype in CARRIED:
        carrier, kind = CARRIED[plain.dtype]
        return plain.contiguous().view(carrier).numpy().view(kind)
    found: Array = plain.numpy()
    return found


def dense(tensor: torch.Tensor) -> torch.Tensor:
    """The same as an ordinary tensor: each element stored, at full length."""
    if is_own_class(tensor) and hasattr(tensor, "dequantize"):
        tensor = tensor.dequantize()
    if tensor.is_quantized:
        return tensor.int_repr()
    return tensor if tensor.layout == torch.strided else tensor.to_dense()


def is_own_class(tensor: torch.Tensor) -> bool:
    """Whether it is of a class that somebody derived, which may store less than it stands for."""
    return type(tensor) not in (torch.Tensor, torch.nn.Parameter)


def to_tensor(array: Array) -> torch.Tensor:
    """A tensor that looks at the array's numbers. It must not be written to."""
    found = np.asarray(array)
    if found.dtype in CARRIERS:
        carrier, dtype = CARRIERS[found.dtype]
        width = np.int16 if carrier == torch.int16 else np.uint8
        return to_tensor(np.ascontiguousarray(found).view(width)).view(dtype)
    if any(s < 0 for s in found.strides) or not found.dtype.isnative:
        found = found.astype(found.dtype.newbyteorder("="), order="C")
    if found.flags.writeable:
        return torch.from_numpy(found)
    with warnings.catch_warnings():  # nobody writes to it
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(found)
