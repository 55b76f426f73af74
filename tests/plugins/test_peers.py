"""What other tools print is reproduced, so that a published number can be explained."""

import json
from math import prod

import pytest

import qreg
from qreg.cli import main

torch = pytest.importorskip("torch")

from zoo_vision import CifarResNet

# Outputs of ResNet-20's convolutions: 7 of 16x32x32, 6 of 32x16x16, 6 of 64x8x8.
CONV_OUTPUTS = 7 * 16 * 32 * 32 + 6 * 32 * 16 * 16 + 6 * 64 * 8 * 8
DENSE = 40_551_040


@pytest.mark.parametrize(
    ("peer", "printed"),
    [
        ("fvcore", 40_927_872),  # published counts of ResNet-20 by each tool
        ("thop", 41_304_704),
        ("ptflops", 41_120_394),
        ("torch", 40_551_040),
    ],
)
def test_resnet20_counts_as_each_tool_prints_it(peer: str, printed: int) -> None:
    totals = qreg.count(CifarResNet().eval(), shape=(1, 3, 32, 32), as_=peer).totals

    assert totals == {"macs": DENSE, f"as_{peer}": printed}


def test_the_differences_are_norms_activations_pooling_and_a_bias() -> None:
    norms, relus, pooled, bias = 2 * CONV_OUTPUTS, CONV_OUTPUTS, prod((64, 8, 8)), 10

    assert DENSE + norms == 40_927_872
    assert DENSE + 2 * norms == 41_304_704
    assert DENSE + norms + relus + pooled + bias == 41_120_394


def test_attention_and_recurrence_that_a_tool_misses_are_missing_in_its_view() -> None:
    class Attention(torch.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return torch.nn.functional.scaled_dot_product_attention(x, x, x)

    lstm = torch.nn.LSTM(8, 16, batch_first=True)

    seen = qreg.count(Attention(), shape=(1, 2, 5, 4), as_="fvcore").totals
    assert seen == {"macs": 2 * 2 * 5 * 5 * 4, "as_fvcore": 0}
    seen = qreg.count(lstm, shape=(1, 7, 8), as_="torch").totals
    assert seen == {"macs": 7 * 4 * 16 * (8 + 16), "as_torch": 0}


def test_the_option_is_spelled_as(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["count", "examples/resnet8.onnx", "--as", "fvcore", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["totals"]) == ["macs", "as_fvcore"]

    assert main(["count", "examples/resnet8.onnx", "--as", "fvcorr"]) == 1
    told = capsys.readouterr().err
    assert told == (
        "qreg: --as: 'fvcorr' is not one of 'fvcore', 'ptflops', 'thop', 'torch'; "
        "did you mean 'fvcore'?\n"
    )
