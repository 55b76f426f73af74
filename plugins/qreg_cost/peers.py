"""What other tools count for a layer, to explain a number that somebody published.

Each reproduces one version of one tool, its choices and its gaps included. They are views: qreg's
own counts do not depend on them. What a tool does not know counts 0 there, silently, as it does.
Tools that hang on modules miss functional calls; a call is taken for one when it carries the name
of its op instead of a module's.
"""

from collections.abc import Callable, Mapping

from qreg.records import OpCall
from qreg_cost.records import LayerCost

Count = Callable[[LayerCost], int]

CONV = ("Conv", "conv1d", "conv2d", "conv3d", "convolution", "_convolution")
TRANSPOSED = ("ConvTranspose", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
LINEAR = ("Gemm", "linear", "addmm")
PRODUCT = ("MatMul", "Einsum", "matmul", "mm", "bmm", "baddbmm", "einsum")
BATCH_NORM = ("BatchNormalization", "batch_norm", "native_batch_norm",
              "_native_batch_norm_legit_no_training", "cudnn_batch_norm")  # fmt: skip
NORM = ("LayerNormalization", "GroupNormalization", "InstanceNormalization", "layer_norm",
        "native_layer_norm", "group_norm", "native_group_norm", "instance_norm")  # fmt: skip
ADAPTIVE = ("GlobalAveragePool", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
            "adaptive_avg_pool3d", "_adaptive_avg_pool2d")  # fmt: skip
AVERAGE = ("AveragePool", "avg_pool1d", "avg_pool2d", "avg_pool3d")
MAXIMUM = ("MaxPool", "max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices")
RELU = ("Relu", "relu", "relu6", "Elu", "elu", "PRelu", "prelu", "LeakyRelu", "leaky_relu",
        "Gelu", "gelu", "hardtanh", "Clip")  # fmt: skip
NEAREST = ("upsample_nearest2d",)
BILINEAR = ("upsample_bilinear2d",)


def as_fvcore(layer: LayerCost) -> int:
    """Contractions, normalisation, adaptive pooling and upsampling; no attention, no RNN.

    Source: fvcore 0.1.5, ``fvcore/nn/jit_handles.py`` and ``flop_count.py``.
    """
    return _counted(layer, FVCORE)


def as_ptflops(layer: LayerCost) -> int:
    """Contractions with their biases, normalisation, activation, pooling.

    Source: ptflops 0.7.5, ``ptflops/pytorch_ops.py``.
    """
    return _counted(layer, PTFLOPS)


def as_thop(layer: LayerCost) -> int:
    """Modules only: contractions, normalisation, average pooling; ConvTranspose by its output.

    Source: thop 0.1.1, ``thop/vision/basic_hooks.py``, ``calc_func.py``, ``thop/rnn_hooks.py``.
    """
    return 0 if _is_functional(layer.call) else _counted(layer, THOP)


def as_torch(layer: LayerCost) -> int:
    """Half of what FlopCounterMode prints on a CPU: no attention, no RNN, no vectors.

    Source: PyTorch 2.13, ``torch/utils/flop_counter.py``.
    """
    return _counted(layer, TORCH)


def _is_functional(call: OpCall) -> bool:
    """Whether no module stands for the call: neither by its name nor by its parameters'."""
    named_as_op = call.name.rpartition(".")[2].partition("#")[0] == call.op
    return named_as_op and not any(t.name.startswith(f"{call.name}.") for t in call.parameters)


def _counted(layer: LayerCost, table: Mapping[str, Count]) -> int:
    count = table.get(layer.call.op)
    return 0 if count is None else count(layer)


def _macs(layer: LayerCost) -> int:
    return layer.cost.macs


def _input(layer: LayerCost) -> int:
    return layer.call.input(0).elements


def _output(layer: LayerCost) -> int:
    return layer.call.output.elements


def _times(factor: int, of: Count) -> Count:
    return lambda layer: factor * of(layer)


def _affine(with_affine: int, without: int) -> Count:
    """Per input element, by whether scale and shift are learned."""
    return lambda layer: _input(layer) * (with_affine if layer.params else without)


def _biased(per_output: bool) -> Count:
    """A bias adds its length: once per output position, or once in all (ptflops' linear)."""

    def count(layer: LayerCost) -> int:
        call = layer.call
        bias = call.optional(0 if call.op == "addmm" else 2)
        if bias is None:
            return layer.cost.macs
        return layer.cost.macs + (_output(layer) if per_output else bias.elements)

    return count


def _by_output(layer: LayerCost) -> int:
    """A transposed convolution counted as if it were one: every output sums over all inputs."""
    call = layer.call
    weight = call.input(1)
    groups = int(call.attribute("group", call.attribute("groups", 1)))
    taps = weight.elements // (weight.shape[0] * weight.shape[1])
    return _output(layer) * (call.input(0).shape[1] // groups) * taps


def _adaptive_window(layer: LayerCost) -> int:
    """One division per output, and a window of the rounded-down ratio of the sizes."""
    spatial = zip(layer.call.input(0).shape[2:], layer.call.output.shape[2:], strict=True)
    window = 1
    for given, made in spatial:
        window *= given // made
    return _output(layer) * (window + 1)


def _table(*rows: tuple[tuple[str, ...], Count]) -> dict[str, Count]:
    return {op: count for ops, count in rows for op in ops}


FVCORE = _table(
    ((*CONV, *TRANSPOSED, *LINEAR, *PRODUCT), _macs),
    (BATCH_NORM, _affine(2, 1)),
    (NORM, _affine(5, 4)),
    (ADAPTIVE, _input),
    (NEAREST, _output),
    (BILINEAR, _times(4, _output)),
)
PTFLOPS = _table(
    ((*CONV, *TRANSPOSED), _biased(per_output=True)),
    (LINEAR, _biased(per_output=False)),
    (PRODUCT, _macs),
    ((*BATCH_NORM, *NORM), _affine(2, 1)),
    ((*ADAPTIVE, *AVERAGE, *MAXIMUM), _input),
    (RELU, _output),
    ((*NEAREST, *BILINEAR), _output),
)
THOP = _table(
    ((*CONV, *LINEAR), _macs),
    (TRANSPOSED, _by_output),
    ((*BATCH_NORM, *NORM), _affine(4, 2)),
    (AVERAGE, _output),
    (ADAPTIVE, _adaptive_window),
    (("PRelu", "prelu"), _input),
    (NEAREST, _output),
    (BILINEAR, _times(11, _output)),
)
TORCH = _table(((*CONV, *TRANSPOSED, *LINEAR, *PRODUCT), _macs))
