"""Element-by-element ops: cost, dead channels and C."""

from qreg.hooks import hookimpl
from qreg.specs import CEmitterSpec, LayerEstimatorSpec, OpSpec, ShortcutHandlerSpec, Spec

QREG_API = 1

ADD = (
    "onnx.Add", "onnx.Sub", "com.microsoft.QLinearAdd", "aten.add", "aten.sub", "aten.subtract",
    "aten.rsub", "quantized.add", "quantized.add_scalar",
)  # fmt: skip
PRODUCT = (
    "onnx.Mul", "com.microsoft.QLinearMul", "com.microsoft.MulInteger", "aten.mul",
    "aten.multiply", "quantized.mul", "quantized.mul_scalar",
)  # fmt: skip
ARITHMETIC = (
    "onnx.Mod", "onnx.Neg", "onnx.Abs", "onnx.Reciprocal", "onnx.Sign", "onnx.Ceil",
    "onnx.Floor", "onnx.Round", "aten.floor_divide", "aten.fmod", "aten.remainder", "aten.neg",
    "aten.negative", "aten.abs", "aten.absolute", "aten.reciprocal", "aten.square", "aten.sign",
    "aten.sgn", "aten.ceil", "aten.floor", "aten.round", "aten.special_round", "aten.trunc",
    "aten.fix", "aten.maximum", "aten.max.other", "aten.minimum", "aten.min.other", "aten.fmax",
    "aten.fmin", "aten.deg2rad", "aten.rad2deg", "aten.copysign", "aten.conj_physical",
    "aten._conj_physical", "aten.gcd", "aten.lcm", "aten.nextafter", "aten.nan_to_num",
    "aten.kron", "aten.vander", "aten.linalg_vander",
)  # fmt: skip
COMPARISON = (
    "onnx.Equal", "onnx.Greater", "onnx.GreaterOrEqual", "onnx.Less", "onnx.LessOrEqual",
    "onnx.IsInf", "onnx.IsNaN", "onnx.Where", "com.microsoft.QLinearWhere",
    "ai.onnx.ml.Binarizer", "ai.onnx.ml.Imputer", "aten.eq", "aten.ne", "aten.not_equal",
    "aten.lt", "aten.less", "aten.le", "aten.less_equal", "aten.gt", "aten.greater", "aten.ge",
    "aten.greater_equal", "aten.heaviside", "aten.isnan", "aten.isinf", "aten.isfinite",
    "aten.isneginf", "aten.isposinf", "aten.isreal", "aten.signbit", "aten.where",
    "aten.masked_fill",
)  # fmt: skip
LOGIC = (
    "onnx.And", "onnx.Or", "onnx.Xor", "onnx.Not", "onnx.BitShift", "onnx.BitwiseAnd",
    "onnx.BitwiseOr", "onnx.BitwiseXor", "onnx.BitwiseNot", "aten.logical_and",
    "aten.logical_or", "aten.logical_xor", "aten.logical_not", "aten.bitwise_and",
    "aten.bitwise_or", "aten.bitwise_xor", "aten.bitwise_not", "aten.bitwise_left_shift",
    "aten.bitwise_right_shift", "aten.__and__", "aten.__or__", "aten.__xor__",
    "aten.__lshift__", "aten.__rshift__", "aten.__iand__", "aten.__ior__", "aten.__ixor__",
    "aten.__ilshift__", "aten.__irshift__",
)  # fmt: skip
CLAMP = (
    "onnx.Relu", "onnx.Clip", "onnx.ThresholdedRelu", "aten.relu", "aten.relu6", "aten.clamp",
    "aten.clip", "aten.clamp_min", "aten.clamp_max", "aten.hardtanh", "aten.threshold",
    "aten.hardshrink", "aten.threshold_backward", "aten.hardtanh_backward",
    "aten.hardshrink_backward", "aten.softshrink_backward", "quantized.relu6",
    "quantized.clamp", "quantized.threshold",
)  # fmt: skip
SEQUENCE = (
    "onnx.Range", "com.microsoft.Range", "aten.arange", "aten.range", "aten.linspace",
    "aten.fft_fftfreq", "aten.fft_rfftfreq",
)  # fmt: skip


