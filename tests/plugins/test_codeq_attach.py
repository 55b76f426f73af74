"""Which layers get a quantiser, and what becomes of them."""

from copy import deepcopy

import pytest

from qreg.api import catalogue
from qreg.errors import QregError

torch = pytest.importorskip("torch", reason="needs the torch extra")

from qreg_codeq.attach import attach_quantizers, detach_quantizers, quantizers
from qreg_codeq.bits import learned

nn = torch.nn
functional = nn.functional


class Block(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        return x + self.conv2(self.act(self.bn1(self.conv1(x))))


class Net(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.layer1 = nn.Sequential(Block(4), Block(4))
        self.fc = nn.Linear(4, 5)

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        return self.fc(self.layer1(self.conv1(x)).mean((2, 3)))


CONVS = ["conv1", "layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1", "layer1.1.conv2"]
IMAGE = (2, 3, 8, 8)


def net() -> Net:
    torch.manual_seed(0)
    return Net()


def refusal(model: "nn.Module", *patterns: object, **settings: object) -> str:
    with pytest.raises(QregError) as caught:
        attach_quantizers(model, *patterns, **settings)  # type: ignore[arg-type]
    return str(caught.value)


def test_every_weight_of_two_axes_gets_a_quantiser_and_the_others_a_reason() -> None:
    model = net()

    attached = attach_quantizers(model)

    assert list(attached.layers) == [*CONVS, "fc"]
    assert quantizers(model) == attached.layers
    assert attached.skipped == {
        f"layer1.{i}.{name}": f"{what}; norms=True includes it"
        for i in (0, 1)
        for name, what in (("bn1", "a normalisation"), ("act", "a weight of one axis"))
    }


def test_a_name_is_a_whole_name_and_no_part_of_one() -> None:
    attached = attach_quantizers(net(), exclude=["conv1"])

    assert list(attached.layers) == [*CONVS[1:], "fc"]
    assert attached.skipped["conv1"] == "excluded"


def test_a_glob_reaches_across_dots() -> None:
    attached = attach_quantizers(net(), include=["layer1.*", "fc"], exclude="*.conv1")

    assert list(attached.layers) == ["layer1.0.conv2", "layer1.1.conv2", "fc"]
    assert attached.skipped["conv1"] == "not included"


@pytest.mark.parametrize(
    ("role", "pattern", "near"),
    [
        ("exclude", "bn", "did you mean 'layer1.0.bn1' or 'layer1.1.bn1'?"),
        ("exclude", "conv", "did you mean 'conv1' or"),
        ("include", "layer1", "did you mean 'layer1.*'"),
        ("include", "Conv1", "did you mean 'conv1'"),
        ("exclude", "linear", "layers are conv1, layer1.0.conv1, layer1.0.bn1, layer1.0.act, "),
        ("include", "", "layers are conv1, "),
    ],
)
def test_a_pattern_that_names_nothing_is_told_with_what_is_near(
    role: str, pattern: str, near: str
) -> None:
    model = net()

    text = refusal(model, **{role: [pattern]})

    assert text.startswith(
        f"{role} pattern {pattern!r} names no layer: a pattern is a whole name, or a glob over it "
        f"such as '*.conv1'; {near}"
    )
    assert not hasattr(model.conv1, "parametrizations")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"include": "*.1.bn1"},
            "'*.1.bn1' gives nothing to quantise: layer1.1.bn1: a normalisation; norms=True includes it",
        ),
        (
            {"include": ["fc", "conv1"], "exclude": "conv*"},
            "'conv1' gives nothing to quantise: conv1: excluded",
        ),
        (
            {"exclude": "*"},
            "'*' gives nothing to quantise: conv1: excluded; layer1.0.conv1: excluded; layer1.0.bn1: "
            + "excluded; and 7 more",
        ),
    ],
)
def test_a_pattern_that_gives_nothing_to_quantise_is_refused(
    settings: dict[str, str], text: str
) -> None:
    assert refusal(net(), **settings) == f"include pattern {text}"


def test_norms_get_one_when_asked_for() -> None:
    model = nn.Sequential(nn.LayerNorm((4, 5)), nn.GroupNorm(2, 4), nn.PReLU(4), nn.Linear(5, 5))
    for part in list(model)[:3]:
        nn.init.normal_(part.weight)

    assert list(attach_quantizers(deepcopy(model)).layers) == ["3"]
    assert list(attach_quantizers(deepcopy(model), norms=True).layers) == ["0", "1", "2", "3"]


def test_layers_may_differ_in_bits_and_have_one_quantiser_only() -> None:
    model = net()
    attach_quantizers(model, "fc", bits=8)

    second = attach_quantizers(model, bits=4)

    assert second.skipped["fc"] == "has a quantiser"
    assert {n: q.bits for n, q in quantizers(model).items()} == {**dict.fromkeys(CONVS, 4), "fc": 8}
    assert refusal(model, "fc") == (
        "include pattern 'fc' gives nothing to quantise: fc: has a quantiser"
    )


