"""Where each key stands in a TOML file. The standard library's parser does not tell, so this reads the text again."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from typing import Final

TreePath = tuple[str | int, ...]
"""Names of tables and keys, and indexes of arrays: `("http", "listen", 0)`."""

BLANK: Final = re.compile(r"[ \t]*")
VOID: Final = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
STRING: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?!")'  # up to two quotes may stand before the closing three
    r"|'''.*?'''(?!')"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
PLAIN_VALUE: Final = re.compile(r"[^,\]}#\n]*")


def locate(text: str) -> dict[TreePath, int]:
    """Return the line, from 1, of every table, key and array element of *text*.

    *text* is TOML 1.0 that `tomllib` accepts; of anything else the result is of no use.
    A table counts from its header, or else from the first key or header that names it.
    """
    scan = _Scan(text.replace("\r\n", "\n"))
    scan.document()
    return scan.lines


class _Scan:
    def __init__(self, text: str) -> None:
        self.lines: dict[TreePath, int] = {}
        self._text = text
        self._at = 0
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._elements: dict[TreePath, int] = {}  # array of tables -> index of its last element

    def document(self) -> None:
        table: TreePath = ()
        self._skip(VOID)
        while self._at < len(self._text):
            if self._next("["):
                table = self._header()
            else:
                self._pair(table)
            self._skip(VOID)

    def _header(self) -> TreePath:
        line = self._line()
        many = self._text.startswith("[[", self._at)
        self._at += 2 if many else 1
        names = self._names()
        self._at += 2 if many else 1
        path: TreePath = ()
        for name in names[:-1]:
            path = (*path, name)
            self.lines.setdefault(path, line)
            if path in self._elements:
                path = (*path, self._elements[path])
        path = (*path, names[-1])
        if many:
            self.lines.setdefault(path, line)
            self._elements[path] = self._elements.get(path, -1) + 1
            path = (*path, self._elements[path])
        self.lines[path] = line
        return path

    def _pair(self, table: TreePath) -> None:
        line = self._line()
        path = table
        for name in self._names():
            path = (*path, name)
            self.lines.setdefault(path, line)
        self._at += 1  # the equals sign
        self._skip(BLANK)
        self._value(path)

    def _names(self) -> list[str]:
        names: list[str] = []
        while True:
            self._skip(BLANK)
            if self._next("\"'"):
                names.append(tomllib.loads(f"name = {self._take(STRING)}")["name"])
            else:
                names.append(self._take(BARE_KEY))
            self._skip(BLANK)
            if not self._next("."):
                return names
            self._at += 1

    def _value(self, path: TreePath) -> None:
        if self._next("\"'"):
            self._skip(STRING)
        elif self._next("["):
            self._at += 1
            self._skip(VOID)
            index = 0
            while not self._next("]"):
                self.lines[(*path, index)] = self._line()
                self._value((*path, index))
                self._separator()
                index += 1
            self._at += 1
        elif self._next("{"):
            self._at += 1
            self._skip(VOID)
            while not self._next("}"):
                self._pair(path)
                self._separator()
            self._at += 1
        else:
            self._skip(PLAIN_VALUE)

    def _separator(self) -> None:
        self._skip(VOID)
        if self._next(","):
            self._at += 1
            self._skip(VOID)

    def _next(self, characters: str) -> bool:
        return self._text[self._at] in characters

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._take(pattern)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError("no TOML")
        self._at = match.end()
        return match.group()

    def _line(self) -> int:
        return bisect_left(self._breaks, self._at) + 1
