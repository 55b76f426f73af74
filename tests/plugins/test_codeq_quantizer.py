"""The dead-zone quantiser: its levels, its gradients, and weights at the edge of having any."""

from math import tanh

import numpy as np
import pytest

from qreg.errors import QregError

torch = pytest.importorskip("torch", reason="needs the torch extra")

from qreg_codeq.quantizer import DeadZoneQuantizer
from qreg_codeq.straight_through import dead_zone_quantize

RAMP = [i / 100 for i in range(-100, 101)]


def quantizer(bits: int | tuple[int, int] = (2, 8), **settings: float) -> DeadZoneQuantizer:
    return DeadZoneQuantizer(bits, **settings)  # type: ignore[arg-type]


def gaussian(*shape: int, seed: int = 0) -> "torch.Tensor":
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_ramp_falls_on_the_levels_of_the_formulas() -> None:
    # 201 magnitudes 0, .01, .01, .02, ...: the one at 0.99 * 200 = 198 is .99.
    absmax = 0.99
    dead_zone = 2 * absmax * (1 - tanh(1.0))
    step = (absmax - dead_zone / 2) / (3 - 0.5)  # 3 bits: codes up to 3
    above = [dead_zone / 2 + step / 2 + k * step for k in range(3)]
    weight = torch.tensor(RAMP)

    grid = quantizer(3, theta_dz=1.0).grid(weight)
    result = quantizer(3, theta_dz=1.0)(weight)

    assert (round(dead_zone, 6), round(step, 6)) == (0.472044, 0.301591)
    assert [round(level, 6) for level in above] == [0.386817, 0.688409, 0.99]
    assert (grid.bits, grid.absmax, grid.dead_zone, grid.step) == pytest.approx(
        (3, absmax, dead_zone, step), abs=1e-6
    )
    expected = [*(-a for a in reversed(above)), 0.0, *above]
    assert grid.levels == pytest.approx(expected, abs=1e-6)
    assert np.unique(result.detach().numpy()) == pytest.approx(expected, abs=1e-6)
    assert int((result == 0).sum()) == sum(abs(w) <= dead_zone / 2 for w in RAMP) == 47


@pytest.mark.parametrize(
    ("theta", "bits"), [(3.0, 8), (1.0, 7), (0.5, 5), (0.3, 4), (0.1, 3), (0.0, 2), (-1.0, 7)]
)
def test_theta_bit_sets_the_bits(theta: float, bits: int) -> None:
    assert quantizer(theta_bit=theta).bits == bits == round(6 * tanh(abs(theta)) + 2)


@pytest.mark.parametrize("bits", [2, 3, 5, 8])
@pytest.mark.parametrize("theta", [3.0, 0.7, 0.2])
def test_weights_outside_of_the_dead_zone_take_the_nearest_level(bits: int, theta: float) -> None:
    weight = gaussian(64, 9).double()
    made = quantizer(bits, theta_dz=theta)
    grid = made.grid(weight)

    levels = np.array([level for level in grid.levels if level])
    nearest = levels[np.abs(weight.numpy()[..., None] - levels).argmin(-1)]
    expected = np.where(np.abs(weight.numpy()) <= grid.dead_zone / 2, 0.0, nearest)

    assert len(grid.levels) == 2**bits - 1
    assert made(weight).detach().numpy() == pytest.approx(expected, abs=1e-12)


def test_a_weight_halfway_between_two_levels_takes_the_even_code() -> None:
    # Dead zone 1, step 1/2, shift 1/4: levels 0, 3/4, 5/4, 7/4, and ties at 1/2, 1, 3/2.
    weight = torch.tensor([0.5, -0.5, 1.0, -1.0, 1.5, -1.5, 9.0, 0.0])

    result = dead_zone_quantize(weight, *map(torch.tensor, (0.25, 0.5, 3.0)))

    assert result.tolist() == [0.0, 0.0, 1.25, -1.25, 1.25, -1.25, 1.75, 0.0]


@pytest.mark.parametrize("count", [1, 2, 3, 100, 101, 1000])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99, 1.0])
def test_absmax_is_the_quantile_with_linear_interpolation(count: int, share: float) -> None:
    weight = gaussian(count, seed=count).double()

    found = quantizer(quantile=share).grid(weight).absmax

    assert found == pytest.approx(np.quantile(np.abs(weight.numpy()), share), rel=1e-12)


def straight_through(exact: "torch.Tensor", rounded: "torch.Tensor") -> "torch.Tensor":
    return exact + (rounded - exact).detach()


