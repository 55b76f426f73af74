"""Time to see what a module runs, beside running it: ``python tests/bench/count_module.py [NAME...]``.

``first`` is the first trace in the process, which loads what it needs; ``again`` reads the constants
of a trace anew. All in milliseconds, the least of several runs but for the first.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))
from zoo import ZOO

from qreg.catalogue import discover
from qreg_torch.capture import capture

RUNS = 7
NAMES = ("resnet50", "vit_b16", "vit_b16_module", "mobilenet_v2", "bert_base", "lstm", "resnet20_a")


def ms(work: Callable[[], object], runs: int = RUNS) -> float:
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        work()
        times.append((time.perf_counter() - begin) * 1e3)
    return min(times)


def main() -> None:
    torch.set_num_threads(1)
    catalogue = discover()
    print(
        f"{'model':<18}{'ops':>6}{'first':>8}{'trace':>8}{'again':>8}{'forward':>9}{'x forward':>11}"
    )
    for name in sys.argv[1:] or NAMES:
        module, inputs = ZOO[name].build().eval(), ZOO[name].inputs()
        first = ms(lambda: capture(module, inputs, catalogue=catalogue).trace(), 1)  # noqa: B023
        trace = ms(lambda: capture(module, inputs, catalogue=catalogue).trace())  # noqa: B023
        captured = capture(module, inputs, catalogue=catalogue)
        again = ms(captured.trace)
        with torch.no_grad():
            forward = ms(lambda: module(*inputs), 3)  # noqa: B023
        ops = len(captured.trace().calls)
        print(f"{name:<18}{ops:>6}{first:>8.1f}{trace:>8.1f}{again:>8.1f}{forward:>9.1f}{trace / forward:>11.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
