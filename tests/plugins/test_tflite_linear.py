"""Linear layers, products and look-ups of .tflite files against LiteRT."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite", reason="needs the tflite extra")
pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert (the test extra)")

from tflite_support import GRIDS, RELU, RELU6, Array, File, agree, drawn, ops_of

FLOAT = "float32"
Shape = tuple[int, ...]


def linear(
    kind: str, x: Shape, y: Shape, activation: int, bias: bool, per_channel: bool
) -> tuple[bytes, dict[str, Array]]:
    file, columns = File(), y[-1]
    keep = len(y) > 2
    depth = x[-1] if keep else int(np.prod(x[1:]))
    given = file.activation("x", x, kind)
    weight = drawn(1, (columns, depth), "int8" if kind == "int16" else kind)
    grid: dict[str, Any] = {}
    units: Any = ()
    if kind == FLOAT:
        made, offset = file.tensor("y", y), drawn(2, (columns,), FLOAT)
    else:
        draw = np.random.default_rng(3)
        scales = draw.uniform(0.01, 0.02, columns if per_channel else 1).astype(np.float32)
        grid = {"scale": scales, "zero_point": 77 if kind == "uint8" else 0}
        units = np.float32(GRIDS[kind][0]) * scales
        made = file.tensor("y", y, kind, GRIDS[kind][0] * 4, GRIDS[kind][1])
        offset = drawn(2, (columns,), "int64" if kind == "int16" else "int32")
    inputs = [given, file.constant("w", weight, **grid)]
    inputs.append(file.constant("b", offset, scale=units) if bias else -1)
    file.op(
        "FULLY_CONNECTED", inputs, [made], "FullyConnectedOptions", version=4,
        fusedActivationFunction=activation, keepNumDims=keep,
    )  # fmt: skip
    return file.bytes([given], [made]), {"x": drawn(4, x, kind)}


@pytest.mark.parametrize(
    ("x", "y", "activation", "bias"),
    [
        ((3, 10), (3, 4), 0, True),
        ((3, 10), (3, 4), RELU6, True),
        ((3, 2, 5), (3, 4), 0, False),
        ((3, 2, 5), (3, 2, 4), RELU, True),
    ],
)
@pytest.mark.parametrize("kind", [FLOAT, "int8", "uint8", "int16"])
def test_a_linear_layer_agrees(
    kind: str, x: Shape, y: Shape, activation: int, bias: bool, tmp_path: Path
) -> None:
    model = agree(*linear(kind, x, y, activation, bias, False), tmp_path, steps=kind == "int16")

    assert ("QGemm" if kind in ("int8", "uint8") else "Gemm") in ops_of(model)


def test_a_linear_layer_with_a_scale_per_result_agrees(tmp_path: Path) -> None:
    agree(*linear("int8", (3, 10), (3, 4), 0, True, True), tmp_path)


@pytest.mark.parametrize("kind", [FLOAT, "int8"])
@pytest.mark.parametrize(
    ("left", "right", "adjoint", "stored"),
    [
        ((2, 3, 4), (2, 4, 5), False, False),
        ((2, 4, 3), (2, 5, 4), True, False),
        ((2, 3, 4), (1, 4, 5), False, True),
    ],
)
def test_batched_products_agree(
    left: Shape, right: Shape, adjoint: bool, stored: bool, kind: str, tmp_path: Path
) -> None:
    file = File()
    feed = {"x": drawn(0, left, kind), "w": drawn(1, right, kind)}
    scale, zero_point = GRIDS[kind]
    x = file.activation("x", left, kind)
    if stored:
        w = file.constant("w", feed.pop("w"), scale=scale, zero_point=zero_point)
    else:
        w = file.activation("w", right, kind)
    y = file.tensor("y", (2, 3, 5), kind, *((0.5, -3) if kind == "int8" else ((), ())))
    file.op("BATCH_MATMUL", [x, w], [y], "BatchMatMulOptions", version=2, adjX=adjoint,
            adjY=adjoint)  # fmt: skip

    model = agree(file.bytes([x] if stored else [x, w], [y]), feed, tmp_path)

    assert ("QLinearMatMul" if kind == "int8" else "MatMul") in ops_of(model)


@pytest.mark.parametrize("stored", [FLOAT, "int8"])
def test_an_embedding_is_looked_up(stored: str, tmp_path: Path) -> None:
    file = File()
    x, y = file.tensor("x", (4,), "int32"), file.tensor("y", (4, 5))
    scale = {"scale": 0.1} if stored == "int8" else {}
    table = file.constant("table", drawn(1, (7, 5), stored), **scale)
    file.op("EMBEDDING_LOOKUP", [x, table], [y], version=3)

    agree(file.bytes([x], [y]), {"x": np.array([3, 0, 6, 3], np.int32)}, tmp_path)


def test_four_bit_weights_are_unpacked(tmp_path: Path) -> None:
    file = File()
    levels = np.random.default_rng(0).integers(-7, 8, (4, 10))
    halves = (levels.reshape(-1) & 15).astype(np.uint8)
    packed = (halves[0::2] | halves[1::2] << 4).astype(np.uint8)
    x, y = file.tensor("x", (3, 10), "int8", 0.04, 3), file.tensor("y", (3, 4), "int8", 0.1, -5)
    w = file.tensor("w", (4, 10), "int4", 0.02, 0, data=packed.tobytes())
    b = file.constant("b", drawn(1, (4,), "int32"), scale=np.float32(0.04) * np.float32(0.02))
    file.op("FULLY_CONNECTED", [x, w, b], [y], "FullyConnectedOptions", version=10)

    agree(file.bytes([x], [y]), {"x": drawn(2, (3, 10), "int8")}, tmp_path)