def written_out(
    weight: "torch.Tensor", theta_dz: "torch.Tensor", theta_bit: "torch.Tensor"
) -> "torch.Tensor":
    """The quantiser as the paper writes it, one operation after the other."""
    absmax = weight.detach().abs().quantile(0.99)
    exact_bits = 6 * theta_bit.tanh().abs() + 2
    top = 2 ** (straight_through(exact_bits, exact_bits.round()) - 1) - 1
    dead_zone = 2 * absmax * (1 - theta_dz.tanh().abs())
    step = (absmax - dead_zone / 2) / (top - 0.5) + 1e-8
    shift = dead_zone / 2 - step / 2
    beyond = weight.abs() - shift
    scaled = weight.sign() * straight_through(beyond, beyond.relu()) / step
    codes = straight_through(scaled, scaled.round().clamp(-top.detach(), top.detach()))
    return step * codes + shift * codes.sign()


@pytest.mark.parametrize(
    ("theta_dz", "theta_bit"), [(1.0, 0.3), (0.2, 3.0), (-0.8, -0.4), (3.0, 0.1)]
)
def test_gradients_are_those_of_the_formula_with_straight_through_steps(
    theta_dz: float, theta_bit: float
) -> None:
    made = quantizer(theta_dz=theta_dz, theta_bit=theta_bit).double()
    weight = gaussian(40, 12).double().requires_grad_()
    thetas = [
        torch.tensor(t, dtype=torch.float64, requires_grad=True) for t in (theta_dz, theta_bit)
    ]
    into = gaussian(40, 12, seed=1).double()

    expected = torch.autograd.grad((written_out(weight, *thetas) * into).sum(), [weight, *thetas])
    result = torch.autograd.grad(
        (made(weight) * into).sum(), [weight, made.theta_dz, made.theta_bit]
    )

    assert torch.allclose(made(weight), written_out(weight, *thetas), atol=1e-12)
    for found, wanted in zip(result, expected, strict=True):
        assert torch.allclose(found, wanted, rtol=1e-6, atol=1e-9)


def test_every_weight_gets_the_gradient_of_its_quantised_value() -> None:
    # Dead, exactly zero, on a level, and beyond the largest one.
    weight = torch.tensor([0.1, 0.0, -0.39, 5.0, *RAMP]).requires_grad_()
    into = torch.arange(1.0, len(weight) + 1)

    quantizer(3, theta_dz=1.0)(weight).backward(into)

    assert torch.equal(weight.grad, into)


def test_what_theta_dz_gets_follows_from_two_weights_by_hand() -> None:
    # quantile 1: absmax = 1. theta = atanh(1/2): d = 1; 3 bits: step (1 - 1/2) / 2.5 = 0.2 and
    # shift 0.4. 0.3 is dead: relu leaves 0, so code 0 for 0. 1.0: (1 - 0.4) / 0.2 = 3, code 3.
    # d step / d d = -1 / (2 * 2.5) = -0.2; d shift / d d = (1 + 0.2) / 2 = 0.6.
    # The dead weight moves by (0 - sign) * 0.6 + (0 - 0) * -0.2 = -0.6, the other by nothing.
    # d d / d theta = -2 (1 - tanh^2) = -1.5, so the sum has the gradient 0.9.
    made = quantizer(3, theta_dz=float(np.arctanh(0.5)), quantile=1.0).double()

    made(torch.tensor([0.3, 1.0], dtype=torch.float64)).sum().backward()

    assert made.theta_dz.grad.item() == pytest.approx(0.9, rel=1e-6)
    assert made.theta_bit is None


def test_two_bits_leave_three_levels() -> None:
    weight = gaussian(500)
    absmax = np.quantile(np.abs(weight.numpy()), 0.99)

    result = quantizer(2, theta_dz=0.5)(weight)

    assert np.unique(result.detach().numpy()) == pytest.approx([-absmax, 0, absmax], rel=1e-6)


def test_a_dead_zone_over_the_whole_range_leaves_what_is_beyond_the_quantile() -> None:
    weight = gaussian(1000).requires_grad_()
    made = quantizer(4, theta_dz=0.0)

    result = made(weight)
    result.sum().backward()

    absmax = np.quantile(np.abs(weight.detach().numpy()), 0.99)
    beyond = np.abs(weight.detach().numpy()) > absmax
    assert beyond.sum() == 10
    assert np.array_equal(result.detach().numpy() != 0, beyond)
    assert result.detach().abs().numpy()[beyond] == pytest.approx(absmax, rel=1e-6)
    assert torch.isfinite(made.theta_dz.grad)