SMOOTH_STATES = (
    "onnx.Acos", "onnx.Acosh", "onnx.Asin", "onnx.Asinh", "onnx.Atan", "onnx.Atanh", "onnx.Cos",
    "onnx.Cosh", "onnx.Erf", "onnx.Log", "onnx.Sin", "onnx.Sinh", "onnx.Tanh", "aten.acos",
    "aten.acosh", "aten.arccos", "aten.arccosh", "aten.arcsin", "aten.arcsinh", "aten.arctan",
    "aten.arctanh", "aten.asin", "aten.asinh", "aten.atan", "aten.atanh", "aten.cos", "aten.cosh",
    "aten.erf", "aten.erfc", "aten.expm1", "aten.log", "aten.log10", "aten.log1p", "aten.log2",
    "aten.logaddexp", "aten.sin", "aten.sinh", "aten.tanh",
)  # fmt: skip
ELEMENTWISE_STATES = (
    "onnx.Abs", "onnx.BitShift", "onnx.BitwiseAnd", "onnx.BitwiseNot", "onnx.BitwiseOr",
    "onnx.BitwiseXor", "onnx.Ceil", "onnx.Clip", "onnx.Exp", "onnx.Floor", "onnx.Greater",
    "onnx.GreaterOrEqual", "onnx.IsInf", "onnx.IsNaN", "onnx.Less", "onnx.LessOrEqual",
    "onnx.Max", "onnx.Mean", "onnx.Min", "onnx.Neg", "onnx.Not", "onnx.Range", "onnx.Relu",
    "onnx.Round", "onnx.Sign", "onnx.Sqrt", "onnx.Sum", "onnx.Xor", "aten.abs", "aten.absolute",
    "aten.addcmul", "aten.__xor__", "aten.bitwise_left_shift", "aten.bitwise_not",
    "aten.bitwise_right_shift", "aten.bitwise_xor", "aten.ceil", "aten.clamp", "aten.clamp_max",
    "aten.clamp_min", "aten.clip", "aten.deg2rad", "aten.exp", "aten.exp2", "aten.fix",
    "aten.floor", "aten.fmax", "aten.fmin", "aten.ge", "aten.greater", "aten.greater_equal",
    "aten.gt", "aten.hardtanh", "aten.isfinite", "aten.isinf", "aten.isnan", "aten.le",
    "aten.lerp", "aten.less", "aten.less_equal", "aten.logical_xor", "aten.lt", "aten.max.other",
    "aten.maximum", "aten.min.other", "aten.minimum", "aten.nan_to_num", "aten.neg",
    "aten.negative", "aten.positive", "aten.rad2deg", "aten.relu", "aten.relu6", "aten.round",
    "aten.rsqrt", "aten.sgn", "aten.sign", "aten.sqrt", "aten.square", "aten.trunc",
)  # fmt: skip
DIV_STATES = (
    "onnx.Div", "aten.div", "aten.divide", "aten.floor_divide", "aten.true_divide",
)  # fmt: skip
JUMP_STATES = (
    "onnx.Tan", "onnx.ThresholdedRelu", "aten.frac", "aten.hardshrink", "aten.tan",
    "aten.threshold",
)  # fmt: skip
WHERE_STATES = (
    "onnx.Where", "aten.where.Scalar", "aten.where.ScalarOther", "aten.where.ScalarSelf",
    "aten.where.self",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="add",
            targets=ADD,
            summary="one addition per output element, and one product by a factor",
            source="ONNX Add-14, Sub-14; com.microsoft QLinearAdd-1; PyTorch aten::add",
            estimate="qreg_elementwise.cost:sum_with_factor",
        ),
        LayerEstimatorSpec(
            name="product",
            targets=PRODUCT,
            summary="one product per output element; six operations on complex numbers",
            source="ONNX Mul-14; com.microsoft QLinearMul-1; PyTorch aten::mul",
            estimate="qreg_elementwise.cost:product",
        ),
        LayerEstimatorSpec(
            name="quotient",
            targets=("onnx.Div", "aten.div", "aten.divide", "aten.true_divide"),
            summary="one division per output element",
            source="ONNX Div-14; PyTorch aten::div",
            estimate="qreg_elementwise.cost:quotient",
        ),
        LayerEstimatorSpec(
            name="arithmetic",
            targets=ARITHMETIC,
            summary="one operation per output element",
            source="ONNX and PyTorch operator definitions",
            estimate="qreg_elementwise.cost:one_per_output",
        ),
        LayerEstimatorSpec(
            name="comparison",
            targets=COMPARISON,
            summary="one comparison or choice per output element",
            source="ONNX and PyTorch operator definitions",
            estimate="qreg_elementwise.cost:one_per_output",
        ),
        LayerEstimatorSpec(
            name="logic",
            targets=LOGIC,
            summary="one logical or bit operation per output element",
            source="ONNX and PyTorch operator definitions",
            estimate="qreg_elementwise.cost:one_per_output",
        ),
        LayerEstimatorSpec(
            name="clamp",
            targets=CLAMP,
            summary="one comparison per output element",
            source="ONNX Relu-14, Clip-13, ThresholdedRelu-22; PyTorch aten::clamp",
            estimate="qreg_elementwise.cost:one_per_output",
        ),
        LayerEstimatorSpec(
            name="across_inputs",
            targets=("onnx.Sum", "onnx.Max", "onnx.Min"),
            summary="one operation per output element and further input",
            source="ONNX Sum-13, Max-13, Min-13",
            estimate="qreg_elementwise.cost:across_inputs",
        ),
        LayerEstimatorSpec(
            name="mean_of_inputs",
            targets=("onnx.Mean",),
            summary="additions and a division per output element",
            source="ONNX Mean-13",
            estimate="qreg_elementwise.cost:mean_of_inputs",
        ),
        LayerEstimatorSpec(
            name="add_relu",
            targets=("aten._add_relu", "quantized.add_relu", "quantized.add_scalar_relu"),
            summary="an addition and a comparison per output element",
            source="PyTorch aten::_add_relu",
            estimate="qreg_elementwise.cost:sum_and_clamp",
        ),
        LayerEstimatorSpec(
            name="mul_relu",
            targets=("quantized.mul_relu", "quantized.mul_scalar_relu"),
            summary="a product and a comparison per output element",
            source="PyTorch quantized::mul_relu",
            estimate="qreg_elementwise.cost:product_and_clamp",
        ),
        LayerEstimatorSpec(
            name="product_sum",
            targets=("aten.addcmul", "aten.addcdiv"),
            summary="product or quotient, addition, and one product by a factor",
            source="PyTorch aten::addcmul, aten::addcdiv",
            estimate="qreg_elementwise.cost:product_sum",
        ),
        LayerEstimatorSpec(
            name="gated_sum",
            targets=("com.microsoft.GatedAdd",),
            summary="product and addition per output element",
            source="com.microsoft GatedAdd-1",
            estimate="qreg_elementwise.cost:gated_sum",
        ),
        LayerEstimatorSpec(
            name="bias_add",
            targets=("com.microsoft.BiasAdd",),
            summary="two additions per output element",
            source="com.microsoft BiasAdd-1",
            estimate="qreg_elementwise.cost:across_inputs",
        ),
        LayerEstimatorSpec(
            name="interpolation",
            targets=("aten.lerp",),
            summary="subtraction, product, addition per output element",
            source="PyTorch aten::lerp",
            estimate="qreg_elementwise.cost:interpolation",
        ),
        LayerEstimatorSpec(
            name="cross_product",
            targets=("aten.cross", "aten.linalg_cross"),
            summary="two products and their difference per output element",
            source="PyTorch aten::linalg_cross",
            estimate="qreg_elementwise.cost:cross_product",
        ),
        LayerEstimatorSpec(
            name="complex_product",
            targets=("com.microsoft.ComplexMul", "com.microsoft.ComplexMulConj"),
            summary="two products and their sum per real or imaginary part",
            source="com.microsoft ComplexMul-1, ComplexMulConj-1",
            estimate="qreg_elementwise.cost:complex_product",
        ),
        LayerEstimatorSpec(
            name="closeness",
            targets=("aten.isclose",),
            summary="six operations per output element",
            source="PyTorch aten::isclose: |a - b| <= atol + rtol * |b|",
            estimate="qreg_elementwise.cost:closeness",
        ),
        LayerEstimatorSpec(
            name="equality",
            targets=("aten.equal", "com.microsoft.IsAllFinite"),
            summary="a comparison per input element, all of them joined",
            source="PyTorch aten::equal; com.microsoft IsAllFinite-1",
            estimate="qreg_elementwise.cost:equality",
        ),
        LayerEstimatorSpec(
            name="sequence",
            targets=SEQUENCE,
            summary="start + i * step per output element",
            source="ONNX Range-11; PyTorch aten::arange",
            estimate="qreg_elementwise.cost:sequence",
        ),
        ShortcutHandlerSpec(
            name="elementwise",
            targets=ELEMENTWISE_STATES,
            summary="known where every operand is known",
            propagate="qreg_channels.elementwise:propagate",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="qlinear_add",
            targets=("com.microsoft.QLinearAdd", "com.microsoft.QLinearWhere"),
            summary="known where all operands are known",
            propagate="qreg_channels.elementwise:propagate",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="qlinear_mul",
            targets=("com.microsoft.QLinearMul",),
            summary="known where both factors are, or one is at its zero-point",
            propagate="qreg_channels.integers:multiplied",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="mul",
            targets=("onnx.Mul", "aten.mul", "aten.multiply"),
            summary="known where both factors are, or one is zero",
            propagate="qreg_channels.absorbing:product",
            needed="qreg_channels.backward_elements:product",
        ),
        ShortcutHandlerSpec(
            name="div",
            targets=DIV_STATES,
            summary="known where both operands are, or the dividend is zero",
            propagate="qreg_channels.absorbing:quotient",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="reciprocal",
            targets=("onnx.Reciprocal", "aten.reciprocal"),
            summary="known where the operand is, apart from zero",
            propagate="qreg_channels.absorbing:reciprocal",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="pow",
            targets=("onnx.Pow", "aten.float_power", "aten.pow"),
            summary="known where base and exponent are",
            propagate="qreg_channels.absorbing:power",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="mod",
            targets=("onnx.Mod", "aten.fmod", "aten.remainder"),
            summary="known where both operands are, without error",
            propagate="qreg_channels.absorbing:remainder",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="jump",
            targets=JUMP_STATES,
            summary="known where the operand is, without error",
            propagate="qreg_channels.elementwise:exactly",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="and",
            targets=("onnx.And", "aten.__and__", "aten.bitwise_and", "aten.logical_and"),
            summary="known where both are, or one is false",
            propagate="qreg_channels.absorbing:conjunction",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="or",
            targets=("onnx.Or", "aten.__or__", "aten.bitwise_or", "aten.logical_or"),
            summary="known where both are, or one is true",
            propagate="qreg_channels.absorbing:disjunction",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="equal",
            targets=("onnx.Equal", "aten.eq", "aten.ne", "aten.not_equal"),
            summary="known where rounding can neither join nor part two numbers",
            propagate="qreg_channels.comparison:equality",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="logical_not",
            targets=("aten.logical_not",),
            summary="known where the operand is, apart from zero",
            propagate="qreg_channels.comparison:truth",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="where",
            targets=WHERE_STATES,
            summary="the state of the one that is chosen, or of both if equal",
            propagate="qreg_channels.absorbing:choice",
            needed="qreg_channels.backward_elements:choice",
        ),
        ShortcutHandlerSpec(
            name="masked_fill",
            targets=("aten.masked_fill",),
            summary="the value where the mask is true, else the data",
            propagate="qreg_channels.absorbing:masked_fill",
            needed="qreg_channels.backward_elements:masked_fill",
        ),
        ShortcutHandlerSpec(
            name="smooth",
            targets=SMOOTH_STATES,
            summary="known where the operand is, to the roundings on the way",
            propagate="qreg_channels.elementwise:smooth",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="sum",
            targets=("onnx.Add", "onnx.Sub", "aten.add", "aten.rsub", "aten.sub", "aten.subtract"),
            summary="known where both terms are, or one is infinite",
            propagate="qreg_channels.absorbing:addition",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        OpSpec(
            name="qlinear_mul",
            targets=("com.microsoft.QLinearMul",),
            summary="types and shapes that ONNX does not infer",
            source="com.microsoft QLinearMul-1",
            shape="qreg_numerics.shapes:broadcast",
        ),
        CEmitterSpec(
            name="add_float",
            targets=("onnx.Add",),
            dtypes=("float32",),
            summary="float addition with broadcasting",
            template="qreg_c:add_float.c.j2",
            context="qreg_elementwise.emit:add_float",
        ),
        CEmitterSpec(
            name="add_int8",
            targets=("com.microsoft.QLinearAdd",),
            dtypes=("int8", "uint8"),
            summary="8-bit addition of two scales, exact (x86 AVX2 arithmetic)",
            template="qreg_c:add_int8.c.j2",
            context="qreg_elementwise.emit:add_int8",
        ),
        CEmitterSpec(
            name="relu_float",
            targets=("onnx.Relu",),
            dtypes=("float32",),
            summary="float ReLU",
            template="qreg_c:relu_float.c.j2",
            context="qreg_elementwise.emit:relu",
        ),
        CEmitterSpec(
            name="clip",
            targets=("onnx.Clip",),
            dtypes=("float32", "int8", "uint8"),
            summary="clamp to constant limits",
            template="qreg_c:clip.c.j2",
            context="qreg_elementwise.emit:clip",
        ),
    )
