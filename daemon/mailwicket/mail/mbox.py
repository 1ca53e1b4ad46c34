"""Where the mails of an mbox file stand, and what their bytes were before they were put in. Pure, and in one pass.

An mbox is mails one after another, each headed by a line `From SENDER DATE` (RFC 4155). That is all on which its
dialects agree: lines of a mail that begin so are quoted in three ways, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Final, Protocol

SLICE_BYTES: Final = 1024 * 1024
LINE_MAX_BYTES: Final = 1024
HEADER_MAX_BYTES: Final = 256 * 1024

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH: Final = rb"(?i:\b(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b)"
_DAY: Final = re.compile(rb"(?:(?P<before>\d{1,2})[ -]+)?" + _MONTH + rb"(?:[ -]+(?P<after>\d{1,2})(?![\d:]))?")
_TIME: Final = re.compile(rb"\b(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?")
_YEAR: Final = re.compile(rb"\b(?:19|20)\d\d\b")
_ZONE: Final = re.compile(rb"(?<![\d:])(?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>[0-5]\d)\b")
_ASCTIME: Final = re.compile(
    rb" (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) +" + _MONTH + rb" +\d{1,2} +\d\d:\d\d(?::\d\d)? (?:.* )?(?:19|20)\d\d\s*$"
)

FIELD: Final = re.compile(rb"[!-9;-~]+[ \t]*:")
_LENGTH: Final = re.compile(rb"^content-length:[ \t]*(\d{1,15})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_BARE_LINE_FEED: Final = re.compile(rb"(?<!\r)\n")
_LEADING: Final = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*")
_FOLDER_NOTE: Final = b"-- FOLDER INTERNAL DATA"


class Text(Protocol):
    """Bytes, or a mapping of a file of any size."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: slice, /) -> bytes: ...
    def find(self, sub: bytes, start: int, end: int, /) -> int: ...  # noqa: D102
    def rfind(self, sub: bytes, start: int, end: int, /) -> int: ...  # noqa: D102


class Dialect(StrEnum):
    """How lines of a mail that begin with `From ` were kept apart from those that head a mail."""

    MBOXRD = "mboxrd"
    """`>` before `From `, `>From `, `>>From ` ...: what is taken off is what was put on."""
    MBOXO = "mboxo"
    """`>` before `From ` alone; a line that was `>From ` before cannot be told from it."""
    MBOXCL2 = "mboxcl2"
    """No quoting: the field Content-Length says where a mail ends. Believed only when asked for: a mail may lie."""


