"""The line in which a mail program names author and date of the mail below: "On DATE, NAME <ADDRESS> wrote:"."""

# ruff: noqa: RUF001 - the letters of all scripts are meant

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mailwicket.mail.labels import INVISIBLE, LEAD, WHITE
from mailwicket.mail.named import person
from mailwicket.model import Address

LINES_MAX: Final = 3
CHARS_MAX: Final = 400
BEHIND_MAX_CHARS: Final = 40
"""The address stands so near to the end: only "wrote:" follows."""

_DIGIT: Final = re.compile(r"\d")
_ADDRESS: Final = re.compile(r"[<(\[]?\s*(?:mailto:)?[^\s<>()\[\],;:\"]{1,200}@[^\s<>()\[\],;:\"]{1,255}")
_GROUPWISE: Final = re.compile(r">>> ?([^\d>][^\d>]{1,100}(?:<[^<>\s]{3,200}>)?)[ ,]{1,3}(\d[^<>]{5,40}) ?>>>")
_WHEN: Final = re.compile(r".*\d[^\s,]*", re.DOTALL)
_ZONE: Final = re.compile(r"^(?:[AaPp]\.?[Mm]\.?|Uhr|[A-Z]{3,4}|\([A-Z]{2,5}\)|h|г\.?|年|月|日|[,.;:)])(?=\W|$)")


@dataclass(frozen=True, slots=True)
class Byline:
    """Who wrote the mail below, as such a line tells."""

    author: Address | None
    author_name: str | None
    end: int
    """The line after it."""
    quotes: int
    """How many `>` stand before it."""


def byline(lines: Sequence[str], at: int) -> Byline | None:
    """Return whom line *at* (wrapped over LINES_MAX at most) names as the author, or None if it is no such line.

    In any language: it holds a date (or at least a digit) and an address, and ends with a colon soon after.
    """
    if at >= len(lines):
        return None
    first = lines[at][:CHARS_MAX]
    if first.startswith(">>>"):
        return _groupwise(first, at + 1)
    if not _DIGIT.search(first):
        return None
    lead = LEAD.match(first)
    quotes = lead[0].count(">") if lead else 0
    text = ""
    for number in range(at, min(len(lines), at + LINES_MAX)):
        piece = lines[number][:CHARS_MAX].strip(WHITE + ">\r")
        piece = piece if piece.isascii() else INVISIBLE.sub("", piece)
        text = f"{text} {piece}" if text else piece
        if not piece or len(text) > CHARS_MAX:
            return None
        if piece[-1] in ":：":
            return _read(text, number + 1, quotes)
    return None


def _groupwise(text: str, end: int) -> Byline | None:
    """Read `>>> NAME <ADDRESS> DATE >>>`, of which the address may be lacking."""
    found = _GROUPWISE.fullmatch(text.rstrip())
    if found is None:
        return None
    author, name = person(found[1])
    return Byline(author, name, end, 0)


def _read(text: str, end: int, quotes: int) -> Byline | None:
    found = _ADDRESS.search(text)
    if found is None:
        return None
    before, behind = text[: found.start()], text[found.end() :].replace(found[0].strip("<(["), "", 1)
    is_dated = _DIGIT.search(before) is not None
    if len(behind) > BEHIND_MAX_CHARS or not (is_dated or _DIGIT.search(behind)):
        return None
    author, _ = person(text[found.start() :])
    if author is None:
        return None
    name = _name(before) if found[0][0] in "<([" or before.rstrip().endswith(('"', "”", "“")) else None
    return Byline(Address(name, author.address), name, end, quotes)


def _name(before: str) -> str | None:
    """Return the name that stands between a date and an address."""
    before = before.rstrip(" <([")
    if before.endswith(('"', "”", "“")) and (begin := max(before.rfind(mark, 0, -1) for mark in '"“„')) >= 0:
        return before[begin + 1 : -1].strip(" '") or None
    when = _WHEN.match(before)
    words = before[when.end() if when else 0 :].strip(" ,")
    while zone := _ZONE.match(words):
        words = words[zone.end() :].strip(" ,")
    named = words.split()
    while named and named[0][0].islower() and len(named) > 1:
        named.pop(0)  # "schrieb", "skrev": names begin with a capital, or in a script without
    if len(named) == 1 and named[0][0].islower():
        return None
    return " ".join(named).strip(" ,'\"") or None
