"""The names of the CoDeQ BOPs calculator, with counts that are right."""

from math import inf

import pytest

import qreg
from qreg.errors import QregError

torch = pytest.importorskip("torch")
nn = torch.nn

from zoo_vision import CifarResNet

BITS = 32 * 32


def conv(inputs: int = 2, outputs: int = 4) -> "torch.nn.Conv2d":
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.uniform_(layer.weight, 0.5, 1.5)
    return layer


def toy() -> "torch.nn.Sequential":
    return nn.Sequential(conv(2, 4), conv(4, 8)).eval()


def test_one_convolution_dense_and_with_two_dead_filters() -> None:
    compare = qreg.QuantizationComparison(input_size=(2, 4, 4), b_a=32)
    layer = nn.Sequential(conv())

    stats = compare.set_baseline(layer)
    (dense,) = stats.layers
    assert isinstance(stats, qreg.ModelStats) and isinstance(dense, qreg.LayerStats)
    assert (dense.name, dense.macs, dense.bops, dense.bitwidth) == ("0", 1152, 1_179_648, 32)
    assert (dense.spatial, dense.kernel_size) == ((4, 4), (3, 3))
    assert (dense.total_in_channels, dense.total_out_channels) == (2, 4)
    assert (dense.pruning_ratio, dense.null_out_channels) == (0.0, frozenset())

    with torch.no_grad():
        layer[0].weight[2:] = 0
    stats = compare.calculate_stats(layer)
    assert (stats.total_macs, stats.total_bops) == (576, 589_824)
    assert stats.layers[0].null_out_channels == {2, 3}
    assert stats.layers[0].pruning_ratio == 0.5
    assert compare.mac_compression_ratio(stats) == compare.compression_ratio(layer) == 2.0


def test_dead_filters_are_null_inputs_of_the_next_layer() -> None:
    compare = qreg.QuantizationComparison(input_size=(2, 4, 4))
    net = toy()
    with torch.no_grad():
        net[0].weight[2:] = 0

    _, second = compare.calculate_stats(net).layers

    assert second.macs == 2304
    assert second.null_in_channels == {2, 3}


def test_when_everything_is_zero_the_ratio_is_infinite() -> None:
    compare = qreg.QuantizationComparison(input_size=(2, 4, 4))
    net = toy()
    compare.set_baseline(net)
    with torch.no_grad():
        net[0].weight.zero_()

    assert compare.calculate_stats(net).total_macs == 0
    assert compare.compression_ratio(net) == inf


def test_a_linear_layer_and_activation_bits() -> None:
    net = nn.Sequential(nn.Linear(4, 8))

    (layer,) = qreg.QuantizationComparison(input_size=(4,)).calculate_stats(net).layers
    assert (layer.macs, layer.bops, layer.spatial) == (32, 32_768, (1, 1))
    (layer,) = qreg.QuantizationComparison(input_size=(4,), b_a=8).calculate_stats(net).layers
    assert layer.bops == 32 * 32 * 8


def test_resnet20_and_the_conventional_rule() -> None:
    """With a shifted norm a dead filter is a constant: only the conventional rule calls it null."""
    net = CifarResNet().eval()
    assert qreg.QuantizationComparison().set_baseline(net).total_bops == 41_524_264_960
    with torch.no_grad():
        net.layer1[0].conv2.weight.zero_()
        net.layer1[0].bn2.bias.fill_(0.5)
        net.conv1.weight[:8] = 0
        net.bn1.bias[:8] = 0.25

    exact = qreg.QuantizationComparison().calculate_stats(net)
    papers = qreg.QuantizationComparison(convention="ignore-bias").calculate_stats(net)

    null = {x.name: x.null_in_channels for x in papers.layers}
    assert null["layer1.0.conv1"] == null["layer1.1.conv1"] == set(range(8))
    assert papers.total_macs == 35_611_264
    assert not any(x.null_in_channels for x in exact.layers)
    assert exact.total_macs > papers.total_macs


def test_the_tables_have_the_columns_of_that_tool(capsys: pytest.CaptureFixture[str]) -> None:
    compare = qreg.QuantizationComparison(input_size=(2, 4, 4))
    net = toy()
    compare.set_baseline(net)

    compare.print_model_stats(net)
    head = capsys.readouterr().out.splitlines()[0]
    assert head.split() == ["layer", "b_w", "p_out", "p_in", "P_l", "MACs", "BOPs"]
    compare.print_comparison(net)
    assert "MACs of base" in capsys.readouterr().out


def test_other_architectures_and_absent_baselines_are_refused() -> None:
    compare = qreg.QuantizationComparison(input_size=(2, 4, 4))
    with pytest.raises(QregError, match="no baseline: call set_baseline"):
        compare.compression_ratio(toy())

    compare.set_baseline(toy())
    with pytest.raises(QregError, match="'1' is only in the base"):
        compare.compression_ratio(nn.Sequential(conv()))

    with pytest.raises(QregError, match="no BOPs definition 'mask'; there are masked, paper"):
        qreg.QuantizationComparison(definition="mask").calculate_stats(toy())
