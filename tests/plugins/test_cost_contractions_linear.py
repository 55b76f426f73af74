"""Matrix products cost the products they add up, in ONNX's spelling and in PyTorch's.

Oracles: the op itself on ones, whose results are counts of products; and the matrix products that
PyTorch splits an op into, which its own counter knows.
"""

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import pytest
from attrs import evolve
from cost_calls import aten, macs, onnx_call, priced, sizes, stored

from qreg.records import OpCall, Weight
from qreg_linear.cost import NOWHERE
from qreg_onnx.runtime import session

torch = pytest.importorskip("torch")
flop_counter = pytest.importorskip("torch.utils.flop_counter")

F32 = np.float32


def meta(*shape: int, dtype: Any = None) -> Any:
    return torch.empty(shape, device="meta", dtype=dtype or torch.float32)


def split_into_products(run: Callable[[], Any]) -> int:
    """What PyTorch's counter sees of the mm and bmm that an op is made of."""
    with torch.no_grad(), flop_counter.FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops()) // 2


# Linear layers and products ---------------------------------------------------------------------

SHAPES = [
    ((5, 7), (7, 3)), ((7,), (7, 3)), ((5, 7), (7,)), ((7,), (7,)), ((2, 4, 5, 7), (7, 3)),
    ((2, 4, 5, 7), (4, 7, 3)), ((4, 1, 5, 7), (6, 7, 3)), ((7,), (4, 7, 3)), ((4, 5, 7), (7,)),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_both_spellings_of_a_product_cost_what_numpy_adds_up(
    left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    """PyTorch's counter gives 0 for a matrix times a vector and for two vectors."""
    result = np.matmul(np.ones(left), np.ones(right))

    assert macs(aten("matmul", meta(*left), meta(*right))) == int(result.sum())
    assert macs(onnx_call("MatMul", [left, right], [result.shape])) == int(result.sum())


@pytest.mark.parametrize(
    ("call", "products"),
    [
        (lambda: aten("mm", meta(5, 7), meta(7, 3)), 5 * 7 * 3),
        (lambda: aten("bmm", meta(2, 5, 7), meta(2, 7, 3)), 2 * 5 * 7 * 3),
        (lambda: aten("mv", meta(64, 64), meta(64)), 64 * 64),
        (lambda: aten("dot", meta(64), meta(64)), 64),
        (lambda: aten("vdot", meta(64), meta(64)), 64),
        (lambda: aten("addmm", meta(3), meta(5, 7), meta(7, 3)), 5 * 7 * 3),
        (lambda: aten("addmv", meta(64), meta(64, 64), meta(64)), 64 * 64),
        (lambda: aten("baddbmm", meta(2, 5, 3), meta(2, 5, 7), meta(2, 7, 3)), 2 * 5 * 7 * 3),
        (lambda: aten("addbmm", meta(8, 8), meta(3, 8, 8), meta(3, 8, 8)), 3 * 8 * 8 * 8),
        (lambda: aten("inner", meta(64, 64), meta(64, 64)), 64**3),
        (lambda: aten("inner", meta(2, 3, 5), meta(4, 5)), 2 * 3 * 4 * 5),
        (lambda: aten("linalg_vecdot", meta(3, 1, 5), meta(4, 5)), 3 * 4 * 5),
        (lambda: aten("linalg_vecdot", meta(3, 4), meta(3, 4), dim=0), 4 * 3),
        (lambda: aten("tensordot", meta(2, 3, 5), meta(5, 4, 3), [1, 2], [2, 0]), 2 * 4 * 15),
        (lambda: aten("linear", meta(197, 4), meta(8, 4)), 197 * 32),
        (lambda: aten("linear", meta(2, 197, 4), meta(8, 4), meta(8)), 2 * 197 * 32),
        (lambda: aten("linear", meta(64), meta(64, 64)), 64 * 64),
        (lambda: aten("linear", meta(3, 64), meta(64)), 3 * 64),
        (lambda: aten("_int_mm", torch.ones(64, 64, dtype=torch.int8),
                      torch.ones(64, 64, dtype=torch.int8)), 64**3),
        (lambda: aten("_addmm_activation", meta(3), meta(5, 7), meta(7, 3)), 5 * 7 * 3),
    ],
)  # fmt: skip
def test_products_that_torchs_counter_knows_and_those_it_counts_as_nothing(
    call: Callable[[], OpCall], products: int
) -> None:
    """It lacks mv, dot, addmv, addbmm, _int_mm, and a linear layer on one token."""
    assert macs(call()) == products


@pytest.mark.parametrize(
    ("alpha", "beta", "per_output"), [(1, 1, 1), (2, 1, 2), (1, 0.5, 2), (3, 2, 3), (1, 0, 0)]
)
def test_what_is_added_to_a_product_and_its_factors(
    alpha: float, beta: float, per_output: int
) -> None:
    a, b, c = meta(5, 7), meta(7, 3), meta(3)
    gemm = onnx_call("Gemm", [(5, 7), (7, 3), (3,)], [(5, 3)], alpha=alpha, beta=beta)

    assert (
        priced(aten("addmm", c, a, b, alpha=alpha, beta=beta)).elementwise_flops == 15 * per_output
    )
    assert priced(gemm).elementwise_flops == 15 * per_output


def test_an_outer_product_adds_nothing_up() -> None:
    """64 * 64 multiplications without a sum, as PyTorch's own ``mul`` that it is split into."""
    outer = priced(aten("outer", meta(64), meta(64)))

    assert (outer.macs, outer.elementwise_flops) == (0, 64 * 64)
    addr = priced(aten("addr", meta(5, 3), meta(5), meta(3), alpha=2))
    assert (addr.macs, addr.elementwise_flops) == (0, 15 * (1 + 1 + 1))


def test_two_complex_numbers_take_four_products() -> None:
    """PyTorch's counter counts one."""
    z, x = meta(64, 64, dtype=torch.complex64), meta(64, 64)

    assert macs(aten("mm", z, z)) == 4 * 64**3
    assert macs(aten("linear", z, z)) == 4 * 64**3
    assert macs(aten("tensordot", z, z, [1], [0])) == 4 * 64**3
    assert macs(aten("mm", x, x)) == 64**3


def test_a_bilinear_layer_contracts_one_input_and_then_the_other() -> None:
    """Four rows, 8 outputs: x1 with the weight 8 * 8 * 8, what that gives with x2 another 8 * 8."""
    layer = aten("bilinear", meta(4, 8), meta(4, 8), meta(8, 8, 8), meta(8))
    inner = aten("_trilinear", meta(4, 8), meta(8, 8, 8), meta(4, 8), [1, 3], [0], [1, 2], [2, 3])

    assert macs(layer) == macs(inner) == 4 * (8 * 8 * 8 + 8 * 8)
    assert priced(layer).elementwise_flops == 4 * 8


@pytest.mark.parametrize("seed", range(6))
def test_a_chain_is_multiplied_in_the_order_that_pytorch_finds(seed: int) -> None:
    widths = np.random.default_rng(seed).integers(2, 30, 4 + seed % 3)
    matrices = [meta(int(a), int(b)) for a, b in pairwise(widths)]

    call = aten("linalg_multi_dot", matrices)

    assert macs(call) == split_into_products(lambda: torch.linalg.multi_dot(matrices))


def test_a_chain_may_begin_and_end_with_a_vector() -> None:
    """From the right: 4 * 5 with the vector, then 3 * 4, then 3."""
    call = aten("linalg_multi_dot", [meta(3), meta(3, 4), meta(4, 5), meta(5)])

    assert macs(call) == 4 * 5 + 3 * 4 + 3


@pytest.mark.parametrize(
    ("left", "right", "products"),
    [((16, 64), (2, 64, 48), 16 * 64 * 48), ((3, 5, 8), (8, 12), 5 * 8 * 12),
     ((5, 12), (12, 7), 5 * 12 * 7), ((3, 5, 8), (3, 8, 7), 3 * 5 * 8 * 7)],
)  # fmt: skip
def test_every_row_of_a_grouped_product_meets_one_matrix(
    left: tuple[int, ...], right: tuple[int, ...], products: int
) -> None:
    out = {(2, 3): (left[0], right[-1]), (3, 2): (left[-2], right[-1]),
           (2, 2): (4, left[0], right[-1]), (3, 3): (3, 5, 7)}[len(left), len(right)]  # fmt: skip
    like = onnx_call("MatMul", [left, right, (4,)], [out])

    call = OpCall("aten._grouped_mm.default", "node", like.inputs, like.outputs)

    assert macs(call) == products


@pytest.mark.parametrize("mask", [(True, True, True), (True, False, False), (False, True, True)])
def test_each_gradient_of_a_linear_layer_costs_one_forward_pass(mask: tuple[bool, ...]) -> None:
    like = onnx_call("MatMul", [(2, 5, 7), (2, 5, 3), (3, 7)], [(2, 5, 7), (3, 7), (3,)])
    call = OpCall("aten.linear_backward.default", "node", like.inputs, like.outputs,
                  {"output_mask": mask})  # fmt: skip
    product = onnx_call("MatMul", [(2, 5, 3), (2, 5, 7), (2, 7, 3)], [(2, 5, 7), (2, 7, 3)])
    matmul = OpCall("aten.matmul_backward.default", "node", product.inputs, product.outputs,
                    {"mask": mask[:2]})  # fmt: skip

    assert macs(call) == macs(matmul) == sum(mask[:2]) * 2 * 5 * 7 * 3
    assert priced(call).elementwise_flops == (2 * 5 * 3 if mask[2] else 0)


# Einstein sums ----------------------------------------------------------------------------------

EQUATIONS = [
    ("bij,bjk->bik", [(3, 4, 5), (3, 5, 6)]),
    ("i,i->", [(64,), (64,)]),
    ("ij,ij->i", [(64, 64), (64, 64)]),
    ("bijk,bikl->bijl", [(2, 8, 10, 3), (2, 8, 3, 12)]),
    ("btd,dhk->bthk", [(2, 5, 8), (8, 3, 4)]),
    ("bthk,hkd->btd", [(2, 5, 3, 4), (3, 4, 8)]),
    ("...ij,...jk", [(2, 1, 4, 5), (3, 5, 6)]),
    ("i...,ji", [(5, 2, 3), (4, 5)]),
    ("ba,ca", [(4, 5), (6, 5)]),
    ("iij,jk->ik", [(4, 4, 5), (5, 6)]),
    ("ab,bc,cd->ad", [(4, 5), (5, 6), (6, 7)]),
    ("ab,bc,cd,de->ae", [(9, 2), (2, 8), (8, 3), (3, 7)]),
    ("ij,jk->k", [(2, 3), (3, 4)]),
    ("bqd,bkd,bkv->bqv", [(2, 5, 4), (2, 6, 4), (2, 6, 3)]),
]


@pytest.mark.parametrize(("equation", "shapes"), EQUATIONS)
def test_an_einstein_sum_is_the_products_that_pytorch_splits_it_into(
    equation: str, shapes: list[tuple[int, ...]]
) -> None:
    tensors = [meta(*shape) for shape in shapes]

    call = aten("einsum", equation, tensors)

    split = split_into_products(lambda: torch.ops.aten.einsum(equation, tensors))
    assert macs(call) == split > 0
    same = onnx_call("Einsum", shapes, [call.output.shape], equation=equation)
    assert priced(same) == priced(call)


@pytest.mark.parametrize(("equation", "shapes"), [e for e in EQUATIONS if len(e[1]) == 2])
def test_two_operands_are_multiplied_once_for_every_index(
    equation: str, shapes: list[tuple[int, ...]]
) -> None:
    """Of ones, numpy adds up that many; but an index of one operand alone is summed before."""
    whole = int(np.einsum(equation, *(np.ones(s) for s in shapes)).sum())
    call = aten("einsum", equation, [meta(*s) for s in shapes])

    if equation == "ij,jk->k":
        assert (macs(call), priced(call).elementwise_flops) == (3 * 4, 2 * 3)
    else:
        assert (macs(call), priced(call).elementwise_flops) == (whole, 0)


@pytest.mark.parametrize("path", [(0, 1, 0, 1), (1, 2, 0, 1), (0, 2, 0, 1), (2, 1, 1, 0)])
def test_an_einstein_sum_follows_a_given_path(path: tuple[int, ...]) -> None:
    equation, tensors = "ab,bc,cd->ad", [meta(2, 9), meta(9, 8), meta(8, 3)]

    call = aten("einsum", equation, tensors, path=path)

    if path[:2] == (0, 2):  # these two share nothing: multiplied one by one, then summed
        assert (macs(call), priced(call).elementwise_flops) == (2 * 9 * 8 * 3, 2 * 9 * 8 * 3)
    else:
        split = split_into_products(lambda: torch.ops.aten.einsum(equation, tensors, path=path))
        assert macs(call) == split


@pytest.mark.parametrize(
    ("equation", "shapes", "flops"),
    [("ij,ij->ij", [(3, 4), (3, 4)], 12), ("i,j->ij", [(3,), (4,)], 12), ("ij->ji", [(3, 4)], 0),
     ("ij->i", [(3, 4)], 12), ("ii->i", [(3, 3)], 0)],
)  # fmt: skip
def test_an_einstein_sum_without_a_contraction(
    equation: str, shapes: list[tuple[int, ...]], flops: int
) -> None:
    cost = priced(aten("einsum", equation, [meta(*s) for s in shapes]))

    assert (cost.contractions, cost.elementwise_flops) == ((), flops)


# Distances --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "others", "p", "mode", "product"),
    [(64, 64, 2.0, None, True), (25, 26, 2.0, None, True), (25, 25, 2.0, None, False),
     (25, 25, 2.0, 1, True), (64, 64, 2.0, 2, False), (64, 64, 1.0, None, False)],
)  # fmt: skip
def test_distances_are_a_product_where_pytorch_makes_one(
    rows: int, others: int, p: float, mode: int | None, product: bool
) -> None:
    """p = 2 and more than 25 rows on a side; the sum over 7 coordinates is the contraction."""
    x, y = torch.zeros(3, rows, 7), torch.zeros(3, others, 7)
    call = aten("cdist", x, y, p, mode)

    assert macs(call) == (3 * rows * others * 7 if product else 0)
    direct = 3 * rows * others * (3 * 7 + 1)
    by_product = 2 * 3 * (rows + others) * 7 + 4 * 3 * rows * others
    assert priced(call).elementwise_flops == (by_product if product else direct)
    if p == 2.0 and mode is None:
        behind = "_euclidean_dist" if product else "_cdist_forward"
        more = () if product else (p, mode)
        assert priced(aten(behind, x, y, *more)) == priced(call)


def test_onnx_runtimes_distances_are_a_product() -> None:
    call = onnx_call("com.microsoft.CDist", [(5, 7), (6, 7)], [(5, 6)], metric="euclidean")

    assert macs(call) == 5 * 6 * 7


# Quantised and fused spellings ------------------------------------------------------------------


def test_a_dynamically_quantised_linear_layer_is_counted() -> None:
    """PyTorch's counter gives 0 for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weight = torch.quantize_per_tensor(torch.zeros(48, 64), 0.1, 0, torch.qint8)
        packed = torch.ops.quantized.linear_prepack(weight, torch.zeros(48))

    call = aten("quantized::linear_dynamic", torch.zeros(2, 10, 64), packed)
    unseen = evolve(call, inputs=call.inputs[:1])  # a frontend that cannot unpack
    relu = aten("quantized::linear_relu_dynamic", torch.zeros(2, 10, 64), packed)

    assert macs(call) == macs(unseen) == 2 * 10 * 64 * 48
    assert priced(call).elementwise_flops == 2 * 10 * 48
    assert priced(relu).elementwise_flops == 2 * 10 * 48 * 2


@pytest.mark.parametrize(
    ("target", "inputs", "bias"),
    [
        ("onnx.MatMulInteger", [(2, 5, 7), (7, 3), (), ()], 0),
        ("onnx.QLinearMatMul", [(2, 5, 7), (), (), (7, 3), (), (), (), ()], 0),
        ("com.microsoft.DynamicQuantizeMatMul", [(2, 5, 7), (7, 3), (), None, (3,)], 1),
        ("com.microsoft.MatMulIntegerToFloat", [(2, 5, 7), (7, 3), (), (), (), (), (3,)], 1),
        ("com.microsoft.GemmFastGelu", [(2, 5, 7), (7, 3), (3,)], 1 + 8),
    ],
)
def test_quantised_products_cost_what_the_float_one_does(
    target: str, inputs: list[Any], bias: int
) -> None:
    call = onnx_call(target, inputs, [(2, 5, 3)])

    assert sizes(priced(call).contractions[0]) == (10, 3, 7, 1)
    assert priced(call).elementwise_flops == bias * 30


@pytest.mark.parametrize(
    ("target", "inputs"),
    [("onnx.Gemm", [(7, 5), (3, 7), (3,)]), ("com.microsoft.FusedGemm", [(7, 5), (3, 7), (3,)]),
     ("com.microsoft.QGemm", [(7, 5), (), (), (3, 7), (), (), (3,)])],
)  # fmt: skip
def test_linear_layers_of_transposed_operands(target: str, inputs: list[Any]) -> None:
    call = onnx_call(target, inputs, [(5, 3)], transA=1, transB=1)

    assert macs(call) == 5 * 7 * 3
    assert priced(call).elementwise_flops == 15


def test_an_activation_of_a_fused_linear_layer() -> None:
    call = onnx_call("com.microsoft.FusedGemm", [(5, 7), (7, 3)], [(5, 3)], activation="LeakyRelu")

    assert priced(call).elementwise_flops == 15 * 2


def on_ones(call: OpCall) -> int:
    """The sum of what ONNX Runtime gives for ones: the number of products."""
    domain, _, op = call.target.rpartition(".")
    tensors = [t for t in call.inputs if t is not None]
    infos = [onnx.helper.make_tensor_value_info(t.name, 1, t.shape) for t in tensors]
    node = onnx.helper.make_node(op, [t.name for t in tensors], ["y"], domain=domain,
                                 **call.attributes)  # fmt: skip
    graph = onnx.helper.make_graph([node], "g", infos,
                                   [onnx.helper.make_tensor_value_info("y", 1, None)])  # fmt: skip
    opsets = [onnx.helper.make_opsetid(domain, 1), onnx.helper.make_opsetid("", 20)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    (result,) = session(model).run(None, {t.name: np.ones(t.shape, F32) for t in tensors})
    assert result.shape == call.output.shape
    return int(result.sum(dtype=np.float64))


@pytest.mark.parametrize(
    ("left", "right", "out", "flags"),
    [((2, 7, 5), (7, 3), (2, 5, 3), {"transA": 1}), ((2, 5, 7), (2, 3, 7), (2, 5, 3), {"transB": 1}),
     ((5, 2, 4, 7), (2, 4, 7, 3), (2, 4, 5, 3), {"transBatchA": 1}),
     ((7, 2, 4, 5), (3, 2, 4, 7), (2, 4, 5, 3),
      {"transA": 1, "transBatchA": 1, "transB": 1, "transBatchB": 1}),
     ((7,), (7, 3), (3,), {})],
)  # fmt: skip
def test_a_fused_product_of_operands_that_lie_otherwise(
    left: tuple[int, ...], right: tuple[int, ...], out: tuple[int, ...], flags: dict[str, int]
) -> None:
    call = onnx_call("com.microsoft.FusedMatMul", [left, right], [out], **flags)

    assert macs(call) == on_ones(call)


@pytest.mark.parametrize("op", ["MatMulNBits", "MatMulBnb4"])
def test_weights_of_four_bits_in_blocks_count_by_their_attributes(op: str) -> None:
    call = onnx_call(f"com.microsoft.{op}", [(2, 5, 64), (48, 4, 8), (192,)], [(2, 5, 48)], K=64, N=48,
                     block_size=16)  # fmt: skip

    assert macs(call) == 2 * 5 * 64 * 48


# Which weight meets which channel ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (((5, 7), stored(np.ones((7, 3), F32))), Weight(input=1, in_axis=-2, out_axis=-1, data=0, data_axis=-1, output_axis=-1)),
        ((stored(np.ones((5, 7), F32)), (7, 3)), Weight(input=0, in_axis=-1, out_axis=-2, data=1, data_axis=-2, output_axis=-2)),
        ((stored(np.ones((5, 7), F32)), (7,)), Weight(input=0, in_axis=-1, out_axis=-2, data=1, data_axis=-1, output_axis=-1)),
        (((5, 7), stored(np.ones(7, F32))), Weight(input=1, in_axis=-1, out_axis=-1, data=0, data_axis=-1, output_axis=NOWHERE)),
        (((5, 7), (7, 3)), Weight(input=1, in_axis=-2, out_axis=-1, data=0, data_axis=-1, output_axis=-1)),
    ],
)  # fmt: skip
def test_either_factor_of_a_product_may_be_the_stored_one(inputs: Any, expected: Weight) -> None:
    shapes = [getattr(x, "shape", x) for x in inputs]
    out = np.matmul(*(np.ones(s) for s in shapes)).shape

    assert priced(onnx_call("MatMul", inputs, [out])).contractions[0].weight == expected


@pytest.mark.parametrize(
    ("equation", "data", "weight", "expected"),
    [
        ("btd,dhk->bthk", (2, 5, 8), (8, 3, 4), (0, 2, 2, 3)),  # in, out, data, output axis
        ("bthk,hkd->btd", (2, 5, 3, 4), (3, 4, 8), (1, 2, 3, 2)),
        ("bi,ji->bj", (2, 5), (4, 5), (1, 0, 1, 1)),
        ("bhi,hi->bh", (2, 3, 5), (3, 5), (1, 0, 2, 1)),
        ("bi,i->b", (2, 5), (5,), (0, 0, 1, NOWHERE)),
    ],
)
def test_the_stored_factor_of_an_einstein_sum(
    equation: str, data: tuple[int, ...], weight: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    out = np.einsum(equation, np.ones(data), np.ones(weight)).shape
    matrix = stored(np.ones(weight, F32))
    terms, _, result = equation.partition("->")
    turned = ",".join(reversed(terms.split(","))) + "->" + result

    right = priced(onnx_call("Einsum", [data, matrix], [out], equation=equation)).contractions[0]
    left = priced(onnx_call("Einsum", [matrix, data], [out], equation=turned)).contractions[0]

    for found, at in ((right.weight, 1), (left.weight, 0)):
        assert found is not None
        assert (found.input, found.data) == (at, 1 - at)
        axes = (found.in_axis, found.out_axis, found.data_axis, found.output_axis)
        assert axes == expected
