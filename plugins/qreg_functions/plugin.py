"""Mathematical functions of every element: cost and dead channels."""

from qreg.hooks import hookimpl
from qreg.specs import LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1

FUNCTION = (
    "onnx.Acos", "onnx.Acosh", "onnx.Asin", "onnx.Asinh", "onnx.Atan", "onnx.Atanh", "onnx.Cos",
    "onnx.Cosh", "onnx.Erf", "onnx.Exp", "onnx.Log", "onnx.Pow", "onnx.Sin", "onnx.Sinh",
    "onnx.Sqrt", "onnx.Tan", "onnx.Tanh", "aten.acos", "aten.arccos", "aten.acosh",
    "aten.arccosh", "aten.asin", "aten.arcsin", "aten.asinh", "aten.arcsinh", "aten.atan",
    "aten.arctan", "aten.atanh", "aten.arctanh", "aten.atan2", "aten.arctan2", "aten.angle",
    "aten.cos", "aten.cosh", "aten.digamma", "aten.special_digamma", "aten.special_psi",
    "aten.erf", "aten.special_erf", "aten.erfc", "aten.special_erfc", "aten.erfinv",
    "aten.special_erfinv", "aten.special_erfcx", "aten.exp", "aten.exp2", "aten.special_exp2",
    "aten.expm1", "aten.special_expm1", "aten.float_power", "aten.frexp", "aten.hypot",
    "aten.i0", "aten.special_i0", "aten.special_i0e", "aten.special_i1", "aten.special_i1e",
    "aten.igamma", "aten.igammac", "aten.special_gammainc", "aten.special_gammaincc",
    "aten.ldexp", "aten.lgamma", "aten.special_gammaln", "aten.log", "aten.log10", "aten.log1p",
    "aten.special_log1p", "aten.log2", "aten.polygamma", "aten.special_polygamma", "aten.pow",
    "aten.rsqrt", "aten.sin", "aten.sinh", "aten.sqrt", "aten.tan", "aten.tanh",
    "aten.special_airy_ai", "aten.special_bessel_j0", "aten.special_bessel_j1",
    "aten.special_bessel_y0", "aten.special_bessel_y1", "aten.special_modified_bessel_i0",
    "aten.special_modified_bessel_i1", "aten.special_modified_bessel_k0",
    "aten.special_modified_bessel_k1", "aten.special_scaled_modified_bessel_k0",
    "aten.special_scaled_modified_bessel_k1", "aten.special_spherical_bessel_j0",
    "aten.special_chebyshev_polynomial_t", "aten.special_chebyshev_polynomial_u",
    "aten.special_chebyshev_polynomial_v", "aten.special_chebyshev_polynomial_w",
    "aten.special_hermite_polynomial_h", "aten.special_hermite_polynomial_he",
    "aten.special_laguerre_polynomial_l", "aten.special_legendre_polynomial_p",
    "aten.special_shifted_chebyshev_polynomial_t",
    "aten.special_shifted_chebyshev_polynomial_u",
    "aten.special_shifted_chebyshev_polynomial_v",
    "aten.special_shifted_chebyshev_polynomial_w", "aten.special_log_ndtr", "aten.special_ndtr",
    "aten.special_ndtri", "aten.special_zeta", "aten.polygamma_", "aten._standard_gamma_grad",
    "aten._dirichlet_grad",
)  # fmt: skip
SMOOTH_STATES = (
    "aten.logaddexp2", "aten.logit", "aten.special_erf", "aten.special_erfc",
    "aten.special_expm1", "aten.special_log1p", "aten.special_logit",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="function",
            targets=FUNCTION,
            summary="one evaluation of a function per output element",
            source="ONNX and PyTorch operator definitions",
            estimate="qreg_functions.cost:evaluation",
        ),
        LayerEstimatorSpec(
            name="polar",
            targets=("aten.polar",),
            summary="cosine, sine and two products per output element",
            source="PyTorch aten::polar",
            estimate="qreg_functions.cost:polar",
        ),
        LayerEstimatorSpec(
            name="fractional_part",
            targets=("aten.frac",),
            summary="truncation and subtraction per output element",
            source="PyTorch aten::frac",
            estimate="qreg_functions.cost:fractional_part",
        ),
        LayerEstimatorSpec(
            name="logit",
            targets=("aten.logit", "aten.special_logit"),
            summary="subtraction, division, logarithm per output element",
            source="PyTorch aten::logit: log(x / (1 - x))",
            estimate="qreg_functions.cost:logit",
        ),
        LayerEstimatorSpec(
            name="logit_backward",
            targets=("aten.logit_backward",),
            summary="subtraction, product, division per output element",
            source="PyTorch aten::logit_backward: g / (x * (1 - x))",
            estimate="qreg_functions.cost:logit_backward",
        ),
        LayerEstimatorSpec(
            name="product_with_log",
            targets=("aten.xlogy", "aten.special_xlogy", "aten.special_xlog1py", "aten.xlogy_"),
            summary="logarithm and product per output element",
            source="PyTorch aten::xlogy",
            estimate="qreg_functions.cost:product_with_log",
        ),
        LayerEstimatorSpec(
            name="entropy",
            targets=("aten.special_entr",),
            summary="logarithm, product, negation per output element",
            source="PyTorch aten::special_entr: -x * log(x)",
            estimate="qreg_functions.cost:entropy",
        ),
        LayerEstimatorSpec(
            name="log_of_sum",
            targets=("aten.logaddexp", "aten.logaddexp2"),
            summary="two exponentials, addition, logarithm per output element",
            source="PyTorch aten::logaddexp: log(exp(x) + exp(y))",
            estimate="qreg_functions.cost:log_of_sum",
        ),
        LayerEstimatorSpec(
            name="normalised_sine",
            targets=("aten.sinc", "aten.special_sinc"),
            summary="product, sine, division per output element",
            source="PyTorch aten::sinc: sin(pi x) / (pi x)",
            estimate="qreg_functions.cost:normalised_sine",
        ),
        LayerEstimatorSpec(
            name="log_gamma_sum",
            targets=("aten.mvlgamma", "aten.special_multigammaln"),
            summary="p evaluations, added up, per output element",
            source="PyTorch aten::mvlgamma",
            estimate="qreg_functions.cost:sums_of_log_gamma",
        ),
        LayerEstimatorSpec(
            name="log_sequence",
            targets=("aten.logspace",),
            summary="base ** (start + i * step) per output element",
            source="PyTorch aten::logspace",
            estimate="qreg_functions.cost:log_sequence",
        ),
        ShortcutHandlerSpec(
            name="smooth",
            targets=SMOOTH_STATES,
            summary="known where the operand is, to the roundings on the way",
            propagate="qreg_channels.elementwise:smooth",
            needed="qreg_channels.backward_elements:elementwise",
        ),
    )
