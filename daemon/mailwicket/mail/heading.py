"""What stands above a mail that is quoted whole, without marks: a separator, a rule, a header."""

# ruff: noqa: RUF001 - programs draw rules with all kinds of dashes

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mailwicket.mail.attribution import WHITE, ends_in_verb
from mailwicket.mail.labels import announced_block, header_block, quoted_header, run_on
from mailwicket.mail.marks import is_groupwise
from mailwicket.mail.phrases import phrases

LINE_MAX_CHARS: Final = 400
RULE_MIN_CHARS: Final = 10
SEPARATOR_MAX_CHARS: Final = 80
PHRASE_MAX_CHARS: Final = 60

_ORIGINAL: Final = frozenset(phrases("original"))
_BEGINS_ORIGINAL: Final = tuple(sorted(_ORIGINAL))
_MARKS: Final = "-_=*~‐‑–—─<>+#"
_DASHES: Final = "-_=‐‑–—─"
_RULE: Final = re.compile(r"[-_=*~‐–—─]{3,}$")
_TIME: Final = re.compile(r"\d[:.]\d\d")


def heading(lines: Sequence[str], at: int) -> int:
    """Return how many lines at *at* say that a whole mail follows without marks; 0 for none."""
    bare = lines[at][:LINE_MAX_CHARS].strip(WHITE)
    if not bare:
        return 0
    if bare[0] in _MARKS:
        if is_groupwise(bare):
            return 1
        inner = bare.strip(_MARKS + WHITE).casefold()
        if not inner:
            return _ruled(lines, at, 0) if _RULE.match(bare) else 0
        if _is_separator(bare, inner):
            return _ruled(lines, at, 1)
        if bare[:2] == bare[-2:] == "--" and len(bare) <= SEPARATOR_MAX_CHARS and ends_in_verb(inner):
            return 1
        if bare[:2] == bare[-2:] and bare[1] in _MARKS and len(bare) <= SEPARATOR_MAX_CHARS:
            return _ruled(lines, at, 0)  # in a language that we do not know
    head = _header(lines, at)
    if not head and bare.casefold() in _ORIGINAL:
        return _ruled(lines, at, 0)
    if (
        not head
        and at + 1 < len(lines)
        and bare.startswith("Message ")
        and (head := _header(lines, at + 1, is_ruled=True))
    ):
        head += 1  # "Message du 02/11/26 10:11" (Orange)
    return head


def _is_separator(bare: str, inner: str) -> bool:
    """Tell whether *inner* is a known phrase and *bare* more than an item of a list or a title of somebody's own."""
    if bare[0] in "#+<>" or not inner.startswith(_BEGINS_ORIGINAL):
        return False
    if inner not in _ORIGINAL:
        return bare[-1] in _MARKS and bare[1] in _MARKS and len(inner) <= PHRASE_MAX_CHARS
    if " " not in inner and inner.isascii():
        return bare[2] in _DASHES
    return bare[1] in _MARKS or bare[-1] in _MARKS


def _header(lines: Sequence[str], at: int, *, is_ruled: bool = False) -> int:
    """Return how many lines the header of a quoted mail takes at *at*; 0 if there is none.

    Two labels are enough where a time and an address stand behind them and nothing right above. Programs always print
    the date; what has none, and no rule above it, is what a form of a web site tells of who filled it in.
    """
    found = quoted_header(lines, at)
    if found > 2 and not lines[at + 1].strip(WHITE) and quoted_header(lines, at + 2):
        return 0  # somebody's own line above one
    if is_ruled and found:
        return found
    if not found and ((at and lines[at - 1].strip(WHITE + _MARKS)) or ":" not in lines[at][:LINE_MAX_CHARS]):
        return 0
    block = announced_block(lines, at)
    if block is None or block.date is None:
        return 0
    if found and (block.author_name is not None or block.author is not None):
        return found
    if not _TIME.search(block.date) or not (block.author or ("@" in (block.to or "") and _begins_dated(lines[at]))):
        return 0
    return block.end - at


def _in_one_line(line: str) -> int:
    """Return 1 where *line*, under a rule, tells an author's address and when he wrote, else 0."""
    pieces = run_on(line) if line.count(":") > 1 and "@" in line else ()
    block = announced_block(pieces, 0) if len(pieces) > 1 else None
    return int(block is not None and block.author is not None and _TIME.search(block.date or "") is not None)


def _begins_dated(line: str) -> bool:
    return line.strip(WHITE + "*").casefold().startswith("date")


def _ruled(lines: Sequence[str], at: int, least: int) -> int:
    """Return how many lines a rule and the header below it are; *least* if there is no header."""
    below = at + 1
    while below < min(len(lines), at + 4) and not lines[below].strip(WHITE):
        below += 1
    if below == len(lines):
        return least
    head = _header(lines, below, is_ruled=True) or _in_one_line(lines[below])
    if not head and len(lines[at].strip(WHITE)) >= RULE_MIN_CHARS:
        block = header_block(lines, below)  # under a rule, an author and one label more will do
        head = block.end - below if block is not None and block.author is not None else 0
    return below + head - at if head else least
