"""Header fields: their names, and their values unfolded and in letters. Linear in their length."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from mailwicket.mail.charset import fits, looks_like, to_text
from mailwicket.mail.date import moment
from mailwicket.mail.ids import ids
from mailwicket.mail.parameters import parameters
from mailwicket.mail.words import words

__all__ = ["FIELD_MAX_CHARS", "HEADER_MAX_BYTES", "Header", "ids", "moment", "parameters", "words"]

HEADER_MAX_BYTES: Final = 2 * 1024 * 1024
FIELD_MAX_BYTES: Final = 256 * 1024  # as it came
FIELDS_MAX: Final = 20_000
FIELD_MAX_CHARS: Final = 64 * 1024
SHORT_MAX_CHARS: Final = 16 * 1024

# A folded line behind a line that is no field is a field of its own. Possessive: there is never a way back.
_FIELD: Final = re.compile(r"^[^\S\n]*+([^\s:][^\n:]*+):(.*+(?:\n[ \t].*+)*+)", re.MULTILINE)
_FOLD: Final = re.compile(r"(?:(?<![ \t])[ \t]+)?(?:\r?\n[ \t]*)++")

_JOINED: Final = {"from": ",,", "to": ",,", "cc": ",,", "reply-to": ",,", "references": " "}
"""Fields that may stand but once (RFC 5322 3.6) and yet stand more often, each with other people: all of them count.

An empty member between keeps what the first field ends with from what the second begins with."""


class Header:
    """The fields of one header section: the first of each name, of people all together."""

    _looks_like: str | None = None

    def __init__(self, block: bytes | bytearray) -> None:
        """Split *block*; beyond HEADER_MAX_BYTES it is not read."""
        text = block[:HEADER_MAX_BYTES].replace(b"\0", b"").decode("latin-1")
        text = text.removeprefix("ï»¿")  # the mark of UTF-8, from an editor
        fields: Iterable[tuple[str, ...]] = _FIELD.findall(text) if len(text) <= SHORT_MAX_CHARS else _one_by_one(text)
        self._fields: dict[str, str] = {}
        again: list[tuple[str, str]] = []
        first = self._fields.setdefault
        for raw_name, value in fields:
            name = raw_name.rstrip().casefold()
            if first(name, value) is not value and name in _JOINED:  # as it came: most are never asked for
                again.append((name, value))
        if again:
            self._join(again)

    def get(self, name: str) -> str:
        """Return the first field of that name, unfolded; `""` where there is none.

        A fold is one blank, whatever stood around it. Letters beyond ASCII are read as UTF-8 (RFC 6532), else in the
        charset of the body if that fits, else in what this and all such fields look like.
        """
        value = self._fields.get(name)
        if not value:
            return ""
        if len(value) > FIELD_MAX_BYTES:
            value = value[:FIELD_MAX_BYTES]
        if "\n" in value:
            if "\t" in value or "\n  " in value or " \r" in value or " \n" in value:
                value = _FOLD.sub(" ", value)
            else:  # as nearly all programs fold, at a third of the cost
                value = value.replace("\r\n", "").replace("\n", "")
        if not value.isascii() or "\x1b" in value:
            value = self._beyond_ascii(value.encode("latin-1"), name)
        return value.strip(" \t\r\n")[:FIELD_MAX_CHARS]

    def _join(self, again: list[tuple[str, str]]) -> None:
        for name in {name for name, _ in again}:
            more = [value for other, value in again if other == name]
            self._fields[name] = _JOINED[name].join([self._fields[name], *more])

    def __contains__(self, name: str) -> bool:
        """Tell whether there is a field of that name."""
        return name in self._fields

    def _beyond_ascii(self, value: bytes, name: str) -> str:
        if fits(value, "utf-8") or name == "content-type":
            return to_text(value, None)
        charset = parameters(self.get("content-type"))[1].get("charset")
        if fits(value, charset):
            return to_text(value, charset)
        if self._looks_like is None:  # a name is short: together the fields show more of their language
            odd = (one.encode("latin-1") for one in self._fields.values() if not one.isascii())
            self._looks_like = looks_like(b"\n".join(one for one in odd if not fits(one, "utf-8")))
        return to_text(value, self._looks_like if fits(value, self._looks_like) else None)


def _one_by_one(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the fields of a long header: in a single call they would hold the interpreter's lock for 30 ms."""
    return (found.groups() for found in islice(_FIELD.finditer(text), FIELDS_MAX))
