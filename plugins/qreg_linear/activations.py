"""What the activations inside fused ops cost, by the names that ONNX gives them."""

from qreg_activation.cost import GELU, GELU_TANH, SIGMOID

OPERATIONS = {
    "": "",
    "none": "",
    "identity": "",
    "affine": "mul add",
    "clip": "clip",
    "elu": "max exp sub mul",
    "fastgelu": GELU_TANH,
    "gelu": GELU,
    "hardsigmoid": "mul add clip",
    "hardswish": "mul add clip mul",
    "leakyrelu": "max mul",
    "quickgelu": f"mul {SIGMOID} mul",
    "relu": "max",
    "scaledtanh": "mul tanh mul",
    "sigmoid": SIGMOID,
    "silu": f"{SIGMOID} mul",
    "softplus": "exp add log",
    "softsign": "abs add div",
    "swish": f"{SIGMOID} mul",
    "tanh": "tanh",
    "thresholdedrelu": "max",
}


def flops_of(activation: str) -> int:
    """Operations per element; one evaluation of a function where the name is not known.

    Source: ONNX operator definitions, counted as ``qreg_activation.cost`` counts the single ops.
    """
    return len(OPERATIONS.get(activation.lower(), "function").split())