def test_weights_that_are_read_in_other_ways_are_skipped_by_name() -> None:
    model = nn.ModuleDict(
        {
            "lstm": nn.LSTM(3, 4),
            "spectral": nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4)),
            "whole": nn.Linear(3, 4),
            "empty": nn.Linear(3, 4),
            "fc": nn.Linear(3, 4),
        }
    )
    model["whole"].weight = nn.Parameter(torch.ones(4, 3, dtype=torch.int32), requires_grad=False)
    model["empty"].weight = nn.Parameter(torch.ones(4, 0))

    attached = attach_quantizers(model)

    assert list(attached.layers) == ["fc"]
    assert attached.skipped["lstm"].startswith("its parameters are weight_ih_l0, weight_hh_l0, ")
    assert attached.skipped["spectral"] == "its weight is made by _SpectralNorm"
    assert attached.skipped["whole"] == "its weight is of type int32"
    assert attached.skipped["empty"] == "its weight has no elements"


@pytest.mark.parametrize("training", [True, False])
def test_attention_computes_with_its_quantised_projections(training: bool) -> None:
    model = nn.ModuleDict({"attn": nn.MultiheadAttention(8, 2, batch_first=True)}).train(training)
    x = torch.randn(2, 5, 8)

    attached = attach_quantizers(model, bits=3, theta_dz=0.5)
    result, _ = model["attn"](x, x, x)
    detach_quantizers(model)

    assert list(attached.layers) == ["attn.in_proj_weight", "attn.out_proj"]
    assert torch.allclose(result, model["attn"](x, x, x)[0])


def test_a_layer_used_under_two_names_has_one_quantiser_and_answers_to_both() -> None:
    shared = nn.Linear(4, 4)
    model = nn.ModuleDict({"a": shared, "b": shared, "c": nn.Linear(4, 4)})

    assert list(attach_quantizers(deepcopy(model), exclude="b").layers) == ["c"]
    assert list(attach_quantizers(model, include="b").layers) == ["a"]


def test_a_weight_that_layers_share_has_one_quantiser_and_is_baked_once() -> None:
    model = nn.ModuleDict({"embed": nn.Embedding(7, 4), "head": nn.Linear(4, 7, bias=False)})
    model["head"].weight = model["embed"].weight

    attached = attach_quantizers(model, bits=3)
    expected = model["head"].weight.detach().clone()
    bits = detach_quantizers(model)

    assert attached.layers["embed"] is attached.layers["head"]
    assert bits == {"embed": 3, "head": 3}
    assert model["head"].weight is model["embed"].weight
    assert torch.equal(model["head"].weight, expected)


def test_a_model_that_is_one_layer_is_named_by_nothing() -> None:
    model = nn.Linear(3, 4)

    assert list(attach_quantizers(model).layers) == [""]
    model.parametrizations.weight.original.data.fill_(float("nan"))
    with pytest.raises(QregError, match="the model: 12 of 12 weights are NaN"):
        model(torch.zeros(1, 3))


def test_a_weight_without_levels_is_told_before_anything_is_changed() -> None:
    model = net()
    with torch.no_grad():
        model.fc.weight[0, 0] = float("nan")

    assert refusal(model).startswith("fc: 1 of 20 weights are NaN or infinite")
    assert [n for n, _ in model.named_modules() if "parametrizations" in n] == []


def test_a_layer_that_has_no_weight_yet_is_told() -> None:
    assert refusal(nn.Sequential(nn.LazyLinear(4))) == (
        "0: has no weight yet; run the model on an input first"
    )


def test_a_network_computes_with_what_baking_leaves() -> None:
    model = net().eval()
    attach_quantizers(model, theta_dz=0.5)
    image = torch.randn(IMAGE)
    before = model(image)

    bits = detach_quantizers(model)

    assert bits == dict.fromkeys([*CONVS, "fc"], 8)
    assert torch.equal(model(image), before)
    assert type(model.conv1) is nn.Conv2d
    assert float((model.conv1.weight == 0).float().mean()) > 0.05
    with pytest.raises(QregError, match=r"no quantisers; attach_quantizers\(model\) puts them on"):
        quantizers(model)


def test_taking_quantisers_off_can_give_the_float_weights_back() -> None:
    model = net()
    image = torch.randn(IMAGE)
    before, weight = model(image), model.conv1.weight

    attach_quantizers(model)
    detach_quantizers(model, keep=False)

    assert model.conv1.weight is weight
    assert torch.equal(model(image), before)
    assert list(model.state_dict()) != []


def test_a_quantiser_that_is_switched_off_leaves_the_float_weight() -> None:
    model = net()
    attach_quantizers(model).layers["fc"].enabled = False
    weight = model.fc.weight.detach().clone()

    bits = detach_quantizers(model)

    assert bits == {**dict.fromkeys(CONVS, 8), "fc": None}
    assert torch.equal(model.fc.weight, weight)


