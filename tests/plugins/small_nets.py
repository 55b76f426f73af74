"""Networks for tests, built op by op."""

from collections.abc import Sequence

import numpy as np
import onnx
from attrs import Factory, define
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.generic]
DOMAINS = {"com.microsoft": 1, "com.example": 1}


@define
class Net:
    """Collects nodes; every method that adds one returns the name of its result."""

    opset: int = 20
    nodes: list[onnx.NodeProto] = Factory(list)
    constants: dict[str, Array] = Factory(dict)
    inputs: list[onnx.ValueInfoProto] = Factory(list)

    def input(self, *shape: int, name: str = "x", kind: int = TensorProto.FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def constant(self, value: Array, name: str = "") -> str:
        name = name or f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def op(
        self,
        kind: str,
        *inputs: str | Array,
        name: str = "",
        domain: str = "",
        **attributes: object,
    ) -> str:
        """A node; arrays become constants."""
        name = name or f"{kind}_{len(self.nodes)}"
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        out = f"{name}.out"
        node = helper.make_node(kind, names, [out], name=name, domain=domain, **attributes)
        self.nodes.append(node)
        return out

    def conv(
        self, x: str, weight: Array, name: str, bias: Array | None = None, **attributes: object
    ) -> str:
        rest = () if bias is None else (self.constant(bias, f"{name}.bias"),)
        return self.op("Conv", x, self.constant(weight, f"{name}.weight"), *rest, name=name,
                       **attributes)  # fmt: skip

    def norm(self, x: str, scale: Array, shift: Array, mean: Array | None = None) -> str:
        zeros, ones = np.zeros_like(scale), np.ones_like(scale)
        return self.op("BatchNormalization", x, scale, shift, zeros if mean is None else mean, ones)

    def model(self, *outputs: str) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "net",
            self.inputs,
            [onnx.ValueInfoProto(name=n) for n in outputs],
            [numpy_helper.from_array(np.asarray(a), n) for n, a in self.constants.items()],
        )
        used = {n.domain for n in self.nodes if n.domain}
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(d, DOMAINS[d]) for d in sorted(used)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def weights(rng: np.random.Generator, *shape: int) -> Array:
    """Normal numbers, none of which is zero."""
    return rng.normal(size=shape).astype(np.float32)


def option_a_resnet(rng: np.random.Generator, blocks: Sequence[int] = (3, 3, 3)) -> Net:
    """CIFAR ResNet with parameter-free shortcuts and fresh batch norms, input ``x``, output ``y``.

    Source: He et al., CVPR 2016, section 4.2: 16, 32, 64 channels; option A: every second pixel,
    missing channels padded with zeros on both sides.
    """
    net = Net()

    def conv(x: str, name: str, c_in: int, c_out: int, stride: int) -> str:
        kernel = weights(rng, c_out, c_in, 3, 3)
        y = net.conv(x, kernel, name, strides=[stride] * 2, pads=[1, 1, 1, 1])
        return net.norm(y, np.ones(c_out, np.float32), np.zeros(c_out, np.float32))

    x = net.op("Relu", conv(net.input(1, 3, 32, 32), "conv1", 3, 16, 1))
    channels = 16
    for group, count in enumerate(blocks, 1):
        for block in range(count):
            stride, c_out = (2, channels * 2) if block == 0 and group > 1 else (1, channels)
            name = f"layer{group}.{block}"
            y = net.op("Relu", conv(x, f"{name}.conv1", channels, c_out, stride))
            y = conv(y, f"{name}.conv2", c_out, c_out, 1)
            if stride == 2:
                bounds = ([0, 0], [2**31, 2**31], [2, 3], [2, 2])
                x = net.op("Slice", x, *(np.array(b, np.int64) for b in bounds))
                side = channels // 2
                x = net.op("Pad", x, np.array([0, side, 0, 0, 0, side, 0, 0], np.int64))
            x, channels = net.op("Relu", net.op("Add", y, x)), c_out
    pooled = net.op("Flatten", net.op("GlobalAveragePool", x))
    net.op("Gemm", pooled, net.constant(weights(rng, 10, channels), "linear.weight"),
           net.constant(weights(rng, 10), "linear.bias"), transB=1, name="linear")  # fmt: skip
    return net
