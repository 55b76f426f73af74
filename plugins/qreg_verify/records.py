"""What the verify step found."""

from attrs import frozen


@frozen(kw_only=True)
class OutputCheck:
    """One output over all images. ``worst_ulp`` is None where a number is special in one only.

    ULP: the largest difference, in units of float32's last place at the output's largest magnitude
    in that image; for integers, in units of 1.
    """

    name: str
    dtype: str
    exact_required: bool
    elements: int
    differing: int
    nan: int  # numbers that are NaN on both sides
    worst_ulp: float | None


@frozen(kw_only=True)
class Verification:
    passed: bool
    images: int
    agreeing: int  # images whose every output is as required
    limit_ulp: int
    worst_ulp: float | None
    outputs: tuple[OutputCheck, ...]
    oracle: str
    oracle_reason: str  # why it is not ONNX Runtime; empty where it is
    arithmetic: str  # the variant claimed where processors differ
    compiler: str
    flags: str
    data: str
    labelled: int
    correct: int | None  # of the C
    correct_oracle: int | None
