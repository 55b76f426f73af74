"""Following channels beside one forward pass: ``python tests/bench/null_channels.py [model ...]``.

Both are timed in turn in one process; what is printed are medians and their ratio. Filters of the
convolutions are zeroed at random. In the graph batch norms are folded into the convolutions; the
dispatcher sees them as they are.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from attrs import evolve

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))

from zoo import ZOO

import qreg
from qreg import api
from qreg.records import OpCall, Trace
from qreg_channels.propagate import analyse
from qreg_onnx.graph import trace
from qreg_torch.trace import trace_module

MODELS = ("resnet20_a", "resnet50", "mobilenet_v2")
SHARES = (0.0, 0.3, 0.5)
RUNS = 9


def main() -> None:
    print(f"{'model':<14}{'route':<12}{'zero':>6}{'forward ms':>12}{'analysis ms':>13}{'ratio':>8}"
          f"   medians of {RUNS}")  # fmt: skip
    for name in sys.argv[1:] or MODELS:
        module, inputs = ZOO[name].build().eval(), ZOO[name].inputs()
        trained(module)
        for route, found in routes(module, inputs):
            for share in SHARES:
                show(name, route, share, module, inputs, pruned(found, share))


def show(
    name: str, route: str, share: float, module: torch.nn.Module, inputs: Any, found: Trace
) -> None:
    forward = torch.inference_mode()(lambda: module(*inputs))
    one, other = interleaved(forward, lambda: analyse(found, api.catalogue()))
    print(f"{name:<14}{route:<12}{share:>6.0%}{one:>12.1f}{other:>13.1f}{other / one:>8.2f}")


def interleaved(*works: Callable[[], Any]) -> list[float]:
    """The median time of each in milliseconds, taken in turn."""
    times: list[list[float]] = [[] for _ in works]
    for turn in range(RUNS + 1):
        for work, taken in zip(works, times, strict=True):
            begin = time.perf_counter()
            work()
            if turn:  # the first warms up
                taken.append((time.perf_counter() - begin) * 1e3)
    return [statistics.median(taken) for taken in times]


def routes(module: torch.nn.Module, inputs: Any) -> Iterator[tuple[str, Trace]]:
    """What runs, as the exported graph has it and as PyTorch's dispatcher sees it."""
    shapes = {"x": tuple(inputs[0].shape)}
    yield "graph", trace(qreg.load(module, shapes))
    yield "dispatcher", trace_module(module, shapes, api.catalogue())


def trained(module: torch.nn.Module) -> None:
    """Batch norms as training leaves them: every channel shifted and scaled."""
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            with torch.no_grad():
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_(0, 0.3)
                part.running_mean.normal_(0, 0.2)  # type: ignore[union-attr]
                part.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]


def pruned(found: Trace, share: float) -> Trace:
    """The same with that share of the filters zero."""
    rng = np.random.default_rng(0)
    return evolve(found, calls=tuple(_pruned(call, share, rng) for call in found.calls))


def _pruned(call: OpCall, share: float, rng: np.random.Generator) -> OpCall:
    if call.op not in ("Conv", "conv2d", "convolution"):
        return call
    weight = call.input(1)
    value = weight.numpy().copy()
    value[rng.random(len(value)) < share] = 0
    changed = evolve(weight, value=ir.tensor(value))
    return evolve(call, inputs=(call.inputs[0], changed, *call.inputs[2:]))


if __name__ == "__main__":
    main()
