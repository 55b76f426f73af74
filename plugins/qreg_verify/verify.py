"""The verify step: the C compiled, run, and compared with the oracle number by number."""

from collections.abc import Sequence

import numpy as np

from qreg.errors import QregError
from qreg.records import Array, Table
from qreg.run import Context, Outcome
from qreg_emit.build import digest
from qreg_emit.emit import write
from qreg_emit.params import Emit
from qreg_emit.records import Emission
from qreg_onnx.graph import op_calls
from qreg_verify.compare import (
    Difference,
    amplifying_layer,
    compare,
    correct,
    first_difference,
    rounded_tensors,
)
from qreg_verify.compiler import SANITIZE, STRICT, Compiler, find_compiler, run_program
from qreg_verify.images import Images, choose
from qreg_verify.oracle import Oracle, arithmetic, oracle
from qreg_verify.params import Verify
from qreg_verify.records import OutputCheck, Verification


def run(context: Context, params: Verify) -> Outcome:
    """Fails where an output is not as required: equal, or for float arithmetic within ``ulp``."""
    emission, how = _emission(context)
    calls = op_calls(context.model)
    images = choose(context.model, params, emission)
    compiler = find_compiler(params.compiler)
    found = run_program(emission, images.feeds, compiler, params.sanitize)
    judge = oracle(context.model, calls, context.catalogue)
    expected = _expected(context, judge, images, emission)
    rounded = rounded_tensors(calls, emission)
    differences = [
        compare(
            port.name,
            images.by_image(found[port.name]),
            images.by_image(expected[port.name]),
            exact_required=port.name not in rounded,
        )
        for port in emission.outputs
    ]
    claimed = arithmetic(calls, context.catalogue)
    record = _record(differences, images, params, judge, claimed, compiler)
    failed = (
        "" if record.passed else _failure(differences, params, amplifying_layer(calls, rounded))
    )
    lines = (*_remarks(record, how, images), verdict(record))
    return Outcome(record=record, tables=(_table(record),), lines=lines, failed=failed)


def verdict(record: Verification) -> str:
    count = f"verify: {record.agreeing}/{record.images} images"
    if all(o.exact_required for o in record.outputs):
        return f"{count} bit-exact"
    return f"{count} within {record.limit_ulp} ULP (worst {_ulp(record.worst_ulp)})"


def _emission(context: Context) -> tuple[Emission, str]:
    """The program that an earlier step of the run wrote for this model, else one written now."""
    earlier = context.result("emit")
    if isinstance(earlier, Emission) and earlier.model_sha256 == digest(context.model):
        return earlier, ""
    how = "the C is written anew: the model changed after emit" if earlier is not None else ""
    return write(context, Emit()), how


def _expected(
    context: Context, judge: Oracle, images: Images, emission: Emission
) -> dict[str, Array]:
    """Every output as (runs, *shape). Raises QregError for one of another type or shape."""
    rows: dict[str, list[Array]] = {p.name: [] for p in emission.outputs}
    for index in range(images.runs):
        feed = {name: np.asarray(array[index]) for name, array in images.feeds.items()}
        outputs = judge.run(feed)
        for port in emission.outputs:
            value = outputs[port.name]
            if value.dtype.name != port.dtype or value.shape != port.shape:
                raise QregError(
                    f"output {port.name!r} is {port.dtype} {list(port.shape)} in the model, but "
                    f"{judge.name} gives {value.dtype.name} {list(value.shape)}"
                )
            rows[port.name].append(value)
        context.progress(index + 1, images.runs, f"run of {judge.name}")
    return {name: np.stack(values) for name, values in rows.items()}


def _record(
    differences: Sequence[Difference],
    images: Images,
    params: Verify,
    judge: Oracle,
    claimed: str,
    compiler: Compiler,
) -> Verification:
    agreeing = np.all([d.agrees(params.ulp) for d in differences], axis=0)
    outputs = tuple(
        OutputCheck(
            name=d.name,
            dtype=d.expected.dtype.name,
            exact_required=d.exact_required,
            elements=d.expected.shape[1],
            differing=int(d.differing.sum()),
            nan=d.nan,
            worst_ulp=_finite(d.errors.max()),
        )
        for d in differences
    )
    labels, first = images.labels, differences[0]
    return Verification(
        passed=bool(agreeing.all()),
        images=images.count,
        agreeing=int(agreeing.sum()),
        limit_ulp=params.ulp,
        worst_ulp=_finite(np.max([d.errors.max() for d in differences])),
        outputs=outputs,
        oracle=judge.name,
        oracle_reason=judge.reason,
        arithmetic=claimed,
        compiler=compiler.version,
        flags=" ".join((*STRICT, *(SANITIZE if params.sanitize else ()))),
        data=images.described,
        labelled=0 if labels is None else len(labels),
        correct=None if labels is None else correct(first.found, labels),
        correct_oracle=None if labels is None else correct(first.expected, labels),
    )


def _remarks(record: Verification, how: str, images: Images) -> list[str]:
    lines = [how] if how else []
    lines.append(f"compiled by {record.compiler} with {record.flags}; data: {record.data}")
    if images.remark:
        lines.append(images.remark)
    lines.append(f"compared with {record.oracle}")
    if record.oracle_reason:
        lines[-1] += f", not ONNX Runtime: {record.oracle_reason}"
    if all(o.exact_required for o in record.outputs) and not record.arithmetic:
        lines.append("arithmetic: alike on every processor")
    if record.arithmetic:
        lines.append(f"arithmetic: {record.arithmetic}; all else alike on every processor")
    lines += [
        f"output {o.name!r}: {o.nan} of {o.elements * record.images} numbers are NaN on both sides"
        for o in record.outputs
        if o.nan
    ]
    if record.correct is not None and record.correct_oracle is not None:
        shares = [_share(n, record.labelled) for n in (record.correct, record.correct_oracle)]
        lines.append(f"accuracy: C {shares[0]}, {record.oracle} {shares[1]}")
    return lines


def _failure(differences: Sequence[Difference], params: Verify, rounding: str) -> str:
    text = f"verify: {first_difference(differences, params.ulp)}"
    if rounding:
        text += (
            f"; layer {rounding!r} makes integers of what float arithmetic computed, where one ULP "
            "may become a whole step"
        )
    return text


def _table(record: Verification) -> Table:
    rows = tuple(
        (o.name, o.dtype, "equal" if o.exact_required else f"{record.limit_ulp} ULP",
         o.elements * record.images, o.differing, o.worst_ulp)
        for o in record.outputs
    )  # fmt: skip
    columns = ("output", "type", "required", "numbers", "differing", "worst ULP")
    return Table("C against the oracle", columns, rows)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} % ({part} of {whole})"


def _ulp(value: float | None) -> str:
    return "unbounded" if value is None else f"{value:.3g}"


def _finite(value: Array) -> float | None:
    return float(value) if np.isfinite(value) else None
