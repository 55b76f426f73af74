"""Networks with dead channels of every kind, pruned and compared."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from attrs import define, field
from numpy.typing import NDArray
from small_nets import Net

from qreg import api
from qreg.catalogue import Catalogue
from qreg.run import Context, Events, Folder, Model, Outcome
from qreg_onnx.runtime import session
from qreg_prune.params import Prune
from qreg_prune.prune import run

Array = NDArray[np.float32]
F32 = np.float32


def prune(
    model: onnx.ModelProto | ir.Model, catalogue: Catalogue | None = None, **params: object
) -> Outcome:
    """What the step gives for a model."""
    installed = catalogue or api.catalogue()
    loaded = model if isinstance(model, ir.Model) else api.load(model)
    context = Context(
        catalogue=installed, loaded=Model(loaded), name="m", source="m.onnx",
        folder=Folder(Path(), Events([])), events=Events([]),
    )  # fmt: skip
    return run(context, Prune(**params))  # type: ignore[arg-type]


def macs(outcome: Outcome) -> dict[str, int]:
    """What every layer of the pruned model multiplies."""
    return {layer.name: layer.macs_left for layer in outcome.record.layers}


def results(model: ir.Model | onnx.ModelProto, feed: dict[str, Array]) -> list[Array]:
    return [np.asarray(a) for a in session(model).run(None, feed)]


def initial(model: ir.Model, name: str) -> Array:
    value = model.graph.initializers[name].const_value
    assert value is not None
    return value.numpy()


def ops(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


@define
class Builder:
    """Makes layers whose filters are dead at random: ``share`` of them, under shifted norms.

    With ``whole`` every weight is 0 or ±1, few are not 0, and nothing is divided: for inputs of
    whole numbers every sum is a whole number that float32 holds, in whatever order it is added.
    """

    rng: np.random.Generator
    share: float
    shifted: bool
    whole: bool = False
    net: Net = field(factory=Net)

    def weight(self, *shape: int, outputs: int = 0, alive: bool = False) -> Array:
        """He's scale; some output channels (axis ``outputs``) are zero, some inputs too."""
        fan = max(int(np.prod(shape)) // shape[outputs], 1)
        found = (self.rng.standard_normal(shape) * np.sqrt(2 / fan)).astype(F32)
        if self.whole:
            found = np.sign(found) * (self.rng.random(shape) < 2 / fan)
        if not alive:
            dead = self.rng.random(shape[outputs]) < self.share
            found[(slice(None),) * outputs + (dead,)] = 0
            if len(shape) > 2 and shape[1 - outputs] > 1 and self.rng.random() < 0.5:
                unread = self.rng.random(shape[1 - outputs]) < self.share / 2
                found[(slice(None),) * (1 - outputs) + (unread,)] = 0
        return found

    def conv(
        self, x: str, c_in: int, c_out: int, kernel: int = 3, stride: int = 1, group: int = 1,
        bias: bool = False, pads: int | None = None,
    ) -> str:  # fmt: skip
        name = f"conv{len(self.net.nodes)}"
        weight = self.weight(c_out, c_in // group, kernel, kernel)
        around = kernel // 2 if pads is None else pads
        offsets = self.rng.standard_normal(c_out).astype(F32) if bias else None
        return self.net.conv(
            x, weight, name, offsets, strides=[stride] * 2, pads=[around] * 4, group=group
        )

    def norm(self, x: str, channels: int) -> str:
        ones, zeros = np.ones(channels, F32), np.zeros(channels, F32)
        if self.whole:
            return self.net.op("BatchNormalization", x, ones, zeros, zeros, ones, epsilon=0.0)
        if not self.shifted:
            return self.net.norm(x, ones, zeros)
        scale = self.rng.uniform(0.5, 1.5, channels).astype(F32)
        shift, mean = (self.rng.standard_normal((2, channels)) * 0.3).astype(F32)
        return self.net.norm(x, scale, shift, mean)

    def block(self, x: str, c_in: int, c_out: int, kernel: int = 3, **more: int) -> str:
        return self.net.op("Relu", self.norm(self.conv(x, c_in, c_out, kernel, **more), c_out))

    def linear(self, x: str, c_in: int, c_out: int) -> str:
        name = f"fc{len(self.net.nodes)}"
        bias = self.rng.standard_normal(c_out).astype(F32)
        return self.net.op("Gemm", x, self.net.constant(self.weight(c_out, c_in), f"{name}.weight"),
                           bias, transB=1, name=name)  # fmt: skip

    def head(self, x: str, channels: int) -> str:
        pool = "GlobalMaxPool" if self.whole else "GlobalAveragePool"
        pooled = self.net.op("Flatten", self.net.op(pool, x))
        weight = self.weight(5, channels, alive=True)
        return self.net.op("Gemm", pooled, self.net.constant(weight, "head.weight"),
                           np.ones(5, F32), transB=1, name="head")  # fmt: skip


def resnet(b: Builder) -> str:
    x = b.block(b.net.input(1, 3, 9, 11), 3, 8)
    for c_in, c_out, stride in ((8, 8, 1), (8, 12, 2), (12, 12, 1)):
        y = b.norm(b.conv(b.block(x, c_in, c_out, stride=stride), c_out, c_out), c_out)
        skip = x if stride == 1 else b.norm(b.conv(x, c_in, c_out, 1, stride), c_out)
        x = b.net.op("Relu", b.net.op("Add", y, skip))
    return b.head(x, 12)


def option_a(b: Builder) -> str:
    x = b.block(b.net.input(1, 3, 8, 8), 3, 8)
    y = b.norm(b.conv(b.block(x, 8, 16, stride=2), 16, 16), 16)
    bounds = [np.array(v, np.int64) for v in ([0, 0], [2**31, 2**31], [2, 3], [2, 2])]
    skip = b.net.op("Slice", x, *bounds)
    skip = b.net.op("Pad", skip, np.array([0, 4, 0, 0, 0, 4, 0, 0], np.int64))
    x = b.net.op("Relu", b.net.op("Add", y, skip))
    return b.head(b.block(x, 16, 6), 6)


def mobilenet(b: Builder) -> str:
    x = b.block(b.net.input(1, 3, 10, 10), 3, 6, stride=2)
    for c_in, c_out in ((6, 6), (6, 8)):
        wide = b.block(x, c_in, c_in * 4, 1)
        deep = b.block(wide, c_in * 4, c_in * 4, 3, group=c_in * 4)
        y = b.norm(b.conv(deep, c_in * 4, c_out, 1), c_out)
        x = b.net.op("Add", x, y) if c_in == c_out else y
    return b.head(x, 8)


def densenet(b: Builder) -> str:
    x, channels = b.conv(b.net.input(1, 3, 8, 8), 3, 6), 6
    for _ in range(3):
        y = b.net.op("Relu", b.norm(x, channels))
        x = b.net.op("Concat", x, b.conv(y, channels, 4), axis=1)
        channels += 4
    return b.head(b.net.op("Relu", b.norm(x, channels)), channels)


def squeeze_excite(b: Builder) -> str:
    x = b.block(b.net.input(1, 3, 8, 8), 3, 12)
    pooled = b.net.op("GlobalAveragePool", x)
    small = b.net.op("Relu", b.conv(pooled, 12, 4, 1, bias=True))
    gate = b.net.op("Sigmoid", b.conv(small, 4, 12, 1, bias=True))
    return b.head(b.block(b.net.op("Mul", x, gate), 12, 7), 7)


def grouped(b: Builder) -> str:
    x = b.block(b.net.input(1, 3, 8, 8), 3, 12)
    x = b.block(x, 12, 24, 3, group=3)
    return b.head(b.block(x, 24, 16, 3, group=4), 16)


def shuffled(b: Builder) -> str:
    x = b.block(b.net.input(1, 3, 8, 8), 3, 12)
    y = b.block(x, 12, 12, 1, group=3)
    shapes = [np.array(s, np.int64) for s in ([1, 3, 4, 8, 8], [1, 12, 8, 8])]
    y = b.net.op("Reshape", b.net.op("Transpose", b.net.op("Reshape", y, shapes[0]),
                 perm=[0, 2, 1, 3, 4]), shapes[1])  # fmt: skip
    y = b.norm(b.conv(y, 12, 12, 3, group=12), 12)
    first, second = b.net.op("Relu", y), x
    return b.head(b.block(b.net.op("Concat", first, second, axis=1), 24, 8, 1), 8)


def split(b: Builder) -> str:
    x = b.block(b.net.input(1, 3, 8, 8), 3, 10)
    node = onnx.helper.make_node("Split", [x, b.net.constant(np.array([4, 6], np.int64))],
                                 ["left", "right"], name="split", axis=1)  # fmt: skip
    b.net.nodes.append(node)
    y = b.block("left", 4, 6)
    return b.head(b.block(b.net.op("Mul", y, "right"), 6, 6), 6)


def transposed(b: Builder) -> str:
    x = b.block(b.net.input(1, 3, 6, 5), 3, 8)
    name = "up"
    x = b.net.op("ConvTranspose", x, b.net.constant(b.weight(8, 6, 3, 3, outputs=1), "up.weight"),
                 np.ones(6, F32), name=name, strides=[2, 2], pads=[1, 1, 0, 0])  # fmt: skip
    x = b.block(b.net.op("Relu", x), 6, 16)
    x = b.net.op("DepthToSpace", x, blocksize=2, mode="CRD")
    return b.conv(x, 4, 3)


def flattened(b: Builder) -> str:
    x = b.block(b.net.input(1, 3, 8, 8), 3, 6)
    x = b.net.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.net.op("Relu", b.linear(b.net.op("Flatten", x), 96, 10))
    return b.linear(x, 10, 4)


def tokens(b: Builder) -> str:
    """A transformer's two halves: attention over heads, and a multi-layer perceptron."""
    x = b.net.input(1, 5, 12)

    def linear(x: str, c_in: int, c_out: int, name: str, alive: bool = False) -> str:
        weight = b.net.constant(b.weight(c_in, c_out, outputs=1, alive=alive), f"{name}.weight")
        y = b.net.op("MatMul", x, weight, name=name)
        return b.net.op("Add", y, b.rng.standard_normal(c_out).astype(F32))

    def heads(x: str, perm: list[int]) -> str:
        y = b.net.op("Reshape", x, np.array([1, 5, 3, 4], np.int64))
        return b.net.op("Transpose", y, perm=perm)

    q, k, v = (linear(x, 12, 12, n) for n in "qkv")
    score = b.net.op("MatMul", heads(q, [0, 2, 1, 3]), heads(k, [0, 2, 3, 1]))
    mixed = b.net.op("MatMul", b.net.op("Softmax", score, axis=-1), heads(v, [0, 2, 1, 3]))
    mixed = b.net.op("Transpose", mixed, perm=[0, 2, 1, 3])
    y = linear(b.net.op("Reshape", mixed, np.array([0, 0, -1], np.int64)), 12, 12, "out")
    x = b.net.op("Add", x, y)
    return linear(b.net.op("Relu", linear(x, 12, 20, "up")), 20, 12, "down")


NETWORKS: dict[str, Callable[[Builder], str]] = {
    f.__name__: f
    for f in (resnet, option_a, mobilenet, densenet, squeeze_excite, grouped, shuffled, split,
              transposed, flattened, tokens)
}  # fmt: skip


SUMS = [
    n for n in NETWORKS if n not in ("squeeze_excite", "tokens")
]  # nothing but sums of products


def network(
    name: str, seed: int, share: float, shifted: bool, whole: bool = False
) -> onnx.ModelProto:
    builder = Builder(np.random.default_rng(seed), share, shifted, whole)
    return builder.net.model(NETWORKS[name](builder))
