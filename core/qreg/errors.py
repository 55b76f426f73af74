"""The one exception family a user sees, and the words its messages are made of."""

from collections.abc import Iterable
from difflib import get_close_matches

DONE, FAILED, USAGE = 0, 1, 2  # exit codes


class QregError(Exception):
    """A mistake the user can cure; its text is the whole message: place, finding, cure."""


class Mistakes(QregError):
    """What is wrong in the user's files: each line begins with ``file:line:``."""


class StructureError(QregError):
    """Typed input that does not fit, as (key path, what is wrong and what would be right)."""

    def __init__(self, problems: list[tuple[tuple[str | int, ...], str]]) -> None:
        super().__init__("\n".join(f"{key_path(path)}: {what}" for path, what in problems))
        self.problems = problems


def key_path(path: tuple[str | int, ...]) -> str:
    """``("step", 2, "use")`` as ``step[2].use``."""
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)
    return text.removeprefix(".")


def cause_of(exc: BaseException) -> str:
    """One line for whatever third-party code raised."""
    text = " ".join(str(exc).split())
    return text if isinstance(exc, QregError) else f"{type(exc).__name__}: {text}"


def hint(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?``, or what there is to choose from."""
    names = sorted(set(known))
    near = get_close_matches(word, names, 1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if names else "; there is none"