_QUOTED: Final = {
    Dialect.MBOXRD: re.compile(rb"^>(?=>*From )", re.MULTILINE),
    Dialect.MBOXO: re.compile(rb"^>(?=From )", re.MULTILINE),
    Dialect.MBOXCL2: None,
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """One mail of an mbox."""

    heading: int
    """Where its line `From ` begins."""
    first: int
    end: int
    """Its bytes, without the empty line behind them."""
    received_at: datetime | None
    """From that line; RFC 4155 says UTC where no offset is given."""


def is_mbox(text: Text) -> bool:
    """Tell whether *text* begins as an mbox does."""
    start = _begin(text)
    head = text[start : start + LINE_MAX_BYTES]
    return head.startswith(b"From ") and FIELD.match(head) is None  # the field may bear a blank before its colon


def stretches(text: Text, dialect: Dialect = Dialect.MBOXRD) -> Iterator[Stretch]:
    """Yield the mails of *text* in order; every byte behind the first heading belongs to one."""
    heading = _begin(text)
    dated = _moment(_line(text, heading)) is not None
    while heading < len(text):
        line = _line(text, heading)
        first = min(heading + len(line), len(text))
        following = _told_end(text, first, dated=dated) if dialect is Dialect.MBOXCL2 else None
        if following is None:
            following = _next_heading(text, first, dated=dated)
        yield Stretch(heading, first, _without_empty_line(text, first, following), _moment(line))
        heading = following


def is_folder_note(text: Text, stretch: Stretch) -> bool:
    """Tell whether a mail program keeps its own notes there: it is no mail (c-client's "internal data")."""
    head = text[stretch.first : min(stretch.end, stretch.first + 2048)]
    return _FOLDER_NOTE in head.partition(b"\n\n")[0].partition(b"\r\n\r\n")[0]


def wire(text: Text, first: int, end: int, dialect: Dialect | None = None) -> Iterator[bytes]:
    """Yield what stands between *first* and *end* as it went over the wire: unquoted, lines ending in CR LF.

    Files of a Unix keep LF alone; where the first line ends in CR LF, nothing is taken for the loss of a CR. In pieces
    of about a megabyte. *dialect*: of an mbox; None of a file that holds one mail.
    """
    quoted = None if dialect is None else _QUOTED[dialect]
    line_end = text.find(b"\n", first, end)
    is_unix = line_end >= 0 and text[line_end - 1 : line_end] != b"\r"
    at_line = True
    while first < end:
        cut = _cut(text, first, end)
        piece = text[first:cut]
        first = cut
        begun = b""
        if not at_line:  # the rest of a very long line
            begun, line_feed, piece = piece.partition(b"\n")
            begun += line_feed
        if quoted is not None and b">From " in piece:
            piece = quoted.sub(b"", piece)
        piece = begun + piece
        at_line = piece.endswith(b"\n")
        yield _with_carriage_returns(piece) if is_unix else piece


# --- finding --------------------------------------------------------------------------------------------------------


def _begin(text: Text) -> int:
    """Return where the first line is that says something."""
    found = _LEADING.match(text[0:LINE_MAX_BYTES])
    return found.end() if found else 0


def _line(text: Text, start: int) -> bytes:
    end = text.find(b"\n", start, min(len(text), start + LINE_MAX_BYTES))
    return text[start : end + 1 if end >= 0 else min(len(text), start + LINE_MAX_BYTES)]


def _next_heading(text: Text, start: int, *, dated: bool) -> int:
    """Return where the next mail is headed at or behind *start*, which begins a line; else the end."""
    position = max(start - 1, 0)
    while position < len(text):
        window = min(len(text), position + SLICE_BYTES)
        found = text.find(b"\nFrom ", position, window)
        if found < 0:
            position = window if window == len(text) else window - 5
        elif _heads(text, found + 1, dated=dated):
            return found + 1
        else:
            position = found + 1
    return len(text)


def _heads(text: Text, start: int, *, dated: bool) -> bool:
    """Tell whether the line at *start* heads a mail.

    It bears a date, and fields follow; or nothing does, and the date is as asctime writes it. A writer that quotes
    leaves no other such line; of one that does not, only a mail that shows an mbox is cut. Where the file's first
    heading has no date none is asked for, but an empty line before it.
    """
    if text[start : start + 5] != b"From ":
        return False
    line = _line(text, start)
    behind = text[start + len(line) : start + len(line) + LINE_MAX_BYTES]
    follows = FIELD.match(behind) is not None
    if not dated:
        return follows and _is_empty_line(text, start)
    if follows or behind[:6] == b">From ":
        return _moment(line) is not None
    return _ASCTIME.search(line) is not None


def _is_empty_line(text: Text, start: int) -> bool:
    return text[max(start - 2, 0) : start] == b"\n\n" or text[max(start - 3, 0) : start] == b"\n\r\n"


def _told_end(text: Text, first: int, *, dated: bool) -> int | None:
    """Return where the next mail is headed if Content-Length says so and there is indeed a heading, or the end."""
    head = text[first : first + HEADER_MAX_BYTES]
    ends = [place + len(mark) for mark in (b"\n\n", b"\r\n\r\n") if (place := head.find(mark)) >= 0]
    if not ends or (told := _LENGTH.search(head[: min(ends)])) is None:
        return None
    end = first + min(ends) + int(told[1])
    while text[end : end + 1] in {b"\n", b"\r"}:
        end += 1
    return end if end == len(text) or (end < len(text) and _heads(text, end, dated=dated)) else None


def _without_empty_line(text: Text, first: int, following: int) -> int:
    """The writer put an empty line behind the mail; not all do."""
    if text[max(following - 2, first) : following] == b"\n\n":
        return following - 1
    if text[max(following - 3, first) : following] == b"\n\r\n":
        return following - 2
    return following


def _moment(line: bytes) -> datetime | None:
    """Return the date of a heading: asctime's, with an offset somewhere, or in the order of RFC 5322."""
    time, year = _TIME.search(line, 5), _YEAR.search(line, 5)
    if time is None or year is None:
        return None
    day = None
    for found in _DAY.finditer(line, 5):  # the sender may bear the name of a month, too
        day = found if found["before"] or found["after"] else day
    if day is None:
        return None
    zone = _ZONE.search(line, time.end())
    offset = timedelta(0)
    if zone is not None:
        offset = timedelta(hours=int(zone["hours"]), minutes=int(zone["minutes"])) * (-1 if zone["sign"] == b"-" else 1)
    month = _MONTHS.index(day["month"].decode().lower()) + 1
    clock = (int(time["hour"]), int(time["minute"]), int(time["second"] or 0) % 60)  # a leap second is one less
    try:
        said = datetime(int(year[0]), month, int(day["after"] or day["before"]), *clock, tzinfo=timezone(offset))
        return said.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


# --- turning back ---------------------------------------------------------------------------------------------------


def _cut(text: Text, first: int, end: int) -> int:
    """Return where a piece from *first* ends: behind a line if there is one, never between CR and LF."""
    cut = min(end, first + SLICE_BYTES)
    if cut == end:
        return end
    line_feed = text.rfind(b"\n", first, cut)
    if line_feed >= 0:
        return line_feed + 1
    return cut - 1 if text[cut - 1 : cut] == b"\r" else cut


def _with_carriage_returns(piece: bytes) -> bytes:
    return _BARE_LINE_FEED.sub(b"\r\n", piece) if b"\r" in piece else piece.replace(b"\n", b"\r\n")
