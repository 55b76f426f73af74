"""Find installed plugins, and pick the entry that serves a target."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import evolve, field, fields, frozen
from pluggy import PluginManager

from qreg import __version__, hooks
from qreg.errors import QregError, cause_of, hint
from qreg.specs import API, OWN, RegistrySpec, Spec

if sys.version_info >= (3, 12):
    from importlib.metadata import Distribution, EntryPoint, entry_points
else:
    from importlib_metadata import Distribution, EntryPoint, entry_points

if TYPE_CHECKING:
    from types import ModuleType

GROUP = "qreg"
EXACT, PACKET, GLOB, NONE = 3, 2, 1, 0

S_co = TypeVar("S_co", bound=Spec, covariant=True)
S = TypeVar("S", bound=Spec)


@frozen
class Entry(Generic[S_co]):
    """One spec, and the plugin and distribution it came from."""

    plugin: str
    distribution: str
    version: str
    module: str
    spec: S_co

    @property
    def id(self) -> str:
        return f"{self.plugin}/{self.spec.name}"

    @property
    def whose(self) -> str:
        """What to blame: registry, id and distribution."""
        return f"{self.spec.registry} {self.id} ({self.distribution} {self.version})"

    def wrong(self, name: str, answer: Any, about: str) -> QregError:
        """The error for a callable in field ``name`` whose answer its contract does not allow."""
        contract = getattr(fields(type(self.spec)), name).metadata["contract"]
        return QregError(
            f"{about}: {self.whose} gave {type(answer).__name__}; its contract is {contract}; "
            "that is a fault of the plugin"
        )

    def call(self, name: str, *arguments: Any, about: str = "") -> Any:
        """What the callable in field ``name`` gives. Its faults are told with whose they are.

        ``about`` is the place, for example ``node 'conv1' (onnx.Conv)``. QregError passes as it is.
        """
        place, whose = f"{about}: " if about else "", self.whose
        try:
            function = getattr(self.spec, name).load()
        except QregError as exc:
            cure = f"; {self.spec.needs}" if self.spec.needs else ""
            raise QregError(f"{place}{whose}: {exc}{cure}") from exc
        try:
            return function(*arguments)
        except (QregError, OSError):  # a full disk or a closed pipe is no fault of the plugin
            raise
        except Exception as exc:
            if os.environ.get("QREG_TRACEBACK"):
                raise
            raise QregError(
                f"{place}{whose} failed: {cause_of(exc)}; that is a fault of the plugin "
                "(QREG_TRACEBACK=1 shows where)"
            ) from exc


@frozen
class Broken:
    """A plugin that cannot be used, and why."""

    plugin: str
    distribution: str
    version: str
    cause: str


@frozen
class Catalogue:
    """Everything the installed plugins declare. A value: tests build their own."""

    entries: tuple[Entry[Spec], ...] = ()
    broken: tuple[Broken, ...] = ()
    pins: Mapping[str, Sequence[str]] = field(factory=dict)  # target -> ids
    listeners: tuple[Any, ...] = ()  # plugin modules with event hooks
    load_ms: Mapping[str, float] = field(factory=dict)  # plugin -> time its module took
    _chosen: dict[Any, Any] = field(init=False, factory=dict, eq=False, repr=False)  # by question

    def of(self, kind: type[S]) -> tuple[Entry[S], ...]:
        """The entries of one registry."""
        return tuple(e for e in self.entries if isinstance(e.spec, kind))  # type: ignore[misc]

    def find(self, kind: type[S], use: str) -> Entry[S]:
        """The entry that ``use`` names: an id, or a name where that is unique."""
        entries = self.of(kind)
        named = [e for e in entries if use in (e.id, e.spec.name)]
        if len(named) == 1:
            return named[0]
        what = kind.registry.removesuffix("s").replace("_", " ")
        if named:
            ids = " or ".join(repr(e.id) for e in named)
            raise QregError(f"{use!r} is ambiguous: write {ids}")
        known = [e.id for e in entries] + [e.spec.name for e in entries]
        raise QregError(f"no {what} {use!r}{hint(use, known)}{self._blame(use)}")

    def choose(
        self, kind: type[S], target: str, opset: int | None = None, **accepts: Any
    ) -> Entry[S] | None:
        """The entry that serves ``target``; None is unknown, which nobody may count as zero.

        ``accepts`` narrows by field: ``dtypes="int8"`` keeps specs whose ``dtypes`` contain it,
        ``isa={...}`` those whose ``isa`` is a subset. A pin decides; else the most specific
        target, the most required ISA features, the latest ``since``; else ``overrides``.
        """
        if accepts:
            return self._choose(kind, target, opset, accepts)
        question = (kind, target, opset)  # asked for every op of every model
        if question not in self._chosen:
            self._chosen[question] = self._choose(kind, target, opset, accepts)
        chosen: Entry[S] | None = self._chosen[question]
        return chosen

    def _choose(
        self, kind: type[S], target: str, opset: int | None, accepts: Mapping[str, Any]
    ) -> Entry[S] | None:
        named = self.pins.get(target, ())
        claims = [e for e in self.of(kind) if rank_of(e.spec, target) > NONE]
        able = [e for e in claims if (opset is None or e.spec.since <= opset)
                and _accepted(e.spec, accepts)]  # fmt: skip
        pinned = [e for e in able if e.id in named]
        unable = [e for e in claims if e.id in named and e not in able]
        if unable and not pinned:
            given = {"operator set": opset, **accepts}
            raise QregError(
                f"[pin] {target!r} = {unable[0].id!r} does not serve it with "
                + ", ".join(f"{k} {v if v else 'none'}" for k, v in given.items())
            )
        return _settle(pinned or able, target)

    def pinned(self, pins: Mapping[str, Sequence[str]]) -> "Catalogue":
        """The same with ``pins`` in force."""
        return evolve(self, pins=dict(pins)) if pins else self

    def _blame(self, use: str) -> str:
        plugin = use.partition("/")[0]
        causes = [f"; plugin {b.plugin!r} is broken: {b.cause}" for b in self.broken
                  if b.plugin == plugin]  # fmt: skip
        return "".join(causes)


def discover() -> Catalogue:
    """Read every entry point of group ``qreg``; a plugin that fails is kept as broken.

    ``QREG_PLUGINS=conv,quant`` restricts discovery to the plugins named.
    """
    entries = [Entry("core", "qreg", __version__, "qreg.specs", spec) for spec in OWN]
    broken: list[Broken] = []
    listeners: dict[str, ModuleType] = {}
    load_ms: dict[str, float] = {}
    manager = PluginManager("qreg")
    manager.add_hookspecs(hooks)
    points = sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value))
    for point in _wanted(points):
        name = version = "?"
        rivals = [p for p in points if p.name == point.name]
        begin = time.perf_counter()
        try:
            name, version = _distribution(point)
            if len(rivals) > 1:
                names = " and ".join(_distribution(p)[0] for p in rivals)
                raise QregError(
                    f"the plugin name is taken by {names}: uninstall one or rename its entry point"
                )
            module, specs = load_plugin(point, manager)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001  third-party code may raise anything, or exit
            broken.append(Broken(point.name, name, version, cause_of(exc)))
        else:
            entries += [Entry(point.name, name, version, module.__name__, s) for s in specs]
            listeners[point.name] = module
        load_ms[point.name] = (time.perf_counter() - begin) * 1e3
    return _without_undeclared(entries, broken, listeners, load_ms)


def _wanted(points: list[EntryPoint]) -> list[EntryPoint]:
    named = {n.strip() for n in os.environ.get("QREG_PLUGINS", "").split(",") if n.strip()}
    known = {p.name for p in points}
    for name in sorted(named - known):
        raise QregError(f"QREG_PLUGINS: no plugin {name!r} is installed{hint(name, known)}")
    return [p for p in points if not named or p.name in named]


def load_plugin(point: EntryPoint, manager: PluginManager) -> "tuple[ModuleType, tuple[Spec, ...]]":
    """Import one plugin's module and call its hook alone; raise on whatever is wrong with it."""
    module = point.load()
    api = getattr(module, "QREG_API", None)
    if api != API:
        raise QregError(f"written for plugin API {api}; this qreg provides {API}")
    try:
        manager.register(module, point.name)
        answers = manager.hook.qreg_specs()
    finally:
        if manager.is_registered(module):
            manager.unregister(module)
    if len(answers) != 1:
        raise QregError(f"{point.value} has no hook qreg_specs() marked with @qreg.hooks.hookimpl")
    specs = answers[0]
    if not isinstance(specs, tuple) or not all(isinstance(s, Spec) for s in specs):
        raise QregError("qreg_specs() must return a tuple of specs")
    keys = [(s.registry, s.name) for s in specs]
    for registry, name in keys:
        if keys.count((registry, name)) > 1:
            raise QregError(f"{registry} entry {name!r} is declared twice")
    return module, specs


