"""A module is the same after it was traced, whatever its forward does and however it ends."""

import random
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the torch extra")

from torch.nn.modules import module as torch_module
from torch.nn.utils import parametrize

import qreg
from qreg.errors import QregError
from qreg_torch.capture import capture

nn = torch.nn


class Unruly(nn.Module):  # type: ignore[misc,name-defined]
    """Changes all it can reach; needs numbers where ``needs``, fails where ``fails``."""

    calls = 0

    def __init__(self, needs: bool = False, fails: bool = False) -> None:
        super().__init__()
        self.needs, self.fails = needs, fails
        self.conv = nn.utils.weight_norm(nn.Conv1d(3, 3, 1))
        self.norm = nn.BatchNorm1d(3)
        self.fixed = nn.BatchNorm1d(3).eval()
        self.drop = nn.Dropout(0.5)
        self.register_buffer("seen", torch.zeros(3))
        self.register_buffer("last", None)
        self.history: list[Any] = [1]
        self.cache: dict[str, Any] = {"nested": {"deep": [0]}}
        self.steps = 0
        watched = torch.ao.quantization.FakeQuantize()
        parametrize.register_parametrization(self.fixed, "weight", watched)

    def forward(self, x: Any) -> Any:
        self.steps += 1
        self.seen += 1
        self.seen[0] = 7
        self.last = x.mean()
        self.extra = x
        self.history.append(x)
        self.cache["nested"]["deep"].append(x)
        self.added = nn.Linear(2, 2)
        self.norm.train()
        self.norm.weight.requires_grad_(False)
        self.drop.train()
        y = self.drop(self.fixed(self.norm(self.conv(x)))) + torch.rand(1, device=x.device)
        y = y + random.random() + float(np.random.rand())
        torch.manual_seed(3)
        x.add_(1)
        if self.needs and y.sum() > 1e9:
            y = -y
        if self.fails:
            raise ValueError("no such luck")
        return y


def snapshot(module: Any) -> dict[str, Any]:
    """What can be told apart: identities, numbers, flags, hooks, attributes of classes.

    Python's copy module caches ``__slotnames__`` in the classes of all it copies.
    """
    parts = dict(module.named_modules())
    return {
        "parts": {n: id(p) for n, p in parts.items()},
        "attributes": {n: list(p.__dict__) for n, p in parts.items()},
        "values": {n: {k: id(v) for k, v in p.__dict__.items()} for n, p in parts.items()},
        "tensors": {n: {k: id(v) for k, v in (p._parameters | p._buffers).items()}
                    for n, p in parts.items()},
        "state": {k: v.detach().numpy().copy().tolist() for k, v in module.state_dict().items()},
        "identities": [id(p) for p in (*module.parameters(), *module.buffers())],
        "marks": [list(vars(p)) for p in (*module.parameters(), *module.buffers())],
        "versions": [p._version for p in (*module.parameters(), *module.buffers())],
        "grads": [(p.requires_grad, id(p.grad)) for p in module.parameters()],
        "training": {n: p.training for n, p in parts.items()},
        "hooks": {n: [len(getattr(p, k)) for k in vars(p) if k.endswith("_hooks")]
                  for n, p in parts.items()},
        "classes": {n: {k: id(v) for k, v in vars(type(p)).items() if k != "__slotnames__"} for n, p in parts.items()},
        "lists": (list(map(id, module.history)), str(module.cache)),
        "global hooks": [len(v) for k, v in vars(torch_module).items()
                         if k.startswith("_global_") and k.endswith("hooks")],
        "randomness": (torch.get_rng_state().tolist(), random.getstate(),
                       str(np.random.get_state())),
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(),
                  parametrize._cache_enabled, len(parametrize._cache)),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("needs", [False, True], ids=["on meta", "for real"])
@pytest.mark.parametrize("fails", [False, True], ids=["ends well", "raises"])
def test_a_module_is_the_same_after_a_trace(needs: bool, fails: bool) -> None:
    module = Unruly(needs, fails).train()
    module.fixed.eval()
    module(torch.randn(2, 3, 4)) if not fails else None
    x = torch.randn(2, 3, 4)
    before, numbers = snapshot(module), x.clone()

    try:
        trace = capture(module, x).trace()
    except QregError as exc:
        assert fails
        assert str(exc) == "the module cannot run on x [2, 3, 4]: ValueError: no such luck"
    else:
        assert not fails
        assert trace.source.startswith(
            "the dispatcher on a real run" if needs else "the dispatcher on meta"
        )

    after = snapshot(module)
    for what, state in before.items():
        assert after[what] == state, what
    assert torch.equal(x, numbers)
    assert not vars(x)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("fails", [False, True], ids=["ends well", "raises"])
def test_a_hook_that_knows_its_module_leaves_nothing_there(fails: bool) -> None:
    """It was made for the module itself, also where a copy runs."""
    module = Unruly(needs=True, fails=fails)
    module.drop.register_forward_hook(lambda part, args, made: module.history.append(made))

    try:
        capture(module, torch.randn(2, 3, 4))
    except QregError:
        assert fails

    assert module.history == [1]


def test_a_backward_pass_under_way_goes_on_after_a_trace() -> None:
    class Counts(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.ones(3))

        def forward(self, x: Any) -> Any:
            self.seen += 1
            return x * self.seen

    module, x = Counts(), torch.ones(3, requires_grad=True)
    result = module(x).sum()

    capture(module, torch.ones(3))
    result.backward()

    assert x.grad.tolist() == [2, 2, 2]


def test_the_proof_of_a_module_that_draws_numbers_takes_none_away() -> None:
    class Drops(nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            return nn.functional.dropout(x, 0.5, training=True)

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)

    qreg.count(Drops(), shape=(4, 3), prove=True)

    assert torch.equal(torch.rand(3), expected)