def test_without_a_dead_zone_only_zero_is_zero() -> None:
    # tanh(20) is 1 in float32: levels are odd multiples of half a step, and 0 for 0.
    weight = torch.tensor([0.0, 1e-6, -1e-6, 1.0])
    made = quantizer(3, theta_dz=20.0, quantile=1.0)

    assert made.grid(weight).dead_zone == 0
    assert made(weight).tolist() == pytest.approx([0.0, 0.2, -0.2, 1.0], rel=1e-6)


def test_weights_that_are_all_zero_stay_zero_and_can_learn() -> None:
    weight = torch.zeros(3, 4, requires_grad=True)
    made = quantizer()

    result = made(weight)
    result.sum().backward()

    assert not result.any()
    assert torch.equal(weight.grad, torch.ones(3, 4))
    assert torch.isfinite(made.theta_dz.grad)
    assert torch.isfinite(made.theta_bit.grad)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_types_of_float_are_quantised_without_loss_but_their_own(dtype: str) -> None:
    kind = getattr(torch, dtype)
    weight = torch.cat((torch.zeros(300), gaussian(300))).to(kind)
    made = quantizer(4, theta_dz=0.0 if dtype == "float16" else 0.7, quantile=0.9)

    result = made(weight)

    assert result.dtype is kind
    exact = made(weight.double())
    assert torch.allclose(result.double(), exact, rtol=2 * torch.finfo(kind).eps, atol=1e-6)


def test_a_quantiser_that_is_switched_off_lets_the_weight_pass() -> None:
    made = quantizer()
    made.enabled = False
    weight = gaussian(4)

    assert made(weight) is weight


LOST = (
    "are NaN or infinite and have no level; take the last good state_dict and a lower learning rate"
)
SPARSE = "quantile 0.99 of the magnitudes is 0 and leaves no range; quantile=1.0 takes the largest"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([float("nan"), 1.0, 2.0], f"conv1: 1 of 3 weights {LOST}"),
        ([float("inf"), float("-inf"), 2.0], f"conv1: 2 of 3 weights {LOST}"),
        ([0.0] * 400 + [0.5], f"conv1: 1 of 401 weights are not zero, so {SPARSE}"),
    ],
)
def test_a_weight_without_levels_is_named(values: list[float], text: str) -> None:
    made = DeadZoneQuantizer(layer="conv1")

    with pytest.raises(QregError) as caught:
        made(torch.tensor(values))

    assert str(caught.value) == text


def test_a_sparse_weight_has_levels_where_the_largest_sets_them() -> None:
    weight = torch.zeros(401, dtype=torch.float64)
    weight[7] = 0.5

    # 8 bits: the guard of 1e-8 in the step is 127 - 1/2 times in the largest level.
    expected = 0.5 + 126.5e-8
    assert quantizer(quantile=1.0)(weight)[7].item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["theta_dz", "theta_bit"])
def test_a_theta_that_was_lost_is_named(name: str) -> None:
    made = DeadZoneQuantizer(layer="fc")
    getattr(made, name).data.fill_(float("nan"))

    for attempt in (lambda: made.bits, lambda: made(gaussian(9)), lambda: made.grid(gaussian(9))):
        with pytest.raises(QregError, match=f"fc: {name} is nan; take the last good state_dict"):
            attempt()


@pytest.mark.parametrize(
    ("bits", "quantile", "text"),
    [
        (1, 0.99, "weight: bits=1: give a number from 2 to 24, or two of them, the fewer first"),
        (25, 0.99, "weight: bits=25: give a number"),
        (4.5, 0.99, "weight: bits=4.5: give a number"),
        ((8, 2), 0.99, "weight: bits=(8, 2): give a number"),
        (4, 0.0, "weight: quantile=0.0: give a number above 0 and up to 1"),
        (4, 99, "weight: quantile=99: give a number above 0 and up to 1"),
        (4, float("nan"), "weight: quantile=nan: give a number above 0 and up to 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    bits: int | tuple[int, int], quantile: float, text: str
) -> None:
    with pytest.raises(QregError) as caught:
        DeadZoneQuantizer(bits, quantile=quantile)

    assert str(caught.value).startswith(text)


def test_tensors_without_numbers_keep_their_shape() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    assert quantizer().to("meta")(torch.empty(3, 5, device="meta")).shape == (3, 5)
    with FakeTensorMode():
        assert quantizer()(torch.empty(3, 5)).shape == (3, 5)
