"""What other counters get wrong on code as people write it, each truth by hand.

The ops are those that PyTorch's dispatcher runs on a CPU, forward and backward: fused kernels
included, where PyTorch's own counter is silent.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from cost_calls import dispatched, installed

from qreg_cost.estimate_cost import cost_of

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional


def counted(run: Callable[[], object], *, gradients: bool = False) -> tuple[int, set[str]]:
    """Multiply-accumulates, and the ops that make them."""
    with warnings.catch_warnings(), torch.set_grad_enabled(gradients):
        warnings.simplefilter("ignore")
        calls = dispatched(run)
    costs = [(call.target, cost_of(call, installed())) for call in calls]
    found = [(target, cost.macs) for target, cost in costs if cost is not None and cost.macs]
    return sum(macs for _, macs in found), {target for target, _ in found}


def normal(*shape: int) -> Any:
    return torch.randn(shape)


def trained(layer: Any, shape: Sequence[int]) -> Callable[[], object]:
    """Forward, and the gradients of the input too."""
    x = torch.zeros(shape, requires_grad=True)
    return lambda: layer(x).sum().backward()


ATTENTION = 2 * 2 * 4 * 64 * 64 * 32  # scores and values of 2 * 4 heads
LSTM = 4 * 50 * (4 * 512 * (256 + 512) + 4 * 512 * (512 + 512))
HEADS = 2 * 10 * 4 * 64 * 64 + 2 * 2 * 10 * 10 * 64  # four projections, scores, values
ENCODER = HEADS + 2 * 10 * 2 * 64 * 128
DENSE, GROUPED, DEPTHWISE = (2 * 32 * (32 // g) * 9 * 256 for g in (1, 4, 32))


@pytest.mark.parametrize("gradients", [False, True])
def test_attention_on_a_cpu_is_not_nothing(gradients: bool) -> None:
    """PyTorch's counter, fvcore, thop, calflops: 0."""
    q, few = normal(2, 4, 64, 32), normal(2, 2, 64, 32)
    x = q.clone().requires_grad_(gradients)

    whole, ops = counted(lambda: F.scaled_dot_product_attention(x, q, q), gradients=gradients)
    grouped, _ = counted(lambda: F.scaled_dot_product_attention(q, few, few, enable_gqa=True))

    assert ops == {"aten._scaled_dot_product_flash_attention_for_cpu.default"}
    assert whole == grouped == ATTENTION


def test_attention_is_quadratic_in_tokens() -> None:
    """calflops: a vision transformer grows in proportion to its tokens."""
    x = [normal(1, 4, tokens, 8) for tokens in (10, 20)]

    short, long = (counted(lambda: F.scaled_dot_product_attention(t, t, t))[0] for t in x)  # noqa: B023

    assert long == 4 * short


def test_training_attention_costs_three_forward_passes() -> None:
    q = normal(2, 4, 64, 32).requires_grad_()

    found, _ = counted(
        lambda: F.scaled_dot_product_attention(q, q, q).sum().backward(), gradients=True
    )

    assert found == 3 * ATTENTION


def test_an_lstm_on_a_cpu_is_not_nothing() -> None:
    """PyTorch's counter, fvcore, calflops, DeepSpeed, ptflops' aten backend: 0."""
    layer, x = nn.LSTM(256, 512, 2, batch_first=True).eval(), normal(4, 50, 256)

    assert counted(lambda: layer(x)) == (LSTM, {"aten.mkldnn_rnn_layer.default"})


def test_a_gru_is_its_gates() -> None:
    layer, x = nn.GRU(256, 512, batch_first=True).eval(), normal(4, 50, 256)

    assert counted(lambda: layer(x))[0] == 4 * 50 * (3 * 512 * 256 + 3 * 512 * 512)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("gradients", [False, True])
def test_the_fast_path_of_an_encoder_layer_is_not_nothing(training: bool, gradients: bool) -> None:
    """PyTorch's counter: 0 in eval without gradients, 3.8 % too few with them."""
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True).train(training)
    x = normal(2, 10, 64)

    found, ops = counted(lambda: layer(x), gradients=gradients)

    assert found == ENCODER
    if not training and not gradients:
        assert ops == {"aten._transformer_encoder_layer_fwd.default"}


@pytest.mark.parametrize("need_weights", [False, True])
def test_the_fast_path_of_multi_head_attention_is_not_nothing(need_weights: bool) -> None:
    """PyTorch's counter: 0."""
    layer, x = nn.MultiheadAttention(64, 4, batch_first=True).eval(), normal(2, 10, 64)

    found = counted(lambda: layer(x, x, x, need_weights=need_weights))

    assert found == (HEADS, {"aten._native_multi_head_attention.default"})


