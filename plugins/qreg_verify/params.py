"""What the verify step is asked for."""

from pathlib import Path

from attrs import field, frozen
from attrs.validators import ge


@frozen(kw_only=True)
class Verify:
    data: Path | None = field(
        default=None,
        metadata={"doc": ".npz with an array per input, images in front; none: random numbers"},
    )
    label: str = field(
        default="", metadata={"doc": "array of right classes in the data; empty: 'label' if there"}
    )
    images: int = field(
        default=0,
        validator=ge(0),
        metadata={"doc": "how many; 0: all of the data, or 16 random ones"},
    )
    seed: int = field(default=0, validator=ge(0), metadata={"doc": "of random images"})
    compiler: str = field(
        default="",
        metadata={"doc": "C compiler command; empty: $CC, cc, gcc, clang or the package ziglang"},
    )
    sanitize: bool = field(
        default=False, metadata={"doc": "also check memory accesses and undefined behaviour"}
    )
    ulp: int = field(
        default=64,
        validator=ge(0),
        metadata={"doc": "largest error of float outputs, in ULP of an output's largest number"},
    )
