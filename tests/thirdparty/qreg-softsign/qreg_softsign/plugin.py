"""Softsign, an op of our own domain, a fusion pattern, a rule and an accelerator."""

from qreg.hooks import hookimpl
from qreg.specs import (
    CEmitterSpec,
    FusionPatternSpec,
    HardwareModelSpec,
    HardwareProfileSpec,
    LayerEstimatorSpec,
    OpSpec,
    QuantRuleSpec,
    RegistrySpec,
    ShortcutHandlerSpec,
    Spec,
)

QREG_API = 1
SOFTSIGN, MISH2 = "onnx.Softsign", "com.example.Mish2"


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        RegistrySpec(
            name="shifters", contract="(value, bits) -> value", summary="ways to shift right"
        ),
        LayerEstimatorSpec(
            name="softsign",
            targets=(SOFTSIGN,),
            overrides=("activation/softsign",),
            summary="absolute value, addition and division per element",
            source="ONNX Softsign-22",
            estimate="qreg_softsign.ops:softsign_cost",
        ),
        LayerEstimatorSpec(name="mish2", targets=(MISH2,), estimate="qreg_softsign.ops:mish2_cost"),
        ShortcutHandlerSpec(
            name="softsign",
            targets=(SOFTSIGN, MISH2),
            overrides=("activation/activation",),
            summary="known where the input is known",
            propagate="qreg_channels.elementwise:propagate",
        ),
        OpSpec(
            name="mish2",
            targets=(MISH2,),
            summary="x * x / (1 + |x|)",
            shape="qreg_softsign.ops:same_shape",
            reference="qreg_softsign.ops:mish2",
        ),
        CEmitterSpec(
            name="softsign",
            targets=(SOFTSIGN,),
            template="qreg_softsign:softsign.c.j2",
            context="qreg_softsign.ops:softsign_code",
        ),
        CEmitterSpec(
            name="mish2",
            targets=(MISH2,),
            template="qreg_softsign:mish2.c.j2",
            context="qreg_softsign.ops:mish2_code",
        ),
        FusionPatternSpec(name="gemm_softsign", chain=(("onnx.Gemm",), (SOFTSIGN,))),
        QuantRuleSpec(
            name="power_of_two",
            targets=("*",),
            summary="scales rounded up to powers of two, so that requantising is a shift",
            params="qreg_softsign.rule:PowerOfTwo",
            apply="qreg_softsign.rule:apply",
        ),
        HardwareModelSpec(
            name="flat",
            summary="one fixed rate for everything",
            estimate="qreg_softsign.hardware:flat",
        ),
        HardwareProfileSpec(
            name="toy-npu", summary="an accelerator of ours", profile="qreg_softsign:toy-npu.toml"
        ),
    )
