"""A dense network beside its pruned and quantised state, from Python.

The names are those of the BOPs calculator of the CoDeQ training code, for people who come from
there; the counts are qreg's: null channels are proven through bias, normalisation and shortcuts.
"""

from collections.abc import Mapping, Sequence
from shutil import get_terminal_size
from typing import Any, Literal

from attrs import define, field, frozen

from qreg.api import catalogue, source_model
from qreg.errors import QregError
from qreg.records import Table
from qreg.specs import MetricSpec, RendererSpec
from qreg_cost.compare import refuse_mismatch
from qreg_cost.count import by_key, counted
from qreg_cost.params import Count
from qreg_cost.ratio import ratio, share
from qreg_cost.records import Counted

DEFINITIONS = ("masked", "paper", "structured", "dense", "uniq")
MACS = {"masked": "macs_zero_in", "paper": "macs_nonzero", "structured": "macs_structured",
        "dense": "macs", "uniq": "macs_nonzero"}  # fmt: skip
WIDTH = 100


@frozen(kw_only=True)
class LayerStats:
    """One convolution or linear layer. Channel sets hold indices; ``spatial`` is (height, width)
    of the output, (1, 1) for a linear layer.
    """

    name: str
    macs: int
    bops: int
    bitwidth: int
    pruning_ratio: float  # share of the weights that are zero
    null_out_channels: frozenset[int]
    null_in_channels: frozenset[int]
    total_out_channels: int
    total_in_channels: int
    spatial: tuple[int, ...]
    kernel_size: tuple[int, ...]


@frozen(kw_only=True)
class ModelStats:
    """All layers with products, and their sums. ``unknown`` names ops that no sum holds."""

    layers: tuple[LayerStats, ...]
    total_macs: int
    total_bops: int
    unknown: tuple[str, ...] = ()
    counted: Counted = field(repr=False, eq=False)


@define
class QuantizationComparison:
    """Counts models of one architecture and compares them with the baseline.

    ``input_size`` is that of one sample, ``b_a`` the bits of activations, ``definition`` the BOPs
    that are meant: masked, paper, structured, dense or uniq. A model is anything that count takes.
    """

    input_size: Sequence[int] = (3, 32, 32)
    b_a: int = 32
    definition: str = "masked"
    convention: Literal["exact", "ignore-bias"] = "exact"
    baseline: ModelStats | None = None

    def set_baseline(self, model: Any) -> ModelStats:
        """The stats of the dense model, which ratios are taken against from now on."""
        self.baseline = self.calculate_stats(model)
        return self.baseline

    def calculate_stats(self, model: Any) -> ModelStats:
        """What the model costs as its weights are now; the model stays as it is."""
        if self.definition not in MACS:
            known = ", ".join(DEFINITIONS)
            raise QregError(f"no BOPs definition {self.definition!r}; there are {known}")
        record = self._count(model)
        macs, bops = MACS[self.definition], f"bops_{self.definition}"
        rows = [row for row in record.layers if row["weight_bits"] is not None]
        return ModelStats(
            layers=tuple(_layer(row, macs, bops) for row in rows),
            total_macs=int(record.totals[macs] or 0),
            total_bops=int(record.totals[bops] or 0),
            unknown=tuple(u.op for u in record.unknown),
            counted=record,
        )

    def compression_ratio(self, model: Any) -> float:
        """BOPs of the baseline / BOPs of the model; infinite where nothing is left."""
        base, stats = self._both(model)
        return ratio(base.total_bops, stats.total_bops)

    def mac_compression_ratio(self, model: Any) -> float:
        """MACs of the baseline / MACs of the model; infinite where nothing is left."""
        base, stats = self._both(model)
        return ratio(base.total_macs, stats.total_macs)

    def print_model_stats(self, model: Any) -> None:
        """Prints one row per layer: bits, pruned shares of channels and weights, MACs, BOPs."""
        stats = self._stats(model)
        rows = tuple(
            (x.name, x.bitwidth, f"{share(len(x.null_out_channels), x.total_out_channels):.3f}",
             f"{share(len(x.null_in_channels), x.total_in_channels):.3f}",
             f"{x.pruning_ratio:.3f}", x.macs, x.bops)
            for x in stats.layers
        )  # fmt: skip
        columns = ("layer", "b_w", "p_out", "p_in", "P_l", "MACs", "BOPs")
        footer = ("total", "", "", "", "", stats.total_macs, stats.total_bops)
        _show(Table("", columns, rows, footer, notes=_notes(stats)))

    def print_comparison(self, model: Any) -> None:
        """Prints baseline and model side by side, layer by layer."""
        base, stats = self._both(model)
        before = {x.name: x for x in base.layers}
        rows = tuple(
            (x.name, before[x.name].macs, x.macs, _times(before[x.name].macs, x.macs),
             before[x.name].bops, x.bops, _times(before[x.name].bops, x.bops))
            for x in stats.layers
        )  # fmt: skip
        columns = ("layer", "MACs of base", "MACs", "ratio", "BOPs of base", "BOPs", "ratio")
        footer = ("total", base.total_macs, stats.total_macs,
                  _times(base.total_macs, stats.total_macs), base.total_bops, stats.total_bops,
                  _times(base.total_bops, stats.total_bops))  # fmt: skip
        _show(Table("", columns, rows, footer, notes=_notes(stats)))

    def _stats(self, model: Any) -> ModelStats:
        return model if isinstance(model, ModelStats) else self.calculate_stats(model)

    def _both(self, model: Any) -> tuple[ModelStats, ModelStats]:
        if self.baseline is None:
            raise QregError("no baseline: call set_baseline(model) first")
        stats = self._stats(model)
        refuse_mismatch(self.baseline.counted, stats.counted)
        return self.baseline, stats

    def _count(self, model: Any) -> Counted:
        known = catalogue()
        loaded = source_model(model, {"": (1, *self.input_size)}, known)
        params = Count(activation_bits=self.b_a, convention=self.convention)
        names = {"density", MACS[self.definition], f"bops_{self.definition}", "macs_zero_in"}
        metrics = by_key(known.find(MetricSpec, f"cost/{name}") for name in sorted(names))
        return counted(loaded, params, metrics, known, type(model).__name__)[0]


def _layer(row: Mapping[str, Any], macs: str, bops: str) -> LayerStats:
    density = row["density"]
    return LayerStats(
        name=row["name"],
        macs=row[macs],
        bops=row[bops],
        bitwidth=row["weight_bits"],
        pruning_ratio=0.0 if density is None else 1 - density,
        null_out_channels=frozenset(row["null_out"]),
        null_in_channels=frozenset(row["null_in"]),
        total_out_channels=row["channels_out"],
        total_in_channels=row["channels_in"],
        spatial=tuple(row["output_shape"][2:]) or (1, 1),
        kernel_size=tuple(row["kernel"]) or (1, 1),
    )


def _times(before: int, after: int) -> str:
    return f"{ratio(before, after):.4g}"


def _notes(stats: ModelStats) -> tuple[str, ...]:
    return (f"unknown, in no sum: {', '.join(stats.unknown)}",) if stats.unknown else ()


def _show(table: Table) -> None:
    renderer = catalogue().find(RendererSpec, "report/terminal")
    width = get_terminal_size((WIDTH, 24)).columns
    print(renderer.call("render", (table,), (), width))