def rank(pattern: str, target: str) -> int:
    """How specifically ``pattern`` names ``target``: exact, op packet, glob, or not at all."""
    if pattern == target:
        return EXACT
    if target.startswith(pattern + "."):
        return PACKET
    is_glob = any(sign in pattern for sign in "*?[")
    return GLOB if is_glob and fnmatchcase(target, pattern) else NONE


def rank_of(spec: Spec, target: str) -> int:
    return max((rank(pattern, target) for pattern in spec.targets), default=NONE)


def _accepted(spec: Spec, accepts: Mapping[str, Any]) -> bool:
    for name, value in accepts.items():
        offered = getattr(spec, name)
        ok = set(offered) <= value if isinstance(value, (set, frozenset)) else value in offered
        if not ok:
            return False
    return True


def _settle(claims: list[Entry[S]], target: str) -> Entry[S] | None:
    if not claims:
        return None
    keys = [
        (rank_of(e.spec, target), len(getattr(e.spec, "isa", ())), e.spec.since) for e in claims
    ]
    best = [e for key, e in zip(keys, claims, strict=True) if key == max(keys)]
    return undisputed(best, target)


def undisputed(best: Sequence[Entry[S]], target: str) -> Entry[S]:
    """The one of equal claims that ``overrides`` the others; else an error that names the cure."""
    replaced = {old for e in best for old in e.spec.overrides}
    left = [e for e in best if e.id not in replaced] or best
    if len(left) > 1:
        registry = left[0].spec.registry
        listing = "".join(f"\n  {e.id:<24}{e.distribution} {e.version}" for e in left)
        raise QregError(
            f"{len(left)} {registry} claim {target}:{listing}\n"
            f'choose one in the pipeline:\n  [pin]\n  "{target}" = "{left[0].id}"\n'
            f"or on the command line: --pin {target}={left[0].id}"
        )
    return left[0]


