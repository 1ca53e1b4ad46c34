"""Content-Type and Content-Disposition: a value and its parameters (RFC 2045 5.1, RFC 2231)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from mailwicket.mail.charset import to_text
from mailwicket.mail.words import word_end

PARAMETERS_MAX: Final = 1000
OFTEN_MAX_CHARS: Final = 100
WORDS_MAX_CHARS: Final = 500
"""In a longer value nobody forgot a semicolon."""

_KIND: Final = re.compile(r"[\s\"']*(?:\([^()]{0,200}\)\s{0,9})?([^\s;,\"'()]*)")
_BETWEEN: Final = re.compile(r"[\s;,]*+")
_NAME: Final = re.compile(r"(?:\([^()]{0,200}\)\s*)?([^\s=;\"()]{1,100})\s{0,20}=\s{0,20}")
_NEXT: Final = re.compile(r"[;\"]")
_QUOTED: Final = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_AFTER_QUOTE: Final = re.compile(r"\s{0,20}(?:;|$|\(|,?\s{0,20}[A-Za-z][\w*-]{0,40}\s{0,5}=)")
_ESCAPED: Final = re.compile(r'\\(["\\])')
_COMMENT: Final = re.compile(r"\s+\([^()]{0,200}\)$")
_SECTION: Final = re.compile(r"([^*]+)\*(\d{0,4})(\*?)$", re.ASCII)
_CHARSET: Final = re.compile(r"([\w.:+-]{0,40})'[\w-]{0,20}'")
_PERCENT: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_FILE_NAMES: Final = frozenset({"name", "filename"})


def parameters(value: str) -> tuple[str, Mapping[str, str]]:
    """Split a field into its value, in small letters, and its parameters; of two of one name the first counts.

    What RFC 2231 cut up or encoded is put together, and goes before what is said plainly. Encoded words (RFC 2047)
    are left to whoever knows that the value is for people. Quotes that nobody closed, quotes within quotes, blanks and
    specials outside quotes are read as they were meant, as far as that can be told.
    """
    return _often(value) if len(value) <= OFTEN_MAX_CHARS else _parameters(value)


def _parameters(value: str) -> tuple[str, Mapping[str, str]]:
    kind = _KIND.match(value)
    told = kind[1].casefold() if kind else ""
    found: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, text in _pairs(value, kind.end() if kind else 0):
        section = _SECTION.match(name)
        if section is None:
            found.setdefault(name.rstrip("*"), text)
            continue
        number, is_encoded = int(section[2] or 0), section[3] == "*" or not section[2]
        sections.setdefault(section[1], {}).setdefault(number, (text, is_encoded))
    for name, pieces in sections.items():
        if 0 in pieces or name not in found:  # the rest of a value is less than a whole one
            found[name] = _continued([pieces[number] for number in sorted(pieces)])
    return told, found


# Most parts of most mails bear one of a few dozen values.
_often: Final = lru_cache(256)(_parameters)


def _pairs(value: str, at: int) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    is_trusted = (
        True  # until quotes did not close where they should: then the next quote closes, else time were squared
    )
    while len(pairs) < PARAMETERS_MAX and at < len(value):
        if between := _BETWEEN.match(value, at):
            at = between.end()
        named = _NAME.match(value, at)
        if named is None:
            at = value.find(";", at) + 1
            if not at:
                break
            continue
        name, at = named[1].casefold(), named.end()
        if value.startswith('"', at):
            end = _closing(value, at + 1) if is_trusted else -1
            is_trusted = end >= 0
            text, at = _quoted(value, at + 1, end)
        else:
            text, at = _bare(value, at, name)
        pairs.append((name, text))
    return pairs


def _closing(value: str, at: int) -> int:
    """Return where the quote stands that closes: one with another parameter or nothing behind it; -1 for none."""
    while found := _QUOTED.match(value, at):
        end = found.end()
        if end >= len(value):
            return -1
        if _AFTER_QUOTE.match(value, end + 1):
            return end
        at = end + 1
    return -1


def _quoted(value: str, begin: int, end: int) -> tuple[str, int]:
    if end < 0:
        found = _NEXT.search(value, begin)
        end = found.start() if found else len(value)
        at = value.find(";", end)
        return _ESCAPED.sub(r"\1", value[begin:end]).strip(), at if at >= 0 else len(value)
    # Only these two are escaped: backslashes of Windows stand in paths, as they are.
    return _ESCAPED.sub(r"\1", value[begin:end]), end + 1


def _bare(value: str, at: int, name: str) -> tuple[str, int]:
    begin = at
    while value.startswith("=?", at) and (end := word_end(value, at)) > 0:  # it may hold a semicolon
        at = end + len(value[end : end + 20]) - len(value[end : end + 20].lstrip())
    end = value.find(";", at)
    end = end if end >= 0 else len(value)
    text = value[begin:end].strip()
    if name.partition("*")[0] not in _FILE_NAMES and len(text) <= WORDS_MAX_CHARS:
        text = _COMMENT.sub("", text)
        first, _, more = text.partition(" ")
        if "=" in more and first:  # the semicolon between was forgotten
            return first.strip("\"'"), begin + value[begin:end].index(first) + len(first)
    return text.strip('"') if text.count('"') == 1 else text, end


def _continued(pieces: Sequence[tuple[str, bool]]) -> str:
    charset, raw = "utf-8", b""
    for index, (text, is_encoded) in enumerate(pieces):
        piece = text
        if index == 0 and (label := _CHARSET.match(piece)) and (is_encoded or _PERCENT.search(piece)):
            charset, piece, is_encoded = label[1] or "utf-8", piece[label.end() :], True  # noqa: PLW2901
        raw += unquote_to_bytes(piece) if is_encoded else piece.encode("utf-8", "replace")
    return to_text(raw, charset)
