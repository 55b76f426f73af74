"""The one exception family a user sees."""

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
