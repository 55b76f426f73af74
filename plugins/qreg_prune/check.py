"""Whether a pruned model computes what the one it was made from does, on random inputs."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
from attrs import evolve, frozen

from qreg.catalogue import Catalogue
from qreg.errors import QregError, cause_of
from qreg.records import Array, Tensor
from qreg_onnx.graph import inputs_of, trace
from qreg_onnx.prepare import prepare
from qreg_onnx.runtime import session
from qreg_verify.oracle import Run, oracle

SCALES = (0.1, 1.0, 10.0)  # of normal numbers, in turn
BOUND = 1e-4  # of an output's largest number: thousands of roundings of float32, far below a fault
# Where floats are rounded to integers on the way, one rounding may become a whole step; then what is
# bounded is the mean difference, as a share of the mean size.
BOUND_OF_MEAN = 2e-2
STEPS = ("QuantizeLinear", "DynamicQuantizeLinear", "Round", "Floor", "Ceil", "Cast", "Mod")
CURE = "that is a fault of qreg; prune with unread = false, or constants = 'keep', and report it"


@frozen(kw_only=True)
class Agreement:
    """The largest difference, and the largest number of the output where it was."""

    inputs: int
    by: str  # what computed both models
    identical: bool
    largest_difference: float
    largest_output: float


def check(
    before: ir.Model, after: ir.Model, inputs: int, exact: bool, catalogue: Catalogue
) -> Agreement:
    """Raises QregError where the pruned model is no valid one, or gives anything else.

    ``exact``: every bit must agree; else differences up to ``BOUND`` of the largest number, or where
    the model rounds on the way a mean difference of ``BOUND_OF_MEAN``.
    """
    steps = any(node.op_type in STEPS for node in before.graph)
    proto = ir.to_proto(after)
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as exc:
        raise QregError(f"prune: the pruned model is not valid: {cause_of(exc)}; {CURE}") from exc
    prepare(after.clone(), {}, catalogue)
    by, (whole, cut) = _runs(before, after, catalogue)
    found = Agreement(
        inputs=inputs, by=by, identical=True, largest_difference=0.0, largest_output=0.0
    )
    for number in range(inputs):
        feed = random_feed(before, number)
        expected, given = whole(feed), cut(feed)
        for port in before.graph.outputs:
            name = str(port.name)
            found = _compared(name, expected[name], given[name], exact, steps, found)
    return found


def _runs(before: ir.Model, after: ir.Model, catalogue: Catalogue) -> tuple[str, tuple[Run, Run]]:
    """Both models in ONNX Runtime as it runs them; by reference where it is no authority."""
    judge = oracle(before, trace(before).calls, catalogue)
    if judge.reason:
        return judge.name, (judge.run, oracle(after, trace(after).calls, catalogue).run)
    try:
        return judge.name, (_in_runtime(before), _in_runtime(after))
    except QregError as exc:
        raise QregError(f"prune: the pruned model: {exc}; {CURE}") from exc


def _in_runtime(model: ir.Model) -> Run:
    ready = session(model)
    names = [o.name for o in ready.get_outputs()]
    return lambda feed: dict(zip(names, map(np.asarray, ready.run(None, dict(feed))), strict=True))


def random_feed(model: ir.Model, number: int) -> Mapping[str, Array]:
    """One input of the model: reals around zero of several scales, any small integers, 0 or 1.

    Whole numbers of 16 bits and more may be places in a table and are 0 or 1.
    """
    rng = np.random.default_rng(number)
    return {t.name: _random(t, rng, SCALES[number % len(SCALES)]) for t in inputs_of(model)}


def _random(tensor: Tensor, rng: np.random.Generator, scale: float) -> Array:
    dtype = np.dtype(tensor.dtype)
    if dtype.kind == "f" or tensor.dtype == "bfloat16":
        return (rng.standard_normal(tensor.shape) * scale).astype(dtype)
    if dtype in (np.int8, np.uint8):
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max + 1, tensor.shape).astype(dtype)
    return rng.integers(0, 2, tensor.shape).astype(dtype)


def _compared(
    name: str, a: Array, b: Array, exact: bool, steps: bool, found: Agreement
) -> Agreement:
    if a.shape != b.shape or a.dtype != b.dtype:
        raise QregError(
            f"prune: output {name!r} was {a.dtype} {list(a.shape)} and is {b.dtype} "
            f"{list(b.shape)}; {CURE}"
        )
    if a.dtype.kind == "f" and np.isnan(a).any():
        raise QregError(
            f"prune: output {name!r} of the model itself is NaN on random inputs, so that nothing "
            "can be compared; look for NaN among its weights"
        )
    same = bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    if same and a.dtype.kind not in "fiu":
        return found
    wide = [np.nan_to_num(v.astype(np.float64), posinf=0, neginf=0) for v in (a, b)]
    difference = float(np.abs(wide[0] - wide[1]).max(initial=0))
    size = float(np.abs(wide[0]).max(initial=0))
    misplaced = a.dtype.kind == "f" and bool((np.isfinite(a) != np.isfinite(b)).any())
    far = difference > BOUND * size
    if steps:
        far = np.abs(wide[0] - wide[1]).mean() > BOUND_OF_MEAN * np.abs(wide[0]).mean()
    if not same and (exact or misplaced or far):
        raise QregError(
            f"prune: output {name!r} differs by up to {difference:.3g}, its largest number is "
            f"{size:.3g}; {CURE}"
        )
    worse = difference * (found.largest_output or 1) > found.largest_difference * (size or 1)
    if found.largest_output and not worse:
        return evolve(found, identical=found.identical and same)
    return evolve(found, identical=found.identical and same, largest_difference=difference,
                  largest_output=size)  # fmt: skip
