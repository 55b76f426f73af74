"""Training with dead-zone quantisers: what decay does to the thetas, and to the BOPs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from qreg.errors import QregError

torch = pytest.importorskip("torch", reason="needs the torch extra")

from qreg_codeq.attach import attach_quantizers, quantizers
from qreg_codeq.regularize import parameter_groups, penalty

nn = torch.nn
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Ops as small as these wait for threads longer than they run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def net() -> "nn.Sequential":
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4))


def test_every_parameter_is_in_one_group() -> None:
    model = net()
    attach_quantizers(model, "0", bits=4)
    attach_quantizers(model, "3")

    groups = parameter_groups(model, lr=0.1, theta_lr=0.01, weight_decay=1, decay_dz=2, decay_bit=3)

    assert [(g["name"], len(g["params"]), g["lr"], g["weight_decay"]) for g in groups] == [
        ("base", 6, 0.1, 1), ("dz", 2, 0.01, 2), ("bit", 1, 0.01, 3),
    ]  # fmt: skip
    grouped = [id(p) for g in groups for p in g["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())


def test_without_learned_bits_there_is_no_group_of_them() -> None:
    model = net()
    attach_quantizers(model, bits=4)

    assert [g["name"] for g in parameter_groups(model, lr=0.1)] == ["base", "dz"]
    assert "theta_bit" not in " ".join(model.state_dict())


def test_a_theta_of_a_shared_weight_is_grouped_once() -> None:
    model = nn.ModuleDict({"embed": nn.Embedding(7, 4), "head": nn.Linear(4, 7, bias=False)})
    model["head"].weight = model["embed"].weight
    attach_quantizers(model)

    assert [len(g["params"]) for g in parameter_groups(model, lr=0.1)] == [1, 1, 1]
    assert penalty(model, 1.0, 0.0).item() == 9.0


def test_decoupled_decay_takes_its_share_off_each_theta_whatever_the_gradient() -> None:
    model = net()
    made = attach_quantizers(model).layers["0"]
    optimiser = torch.optim.AdamW(parameter_groups(model, lr=0.1, decay_dz=2.0, decay_bit=0.5))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)

    optimiser.step()

    assert made.theta_dz.item() == pytest.approx(3 * (1 - 0.1 * 2.0))
    assert made.theta_bit.item() == pytest.approx(3 * (1 - 0.1 * 0.5))


def test_the_penalty_of_the_paper_is_a_sum_of_squares() -> None:
    model = net()
    first, second = attach_quantizers(model, theta_dz=0.5, theta_bit=2.0).layers.values()

    loss = penalty(model, decay_dz=0.1, decay_bit=0.01)
    loss.backward()

    assert loss.item() == pytest.approx(2 * (0.1 * 0.5**2 + 0.01 * 2.0**2))
    assert [q.theta_dz.grad.item() for q in (first, second)] == pytest.approx([2 * 0.1 * 0.5] * 2)
    assert [q.theta_bit.grad.item() for q in (first, second)] == pytest.approx([2 * 0.01 * 2.0] * 2)


def test_a_model_without_quantisers_has_nothing_to_regularise() -> None:
    for attempt in (lambda: penalty(net()), lambda: parameter_groups(net(), lr=0.1)):
        with pytest.raises(QregError, match="the model has no quantisers"):
            attempt()


def bits_left(model: "nn.Module") -> float:
    """Bits of the weights that are not zero, as a share of 32 bits for each: the BOPs of a MLP."""
    layers = quantizers(model)
    kept = {
        n: (model.get_submodule(n).weight != 0).sum().item() * q.bits for n, q in layers.items()
    }
    everything = sum(model.get_submodule(n).weight.numel() for n in layers)
    return sum(kept.values()) / (32 * everything)


# Adam gives the penalty's gradient the length of a learning rate whatever its factor: with
# 0.03 a hundred steps lead from 3 towards 0. Decoupled, decay alone leaves 3 (1 - 0.025)^100 = 0.24.
@pytest.mark.parametrize(
    ("theta_lr", "decay", "factor"), [(0.01, 2.5, 0.0), (0.03, 0.0, 0.03)], ids=["decay", "penalty"]
)
def test_training_makes_a_network_small_that_still_answers(
    theta_lr: float, decay: float, factor: float
) -> None:
    model = net()
    attach_quantizers(model)
    before = bits_left(model)
    torch.manual_seed(1)
    x = torch.randn(512, 16)
    labels = (x @ torch.randn(16, 4)).argmax(1)
    optimiser = torch.optim.AdamW(
        parameter_groups(model, lr=0.01, theta_lr=theta_lr, decay_dz=decay, decay_bit=decay)
    )

    for _ in range(100):
        loss = nn.functional.cross_entropy(model(x), labels) + penalty(model, factor, factor)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after = bits_left(model.eval())
    right = float((model(x).argmax(1) == labels).float().mean())

    assert before > 0.22  # 8 of 32 bits, and hardly a zero
    assert after < before / 1.7
    assert right > 0.9


def test_the_example_trains_counts_and_reports(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn (the test extra)")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from train_codeq_digits import main  # type: ignore[import-not-found]

    main(["--quick"])

    shown = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split() for line in shown}
    assert rows["total"][1] == "12,501,632"
    assert all(int(row[1]) < 8 for row in list(rows.values())[1:11])
    assert float(rows["total"][-1].rstrip("%")) < 100 * 6 / 32  # fewer bits, and zeros
