"""What the emit step is asked for."""

from typing import Literal

from attrs import field, frozen


@frozen(kw_only=True)
class Emit:
    target: Literal["portable"] = field(
        default="portable",
        metadata={"doc": "class of machine the C is for: portable is any, in C99"},
    )
    name: str = field(
        default="", metadata={"doc": "what file and C names begin with; empty: the model's name"}
    )
    report: bool = field(
        default=False, metadata={"doc": "also list every tensor's place in the arena"}
    )
