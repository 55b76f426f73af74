"""What a network costs: the count step and its metrics."""

from qreg.hooks import hookimpl
from qreg.specs import MetricSpec, Spec, StepSpec

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
        MetricSpec(name="macs", summary="multiply-accumulates of contractions",
                   compute="qreg_cost.metrics:macs"),
        MetricSpec(name="flops", summary="2 * macs: contractions only",
                   compute="qreg_cost.metrics:flops"),
        MetricSpec(name="elementwise_flops", summary="operations outside contractions",
                   compute="qreg_cost.metrics:elementwise_flops"),
        MetricSpec(name="total_flops", summary="flops + elementwise_flops",
                   compute="qreg_cost.metrics:total_flops"),
        MetricSpec(name="params", summary="stored elements the layer reads",
                   compute="qreg_cost.metrics:params"),
        MetricSpec(name="bytes", unit="B", summary="inputs, parameters and outputs, each moved once",
                   compute="qreg_cost.metrics:moved_bytes"),
        MetricSpec(name="bops_dense", summary="macs * b_w * b_a",
                   compute="qreg_cost.metrics:bops_dense"),
        MetricSpec(name="bops_paper", summary="density * macs * b_w * 32",
                   source="CoDeQ, arXiv 2512.12981, eq. 20-22",
                   compute="qreg_cost.metrics:bops_paper"),
        MetricSpec(name="bops_masked", summary="non-zero weights with a live input only",
                   compute="qreg_cost.metrics:bops_masked"),
        MetricSpec(name="bops_structured", summary="(c_in - null_in) * (c_out - null_out) form",
                   source="DJPQ, Wang et al., ECCV 2020",
                   compute="qreg_cost.metrics:bops_structured"),
    )  # fmt: skip
