"""Counts for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from qreg.catalogue import Entry
from qreg.records import Table
from qreg.specs import MetricSpec
from qreg_cost.records import Counted, OpNodes

Cell = str | int | float | None

FIRST = ("macs", "params")
TELLING = ("density", "macs_needed", "bops_dense", "bops_masked")
LAST = ("flops", "elementwise_flops", "total_flops", "macs_causal")  # of little news beside MACs
SHORT = {"flops": "FLOPs", "elementwise_flops": "other FLOPs", "total_flops": "all FLOPs"}


def tables(record: Counted, metrics: Mapping[str, Entry[MetricSpec]]) -> tuple[Table, ...]:
    """The layers, most telling columns first; the totals by metric; then what nobody can count.

    ``metrics`` holds them by their keys in the record.
    """
    names = list(metrics)
    leading = [n for n in FIRST if n in names]
    middle = [n for n in names if n not in (*FIRST, *TELLING, *LAST)]
    others = [n for n in (*TELLING, *middle, *LAST) if n in names]
    columns = ("layer", "op", "output", *map(heading, leading), "null in/out",
               *map(heading, others))  # fmt: skip
    rows = tuple(
        (row["name"], row["op"], shape_text(row["output_shape"]),
         *(_cell(row[n], n) for n in leading), nulls(row), *(_cell(row[n], n) for n in others))
        for row in record.layers
    )  # fmt: skip
    gap = missing(record.unknown)
    footer = ("total", "", "", *(_total(record, n, gap) for n in leading), "",
              *(_total(record, n, " + ?" if gap else "") for n in others))  # fmt: skip
    layers = Table(record.model, columns, rows, footer, optional=len(others))
    sums = tuple((heading(key), _total(record, key, gap), m.spec.summary)
                 for key, m in metrics.items())  # fmt: skip
    return (layers, Table("", ("metric", "total", "meaning"), sums), *_lists(record))


def verdict(record: Counted) -> tuple[str, ...]:
    """One line: the totals that papers quote, and what they leave out."""
    parts = [f"{record.totals[name]:,} {text}" for name, text in
             (("macs", "MACs"), ("total_flops", "FLOPs in all"), ("params", "parameters"))
             if name in record.totals]  # fmt: skip
    return (", ".join(parts) + missing(record.unknown),) if parts else ()


def missing(unknown: Sequence[OpNodes]) -> str:
    """`` + 1 unknown op`` where the totals lack something."""
    count = sum(u.count for u in unknown)
    return f" + {count} unknown op{'s' if count > 1 else ''}" if count else ""


def heading(metric: str) -> str:
    """``BOPs dense`` of ``bops_dense``, ``MACs needed`` of ``macs_needed``."""
    words = metric.replace("bops", "BOPs").replace("macs", "MACs").replace("_", " ")
    return SHORT.get(metric) or words


def nulls(row: Mapping[str, Any]) -> str:
    """How many channels are zero for every input; empty where none is."""
    dead = (len(row["null_in"] or ()), len(row["null_out"] or ()))
    return f"{dead[0]}/{dead[1]}" if any(dead) else ""


def shape_text(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "1"


def _total(record: Counted, name: str, gap: str) -> Cell:
    total = _cell(record.totals[name], name)
    return f"{total:,}{gap}" if gap and isinstance(total, (int, float)) else total


def _cell(value: Any, metric: str) -> Cell:
    """A number of a metric; a share is told in percent, and what does not exist is left empty."""
    if value is None:
        return ""
    return f"{100 * value:.4g} %" if metric == "density" else value


def _lists(record: Counted) -> tuple[Table, ...]:
    """What is not counted, and where channel states stop."""
    found = []
    for title, entries in (
        ("unknown: not in any total", record.unknown),
        ("no shortcut handler: everything after is taken as live", record.unhandled),
    ):
        if entries:
            rows = tuple((e.op, e.count, ", ".join(e.nodes)) for e in entries)
            found.append(Table(title, ("op", "count", "nodes"), rows))
    return tuple(found)


def complaint(unknown: Sequence[OpNodes]) -> str:
    """Why a strict count fails; empty where nothing is unknown."""
    if not unknown:
        return ""
    listing = "; ".join(f"{u.op} ({', '.join(u.nodes)})" for u in unknown)
    return (
        f"the cost of {listing} is unknown: a plugin can declare it in registry 'layer_estimators' "
        "(and its output shape in 'ops')"
    )
