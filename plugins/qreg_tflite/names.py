"""Names of a TFLite file as names of layers and tensors."""

import re
from collections.abc import Sequence

LONGEST = 1000
# What converters append to the path of a layer, by the operator it became.
PARTS = re.compile(
    r"(.+)/(?:Conv2D|Conv3D|Conv1D|depthwise|separable_conv2d|conv2d_transpose|MatMul|Tensordot"
    r"|BiasAdd|einsum|convolution)(?:/.*)?"
)


def clean(raw: bytes | str) -> str:
    """A name on one line. A file may hold any bytes: what cannot be shown becomes ``_``."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    shown = "".join(
        c if c.isprintable() and c != "\N{REPLACEMENT CHARACTER}" else "_" for c in text
    )
    return shown.strip()[:LONGEST]


def layer_name(output: str, parameters: Sequence[str]) -> str:
    """The module path that an operator's names tell, with dots: ``model.conv2d_1``.

    Converters write paths with ``/`` and join the names of fused operators by ``;``, followers
    first. A stored parameter that names a contraction (``a/conv2d/Conv2D``) tells the layer; else
    the last name of the result does.
    """
    for name in (*parameters, output) if parameters else ():
        for part in name.split(";"):
            match = PARTS.fullmatch(part.strip())
            if match:
                return _dotted(match[1])
    return _dotted(output.rsplit(";", maxsplit=1)[-1])


def _dotted(path: str) -> str:
    return path.strip("/ ").replace("/", ".")
