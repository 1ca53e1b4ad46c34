"""A mistake in conf.d, and the words for it: what is wrong and what is allowed, never the text that stands there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from mailwicket.config.keys import Key, below, is_table, keys_of
from mailwicket.config.locate import TreePath
from mailwicket.config.model import WRONG

BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")

WORDS: Final = {
    "string_type": "is no text",
    "path_type": "is no text",
    "int_type": "is no whole number",
    "float_type": "is no number",
    "bool_type": "is neither true nor false",
    "literal_error": "is no known word",
    "tuple_type": "is no list",
    "list_type": "is no list",
    "set_type": "is no list",
    "model_type": "is no table",
    "dict_type": "is no table",
    "missing": "is missing",
}
"""The library's kinds of errors. Its own words are not told: those of a plug-in's validator may hold the value."""

TOO_SMALL: Final = {"greater_than", "greater_than_equal"}
TOO_LARGE: Final = {"less_than", "less_than_equal"}

NOT_TOLD: Final = {"default_factory_not_called"}
"""Said of a key that is not there because another one, which has its own error, is wrong."""

SHOWN_BELOW: Final = 10**20
"""Larger numbers are not shown: they are none that anybody meant, and Python may refuse to write them."""


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One thing that is wrong, or worth a note, and where."""

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        """`FILE:LINE: KEY: what is wrong; what is allowed`."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong at *path*; *kind* is the library's word for it."""

    path: TreePath
    kind: str
    message: str


def mistakes(
    error: ValidationError, model: type[BaseModel], elsewhere: Mapping[str, str], also: Collection[str] = ()
) -> Iterator[Mistake]:
    """Yield what *error* says of a table of *model*, once for each place, with paths from the table on.

    *also* are keys of the table that *model* does not know, *elsewhere* where the keys of other tables stand.
    """
    told: set[TreePath] = set()
    for one in error.errors(include_url=False, include_context=False):
        path, table, key = _follow(model, one["loc"])
        if one["type"] in NOT_TOLD or path in told:
            continue
        told.add(path)
        if one["type"] == "extra_forbidden" and (why := getattr(table.kind, "not_taken", {}).get(path[-1])):
            yield Mistake(path, one["type"], f"is no key of this table: {why}")
        elif one["type"] == "extra_forbidden" and is_table(table.kind):
            known = [*keys_of(table.kind), *(also if table.kind is model else ())]
            yield Mistake(path, one["type"], unknown("key", str(path[-1]), known, elsewhere))
        else:
            what = _item(path) + _what(one["type"], one["msg"], one["input"])
            yield Mistake(path, one["type"], what if key is None else with_allowed(what, key))


def unknown(what: str, name: str, known: Collection[str], elsewhere: Mapping[str, str]) -> str:
    """Return the words for a key or table *name* that is none of *known*, with the nearest one that is."""
    meant = name.casefold().replace("-", "_")
    near = next(iter(difflib.get_close_matches(meant, known, 1)), elsewhere.get(meant))
    if near is not None:
        return f"unknown {what} (nearest known key: {near})"
    return f"unknown {what}; known here: {', '.join(sorted(known))}" if known else f"unknown {what}; none is known here"


def with_allowed(what: str, key: Key) -> str:
    """Return *what* is wrong and what *key* allows."""
    default = f" (default {key.default})" if key.default else ""
    return f"{what}; {key.allowed}{default}" if key.allowed else what


def dotted(path: TreePath) -> str:
    """Write the names of *path* as TOML does: those that are not bare in quotes, nothing unprintable in them."""
    return ".".join(name if BARE_KEY.fullmatch(name) else f'"{printable(name)}"' for name in _names(path))


def printable(text: str) -> str:
    """Return *text* for one line of a terminal or a log: what gives orders to either is escaped."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _names(path: TreePath) -> list[str]:
    return [part for part in path if isinstance(part, str)]


def _item(path: TreePath) -> str:
    """Say which item of a list is meant, from 1."""
    return "".join(f"item {part + 1}: " for part in path if isinstance(part, int))


def _follow(model: type[BaseModel], location: tuple[str | int, ...]) -> tuple[TreePath, Key, Key | None]:
    """Return the path as TOML has it, the table it ends in, and its last key, None where that is unknown.

    The library's location ends with words of its own where a key may be one of several kinds.
    """
    path: TreePath = ()
    table = key = Key(model, "")
    for step in location:
        table = key
        found = below(key, step)
        if found is None:
            return ((*path, step), table, None) if is_table(key.kind) else (path, table, key)
        path, key = (*path, step), found
    return path, table, key


def _what(kind: str, message: str, value: Any) -> str:  # noqa: ANN401 - whatever TOML holds
    if kind == WRONG:
        return message
    if kind in TOO_SMALL | TOO_LARGE:
        shown = f"{value} " if isinstance(value, int | float) and abs(value) < SHOWN_BELOW else ""
        return f"{shown}is too {'small' if kind in TOO_SMALL else 'large'}"
    return WORDS.get(kind, "is not accepted")
