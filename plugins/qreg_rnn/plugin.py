"""Recurrent networks: cost and dead channels."""

from qreg.hooks import hookimpl
from qreg.specs import LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="onnx_rnn",
            targets=("onnx.LSTM", "onnx.GRU", "onnx.RNN", "com.microsoft.DynamicQuantizeLSTM"),
            summary="both weights with every step, in each direction, and the gates",
            source="ONNX LSTM-22, GRU-22, RNN-22; com.microsoft DynamicQuantizeLSTM-1",
            estimate="qreg_rnn.cost:onnx_rnn",
        ),
        LayerEstimatorSpec(
            name="network",
            targets=("aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu"),
            summary="all layers and directions, padded or packed",
            source="PyTorch aten::lstm, aten::gru, aten::rnn_tanh",
            estimate="qreg_rnn.aten:network",
        ),
        LayerEstimatorSpec(
            name="vendor_network",
            targets=("aten._cudnn_rnn", "aten.miopen_rnn"),
            summary="all layers and directions by a vendor's library",
            source="PyTorch aten::_cudnn_rnn",
            estimate="qreg_rnn.aten:vendor_network",
        ),
        LayerEstimatorSpec(
            name="onednn_layer",
            targets=("aten.mkldnn_rnn_layer",),
            summary="one layer in one direction by oneDNN",
            source="PyTorch aten::mkldnn_rnn_layer",
            estimate="qreg_rnn.aten:onednn_layer",
        ),
        LayerEstimatorSpec(
            name="onednn_layer_backward",
            targets=("aten.mkldnn_rnn_layer_backward",),
            summary="two products for each of both weights",
            source="PyTorch aten::mkldnn_rnn_layer_backward",
            estimate="qreg_rnn.aten:onednn_layer_backward",
        ),
        LayerEstimatorSpec(
            name="cell",
            targets=("aten.lstm_cell", "aten.gru_cell", "aten.rnn_tanh_cell", "aten.rnn_relu_cell"),
            summary="one step",
            source="PyTorch aten::lstm_cell, aten::gru_cell, aten::rnn_tanh_cell",
            estimate="qreg_rnn.aten:cell",
        ),
        LayerEstimatorSpec(
            name="gates",
            targets=("aten._thnn_fused_lstm_cell", "aten._thnn_fused_gru_cell"),
            summary="a step without its products",
            source="PyTorch aten::_thnn_fused_lstm_cell",
            estimate="qreg_rnn.aten:gates",
        ),
        LayerEstimatorSpec(
            name="gates_backward",
            targets=(
                "aten._thnn_fused_lstm_cell_backward", "aten._thnn_fused_lstm_cell_backward_impl",
            ),
            summary="gradients of a step without its products",
            source="PyTorch aten::_thnn_fused_lstm_cell_backward",
            estimate="qreg_rnn.aten:gates_backward",
        ),
        LayerEstimatorSpec(
            name="quantised_network",
            targets=("aten.quantized_lstm.input", "aten.quantized_lstm.data",
                     "aten.quantized_gru.input", "aten.quantized_gru.data"),
            summary="as the float op, by the sizes of data and state",
            source="PyTorch aten::quantized_lstm, aten::quantized_gru",
            estimate="qreg_rnn.aten:quantised_network",
        ),
        LayerEstimatorSpec(
            name="quantised_cell",
            targets=(
                "quantized.quantized_lstm_cell_dynamic", "quantized.quantized_gru_cell_dynamic",
                "quantized.quantized_rnn_tanh_cell_dynamic",
                "quantized.quantized_rnn_relu_cell_dynamic",
            ),
            summary="one step by the sizes of data and state",
            source="PyTorch quantized::quantized_lstm_cell_dynamic",
            estimate="qreg_rnn.aten:quantised_cell",
        ),
        ShortcutHandlerSpec(
            name="recurrent",
            targets=("onnx.GRU", "onnx.LSTM", "onnx.RNN"),
            summary="units are zero whose content is zero from the start on",
            propagate="qreg_rnn.channels:onnx",
        ),
        ShortcutHandlerSpec(
            name="recurrent_layers",
            targets=("aten.gru", "aten.lstm", "aten.rnn_relu", "aten.rnn_tanh"),
            summary="units are zero whose content is zero from the start on",
            propagate="qreg_rnn.channels:aten",
        ),
        ShortcutHandlerSpec(
            name="dynamic",
            targets=("com.microsoft.DynamicQuantizeLSTM",),
            summary="live: the scale of every step depends on the input",
            propagate="qreg_channels.always_live:propagate",
        ),
    )  # fmt: skip
