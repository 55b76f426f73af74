"""Pooling, resizing and writing by index cost one operation wherever two numbers meet.

Oracles: PyTorch on ones and on unit vectors, whose results count what is added up, and figures by
hand.
"""

import math
from typing import Any

import pytest
from cost_calls import aten, onnx_call, priced

from qreg.records import Cost, OpCall
from qreg_pool.cost import adaptive_taps
from qreg_pool.regions import roi_align

torch = pytest.importorskip("torch")


def meta(*shape: int, dtype: Any = torch.float32) -> Any:
    return torch.empty(shape, device="meta", dtype=dtype)


def flops(call: OpCall) -> int:
    cost = priced(call)
    assert cost.contractions == ()
    return cost.elementwise_flops


# Pooling ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 5, 7, 12, 13])
@pytest.mark.parametrize("outputs", [1, 2, 3, 5, 7, 8, 12])
def test_taps_of_an_adaptive_pool_are_those_that_pytorch_reads(size: int, outputs: int) -> None:
    """The mean of a unit vector is not zero wherever a window holds its one."""
    unit_vectors = torch.eye(size)[None]

    taps = int((torch.ops.aten.adaptive_avg_pool1d(unit_vectors, [outputs]) != 0).sum())

    assert adaptive_taps((size,), (outputs,)) == taps
    assert taps == sum(
        math.ceil((i + 1) * size / outputs) - i * size // outputs for i in range(outputs)
    )


def test_an_adaptive_pool_counts_all_taps_of_windows_that_overlap() -> None:
    """7 to 3: windows of 3, 3, 3; 10 to 4: of 3, 3, 3, 3. Backwards, a division each first."""
    x = meta(2, 5, 7, 10)

    assert flops(aten("adaptive_avg_pool2d", x, [3, 4])) == 2 * 5 * 9 * 12
    assert flops(aten("_adaptive_avg_pool2d", x, [3, 4])) == 2 * 5 * 9 * 12
    assert flops(aten("adaptive_max_pool2d", x, [3, 4])) == 2 * 5 * 9 * 12
    assert flops(aten("adaptive_avg_pool3d", x, [5, 3, 4])) == 2 * 5 * 9 * 12
    assert flops(aten("adaptive_avg_pool1d", meta(5, 7, 10), [4])) == 5 * 7 * 12
    backward = aten("_adaptive_avg_pool2d_backward", meta(2, 5, 3, 4), x)
    assert flops(backward) == 2 * 5 * (9 * 12 + 3 * 4)


def test_a_global_pool_is_an_adaptive_pool_to_one() -> None:
    x = (2, 5, 7, 10)

    expected = 2 * 5 * 7 * 10
    assert flops(aten("adaptive_avg_pool2d", meta(*x), [1, 1])) == expected
    for op in ("GlobalAveragePool", "GlobalMaxPool", "com.microsoft.QLinearGlobalAveragePool"):
        assert flops(onnx_call(op, [x], [(2, 5, 1, 1)])) == expected


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("max_pool2d", ([3, 2], [2, 2], [1, 0])),
        ("max_pool2d_with_indices", ([3, 2], [2, 2], [1, 0])),
        ("avg_pool2d", ([3, 2], [2, 2], [1, 0])),
    ],
)
def test_a_pool_is_one_operation_per_tap_in_both_spellings(
    name: str, rest: tuple[Any, ...]
) -> None:
    """(9 + 2 - 3) / 2 + 1 = 5 by (8 - 2) / 2 + 1 = 4 windows of six."""
    call = aten(name, meta(2, 3, 9, 8), *rest)

    assert call.output.shape == (2, 3, 5, 4)
    assert flops(call) == 2 * 3 * 5 * 4 * 6
    for op in ("MaxPool", "AveragePool", "com.microsoft.QLinearAveragePool"):
        onnx = onnx_call(op, [(2, 3, 9, 8)], [(2, 3, 5, 4)], kernel_shape=(3, 2))
        assert flops(onnx) == 2 * 3 * 5 * 4 * 6


