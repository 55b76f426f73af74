"""Names from a model made safe for C: as identifiers, and inside comments."""

import re
from collections.abc import Iterable

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LONGEST = 31  # C99 5.2.4.1: significant characters of an external identifier
OWN = re.compile(
    r"([bcn][0-9]+|qreg)(_.*)?", re.IGNORECASE
)  # what the generated program calls its own

# Keywords of C99 to C23 and of C++, and names that a header or a compiler may have defined.
_WORDS = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t
    char32_t class compl complex concept const consteval constexpr constinit const_cast continue
    co_await co_return co_yield decltype default delete do double dynamic_cast else enum
    explicit export extern false far float for friend fortran goto huge if imaginary inline int
    interface long main mutable namespace near new noexcept not not_eq nullptr operator or or_eq
    private protected public register reinterpret_cast requires restrict return short signed
    sizeof small static static_assert static_cast struct switch template this thread_local throw
    true try typedef typeof typeof_unqual typeid typename union unix linux unsigned using
    virtual void volatile wchar_t while xor xor_eq i386 arena memory errno stdin stdout stderr
"""
RESERVED = frozenset(_WORDS.split())


def identifier(text: str, fallback: str) -> str:
    """``text`` as a C identifier: other characters become underscores; never a reserved word."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:LONGEST].rstrip("_")
    if not words:
        return fallback
    if words[0].isdigit() or words.lower() in RESERVED or OWN.fullmatch(words):
        return f"{fallback}_{words}"
    # One capital letter may be a macro: I of <complex.h>, and the like.
    return words.lower() if len(words) == 1 else words


def identifiers(texts: Iterable[str], fallback: str) -> tuple[str, ...]:
    """Distinct identifiers, also when written in capitals, in the order of ``texts``."""
    taken: set[str] = set()
    found = []
    for text in texts:
        plain = identifier(text, fallback)
        name, count = plain, 1
        while name.upper() in taken:
            count += 1
            name = f"{plain}_{count}"
        taken.add(name.upper())
        found.append(name)
    return tuple(found)


def quoted(text: str) -> str:
    """``'text'`` for a C comment: printable ASCII, unable to end or open one or make a trigraph."""
    plain = text.encode("unicode_escape").decode("ascii").replace("'", "\\'")
    return "'" + plain.replace("*/", "*\\/").replace("/*", "/\\*").replace("??", "?\\?") + "'"
