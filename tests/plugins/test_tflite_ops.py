"""All other operators of .tflite files against LiteRT, on floats and on integers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import field, frozen

pytest.importorskip("tflite", reason="needs the tflite extra")
pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert (the test extra)")

from tflite_support import (
    GRIDS,
    RELU,
    RELU6,
    Array,
    File,
    agree,
    drawn,
    model_of,
    ops_of,
    ours,
    theirs,
)

FLOAT = "float32"
Shape = tuple[int, ...]


def ints(*values: Any) -> Array:
    return np.array(values, np.int32)


@frozen(kw_only=True)
class Op:
    """One operator on data ``x``; ``constants`` are its other inputs, ``at`` where x stands."""

    name: str
    x: Shape = (2, 3, 4, 5)
    y: Shape | list[Shape] = (2, 3, 4, 5)
    constants: tuple[Array, ...] = ()
    at: int = 0
    options: str = ""
    values: dict[str, Any] = field(factory=dict)
    made: str = ""  # element type of the result where it is another
    grid: tuple[float, int] | None = None  # of the result where it is another
    positive: bool = False
    version: int = 1

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{k}={v}" for k, v in self.values.items())])


def written(op: Op, kind: str) -> tuple[bytes, dict[str, Array]]:
    file = File()
    x = file.activation("x", op.x, kind)
    inputs = [file.constant(f"c{i}", array) for i, array in enumerate(op.constants)]
    inputs.insert(op.at, x)
    outputs = []
    for index, shape in enumerate(op.y if isinstance(op.y, list) else [op.y]):
        made = op.made or kind
        grid = op.grid if op.grid and kind != FLOAT else GRIDS[made]
        outputs.append(file.tensor(f"y{index}", shape, made, *grid))
    file.op(op.name, inputs, outputs, op.options, version=op.version, **op.values)
    feed = drawn(0, op.x, kind)
    return file.bytes([x], outputs), {"x": np.abs(feed) + 0.1 if op.positive else feed}


def slices(x: Shape, y: Shape, *columns: Array, **masks: int) -> Op:
    return Op(
        name="STRIDED_SLICE", x=x, y=y, constants=columns, options="StridedSliceOptions",
        values=masks,
    )  # fmt: skip


NEAREST = ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions")
BILINEAR = ("RESIZE_BILINEAR", "ResizeBilinearOptions")


def resized(name: str, options: str, x: Shape, size: tuple[int, int], **values: bool) -> Op:
    return Op(
        name=name, x=x, y=(x[0], *size, x[3]), constants=(ints(*size),), options=options,
        values=values, version=3,
    )  # fmt: skip


SPOT = ints([0, 0], [1, 2], [0, 1], [0, 0])
MOVES = [
    Op(name="RESHAPE", y=(6, 20), constants=(ints(6, 20),)),
    Op(name="SQUEEZE", x=(2, 1, 4, 5), y=(2, 4, 5)),
    Op(name="EXPAND_DIMS", x=(2, 4, 5), y=(2, 1, 4, 5), constants=(ints(1),)),
    Op(name="TRANSPOSE", y=(2, 5, 3, 4), constants=(ints(0, 3, 1, 2),)),
    Op(name="PAD", y=(2, 6, 5, 5), constants=(SPOT,)),
    Op(name="MIRROR_PAD", y=(2, 5, 6, 5), constants=(ints([0, 0], [1, 1], [2, 0], [0, 0]),),
       options="MirrorPadOptions", values={"mode": 0}),
    slices((2, 7, 8, 5), (2, 3, 4, 2), ints(0, 1, 0, 1), ints(2, -1, 8, 3), ints(1, 2, 2, 1)),
    slices((2, 7, 8, 5), (2, 8, 5), ints(0, -2, 0, 0), ints(0, 0, 0, 0), ints(1, 1, 1, 1),
           beginMask=13, endMask=13, shrinkAxisMask=2),
    slices((2, 7, 8, 5), (2, 7, 3, 5), ints(0, 6, -1, 0), ints(2, 0, 2, 5), ints(1, -1, -2, 1),
           endMask=2),
    Op(name="SLICE", x=(2, 7, 8, 5), y=(2, 3, 4, 2),
       constants=(ints(0, 1, 0, 3), ints(-1, 3, 4, 2))),
    Op(name="SPLIT", x=(2, 7, 8, 6), y=[(2, 7, 8, 2)] * 3, constants=(np.array(3, np.int32),),
       at=1, options="SplitOptions", values={"numSplits": 3}),
    Op(name="SPLIT_V", x=(2, 7, 8, 6), y=[(2, 7, 8, 2), (2, 7, 8, 4)],
       constants=(ints(2, 4), np.array(-1, np.int32)), options="SplitVOptions",
       values={"numSplits": 2}),
    Op(name="GATHER", x=(7, 8), y=(7, 3), constants=(ints(2, 0, 2),), options="GatherOptions",
       values={"axis": 1}),
    Op(name="GATHER_ND", x=(7, 8), y=(2,), constants=(ints([2, 0], [2, 1]),)),
    Op(name="TILE", x=(2, 3), y=(4, 9), constants=(ints(2, 3),)),
    Op(name="REVERSE_V2", x=(2, 3, 4), y=(2, 3, 4), constants=(ints(1),)),
    Op(name="BROADCAST_TO", x=(1, 3), y=(4, 3), constants=(ints(4, 3),), version=2),
    Op(name="PACK", x=(2, 3), y=(2, 1, 3), options="PackOptions",
       values={"axis": 1, "valuesCount": 1}),
    Op(name="UNPACK", x=(2, 3), y=[(3,)] * 2, options="UnpackOptions",
       values={"axis": 0, "num": 2}),
    Op(name="SPACE_TO_BATCH_ND", x=(1, 5, 6, 3), y=(6, 3, 3, 3),
       constants=(ints(2, 3), ints([1, 0], [1, 2]))),
    Op(name="BATCH_TO_SPACE_ND", x=(6, 3, 3, 3), y=(1, 5, 6, 3),
       constants=(ints(2, 3), ints([1, 0], [1, 2]))),
    *(resized(*NEAREST, (1, 4, 5, 3), (7, 9), **mode)
      for mode in ({}, {"alignCorners": True}, {"halfPixelCenters": True})),
    resized(*NEAREST, (1, 8, 9, 3), (4, 3), halfPixelCenters=True),
    Op(name="REDUCE_MAX", y=(2, 1, 4, 1), constants=(ints(1, -1),), options="ReducerOptions",
       values={"keepDims": True}),
    Op(name="REDUCE_MIN", y=(2, 4), constants=(ints(1, 3),), options="ReducerOptions"),
]  # fmt: skip
MOVES_OF_8_BITS = [  # LiteRT has no kernels of 16 bits for these
    Op(name="DEPTH_TO_SPACE", x=(2, 3, 4, 8), y=(2, 6, 8, 2), options="DepthToSpaceOptions",
       values={"blockSize": 2}),
    Op(name="SPACE_TO_DEPTH", x=(2, 6, 8, 3), y=(2, 3, 4, 12), options="SpaceToDepthOptions",
       values={"blockSize": 2}),
    Op(name="ARG_MAX", x=(2, 3, 8), y=(2, 3), constants=(ints(2),), options="ArgMaxOptions",
       values={"outputType": 2}, made="int32"),
    Op(name="ARG_MIN", x=(2, 3, 8), y=(2, 8), constants=(ints(1),), options="ArgMinOptions",
       values={"outputType": 2}, made="int32"),
]  # fmt: skip


@pytest.mark.parametrize("kind", [FLOAT, "int8", "uint8", "int16"])
@pytest.mark.parametrize("op", MOVES, ids=str)
def test_what_only_moves_is_the_same_to_the_bit(op: Op, kind: str, tmp_path: Path) -> None:
    agree(*written(op, kind), tmp_path)


@pytest.mark.parametrize("kind", [FLOAT, "int8", "uint8"])
@pytest.mark.parametrize("op", MOVES_OF_8_BITS, ids=str)
def test_what_only_moves_8_bits_is_the_same(op: Op, kind: str, tmp_path: Path) -> None:
    agree(*written(op, kind), tmp_path)


@pytest.mark.parametrize(
    "op",
    [
        *(Op(name=name) for name in (
            "ABS", "CEIL", "COS", "ELU", "EXP", "FLOOR", "HARD_SWISH", "L2_NORMALIZATION",
            "LOGISTIC", "LOG_SOFTMAX", "NEG", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1",
            "ROUND", "SIGN", "SIN", "SQUARE", "TANH",
        )),
        *(Op(name=name, positive=True) for name in ("LOG", "RSQRT", "SQRT")),
        *(Op(name="GELU", options="GeluOptions", values={"approximate": a})
          for a in (False, True)),
        Op(name="LEAKY_RELU", options="LeakyReluOptions", values={"alpha": 0.1}),
        *(Op(name="SOFTMAX", options="SoftmaxOptions", values={"beta": b}) for b in (1.0, 0.5)),
        Op(name="CUMSUM", x=(2, 6), y=(2, 6), constants=(ints(1),), options="CumsumOptions",
           values={"exclusive": True, "reverse": True}),
        Op(name="PADV2", y=(2, 6, 5, 5), constants=(SPOT, np.array(1.5, np.float32))),
        Op(name="CAST", options="CastOptions", values={"inDataType": 0, "outDataType": 2},
           made="int32"),
        Op(name="SHAPE", y=(4,), options="ShapeOptions", values={"outType": 2}, made="int32"),
        Op(name="ADD_N", constants=(drawn(1, (2, 3, 4, 5), FLOAT),)),
        Op(name="PRELU", constants=(drawn(1, (1, 1, 5), FLOAT),)),
        Op(name="TOPK_V2", x=(3, 8), y=[(3, 2)], constants=(np.array(2, np.int32),)),
    ],
    ids=str,
)  # fmt: skip
def test_floats_are_the_same_up_to_rounding(op: Op, tmp_path: Path) -> None:
    if op.name != "TOPK_V2":
        agree(*written(op, FLOAT), tmp_path)
        return
    file = File()
    x, k = file.tensor("x", op.x), file.constant("k", op.constants[0])
    values, places = file.tensor("values", (3, 2)), file.tensor("places", (3, 2), "int32")
    file.op("TOPK_V2", [x, k], [values, places])
    agree(file.bytes([x], [values, places]), {"x": drawn(0, op.x, FLOAT)}, tmp_path)


FULL = (1 / 256, -128)
INTEGER_FUNCTIONS = [
    (Op(name="LOGISTIC", grid=FULL), "QLinearSigmoid"),
    (Op(name="SOFTMAX", grid=FULL, options="SoftmaxOptions", values={"beta": 1.0}),
     "QLinearSoftmax"),
    (Op(name="SOFTMAX", grid=FULL, options="SoftmaxOptions", values={"beta": 0.5}), "Softmax"),
    (Op(name="LEAKY_RELU", grid=(0.04, -3), options="LeakyReluOptions", values={"alpha": 0.1}),
     "QLinearLeakyRelu"),
    (Op(name="TANH", grid=(1 / 128, 0)), "Tanh"),
    (Op(name="HARD_SWISH"), "HardSwish"),
    (Op(name="LOG_SOFTMAX", grid=(16 / 256, 127)), "LogSoftmax"),
    (Op(name="RELU"), "Clip"),
    (Op(name="RELU6"), "Clip"),
    (Op(name="RELU", grid=(0.03, -128)), "QuantizeLinear"),
    (Op(name="QUANTIZE", grid=(0.07, -9)), "QuantizeLinear"),
    (Op(name="ELU"), "Elu"),
    (Op(name="ABS", grid=(0.06, -10)), "Abs"),
    (Op(name="MEAN", y=(2, 1, 1, 5), constants=(ints(1, 2),), options="ReducerOptions",
        values={"keepDims": True}, grid=(0.03, 9)), "QLinearGlobalAveragePool"),
    (Op(name="MEAN", y=(2, 5), constants=(ints(2, 1),), options="ReducerOptions",
        grid=(0.03, 9)), "QLinearGlobalAveragePool"),
    (Op(name="MEAN", y=(2, 3, 4), constants=(ints(-1),), options="ReducerOptions"), "ReduceMean"),
    (Op(name="SUM", y=(2, 4), constants=(ints(1, 3),), options="ReducerOptions", grid=(0.4, 1)),
     "ReduceSum"),
    *((resized(*BILINEAR, (1, 4, 5, 3), (7, 9), **mode), "Resize")
      for mode in ({}, {"alignCorners": True}, {"halfPixelCenters": True})),
]  # fmt: skip


@pytest.mark.parametrize(("op", "form"), INTEGER_FUNCTIONS, ids=str)
def test_integer_functions_are_within_the_last_bit(op: Op, form: str, tmp_path: Path) -> None:
    model = agree(*written(op, "int8"), tmp_path, steps=1)

    assert form in ops_of(model)


@pytest.mark.parametrize(
    "op", [op for op, _ in INTEGER_FUNCTIONS if op.name != "QUANTIZE"], ids=str
)
def test_the_same_functions_agree_on_floats(op: Op, tmp_path: Path) -> None:
    agree(*written(op, FLOAT), tmp_path)


def pair(
    name: str, kind: str, left: Shape, right: Shape, activation: int = 0, stored: bool = False
) -> tuple[bytes, dict[str, Array]]:
    """Two operands on grids of their own; the second may be a constant."""
    file = File()
    grids = {"x": (0.05, 4), "w": (0.03, -7), "y": (0.07, -3)} if kind == "int8" else {}
    compared = name.startswith(("EQUAL", "NOT_EQUAL", "LESS", "GREATER"))
    grids = dict.fromkeys(grids, (0.05, 4)) if compared or name.endswith("IMUM") else grids
    feed = {"x": drawn(0, left, kind), "w": drawn(1, right, kind)}
    if kind == "int32":
        feed["w"] = np.abs(feed["w"]) + 1
    if name == "POW":
        feed["x"] = np.abs(feed["x"]) + 0.1
    x = file.tensor("x", left, kind, *grids.get("x", ((), ())))
    scale, zero_point = grids.get("w", ((), ()))
    if stored:
        w = file.constant("w", feed.pop("w"), scale=scale, zero_point=zero_point)
    else:
        w = file.tensor("w", right, kind, scale, zero_point)
    result = np.broadcast_shapes(left, right)
    made = file.tensor("y", result, "bool") if compared else (
        file.tensor("y", result, kind, *grids.get("y", ((), ())))
    )  # fmt: skip
    fused = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "Div"}
    if name in fused:
        file.op(name, [x, w], [made], f"{fused[name]}Options",
                fusedActivationFunction=activation)  # fmt: skip
    else:
        file.op(name, [x, w], [made])
    return file.bytes([x] if stored else [x, w], [made]), feed


OPERANDS: Sequence[tuple[Shape, Shape, int, bool]] = [
    ((2, 3, 4, 5), (2, 3, 4, 5), 0, False),
    ((2, 3, 4, 5), (5,), RELU, True),
    ((2, 3, 4, 5), (2, 1, 1, 5), RELU6, False),
    ((2, 3, 4, 5), (), 0, True),
    ((3,), (2, 2, 3), 0, False),
]


@pytest.mark.parametrize(("left", "right", "activation", "stored"), OPERANDS)
@pytest.mark.parametrize(
    ("name", "kind"),
    [(n, k) for n in ("ADD", "SUB", "MUL", "DIV") for k in (FLOAT, "int8") if n + k != "DIVint8"],
)
def test_arithmetic_of_two_tensors_agrees(
    name: str, kind: str, left: Shape, right: Shape, activation: int, stored: bool, tmp_path: Path
) -> None:
    agree(*pair(name, kind, left, right, activation, stored), tmp_path, steps=1)


@pytest.mark.parametrize("kind", [FLOAT, "int8", "int32"])
@pytest.mark.parametrize(
    "name",
    ["MAXIMUM", "MINIMUM", "EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"],
)
def test_comparisons_are_exact(name: str, kind: str, tmp_path: Path) -> None:
    agree(*pair(name, kind, (2, 3, 4, 5), (2, 1, 4, 5)), tmp_path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("POW", FLOAT), ("SQUARED_DIFFERENCE", FLOAT), ("SQUARED_DIFFERENCE", "int8"),
        ("FLOOR_DIV", FLOAT), ("ADD", "int32"), ("SUB", "int32"), ("MUL", "int32"),
        ("DIV", "int32"),
    ],
)  # fmt: skip
def test_other_arithmetic_agrees(name: str, kind: str, tmp_path: Path) -> None:
    agree(*pair(name, kind, (2, 3, 4, 5), (2, 3, 4, 5)), tmp_path, steps=kind == "int8")


@pytest.mark.parametrize(
    ("kind", "grids", "form"),
    [
        (FLOAT, [((), ())] * 3, "Concat"),
        ("int8", [(0.05, 4)] * 3, "Concat"),
        ("int16", [(0.001, 0)] * 3, "Concat"),
        ("uint8", [(0.05, 120), (0.02, 7), (0.06, 100)], "QLinearConcat"),
    ],
)
def test_parts_are_joined_on_the_grid_of_the_result(
    kind: str, grids: list[tuple[Any, Any]], form: str, tmp_path: Path
) -> None:
    file = File()
    shapes = [(2, 3, 4), (2, 3, 1)]
    parts = [file.tensor(f"x{i}", s, kind, *grids[i]) for i, s in enumerate(shapes)]
    y = file.tensor("y", (2, 3, 5), kind, *grids[2])
    file.op("CONCATENATION", parts, [y], "ConcatenationOptions", axis=-1)
    feed = {f"x{i}": drawn(i, s, kind) for i, s in enumerate(shapes)}

    model = agree(file.bytes(parts, [y]), feed, tmp_path, steps=kind == "uint8")

    assert ops_of(model) == [form]


@pytest.mark.parametrize("name", ["TANH", "LOGISTIC"])
def test_16_bit_functions_are_rounded_correctly_where_litert_s_tables_are_not(
    name: str, tmp_path: Path
) -> None:
    data, feed = written(Op(name=name, grid=(1 / 32768, 0)), "int16")
    real = feed["x"] * GRIDS["int16"][0]
    true = 32768 * (np.tanh(real) if name == "TANH" else 1 / (1 + np.exp(-real)))

    found = ours(model_of(data, tmp_path), feed)[0]

    assert np.abs(found - true).max() < 0.51
    assert np.abs(theirs(data, feed)[0] - true).max() < 2.5


def test_choices_and_logic_agree(tmp_path: Path) -> None:
    file = File()
    x, other = file.tensor("x", (2, 3)), file.constant("k", drawn(1, (2, 3), FLOAT))
    zero = file.constant("zero", np.array(0, np.float32))
    above, below = file.tensor("above", (2, 3), "bool"), file.tensor("below", (2, 3), "bool")
    both, either = file.tensor("both", (2, 3), "bool"), file.tensor("either", (2, 3), "bool")
    y, z = file.tensor("y", (2, 3)), file.tensor("z", (2, 3))
    file.op("GREATER", [x, zero], [above])
    file.op("LOGICAL_NOT", [above], [below])
    file.op("LOGICAL_AND", [above, below], [both])
    file.op("LOGICAL_OR", [above, below], [either])
    file.op("SELECT", [above, x, other], [y])
    file.op("SELECT_V2", [below, x, other], [z])

    agree(file.bytes([x], [y, z, both, either]), {"x": drawn(0, (2, 3), FLOAT)}, tmp_path)


def test_integers_on_the_same_grid_pass_unchanged(tmp_path: Path) -> None:
    model = agree(*written(Op(name="QUANTIZE"), "int8"), tmp_path)

    assert ops_of(model) == ["Identity"]
