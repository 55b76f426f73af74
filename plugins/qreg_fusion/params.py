"""The keys of a fuse step."""

from attrs import frozen


@frozen(kw_only=True)
class Fuse:
    """It has none: what fuses is what the patterns say."""
