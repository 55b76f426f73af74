"""What a plugin may declare: frozen records of names, targets and import paths; no behaviour."""

from importlib import import_module
from operator import attrgetter
from typing import Any, ClassVar

from attrs import field, fields, frozen
from attrs.converters import optional
from attrs.validators import deep_iterable, in_, instance_of, matches_re, max_len, min_len

from qreg.errors import QregError

API = 1  # raised only when a record below changes meaning; a new optional field is no change

NAME = r"[a-z][a-z0-9_-]*"
RESOURCE = r"[\w.]+:[\w./-]+"


@frozen
class Ref:
    """An import path ``package.module:attribute``, resolved when used and never by listing."""

    path: str = field(validator=matches_re(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*"))

    def load(self) -> Any:
        module, _, name = self.path.partition(":")
        try:
            return attrgetter(name)(import_module(module))
        except (Exception, SystemExit) as exc:  # importing runs third-party code
            known = isinstance(exc, (ImportError, AttributeError))
            cause = str(exc) if known else f"{type(exc).__name__}: {exc}"
            raise QregError(f"{self.path} cannot be loaded: {cause}") from exc


def call(arguments: int | None, contract: str) -> dict[str, object]:
    """Metadata of a Ref field: how many positional arguments (None: an attrs class), and what."""
    return {"arguments": arguments, "contract": contract}


def _strings() -> Any:
    return deep_iterable(instance_of(str), instance_of(tuple))


# What attrs generates for every class is most of the time of importing this module: eq and repr are
# left out, since nothing compares or prints specs, and so are slots. 20 ms less for ``qreg list``.
@frozen(kw_only=True, eq=False, repr=False, slots=False)
class Spec:
    """``targets`` name ops as a model spells them: ``onnx.Conv``, ``aten.add.Tensor``."""

    registry: ClassVar[str] = ""
    name: str = field(validator=matches_re(NAME))
    targets: tuple[str, ...] = field(default=(), validator=_strings())
    overrides: tuple[str, ...] = field(default=(), validator=_strings())  # ids it replaces
    since: int = 1  # first operator-set version the entry is written for
    summary: str = field(default="", validator=max_len(72))
    source: str = ""  # the standard, paper or data sheet behind it
    needs: str = ""  # the cure when its import fails: ``pip install 'qreg[torch]'``


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class RegistrySpec(Spec):
    """A named kind of entry: ``name`` is what its specs carry as ``registry``."""

    registry = "registries"
    contract: str


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class LayerEstimatorSpec(Spec):
    """What one op costs."""

    registry = "layer_estimators"
    estimate: Ref = field(converter=Ref, metadata=call(1, "(OpCall) -> Cost | None"))


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class FusionPatternSpec(Spec):
    """Ops that run as one. Each consumes the one before, which nobody else reads."""

    registry = "fusion_patterns"
    chain: tuple[tuple[str, ...], ...] = field(validator=min_len(2))  # alternatives by position
    accept: Ref | None = field(
        default=None, converter=optional(Ref), metadata=call(1, "(tuple[OpCall, ...]) -> bool")
    )
    estimate: Ref | None = field(
        default=None, converter=optional(Ref), metadata=call(1, "(tuple[OpCall, ...]) -> Cost")
    )


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class ShortcutHandlerSpec(Spec):
    """How channel states (zero, constant, live) cross an op both ways.

    Without ``needed`` every element of every input is needed where any of an output is.
    ``offsets`` are the inputs that only shift the result: a bias, a normalisation's mean.
    """

    registry = "shortcut_handlers"
    propagate: Ref = field(
        converter=Ref,
        metadata=call(3, "(OpCall, tuple[State | None, ...], Evaluate) -> tuple[State, ...]"),
    )
    needed: Ref | None = field(
        default=None,
        converter=optional(Ref),
        metadata=call(4, "(OpCall, states, needed outputs, Evaluate) -> needed inputs (masks)"),
    )
    offsets: tuple[int, ...] = ()


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class QuantRuleSpec(Spec):
    """How a node that a rule matches is quantised."""

    registry = "quant_rules"
    params: Ref = field(
        converter=Ref, metadata=call(None, "attrs class: the keys of the rule's table")
    )
    apply: Ref = field(converter=Ref, metadata=call(3, "(rule, OpCall, Ranges) -> NodePlan"))


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class CEmitterSpec(Spec):
    """C for one op on one class of target."""

    registry = "c_emitters"
    dtypes: tuple[str, ...] = ("float32",)  # of the first input
    isa: tuple[str, ...] = ()  # features the target must have, e.g. ("avx512vnni",)
    template: str = field(validator=matches_re(RESOURCE))  # package:file.c.j2
    context: Ref = field(converter=Ref, metadata=call(1, "(OpCall) -> dict[str, object]"))


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class HardwareModelSpec(Spec):
    """Time, energy and memory of fused work on a device."""

    registry = "hardware_models"
    estimate: Ref = field(converter=Ref, metadata=call(2, "(FusedOp, Profile) -> Estimate"))


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class HardwareProfileSpec(Spec):
    """One device as a TOML file, every figure with its source."""

    registry = "hardware_profiles"
    profile: str = field(validator=matches_re(RESOURCE))  # package:file.toml


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class MetricSpec(Spec):
    """One number of a layer, and of a model: their sum, or what ``total`` says.

    ``reads`` is the most it looks at: ``shapes``, the ``weights`` too, or channel ``states`` too,
    so that a count of MACs alone need not follow channels. One that is not ``usual`` is computed
    when asked for.
    """

    registry = "metrics"
    unit: str = ""
    reads: str = field(default="states", validator=in_(("shapes", "weights", "states")))
    usual: bool = True
    compute: Ref = field(converter=Ref, metadata=call(1, "(LayerCost) -> int | float | None"))
    total: Ref | None = field(
        default=None,
        converter=optional(Ref),
        metadata=call(1, "(tuple[LayerCost, ...]) -> int | float | None"),
    )


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class OpSpec(Spec):
    """What ONNX itself does not define for an op. What is missing here is unknown."""

    registry = "ops"
    shape: Ref | None = field(
        default=None,
        converter=optional(Ref),
        metadata=call(1, "(OpCall) -> tuple[(dtype, shape), ...]"),
    )
    reference: Ref | None = field(
        default=None,
        converter=optional(Ref),
        metadata=call(2, "(OpCall, tuple[array | None, ...]) -> tuple[array, ...]"),
    )
    arithmetic: str = ""  # named variant where machines differ, e.g. "x86-avx2"


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class FrontendSpec(Spec):
    """Where models come from. ``targets`` are globs on the source: ``*.onnx``, ``*:*``.

    A frontend that can watch the model run also has ``trace``, for steps that need no graph.
    """

    registry = "frontends"
    load: Ref = field(
        converter=Ref, metadata=call(3, "(source, shapes, Catalogue) -> onnx_ir.Model")
    )
    trace: Ref | None = field(
        default=None,
        converter=optional(Ref),
        metadata=call(3, "(source, shapes, Catalogue) -> Trace"),
    )


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class StepSpec(Spec):
    """One ``[[step]]`` of a pipeline, and the command of the same name."""

    registry = "steps"
    params: Ref = field(
        converter=Ref,
        metadata=call(None, "attrs class: the keys of the step's table and the command's options"),
    )
    run: Ref = field(converter=Ref, metadata=call(2, "(Context, params) -> Outcome"))
    writes: bool = False  # its files are what it is for: the command keeps them


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class CommandSpec(Spec):
    """A command that is no step: it works on other things than one model."""

    registry = "commands"
    configure: Ref = field(converter=Ref, metadata=call(1, "(argparse parser) -> None"))
    run: Ref = field(converter=Ref, metadata=call(2, "(parsed arguments, Catalogue) -> exit code"))


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class RendererSpec(Spec):
    """How results are shown."""

    registry = "renderers"
    render: Ref = field(converter=Ref, metadata=call(3, "(tables, closing lines, width) -> str"))


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class ApiSpec(Spec):
    """A name the package qreg offers beside its steps: ``qreg.<attribute>``."""

    registry = "api"
    attribute: str = field(validator=matches_re(r"[A-Za-z]\w*"))
    object: Ref = field(converter=Ref)


def registry_of(kind: type[Spec]) -> RegistrySpec:
    """The record of a registry, from the class of its entries."""
    contracts = [f"{a.name} {a.metadata['contract']}" for a in fields(kind) if a.metadata]
    summary = (kind.__doc__ or "").split(". ")[0].rstrip(".").replace("``", "")
    return RegistrySpec(
        name=kind.registry,
        summary=summary.splitlines()[0].rstrip("."),
        contract="; ".join(contracts) or "data",
    )


OWN: tuple[Spec, ...] = (
    *map(
        registry_of,
        (
            RegistrySpec,
            LayerEstimatorSpec,
            FusionPatternSpec,
            ShortcutHandlerSpec,
            QuantRuleSpec,
            CEmitterSpec,
            HardwareModelSpec,
            HardwareProfileSpec,
            MetricSpec,
            OpSpec,
            FrontendSpec,
            StepSpec,
            CommandSpec,
            RendererSpec,
            ApiSpec,
        ),
    ),
    CommandSpec(
        name="list",
        summary="show what every registry holds",
        configure="qreg.cli:list_options",
        run="qreg.cli:show_list",
    ),
    CommandSpec(
        name="check",
        summary="report every mistake in a pipeline, or in plugins",
        configure="qreg.cli:check_options",
        run="qreg.cli:check",
    ),
    CommandSpec(
        name="run",
        summary="run a pipeline",
        configure="qreg.command:run_options",
        run="qreg.command:run_file",
    ),
)