def test_one_size_stands_for_all_axes_of_a_pool() -> None:
    assert flops(aten("max_pool2d", meta(1, 2, 9, 9), [3])) == 2 * 9 * 9
    assert flops(aten("avg_pool3d", meta(1, 2, 4, 4, 4), [2])) == 2 * 8 * 8
    assert flops(aten("avg_pool1d", meta(1, 2, 9), [3])) == 2 * 3 * 3


@pytest.mark.parametrize(("p", "each"), [(1, 2), (2, 2), (3, 3)])
def test_an_lp_pool_takes_powers_of_its_taps(p: int, each: int) -> None:
    window = onnx_call("LpPool", [(1, 2, 6, 6)], [(1, 2, 3, 3)], kernel_shape=(2, 2), p=p)
    whole = onnx_call("GlobalLpPool", [(1, 2, 6, 6)], [(1, 2, 1, 1)], p=p)

    assert flops(window) == flops(whole) == each * 2 * 36


def test_gradients_of_pools_are_added_where_they_came_from() -> None:
    x = torch.zeros(1, 2, 9, 8)
    y, places = torch.ops.aten.max_pool2d_with_indices(x, [3, 2], [2, 2], [1, 0])
    spread = torch.ops.aten.max_pool2d_with_indices_backward(
        torch.ones_like(y), x, [3, 2], [2, 2], [1, 0], [1, 1], False, places
    )

    backward = aten("max_pool2d_with_indices_backward", meta(*y.shape), meta(*x.shape), [3, 2], [2, 2],
                    [1, 0], [1, 1], False, meta(*y.shape, dtype=torch.int64))  # fmt: skip
    assert flops(backward) == int(spread.sum())
    average = aten("avg_pool2d_backward", meta(1, 2, 4, 4), meta(1, 2, 8, 8), [2, 2], [2, 2], [0, 0],
                   False, True, None)  # fmt: skip
    assert flops(average) == 2 * 16 * (4 + 1)


def test_regions_cost_their_points_and_are_unknown_where_data_tell_how_many() -> None:
    """Two by two points per bin, each four products and three additions, and one to join them."""
    given = {"output_height": 3, "output_width": 5}
    call = onnx_call(
        "RoiAlign", [(1, 4, 9, 9), (2, 4), (2,)], [(2, 4, 3, 5)], sampling_ratio=2, **given
    )
    adaptive = onnx_call("RoiAlign", [(1, 4, 9, 9), (2, 4), (2,)], [(2, 4, 3, 5)], **given)

    assert flops(call) == 2 * 4 * 3 * 5 * 4 * 8
    assert roi_align(adaptive) is None


# Resizing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "onnx", "sizes", "outputs", "neighbours"),
    [
        ("upsample_nearest2d", "nearest", (4, 6), (8, 9), 1),
        ("upsample_bilinear2d", "linear", (4, 6), (8, 9), 4),
        ("upsample_bilinear2d", "linear", (4, 6), (8, 6), 2),
        ("upsample_bicubic2d", "cubic", (4, 6), (8, 9), 16),
        ("upsample_linear1d", "linear", (6,), (9,), 2),
        ("upsample_trilinear3d", "linear", (2, 4, 6), (4, 8, 9), 8),
    ],
)
def test_a_resize_is_a_weighted_mean_per_output_element(
    name: str, onnx: str, sizes: tuple[int, ...], outputs: tuple[int, ...], neighbours: int
) -> None:
    """As many products as neighbours, and their sum: bilinear is 4 and 3."""
    rest = () if onnx == "nearest" else (False,)
    call = aten(name, meta(2, 3, *sizes), list(outputs), *rest)
    same = onnx_call("Resize", [(2, 3, *sizes)], [(2, 3, *outputs)], mode=onnx)

    expected = 2 * 3 * math.prod(outputs) * (2 * neighbours - 1 if neighbours > 1 else 0)
    assert flops(call) == flops(same) == expected


def test_an_axis_that_is_cropped_is_resampled_though_it_keeps_its_size() -> None:
    crop = {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}

    assert flops(onnx_call("Resize", [(1, 2, 4, 6)], [(1, 2, 4, 9)], **crop)) == 2 * 36 * 7
    assert (
        flops(onnx_call("Resize", [(1, 2, 4, 6)], [(1, 2, 4, 9)], axes=(3,), **crop)) == 2 * 36 * 3
    )