@cache  # one distribution, many plugins
def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    """From the header lines: the library's own reader loads an e-mail parser, 20 ms for two words."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    header = dict(line.partition(": ")[::2] for line in text.partition("\n\n")[0].splitlines())
    if "Name" not in header or "Version" not in header:
        raise QregError("its metadata has no name or version: install it again")
    return header["Name"], header["Version"]


def _distribution(point: EntryPoint) -> tuple[str, str]:
    if point.dist is None:
        return "?", "?"
    return _name_and_version(point.dist)  # type: ignore[arg-type]  # its protocol lacks __hash__


def _without_undeclared(
    entries: list[Entry[Spec]],
    broken: list[Broken],
    listeners: "dict[str, ModuleType]",
    load_ms: dict[str, float],
) -> Catalogue:
    """Plugins that use a registry nobody declares are broken too, and so who relies on theirs."""
    while True:
        declared = {e.spec.name for e in entries if isinstance(e.spec, RegistrySpec)}
        lost = {e.plugin: e for e in entries if e.spec.registry not in declared}
        if not lost:
            return Catalogue(tuple(entries), tuple(broken), {}, tuple(listeners.values()), load_ms)
        for plugin, e in lost.items():
            cause = f"{e.spec.name!r} is for registry {e.spec.registry!r}, which no plugin declares"
            broken.append(Broken(plugin, e.distribution, e.version, cause))
            listeners.pop(plugin, None)
        entries = [e for e in entries if e.plugin not in lost]