@pytest.mark.parametrize(
    ("layer", "forward"),
    [
        (nn.Conv2d(32, 32, 3, padding=1, bias=False), DENSE),
        (nn.Conv2d(32, 32, 3, padding=1, groups=4, bias=False), GROUPED),
        (nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False), DEPTHWISE),
        (nn.ConvTranspose2d(32, 16, 4, 2, 1, groups=4, bias=False), 2 * 32 * 4 * 16 * 256),
    ],
    ids=lambda value: "" if isinstance(value, int) else f"{type(value).__name__}-{value.groups}",
)
def test_gradients_of_grouped_convolutions_are_not_counted_by_the_group(
    layer: Any, forward: int
) -> None:
    """PyTorch's counter: twice the truth with 4 groups, 11 times for a depthwise convolution."""
    assert counted(lambda: layer(normal(2, 32, 16, 16)))[0] == forward
    assert counted(trained(layer, (2, 32, 16, 16)), gradients=True)[0] == 3 * forward


def test_a_transposed_convolution_is_not_counted_by_its_output() -> None:
    """thop, torchinfo, torchprofile, onnx-opcounter: four times the truth for stride 2."""
    layer = nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1)

    assert counted(lambda: layer(normal(1, 64, 32, 32)))[0] == 64 * 32 * 16 * 32 * 32


def test_a_convolution_along_one_axis_is_positive() -> None:
    """DeepSpeed: negative for some."""
    layer = nn.Conv1d(4, 6, 5, stride=2, dilation=3, groups=2)

    assert counted(lambda: layer(normal(3, 4, 20)))[0] == 3 * 4 * 6 * 2 * 5


@pytest.mark.parametrize(
    ("run", "truth"),
    [
        (lambda: normal(64, 64) @ normal(64), 64 * 64),
        (lambda: normal(64) @ normal(64), 64),
        (lambda: torch.addmv(normal(64), normal(64, 64), normal(64)), 64 * 64),
        (lambda: F.linear(normal(64), normal(64, 64)), 64 * 64),
        (lambda: torch.addbmm(normal(8, 8), normal(3, 8, 8), normal(3, 8, 8)), 3 * 8 * 8 * 8),
        (lambda: F.bilinear(normal(4, 8), normal(4, 8), normal(8, 8, 8)), 4 * (8 * 8 * 8 + 8 * 8)),
        (lambda: torch.einsum("bij,bjk->bik", normal(3, 4, 5), normal(3, 5, 6)), 3 * 4 * 5 * 6),
        (lambda: torch.einsum("i,i->", normal(64), normal(64)), 64),
        (lambda: torch.einsum("ij,ij->i", normal(64, 64), normal(64, 64)), 64 * 64),
        (lambda: torch.cdist(normal(64, 64), normal(64, 64)), 64**3),
        (lambda: torch.inner(normal(64, 64), normal(64, 64)), 64**3),
        (lambda: torch._int_mm(*[torch.ones(64, 64, dtype=torch.int8)] * 2), 64**3),
        (lambda: torch.conv_tbc(normal(10, 2, 4), normal(3, 4, 5), normal(5)), 8 * 2 * 4 * 5 * 3),
        (
            lambda: normal(64, 64).to(torch.complex64) @ normal(64, 64).to(torch.complex64),
            4 * 64**3,
        ),
        (lambda: torch.outer(normal(64), normal(64)), 0),  # nothing is summed
        (lambda: torch.kron(normal(64, 64), normal(2, 2)), 0),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_products_without_a_module(run: Callable[[], Any], truth: int, whole: bool) -> None:
    """thop, torchinfo, flopth: 0 for whatever is no module; PyTorch's counter for most of these.

    The same in inference mode, where an op stays whole, and in parts.
    """
    with torch.inference_mode(whole):
        assert counted(run)[0] == truth


def test_a_linear_layer_over_tokens_counts_every_token() -> None:
    """torchinfo: one token, 173 M instead of 17 G for a vision transformer."""
    layer = nn.Linear(4, 8)

    assert counted(lambda: layer(normal(1, 197, 4)))[0] == 197 * 32


def test_one_module_called_three_times_counts_three_times() -> None:
    """DeepSpeed counts an aliased module again under each of its names, ptflops only once."""
    inner = nn.Linear(64, 64)
    outer = nn.Sequential(inner, inner, inner)

    assert counted(lambda: outer(normal(2, 64)))[0] == 3 * 2 * 64 * 64


def test_weights_that_need_no_gradient_count() -> None:
    """ptflops: 0 for a module whose parameters are frozen."""
    layer = nn.Linear(64, 64).requires_grad_(False)

    assert counted(lambda: layer(normal(2, 64)))[0] == 2 * 64 * 64


@pytest.mark.parametrize("kind", [nn.Linear, nn.LSTM])
def test_dynamically_quantised_layers_are_not_nothing(kind: Any) -> None:
    """PyTorch's counter: 0."""
    layer = nn.Linear(64, 64) if kind is nn.Linear else nn.LSTM(64, 64)
    truth = 10 * 64 * 64 if kind is nn.Linear else 10 * 4 * 64 * (64 + 64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.ao.quantization.quantize_dynamic(nn.Sequential(layer), {kind}, torch.qint8)

    assert counted(lambda: model(normal(10, 1, 64)))[0] == truth