def test_with_antialiasing_each_axis_is_filtered_in_its_turn() -> None:
    """12 to 5 columns: windows of ceil(2 * 12 / 5) = 5, in 8 rows; then 8 to 16 rows of 5: 2 taps."""
    call = aten("_upsample_bilinear2d_aa", meta(1, 3, 8, 12), [16, 5], False)
    same = onnx_call("Resize", [(1, 3, 8, 12)], [(1, 3, 16, 5)], mode="linear", antialias=1)

    assert flops(call) == flops(same) == 3 * (8 * 5 * 9 + 16 * 5 * 3)


def test_the_gradient_of_a_resize_is_spread_over_its_neighbours() -> None:
    linear = aten("upsample_bilinear2d_backward", meta(1, 2, 8, 9), [8, 9], [1, 2, 4, 6], False)
    nearest = aten("upsample_nearest2d_backward", meta(1, 2, 8, 9), [8, 9], [1, 2, 4, 6])

    assert flops(linear) == 2 * 72 * 4 * 2
    assert flops(nearest) == 2 * 72


def test_sampling_at_data_computes_weights_per_point_and_a_mean_per_channel() -> None:
    """Per coordinate: three to scale it, the floor, fraction and complement; four weights a point."""
    image, grid = meta(2, 3, 5, 7), meta(2, 4, 6, 2)
    points, results = 2 * 4 * 6, 2 * 3 * 4 * 6

    linear = points * (2 * 6 + 4) + results * 7
    assert flops(aten("grid_sampler", image, grid, 0, 0, False)) == linear
    assert flops(aten("grid_sampler_2d", image, grid, 0, 0, False)) == linear
    for mode in ("linear", "bilinear"):
        onnx = onnx_call("GridSample", [(2, 3, 5, 7), (2, 4, 6, 2)], [(2, 3, 4, 6)], mode=mode)
        assert flops(onnx) == linear
    nearest = onnx_call("GridSample", [(2, 3, 5, 7), (2, 4, 6, 2)], [(2, 3, 4, 6)], mode="nearest")
    assert flops(nearest) == points * 2 * 4
    cubic = points * (2 * (3 + 1 + 1 + 3 + 2 * 5 + 2 * 6) + 16) + results * 31
    assert flops(aten("grid_sampler", image, grid, 2, 0, False)) == cubic


def test_an_affine_grid_is_a_product_and_a_sum_per_axis_and_coordinate() -> None:
    call = aten("affine_grid_generator", meta(2, 2, 3), [2, 3, 4, 6], False)

    assert flops(call) == flops(onnx_call("AffineGrid", [(2, 2, 3), (4,)], [(2, 4, 6, 2)]))
    assert flops(call) == 2 * 4 * 6 * 2 * (2 + 2)


# Writing by index -------------------------------------------------------------------------------


def test_accumulating_by_index_adds_what_pytorch_adds() -> None:
    """The sum of ones that are added to zeros."""
    x = torch.zeros(4, 5, 6)
    rows, columns = torch.tensor([[0], [2], [2]]), torch.tensor([1, 1, 4, 0])
    for indices in ([rows, columns], [None, columns], [rows[:, 0], None, columns[:3]], [rows]):
        added = torch.ops.aten.index_put(x, indices, torch.ones(()), True).sum()

        call = aten("index_put", x, indices, torch.ones(()), True)
        assert flops(call) == int(added)
        assert flops(aten("index_put", x, indices, torch.ones(()), False)) == 0


def test_scatters_that_reduce_cost_one_operation_per_index() -> None:
    x, source = torch.zeros(3, 5), torch.ones(2, 4)
    index = torch.tensor([[0, 1, 2, 2], [1, 1, 0, 2]])
    added = int(torch.ops.aten.scatter_add(x, 0, index, source).sum())

    assert flops(aten("scatter_add", x, 0, index, source)) == added == 8
    assert flops(aten("scatter_reduce.two", x, 0, index, source, "amax")) == 8
    assert flops(aten("scatter.src", x, 0, index, source)) == 0
    assert flops(aten("scatter.reduce", x, 0, index, source, reduce="add")) == 8
    shapes = [(3, 5), (2, 4), (2, 4)]
    assert flops(onnx_call("ScatterElements", shapes, [(3, 5)])) == 0
    assert flops(onnx_call("ScatterElements", shapes, [(3, 5)], reduction="add")) == 8
    assert flops(onnx_call("ScatterND", shapes, [(3, 5)], reduction="none")) == 0


