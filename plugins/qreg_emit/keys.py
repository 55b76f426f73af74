"""The keys of a context that mean the same to every emitter (see ``contract``), and their types."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from qreg_emit.literals import C_TYPES
from qreg_emit.names import IDENTIFIER, RESERVED

OWN_KEYS = ("arrays", "scratch", "helpers", "headers", "shares", "exact", "notes")


def fault(context: Any) -> str:
    """What is wrong with the types of the context's own keys."""
    if not isinstance(context, Mapping):
        return f"expected a dict, found {type(context).__name__}"
    for key in ("arrays", "scratch"):
        named = context.get(key, {})
        if not isinstance(named, Mapping):
            return f"{key} must be a dict"
        for name in named:
            if not isinstance(name, str) or not IDENTIFIER.fullmatch(name) or name in RESERVED:
                return f"{name!r} is no C identifier"
    for name, array in context.get("arrays", {}).items():
        if not isinstance(array, np.ndarray) or not array.size or array.dtype.name not in C_TYPES:
            return f"arrays[{name!r}] must be a numpy array with elements of a C type"
    for name, wanted in context.get("scratch", {}).items():
        if not isinstance(wanted, tuple) or len(wanted) != 2 or wanted[0] not in C_TYPES:
            return f"scratch[{name!r}] must be (dtype, elements) of a C type"
    for key in ("helpers", "headers", "notes"):
        texts = context.get(key, ())
        if not isinstance(texts, (tuple, list)) or not all(isinstance(t, str) for t in texts):
            return f"{key} must be a tuple of strings"
    return ""
