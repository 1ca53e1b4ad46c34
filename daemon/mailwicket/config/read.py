"""Read the files of conf.d and the environment, whatever may stand there instead."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mailwicket.config.merge import KeyPath, Merged, Origin
from mailwicket.config.mistake import ConfigError, dotted, printable
from mailwicket.config.tables import Tables

ENVIRON: Final = "MAILWICKET__"

TOO_DEEP: Final = "is nested too deeply"

POSITION: Final = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)", re.DOTALL)

NAMES: Final = re.compile(r"(?P<what>Cannot [a-z ]+ )(?P<names>\(.*\))(?P<rest> twice)?", re.DOTALL)

PLAIN_WORDS: Final = {
    "Cannot overwrite a value": "sets a key or table twice",
    "Illegal character '\\n'": "has text without its closing quote",
    "Invalid value": "has no value that TOML knows behind a key; text stands in quotes",
    "Invalid statement": "has a line that is neither [table] nor key = value",
}
"""For the most frequent mistakes. The parser quotes keys and single characters, never a value."""


class Reading:
    """The files and the environment, one after the other, and what is wrong with them before anybody looks at keys."""

    def __init__(self, tables: Tables) -> None:
        """Begin with nothing; *tables* tell where secrets and text are."""
        self.merged = Merged(tables.is_secret)
        self.errors: list[ConfigError] = []
        self.files = 0
        self.hashes: dict[str, str] = {}
        """SHA-256 of each file that could be read, by its name."""
        self._digest = hashlib.sha256()
        self._tables = tables
        self._order: dict[str, int] = {}

    @property
    def fingerprint(self) -> str:
        """Of the files' names and contents."""
        return self._digest.hexdigest()

    def in_order(self, told: list[ConfigError]) -> tuple[ConfigError, ...]:
        """Return *told* as the files are read, each from its first line on."""
        return tuple(sorted(told, key=lambda one: (self._order.get(one.file, -1), one.line or 0)))

    def directory(self, directory: Path) -> None:
        """Read the files in *directory*, in byte order of their names."""
        shown = printable(str(directory))
        try:
            paths = [path for path in directory.iterdir() if _is_ours(path.name)]
        except OSError as error:
            self._wrong(shown, None, f"cannot be read: {error.strerror}")
            return
        if not paths:
            self._wrong(shown, None, "holds no *.toml file")
        self.files = len(paths)
        for path in sorted(paths, key=lambda path: os.fsencode(path.name)):
            name = printable(f"{directory.resolve().name}/{path.name}")
            self._order[name] = len(self._order)
            self._file(path, name)

    def _file(self, path: Path, shown: str) -> None:
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                self._wrong(shown, None, "is no file")  # reading a pipe would wait for somebody to write
                return
            raw = path.read_bytes()
        except OSError as error:
            self._wrong(shown, None, f"cannot be read: {error.strerror}")
            return
        self._digest.update(_stamp(path, raw))
        self.hashes[printable(path.name)] = hashlib.sha256(raw).hexdigest()
        text = self._decode(raw, shown)
        tables = None if text is None else self._parse(text, shown)
        if text is not None and tables is not None:
            self._merge(tables, Origin(shown, text, path))

    def _decode(self, raw: bytes, shown: str) -> str | None:
        if raw.startswith(b"\xef\xbb\xbf"):
            self._wrong(shown, 1, "begins with a byte order mark; UTF-8 without one")
            return None
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            self._wrong(shown, raw.count(b"\n", 0, error.start) + 1, "is not UTF-8")
            return None

    def _parse(self, text: str, shown: str) -> dict[str, Any] | None:
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            self._wrong(shown, *_syntax(str(error), text))
        except RecursionError:
            self._wrong(shown, None, TOO_DEEP)
        except ValueError:  # Python's limit on the digits of a number; it does not say where
            self._wrong(shown, None, "holds a number with too many digits")
        return None

    def _merge(self, tables: Mapping[str, Any], origin: Origin) -> None:
        try:
            self.merged.add(tables, origin)
        except RecursionError:
            self._wrong(origin.name, None, TOO_DEEP)

    def environment(self, environ: Mapping[str, str]) -> None:
        """Read `MAILWICKET__TABLE__KEY` of *environ* over the files."""
        for name in sorted(environ):
            if not name.startswith(ENVIRON):
                continue
            shown = printable(f"environment {name}")
            self._order[shown] = len(self._order)
            path = tuple(part.lower() for part in name.removeprefix(ENVIRON).split("__"))
            if "" in path:
                self._wrong(shown, None, "names no key; MAILWICKET__TABLE__KEY")
                continue
            tables: Any = self._value(path, environ[name])
            for part in reversed(path):
                tables = {part: tables}
            self._merge(tables, Origin(shown))

    def _value(self, path: KeyPath, text: str) -> Any:  # noqa: ANN401 - whatever TOML holds
        """Read *text* as TOML has it; where it is none, or where text is wanted, it stands for itself."""
        try:
            tables = tomllib.loads(f"value = {text}")
        except (ValueError, RecursionError):
            return text
        value = tables["value"]
        if len(tables) > 1 or (self._tables.is_text(path) and not isinstance(value, str | list | dict)):
            return text
        return value

    def _wrong(self, shown: str, line: int | None, message: str) -> None:
        self.errors.append(ConfigError(shown, line, "", message))


def fingerprint_of(directory: Path) -> str:
    """Return what `Reading.fingerprint` is after reading *directory*, without understanding anything. Blocking."""
    digest = hashlib.sha256()
    try:
        paths = [path for path in directory.iterdir() if _is_ours(path.name)]
    except OSError:
        paths = []
    for path in sorted(paths, key=lambda path: os.fsencode(path.name)):
        try:
            if stat.S_ISREG(path.stat().st_mode):
                digest.update(_stamp(path, path.read_bytes()))
        except OSError:  # told when it is loaded
            continue
    return digest.hexdigest()


def _stamp(path: Path, raw: bytes) -> bytes:
    return os.fsencode(path.name) + b"\0" + hashlib.sha256(raw).digest()


def _is_ours(name: str) -> bool:
    """Tell a file of ours from hidden ones and from leftovers: x.toml~, x.toml.bak, x.toml.dpkg-old, x.toml.swp."""
    return name.endswith(".toml") and not name.startswith(".")


def _syntax(message: str, text: str) -> tuple[int, str]:
    """Return the line and the words of the parser's *message*."""
    found = POSITION.fullmatch(message)
    what, line = (message, None) if found is None else (found["what"], found["line"])
    if named := NAMES.fullmatch(what):
        what = f"{named['what']}[{dotted(ast.literal_eval(named['names']))}]{named['rest'] or ''}"
    said = PLAIN_WORDS.get(what, f"{what[:1].lower()}{what[1:]}")
    return int(line or text.rstrip().count("\n") + 1), f"is no TOML: {printable(said)}"