def test_adding_rows_by_index_costs_their_elements() -> None:
    x, source, index = torch.zeros(3, 5), torch.ones(2, 5), torch.tensor([1, 1])

    assert flops(aten("index_add", x, 0, index, source)) == 10
    assert flops(aten("index_add", x, 0, index, source, alpha=3)) == 20


def test_an_embedding_copies_and_a_bag_of_rows_adds() -> None:
    table, index, offsets = torch.ones(7, 5), torch.tensor([1, 4, 6, 6]), torch.tensor([0, 3])
    total = torch.ops.aten.embedding_bag(table, index, offsets)[0].sum()

    assert flops(aten("embedding", table, index)) == 0
    assert flops(onnx_call("Gather", [(7, 5), (4,)], [(4, 5)])) == 0
    assert flops(aten("embedding_bag", table, index, offsets)) == int(total) == 20
    weighted = aten("embedding_bag", table, index, offsets, False, 0, False, torch.ones(4))
    assert flops(weighted) == 40
    gradient = aten(
        "embedding_dense_backward", meta(4, 5), meta(4, dtype=torch.int64), 7, -1, False
    )
    assert flops(gradient) == 20


def test_columns_that_overlap_are_added_up() -> None:
    columns = torch.ones(1, 2 * 6, 20)
    added = torch.ops.aten.col2im(columns, [6, 6], [3, 2], [1, 1], [0, 0], [1, 1]).sum()

    call = aten("col2im", columns, [6, 6], [3, 2], [1, 1], [0, 0], [1, 1])
    assert flops(call) == int(added) == 240
    assert flops(onnx_call("Col2Im", [(1, 12, 20)], [(1, 2, 6, 6)])) == 240
    assert flops(aten("im2col", meta(1, 2, 6, 6), [3, 2], [1, 1], [0, 0], [1, 1])) == 0


@pytest.mark.parametrize("kind", ["reflection", "replication"])
def test_the_gradient_of_padding_is_added_to_the_border(kind: str) -> None:
    x, g = torch.zeros(1, 2, 4, 5), torch.ones(1, 2, 7, 7)
    name = f"{kind}_pad2d_backward"
    added = getattr(torch.ops.aten, name)(g, x, [1, 1, 1, 2]).sum()

    assert flops(aten(name, g, x, [1, 1, 1, 2])) == int(added)


# Moving data ------------------------------------------------------------------------------------


def test_a_view_costs_nothing_and_a_copy_its_bytes() -> None:
    x = meta(2, 3, 4)

    for call in (aten("view", x, [6, 4]), aten("permute", x, [2, 0, 1]), aten("slice.Tensor", x, 1, 0, 2),
                 aten("expand", x, [5, 2, 3, 4]), aten("unbind.int", x), aten("detach", x)):  # fmt: skip
        assert priced(call) == Cost(moves=False)
    for call in (aten("cat", [x, x]), aten("clone", x), aten("constant_pad_nd", x, [1, 1]),
                 aten("repeat", x, [2, 1, 1]), aten("zeros", [3, 4]), aten("roll", x, [1]),
                 onnx_call("Reshape", [(2, 3), (1,)], [(6,)]), onnx_call("Concat", [(2,), (3,)], [(5,)]),
                 onnx_call("Cast", [(2, 3)], [(2, 3)])):  # fmt: skip
        assert priced(call) == Cost()


def test_a_conversion_to_what_a_tensor_is_already_moves_nothing() -> None:
    x = meta(2, 3)
    copy = aten("to.dtype", x, torch.float16)
    same = OpCall(copy.target, "node", copy.inputs, copy.inputs[:1], copy.attributes)  # type: ignore[arg-type]

    assert priced(copy) == Cost()
    assert priced(same) == Cost(moves=False)
