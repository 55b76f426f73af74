"""Where each key of a TOML document stands; ``tomllib`` itself keeps no positions."""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator

from attrs import Factory, define

Path = tuple[str | int, ...]

BLANK = re.compile(r"(?:[ \t\r\n,]|#[^\n]*)*")
KEY = re.compile(r"""\s*("(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+)\s*""")
TRIPLE = re.compile(r'"""(?:\\.|[^\\])*?"""+|\'\'\'.*?\'\'\'+', re.DOTALL)
STRING = re.compile(r""""(?:\\.|[^"\\])*"|'[^']*'""")
SCALAR = re.compile(r"[^\s,\]}#][^,\]}#\n]*")


def key_lines(text: str) -> dict[Path, int]:
    """Line (from 1) of every table header, key and array element of a valid TOML document."""
    return _Scanner(text).scan()


@define
class _Scanner:
    text: str
    at: int = 0
    found: dict[Path, int] = Factory(dict)
    counts: dict[Path, int] = Factory(dict)  # arrays of tables: how many so far

    def scan(self) -> dict[Path, int]:
        starts = [0, *(m.end() for m in re.finditer("\n", self.text))]
        table: Path = ()
        while self._skip_blank():
            begin = self.at
            if self.text.startswith("[", begin):
                table = self._header()
                self.found.setdefault(table, begin)
            else:
                self._pair(table)
        return {path: bisect_right(starts, offset) for path, offset in self.found.items()}

    def _skip_blank(self) -> bool:
        match = BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.at < len(self.text)

    def _header(self) -> Path:
        begin, array = self.at, self.text.startswith("[[", self.at)
        self.at += 2 if array else 1
        path: Path = ()
        keys = list(self._keys())
        for depth, key in enumerate(keys):
            path = (*path, key)
            self.found.setdefault(path, begin)
            last = depth == len(keys) - 1
            if last and array:
                self.counts[path] = self.counts.get(path, 0) + 1
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
        self.at += 2 if array else 1
        return path

    def _keys(self) -> Iterator[str]:
        while match := KEY.match(self.text, self.at):
            self.at = match.end()
            yield str(tomllib.loads(f"k = {match[1]}")["k"]) if match[1][0] in "\"'" else match[1]
            if not self.text.startswith(".", self.at):
                return
            self.at += 1

    def _pair(self, table: Path) -> None:
        begin, path = self.at, table
        for key in self._keys():
            path = (*path, key)
            self.found.setdefault(path, begin)
        self.at += 1  # the equals sign
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip_blank()
        opening = self.text[self.at]
        if opening == "[":
            self.at += 1
            for index in range(len(self.text)):
                self._skip_blank()
                if self.text.startswith("]", self.at):
                    break
                self.found[(*path, index)] = self.at
                self._value((*path, index))
            self.at += 1
        elif opening == "{":
            self.at += 1
            while self._skip_blank() and not self.text.startswith("}", self.at):
                self._pair(path)
            self.at += 1
        else:
            patterns = (TRIPLE, STRING, SCALAR)
            match = next(m for p in patterns if (m := p.match(self.text, self.at)))
            self.at = match.end()
