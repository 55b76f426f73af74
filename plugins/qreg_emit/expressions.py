"""C expressions without the noise of ``+ 0`` and ``* 1``; templates have them as filters."""


def times(expression: str, factor: int) -> str:
    """``oy * 2``, or ``oy`` for a factor of 1."""
    return expression if factor == 1 else f"{expression} * {factor}"


def plus(expression: str, term: int) -> str:
    """``ix + 3``, ``ix - 3``, or ``ix`` for 0."""
    if term == 0:
        return expression
    return f"{expression} {'+' if term > 0 else '-'} {abs(term)}"


def centred(expression: str, zero_point: int) -> str:
    """An 8-bit number less its zero point, which takes 16 bits."""
    return f"(int16_t)({plus(expression, -zero_point)})" if zero_point else expression


def sizes(shape: tuple[int, ...]) -> str:
    """``1, 3, 32, 32``, for comments and initialisers."""
    return ", ".join(map(str, shape))
