"""The keys of a prune step."""

from typing import Literal

from attrs import field, frozen
from attrs.validators import ge


@frozen(kw_only=True)
class Prune:
    constants: Literal["fold", "keep"] = field(
        default="fold",
        metadata={"doc": "channels that are constant but not zero: fold them into what reads them"},
    )
    borders: Literal["channel", "map"] = field(
        default="channel",
        metadata={"doc": "where constants meet padding: one channel carries all, or a stored map"},
    )
    unread: bool = field(default=True, metadata={"doc": "also remove channels that nobody reads"})
    check_inputs: int = field(
        default=8,
        validator=ge(0),
        metadata={"doc": "random inputs on which both models must agree; 0: do not compare"},
    )
