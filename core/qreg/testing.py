"""What plugin authors check their plugin with; ``qreg check --plugins`` uses it too."""

import inspect
from importlib.resources import files
from typing import Any

from attrs import fields, has

from qreg.catalogue import Catalogue, Entry, discover
from qreg.errors import QregError
from qreg.specs import Ref, Spec


def check_plugin(name: str, catalogue: Catalogue | None = None) -> None:
    """Raise QregError with every fault of an installed plugin; return where there is none."""
    found = catalogue or discover()
    faults = [b.cause for b in found.broken if b.plugin == name]
    entries = [e for e in found.entries if e.plugin == name]
    if not faults and not entries:
        raise QregError(f"no plugin {name!r} is installed (entry-point group 'qreg')")
    faults += [fault for e in entries for fault in faults_of(e)]
    if faults:
        raise QregError("\n".join(faults))


def not_installed(entry: Entry[Spec]) -> bool:
    """Whether an entry that says what it needs lacks just that: a package that is not there."""
    refs = [
        v for a in fields(type(entry.spec)) if isinstance(v := getattr(entry.spec, a.name), Ref)
    ]
    for ref in refs if entry.spec.needs else ():
        try:
            ref.load()
        except QregError as exc:
            if isinstance(exc.__cause__, ModuleNotFoundError):
                return True
    return False


def faults_of(entry: Entry[Spec]) -> list[str]:
    """Import paths that do not resolve, callables with other arguments, resources not there."""
    faults: list[str] = []
    if not_installed(entry):
        return faults
    where = f"{entry.spec.registry} {entry.id} ({entry.distribution})"
    for attribute in fields(type(entry.spec)):
        value = getattr(entry.spec, attribute.name)
        if isinstance(value, Ref):
            fault = _fault_of_ref(value, attribute.metadata)
        elif attribute.name in ("template", "profile"):
            fault = _fault_of_resource(value)
        else:
            continue
        if fault:
            faults.append(f"{where}: {attribute.name}: {fault}")
    return faults


def _fault_of_ref(ref: Ref, contract: Any) -> str:
    try:
        target = ref.load()
        if "arguments" not in contract:
            return ""  # a registry of a plugin: nothing is said of the callable
        if contract["arguments"] is None:
            return "" if has(target) else f"{ref.path} must be an attrs class"
        inspect.signature(target).bind(*range(contract["arguments"]))
    except QregError as exc:
        return str(exc)
    except TypeError as exc:
        return f"{ref.path}: {exc}; its contract is {contract['contract']}"
    return ""


def _fault_of_resource(path: str) -> str:
    package, _, name = path.partition(":")
    try:
        found = files(package).joinpath(name).is_file()
    except ModuleNotFoundError as exc:
        return str(exc)
    return "" if found else f"{path}: no such file in the package"
