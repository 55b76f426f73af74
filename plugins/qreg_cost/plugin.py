"""What a network costs: counting, comparing, and the metrics."""

from qreg.hooks import hookimpl
from qreg.specs import ApiSpec, MetricSpec, Spec, StepSpec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        StepSpec(
            name="count",
            summary="MACs, FLOPs, parameters, bytes and BOPs of every layer",
            params="qreg_cost.params:Count",
            run="qreg_cost.count:run",
        ),
        StepSpec(
            name="compare",
            summary="two states of one network side by side, with compression ratios",
            params="qreg_cost.params:Compare",
            run="qreg_cost.compare:run",
        ),
        ApiSpec(
            name="quantization-comparison",
            attribute="QuantizationComparison",
            summary="a dense network and its pruned, quantised state, from Python",
            object="qreg_cost.comparison:QuantizationComparison",
        ),
        ApiSpec(name="model-stats", attribute="ModelStats", summary="what that comparison gives",
                object="qreg_cost.comparison:ModelStats"),
        ApiSpec(name="layer-stats", attribute="LayerStats", summary="one layer of ModelStats",
                object="qreg_cost.comparison:LayerStats"),
        _metric("macs", "multiply-accumulates of contractions", "shapes"),
        _metric("macs_causal", "without what a causal mask throws away", "shapes"),
        _metric("macs_nonzero", "without weights that are zero", "weights"),
        _metric("macs_zero_in", "and without input channels that are zero"),
        _metric("macs_const_in", "and without input channels that are known"),
        _metric("macs_needed", "and without outputs that are known or that nobody reads"),
        _metric("macs_structured", "dense, without the channels that are zero"),
        _metric("macs_live", "dense, without the channels that are known or that nobody reads"),
        _metric("flops", "2 * macs: contractions only", "shapes"),
        _metric("elementwise_flops", "operations outside contractions", "shapes"),
        _metric("total_flops", "flops + elementwise_flops", "shapes"),
        MetricSpec(name="params", summary="stored elements, shared tensors once", reads="shapes",
                   compute="qreg_cost.metrics:params", total="qreg_cost.metrics:distinct_params"),
        MetricSpec(name="bytes", unit="B", summary="inputs, parameters and outputs, each moved once",
                   reads="shapes", compute="qreg_cost.metrics:moved_bytes"),
        MetricSpec(name="density", summary="share of the weights that are not zero",
                   reads="weights", compute="qreg_cost.metrics:density",
                   total="qreg_cost.metrics:mean_density"),
        _metric("bops_dense", "macs * b_w * b_a", "shapes"),
        _metric("bops_paper", "density * macs * b_w * 32", "weights",
                source="CoDeQ, arXiv 2512.12981, eq. 20-22"),
        _metric("bops_masked", "macs_zero_in * b_w * b_a"),
        _metric("bops_structured", "macs_structured * b_w * b_a",
                source="DJPQ, Wang et al., ECCV 2020"),
        _metric("bops_uniq", "macs_nonzero * b_w * b_a + macs * (b_w + b_a + log2 terms)",
                "weights", source="UNIQ, Baskin et al., ACM TOCS 2021"),
        _peer("fvcore", "what fvcore prints", "fvcore 0.1.5"),
        _peer("ptflops", "what ptflops prints as MACs", "ptflops 0.7.5"),
        _peer("thop", "what thop prints as MACs", "thop 0.1.1"),
        _peer("torch", "half of what FlopCounterMode prints", "PyTorch 2.13"),
    )  # fmt: skip


def _metric(name: str, summary: str, reads: str = "states", source: str = "") -> MetricSpec:
    return MetricSpec(name=name, summary=summary, reads=reads, source=source,
                      compute=f"qreg_cost.metrics:{name}")  # fmt: skip


def _peer(name: str, summary: str, source: str) -> MetricSpec:
    return MetricSpec(name=f"as_{name}", summary=summary, reads="shapes", source=source,
                      usual=False, compute=f"qreg_cost.peers:as_{name}")  # fmt: skip
