"""Modules counted from end to end that other counters, and this one once, went wrong on."""

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn

import qreg


class Products(nn.Module):
    """The product of two vectors, one of which is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 0.0, 2.0, 0.0, 3.0]))

    def forward(self, x: Tensor) -> Tensor:
        return torch.dot(x, self.weight)


def test_a_product_of_two_vectors_is_one_sum() -> None:
    found = qreg.count(Products(), shape=(5,), prove=True)

    assert (found.totals["macs"], found.totals["macs_needed"]) == (5, 3)
    assert not found.proof.wrong
    assert found.proof.unneeded == 2


class Reordered(nn.Module):
    """Channels by a list: PyTorch makes a tensor of it that nobody sees the numbers of."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, [2, 0]] * 2


def test_a_module_that_looks_up_by_a_list_can_be_proven() -> None:
    found = qreg.count(Reordered(), shape=(1, 3, 4, 4), prove=True)

    assert not found.unknown
    assert not found.proof.wrong


class Turned(nn.Module):
    """A product whose factor lies transposed in memory, with a column of zeros in its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(5, 15)
        with torch.no_grad():
            self.head.weight[:, 1] = 0

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.transpose(1, 0))


def test_how_a_tensor_lies_in_memory_refutes_no_claim() -> None:
    """PyTorch adds up in another order where a matrix is transposed, which rounds differently."""
    found = qreg.count(Turned(), shape=(2, 24, 5), prove=True)

    assert found.proof.unneeded == 2 * (2 * 24)
    assert not found.proof.wrong


class Largest(nn.Module):
    """Looks up by indices of which there is only one."""

    def forward(self, x: Tensor) -> Tensor:
        return x.gather(1, x.argmax(1, keepdim=True)) * torch.zeros(())


def test_noise_in_unneeded_indices_stays_within_the_table() -> None:
    assert not qreg.count(Largest(), shape=(2, 1, 3), prove=True).proof.wrong


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("graph", [False, True], ids=["watched", "exported"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_the_zeros_that_a_recurrence_starts_from_are_no_parameters(
    kind: str, graph: bool, batch: int
) -> None:
    module = getattr(nn, kind)(5, 7)
    gates = {"LSTM": 4, "GRU": 3}[kind]

    found = qreg.count(module, shape=(6, batch, 5), graph=graph)

    assert found.totals["params"] == gates * 7 * (5 + 7 + 2)


class LearnedStart(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.start = nn.RNN(5, 7), nn.Parameter(torch.ones(1, 1, 7))

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(x, self.start)[1]


def test_a_state_that_was_learned_is_a_parameter() -> None:
    assert qreg.count(LearnedStart(), shape=(6, 1, 5)).totals["params"] == 7 * (5 + 7 + 2) + 7


class Mixed(nn.Module):
    """Computes in half the bits where it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.head(x)


def test_what_autocast_casts_has_the_bits_it_is_cast_to() -> None:
    """Twelve rows of sixteen products; on meta tensors autocast would cast the weight alone."""
    found = qreg.count(Mixed(), shape=(12, 4))

    (layer,) = (x for x in found.layers if x["op"] == "linear")
    assert (layer["weight_bits"], layer["activation_bits"]) == (16, 16)
    assert found.totals["bops_dense"] == 12 * 16 * 16 * 16
    assert found.source.endswith("autocast casts no tensors on meta")


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return self.head(x)


def test_autocast_that_is_off_changes_nothing() -> None:
    assert qreg.count(Plain(), shape=(12, 4)).source == "the dispatcher on meta tensors"


class Folded(nn.Module):
    """A tied autoencoder: one square matrix, read as it lies and transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))
        with torch.no_grad():
            self.weight[:, :2] = 0

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x @ self.weight) @ self.weight.t()


def test_a_weight_that_is_read_transposed_too_has_its_zeros_in_rows_there() -> None:
    """The first product makes two null channels, which meet the zeros in the second."""
    found = qreg.count(Folded(), shape=(3, 4), prove=True)

    first, last = (x for x in found.layers if x["op"] == "matmul")
    assert (first["null_out"], first["macs_needed"]) == ([0, 1], 3 * 4 * 2)
    assert (last["null_in"], last["null_out"], last["macs_needed"]) == ([0, 1], [], 3 * 2 * 4)


class Backwards(nn.Module):
    """Gives the gradient of a layer: its weight is read twice, in two shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.layer(x).sum(), x)[0]


def test_a_weight_that_is_read_in_two_shapes_is_read_in_each() -> None:
    found = qreg.count(Backwards(), shape=(3, 4), prove=True)

    assert not found.proof.wrong


@pytest.mark.parametrize("graph", [False, True], ids=["watched", "exported"])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_a_module_of_another_type_takes_inputs_of_it(kind: torch.dtype, graph: bool) -> None:
    found = qreg.count(nn.Linear(5, 4, dtype=kind), shape=(3, 5), graph=graph)

    bits = kind.itemsize * 8
    assert found.totals["macs"] == 60
    assert found.totals["bops_dense"] == 60 * bits * bits
