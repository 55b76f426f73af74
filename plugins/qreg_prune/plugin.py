"""Pruning: dead channels leave the graph. Rules say how channels of an op hang together."""

from qreg.hooks import hookimpl
from qreg.specs import Spec, StepSpec, registry_of
from qreg_prune.specs import CutRuleSpec

QREG_API = 1

ELEMENTWISE = (
    "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "BitShift",
    "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Cast", "Ceil", "Celu", "Clip", "Cos",
    "Cosh", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater",
    "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or", "PRelu",
    "Pow", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh",
    "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Where",
    "Xor",
)  # fmt: skip
REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
)  # fmt: skip


def _rule(name: str, *ops: str, couplings: str, resized: str = "") -> CutRuleSpec:
    targets = tuple(op if "." in op else f"onnx.{op}" for op in ops)
    return CutRuleSpec(
        name=name,
        targets=targets,
        couplings=f"qreg_prune.{couplings}",
        resized=f"qreg_prune.{resized}" if resized else None,
    )


def _sum(name: str, target: str, remainder: str, biased: str = "", bias: int = 2) -> CutRuleSpec:
    return CutRuleSpec(
        name=name,
        targets=(target,),
        couplings=f"qreg_prune.contraction:{name}",
        remainder=f"qreg_prune.remainder:{remainder}",
        biased=f"qreg_prune.contraction:{biased}" if biased else None,
        bias=bias if biased else None,
    )


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        registry_of(CutRuleSpec),
        StepSpec(
            name="prune",
            summary="remove what is dead, for a smaller model with the same results",
            params="qreg_prune.params:Prune",
            run="qreg_prune.prune:run",
            writes=True,
        ),
        _sum("conv", "onnx.Conv", "conv", "biased"),
        _sum("conv_transpose", "onnx.ConvTranspose", "conv", "biased"),
        _sum("qlinear_conv", "onnx.QLinearConv", "quantised_conv", "biased", bias=8),
        _sum("conv_integer", "onnx.ConvInteger", "quantised_conv"),
        _sum("gemm", "onnx.Gemm", "product", "gemm_biased"),
        _sum("qgemm", "com.microsoft.QGemm", "quantised_product", "qgemm_biased", bias=6),
        _sum("matmul", "onnx.MatMul", "product"),
        _sum("qlinear_matmul", "onnx.QLinearMatMul", "quantised_product"),
        _sum("matmul_integer", "onnx.MatMulInteger", "quantised_product"),
        _rule("elementwise", *ELEMENTWISE, "com.microsoft.Gelu", "com.microsoft.QuickGelu",
              couplings="aligned:elementwise"),
        _rule("quantised_unary", "com.microsoft.QLinearSigmoid", "com.microsoft.QLinearLeakyRelu",
              couplings="aligned:quantised_unary"),
        _rule("quantised_binary", "com.microsoft.QLinearAdd", "com.microsoft.QLinearMul",
              couplings="aligned:quantised_binary"),
        _rule("boundary", "QuantizeLinear", "DequantizeLinear", couplings="aligned:boundary"),
        _rule("batch_norm", "BatchNormalization", couplings="aligned:batch_norm"),
        _rule("instance_norm", "InstanceNormalization", couplings="aligned:instance_norm"),
        _rule("layer_norm", "LayerNormalization", couplings="aligned:layer_norm"),
        _rule("softmax", "Softmax", "LogSoftmax", "Hardmax", "com.microsoft.QLinearSoftmax",
              couplings="aligned:softmax"),
        _rule("spatial", "AveragePool", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool",
              "LpPool", "MaxPool", "com.microsoft.QLinearAveragePool",
              "com.microsoft.QLinearGlobalAveragePool", couplings="aligned:spatial"),
        _rule("resize", "Resize", "Upsample", couplings="aligned:resize",
              resized="aligned:resized_sizes"),
        _rule("reduce", *REDUCTIONS, couplings="movement:reduce"),
        _rule("reshape", "Reshape", couplings="movement:reshape", resized="movement:reshaped"),
        _rule("regroup", "Flatten", "Squeeze", "Unsqueeze", couplings="movement:reshape"),
        _rule("transpose", "Transpose", couplings="movement:transpose"),
        _rule("concat", "Concat", couplings="movement:concat"),
        _rule("quantised_concat", "com.microsoft.QLinearConcat",
              couplings="movement:quantised_concat"),
        _rule("split", "Split", couplings="movement:split", resized="movement:split_sizes"),
        _rule("slice", "Slice", couplings="selection:cut_out", resized="selection:cut_bounds"),
        _rule("gather", "Gather", couplings="selection:gather", resized="selection:gathered"),
        _rule("pad", "Pad", couplings="selection:pad", resized="selection:padded"),
        _rule("depth_to_space", "DepthToSpace", couplings="movement:depth_to_space"),
        _rule("space_to_depth", "SpaceToDepth", couplings="movement:space_to_depth"),
        _rule("expand", "Expand", couplings="movement:expand", resized="movement:reshaped"),
    )  # fmt: skip
