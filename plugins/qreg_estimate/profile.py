"""Hardware profiles from TOML, read strictly."""

from importlib.resources import as_file, files
from pathlib import Path

from qreg.catalogue import Catalogue, Entry
from qreg.errors import Mistakes, QregError, StructureError
from qreg.pipeline import located, read_toml
from qreg.specs import HardwareProfileSpec
from qreg.structure import structure
from qreg_estimate.profile_checks import contradictions
from qreg_estimate.records import Profile


def load_profile(entry: Entry[HardwareProfileSpec]) -> Profile:
    """The profile an entry names. Raises QregError with file, line and cure."""
    package, _, name = entry.spec.profile.partition(":")
    try:
        with as_file(files(package).joinpath(name)) as path:
            return read_profile(path)
    except ModuleNotFoundError as exc:
        raise QregError(f"hardware profile {entry.id} ({entry.distribution}): {exc}") from exc


def read_profile(path: Path) -> Profile:
    """The profile in a TOML file; Mistakes tells all that is wrong, ``file:line: key: what``."""
    text, table = read_toml(path)
    try:
        profile = structure(table, Profile, Catalogue(), path.parent)
    except StructureError as exc:
        raise Mistakes(located(path, text, exc.problems)) from exc
    found = contradictions(profile)
    if found:
        raise Mistakes(located(path, text, found))
    return profile