def test_a_second_parametrisation_is_not_thrown_away_with_the_quantiser() -> None:
    model = net()
    attach_quantizers(model)
    nn.utils.parametrizations.spectral_norm(model.fc)

    with pytest.raises(QregError, match="fc: its weight has other parametrisations beside"):
        detach_quantizers(model)
    assert len(quantizers(model)) == 6


def test_saved_settings_and_thetas_come_back() -> None:
    trained, fresh = net(), Net()
    attach_quantizers(trained, bits=(3, 6), theta_dz=0.7, theta_bit=0.4, quantile=0.9)
    attach_quantizers(fresh)

    fresh.load_state_dict(trained.state_dict())

    image = torch.randn(IMAGE)
    assert torch.equal(fresh.eval()(image), trained.eval()(image))
    assert {n: q.bits for n, q in quantizers(fresh).items()} == {
        n: q.bits for n, q in quantizers(trained).items()
    }


def test_a_checkpoint_is_read_where_only_tensors_are_allowed(tmp_path: "object") -> None:
    model = net()
    attach_quantizers(model)
    path = f"{tmp_path}/net.pt"
    torch.save(model.state_dict(), path)

    model.load_state_dict(torch.load(path, weights_only=True))


def test_a_copy_learns_apart_from_the_original() -> None:
    model = net()
    attach_quantizers(model)

    copied = deepcopy(model)
    quantizers(copied)["fc"].theta_bit.data.fill_(0.0)

    assert (quantizers(copied)["fc"].bits, quantizers(model)["fc"].bits) == (2, 8)


@pytest.mark.parametrize("keep", [True, False])
def test_baking_a_copy_leaves_the_original_as_it_was(keep: bool) -> None:
    model = net().eval()
    attach_quantizers(model)
    image = torch.randn(IMAGE)
    before = model(image)

    detach_quantizers(deepcopy(model), keep=keep)

    assert torch.equal(model(image), before)
    assert len(quantizers(model)) == 6


def test_a_quantiser_on_a_copy_leaves_the_original_as_it_was() -> None:
    model = nn.ModuleDict({"attn": nn.MultiheadAttention(8, 2, kdim=6, vdim=7)})
    attach_quantizers(model, "attn.q_proj_weight")

    attach_quantizers(deepcopy(model), "attn.k_proj_weight")

    assert list(quantizers(model)) == ["attn.q_proj_weight"]
    assert model["attn"].k_proj_weight.shape == (8, 6)


def test_frozen_parts_of_a_layer_stay_in_their_mode() -> None:
    model = nn.ModuleDict({"attn": nn.MultiheadAttention(8, 2)})
    model["attn"].out_proj.eval()

    attach_quantizers(model, "attn.in_proj_weight")

    assert [n for n, part in model.named_modules() if not part.training] == ["attn.out_proj"]


def test_quantisers_follow_the_model_to_another_type_and_mode() -> None:
    model = net().eval()
    attach_quantizers(model)

    assert not any(part.training for part in model.modules())
    assert all(part.training for part in model.train().modules())
    assert model.double()(torch.randn(IMAGE).double()).dtype is torch.float64
    assert model.to("meta").float()(torch.empty(IMAGE, device="meta")).shape == (2, 5)


def test_frozen_weights_stay_frozen() -> None:
    model = net()
    model.fc.weight.requires_grad_(False)

    attach_quantizers(model)
    detach_quantizers(model)

    assert not model.fc.weight.requires_grad
    assert model.conv1.weight.requires_grad


def test_counting_finds_the_reader_and_reads_the_bits() -> None:
    from qreg_torch.specs import BitReaderSpec

    model = net()
    made = attach_quantizers(model, theta_bit=0.3).layers["conv1"]
    kind = type(made)

    entry = catalogue().choose(BitReaderSpec, f"object {kind.__module__}.{kind.__qualname__}")

    assert entry is not None
    assert entry.id == "codeq/dead-zone"
    assert entry.spec.read.load() is learned
    assert learned(made, model.conv1.weight) == 4
    assert learned(made, made.theta_dz) is None
    made.enabled = False
    assert learned(made, model.conv1.weight) is None


def test_counting_takes_zeros_and_bits_from_the_quantised_weight() -> None:
    import qreg

    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    attach_quantizers(model, "0", bits=3, theta_dz=0.3)
    alive = int(model[0].weight.count_nonzero())

    counted = qreg.count(model, shape={"input": (5, 4)})

    first, last = [row for row in counted.layers if row["macs"]]
    assert 0 < alive < 32
    assert (first["weight_bits"], first["density"]) == (3, alive / 32)
    assert first["bops_paper"] == 5 * alive * 3 * 32
    assert last["bops_paper"] == 5 * 16 * 32 * 32


def test_an_exported_program_holds_the_quantised_weights() -> None:
    model = nn.Sequential(nn.Linear(3, 4)).eval()
    attach_quantizers(model, bits=3, theta_dz=0.5)
    x = torch.randn(2, 3)

    program = torch.export.export(model, (x,))

    assert torch.equal(program.module()(x), model(x))
