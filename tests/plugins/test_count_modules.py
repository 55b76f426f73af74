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
