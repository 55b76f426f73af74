"""The arrays of an ``.npz`` file that a run needs."""

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np

from qreg.errors import QregError, cause_of, hint
from qreg.records import Array
from qreg_verify.labels import LABEL

UNREADABLE = (OSError, ValueError, EOFError, BadZipFile, ZlibError, AttributeError,
              NotImplementedError)  # fmt: skip


def load(path: Path, inputs: Sequence[str], label: str) -> tuple[dict[str, Array], Array | None]:
    """(array per input, labels). Without ``label``, those named 'label' where there are any.

    Raises QregError for a file that is none, and for an array that is not in it.
    """
    if label in inputs:
        raise QregError(
            f"{path.name}: array {label!r} holds the images of input {label!r}; label names the "
            "array with one class number per image"
        )
    try:
        with path.open("rb") as file:  # numpy leaves a file open that it cannot read
            stored = np.load(file, allow_pickle=False)
            if not isinstance(stored, np.lib.npyio.NpzFile):
                save = f"numpy.savez({path.with_suffix('.npz').name!r}, {_keyword(inputs)}=...)"
                raise QregError(f"{path}: is one array without a name; save with {save}")
            for name in inputs:
                if name not in stored:
                    near = hint(name, stored.files)
                    raise QregError(f"{path.name}: no array for input {name!r}{near}")
            if label and label not in stored:
                near = hint(label, stored.files)
                raise QregError(f"{path.name}: no array {label!r} with labels{near}")
            wanted = label or (LABEL if LABEL in stored and LABEL not in inputs else "")
            return {n: stored[n] for n in inputs}, stored[wanted] if wanted else None
    except FileNotFoundError as exc:
        raise QregError(f"{path}: no such file") from exc
    except UNREADABLE as exc:
        raise QregError(
            f"{path}: is no .npz file of plain arrays ({cause_of(exc)}); write it with numpy.savez"
        ) from exc


def _keyword(inputs: Sequence[str]) -> str:
    return inputs[0] if inputs and inputs[0].isidentifier() else "name"
