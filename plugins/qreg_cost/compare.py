"""The compare step: two states of one network, layer by layer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from qreg.api import short_name, source_model
from qreg.errors import QregError
from qreg.records import Table
from qreg.run import Context, Outcome
from qreg_cost.count import Metrics, by_key, chosen, convention, counted
from qreg_cost.params import Compare
from qreg_cost.ratio import ratio
from qreg_cost.records import Counted
from qreg_cost.tables import complaint, heading, missing, not_counted, nulls

Row = Mapping[str, Any]

NEVER_COMPARED = ("cost/density",)  # a ratio of shares says nothing
SHOWN = ("macs_needed", "bops_masked", "macs", "bops_dense")
QUOTED = ("macs", "macs_needed", "bops_dense", "bops_masked")


@frozen(kw_only=True)
class ComparedLayer:
    """A layer in both states. ``ratios`` are base / model: how many times smaller it became."""

    name: str
    op: str
    base: Mapping[str, Any]
    model: Mapping[str, Any]
    ratios: Mapping[str, float]


@frozen(kw_only=True)
class Compared:
    """The result of compare; the rows of ``base`` and ``model`` are those of count."""

    base: str
    model: str
    totals: Mapping[str, Mapping[str, int | float | None]]  # metric -> base, model, ratio
    layers: tuple[ComparedLayer, ...]
    unknown: tuple[Any, ...]  # what neither total holds


def run(context: Context, params: Compare) -> Outcome:
    """Counts of both, side by side. Raises QregError where they are not one architecture."""
    catalogue, metrics = context.catalogue, by_key(chosen(params, context.catalogue))
    given, asked = params.base.given, params.metrics or params.as_
    base = source_model(given, context.loaded.shapes, catalogue)
    named = short_name(str(given)) if isinstance(given, (str, Path)) else "base"
    before, _ = counted(base, params, metrics, catalogue, named)
    after, _ = counted(context.loaded, params, metrics, catalogue, context.name)
    refuse_mismatch(before, after)
    record = compared(before, after, metrics)
    return Outcome(
        record=record,
        tables=tables(record, list(record.totals) if asked else SHOWN),
        lines=(*verdict(record), *convention(params)),
        failed=complaint(before.unknown + after.unknown) if params.strict else "",
    )


def refuse_mismatch(before: Counted, after: Counted) -> None:
    """Raises QregError where layers with products differ in more than numbers of channels."""
    ours, theirs = _products(before), _products(after)
    faults = [f"{n!r} is only in the base" for n in ours if n not in theirs]
    faults += [f"{n!r} is only in the model" for n in theirs if n not in ours]
    for name in (n for n in ours if n in theirs):
        first, second = _form(ours[name]), _form(theirs[name])
        faults += [f"{name!r} is {first} in the base and {second} in the model"] * (first != second)
    if faults:
        told = "; ".join(faults[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
        raise QregError(f"not two states of one architecture: layer {told}")


def compared(before: Counted, after: Counted, metrics: Metrics) -> Compared:
    """Both counts with their ratios."""
    ours, theirs = _products(before), _products(after)
    names = [key for key, m in metrics.items() if m.id not in NEVER_COMPARED]
    layers = tuple(
        ComparedLayer(
            name=name, op=row["op"], base=row, model=theirs[name],
            ratios={n: ratio(row[n], theirs[name][n]) for n in names},
        )
        for name, row in ours.items()
    )  # fmt: skip
    totals = {
        n: {"base": before.totals[n], "model": after.totals[n],
            "ratio": ratio(before.totals[n] or 0, after.totals[n] or 0)}
        for n in names
    }  # fmt: skip
    unknown = tuple(dict.fromkeys(before.unknown + after.unknown))
    return Compared(
        base=before.model, model=after.model, totals=totals, layers=layers, unknown=unknown
    )


def tables(record: Compared, telling: Sequence[str] = SHOWN) -> tuple[Table, ...]:
    """Layers with the metrics that tell most, the totals of all, then what is in neither total."""
    shown = [n for n in telling if n in record.totals]
    columns = ["layer", "bits", "null in/out"]
    for name in shown:
        columns += [heading(name), "base", "ratio"]
    rows = [
        (layer.name, _bits(layer), nulls(layer.model),
         *(cell for n in shown for cell in (layer.model[n], layer.base[n], layer.ratios[n])))
        for layer in record.layers
    ]  # fmt: skip
    sums = [record.totals[n] for n in shown]
    footer = ("total", "", "", *(s[part] for s in sums for part in ("model", "base", "ratio")))
    totals = tuple(
        (heading(n), t["base"], t["model"], t["ratio"]) for n, t in record.totals.items()
    )
    return (
        Table(f"{record.model} against its base", tuple(columns), tuple(rows), footer,
              optional=3 * max(0, len(shown) - 1)),
        Table("", ("metric", "base", "model", "base/model"), totals),
        *not_counted(record.unknown),
    )  # fmt: skip


def verdict(record: Compared) -> tuple[str, ...]:
    """One line: the ratios that papers quote, and what they leave out."""
    parts = [f"{heading(n)} {record.totals[n]['ratio']:.4g}" for n in QUOTED if n in record.totals]
    return (f"base / model: {', '.join(parts)}" + missing(record.unknown),) if parts else ()


def _products(record: Counted) -> dict[str, Row]:
    """The layers with products, by name."""
    return {row["name"]: row for row in record.layers if row["weight_bits"] is not None}


def _form(row: Row) -> str:
    """What must be equal: the sizes that are no channels, and the kernel."""
    spatial = "x".join(map(str, row["output_shape"][2:])) or "-"
    kernel = "x".join(map(str, row["kernel"])) or "-"
    return f"output {spatial}, kernel {kernel}"


def _bits(layer: ComparedLayer) -> str:
    before, after = layer.base["weight_bits"], layer.model["weight_bits"]
    return str(before) if before == after else f"{before} -> {after}"
