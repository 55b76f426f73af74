"""Counts for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from qreg.catalogue import Entry
from qreg.records import Table
from qreg.specs import MetricSpec
from qreg_cost.records import Counted, OpNodes

Cell = str | int | float | None

FIRST = ("macs", "params", "density", "macs_needed", "bops_dense", "bops_masked")
LAST = ("flops", "elementwise_flops", "total_flops", "macs_causal")  # of little news beside MACs
SHORT = {"flops": "FLOPs", "elementwise_flops": "other FLOPs", "total_flops": "all FLOPs"}


def tables(
    record: Counted, metrics: Mapping[str, Entry[MetricSpec]], asked: bool = False
) -> tuple[Table, ...]:
    """The layers, most telling columns first; the totals by metric; then what nobody can count.

    ``metrics`` holds them by their keys in the record. Those that were ``asked`` for are all shown.
    """
    totals = tuple((heading(key), _total(record, key), m.spec.summary)
                   for key, m in metrics.items())  # fmt: skip
    return (
        _layers(record, list(metrics) if asked else _by_news(metrics), asked),
        Table("", ("metric", "total", "meaning"), totals),
        *not_counted(record.unknown),
        *_where_states_stop(record.unhandled),
    )


def _layers(record: Counted, names: Sequence[str], asked: bool) -> Table:
    """One row per layer; dead channels beside the first metric, where nobody chose the columns."""
    followed = not asked and any(row["null_out"] is not None for row in record.layers)
    heads = [heading(n) for n in names]
    rows = [[_cell(row[n]) for n in names] for row in record.layers]
    footer = [_total(record, n) for n in names]
    if followed:
        heads.insert(1, "null in/out")
        footer.insert(1, "")
        for cells, row in zip(rows, record.layers, strict=True):
            cells.insert(1, nulls(row))
    about = [(row["name"], row["op"], shape_text(row["output_shape"])) for row in record.layers]
    return Table(
        record.model,
        ("layer", "op", "output", *heads),
        tuple((*first, *cells) for first, cells in zip(about, rows, strict=True)),
        ("total", "", "", *footer),
        optional=0 if asked else len(names) - 1,
        idle=tuple(i for i, row in enumerate(record.layers) if not any(row[n] for n in names)),
    )


def _by_news(metrics: Mapping[str, object]) -> list[str]:
    """The metrics in the order in which a narrow window loses them from the end."""
    middle = [n for n in metrics if n not in (*FIRST, *LAST)]
    return [n for n in (*FIRST, *middle, *LAST) if n in metrics]


def verdict(record: Counted) -> tuple[str, ...]:
    """One line: the totals that papers quote, and what they leave out."""
    named = {"macs": "MACs", "total_flops": "FLOPs in all", "params": "parameters"}
    named |= {n: heading(n) for n in record.totals if n.startswith("as_")}
    parts = [f"{record.totals[n]:,} {text}" for n, text in named.items() if n in record.totals]
    return (", ".join(parts) + missing(record.unknown),) if parts else ()


def dead(record: Counted) -> tuple[str, ...]:
    """One line: how much of the multiply-accumulates is in channels that are dead, if any is."""
    dense, live = record.totals.get("macs"), record.totals.get("macs_live")
    if dense is None or live is None or live >= dense:
        return ()
    share = f"{100 * (1 - live / dense):.3g} % of the MACs are dead, {live:,} are live"
    return (f"{share}: qreg prune removes what it can",)


def missing(unknown: Sequence[OpNodes]) -> str:
    """``; 1 op is unknown and in no total`` where the totals lack something."""
    count = sum(u.count for u in unknown)
    are = "op is" if count == 1 else "ops are"
    return f"; {count} {are} unknown and in no total" if count else ""


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


def _total(record: Counted, name: str) -> Cell:
    """The total of a metric, marked where ops are missing in it."""
    total = _cell(record.totals[name])
    return f"{total:,} + ?" if record.unknown and isinstance(total, int) else total


def _cell(value: Any) -> Cell:
    """A number of a metric; what does not exist, such as the density of no weights, is empty."""
    return "" if value is None else value


def not_counted(unknown: Sequence[OpNodes]) -> tuple[Table, ...]:
    """The ops that no total holds, by name; no table where there is none."""
    return _list("unknown: not in any total", unknown)


def _where_states_stop(unhandled: Sequence[OpNodes]) -> tuple[Table, ...]:
    return _list("no shortcut handler: everything after is taken as live", unhandled)


def _list(title: str, ops: Sequence[OpNodes]) -> tuple[Table, ...]:
    rows = tuple((e.op, e.count, ", ".join(e.nodes)) for e in ops)
    return (Table(title, ("op", "count", "nodes"), rows),) if rows else ()


def complaint(unknown: Sequence[OpNodes]) -> str:
    """Why a strict count fails; empty where nothing is unknown."""
    if not unknown:
        return ""
    listing = "; ".join(f"{u.op} ({', '.join(u.nodes)})" for u in unknown)
    return (
        f"the cost of {listing} is unknown: a plugin can declare it in registry 'layer_estimators' "
        "(and its output shape in 'ops')"
    )
