"""Compare every reference with ONNX Runtime on thousands of nodes; print mismatches per op.

    python tests/bench/numerics_fuzz.py [--cases 2000] [--seed 0] [OP ...]

Half of the sessions run with graph optimisation, half without. A line ends with the seeds of the
first failing cases, each of which ``--seed S --cases 1`` repeats.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))

from numerics_cases import difference
from numerics_generators import GENERATORS

from qreg_numerics.platform import CLAIMED, host_variant, unclaimed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("ops", nargs="*", metavar="OP", help=f"of {', '.join(GENERATORS)}")
    parser.add_argument("--cases", type=int, default=2000, help="per op and kind")
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    arguments = parser.parse_args()
    print(f"here: {host_variant().name}; claimed: {CLAIMED.name}")
    print(f"{'op':<26}{'cases':<14}{'run':>7}{'elements':>14}{'mismatches':>12}  seeds")
    seeds = range(arguments.seed, arguments.seed + arguments.cases)
    wrong = sum(
        report(op, near, seeds) for op in arguments.ops or GENERATORS for near in (False, True)
    )
    return 1 if wrong else 0


def report(op: str, near: bool, seeds: range) -> int:
    """The number of differing elements over all seeds, printed on one line."""
    run = elements = wrong = 0
    failing = []
    for seed in seeds:
        case = GENERATORS[op](np.random.default_rng([seed, near]), near)
        if unclaimed([case.call]):
            continue
        differing, size = difference(case, optimise=bool(seed % 2))
        run, elements, wrong = run + 1, elements + size, wrong + differing
        failing += [seed] if differing else []
    kind = "near halves" if near else "random"
    some = " ".join(str(seed) for seed in failing[:5])
    print(f"{op:<26}{kind:<14}{run:>7}{elements:>14,}{wrong:>12}  {some}", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
