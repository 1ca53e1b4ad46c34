"""Where a header begins and ends: of a whole mail, and of each part of it."""

from __future__ import annotations

import re
from typing import Final

from mailwicket.mail.decode import Raw
from mailwicket.mail.header import HEADER_MAX_BYTES, Header

START_MAX_BYTES: Final = 1024
"""What may stand before the first field: a mark of byte order, blank lines, the `From ` line of an mbox."""

CR_MAX_BYTES: Final = 16 * 1024 * 1024
"""A larger mail whose lines end in CR alone is not read by its lines: that takes a copy."""

DAMAGED_MAX_BYTES: Final = 64 * 1024
"""How far behind a line that is no field others are looked for."""

CR_SLICE_BYTES: Final = 256 * 1024

# Lines that are fields or go on with one. Possessive: there is never a way back.
_FIELDS: Final = re.compile(rb"(?:[^\s:]++[ \t]*+:[^\n]*+(?:\n|\Z)|[ \t][^\n]*+(?:\n|\Z))*+")
_BLANK: Final = re.compile(rb"\n\r{0,2}\n")
_KNOWN: Final = re.compile(
    rb"^(?:from|to|cc|subject|date|message-id|mime-version|content-[a-z]{1,20}(?:-[a-z]{1,20})?|received|return-path|"
    rb"reply-to|sender|references|in-reply-to|delivered-to|dkim-signature|x-[!-9;-~]{1,70})[ \t]{0,9}:",
    re.IGNORECASE | re.MULTILINE,
)
_ENVELOPE: Final = re.compile(rb">?From (?![ \t]*:)[^\n]*\n")
_LONE_CR: Final = re.compile(rb"\r(?!\n)")


def lines_as_lf(raw: Raw) -> Raw:
    """Return *raw*, or where its header has lines that end in CR alone a copy of the same length with LF instead."""
    first = raw.find(b"\r", 0, START_MAX_BYTES)
    if first < 0 or raw[first + 1 : first + 2] == b"\n" or len(raw) > CR_MAX_BYTES:
        return raw
    if raw.find(b"\n", 0, first) >= 0 or _end_of_fields(raw, 0, first) != first:
        return raw
    if raw[first + 1 : first + 3] == b"\r\n":  # CR CR LF: one line end, written twice
        return raw
    pieces = (raw[at : at + CR_SLICE_BYTES + 1] for at in range(0, len(raw), CR_SLICE_BYTES))
    return b"".join(_LONE_CR.sub(b"\n", piece)[:CR_SLICE_BYTES] for piece in pieces)


def start_of(raw: Raw) -> int:
    """Return where the first field of the mail stands: behind a mark of byte order, blank lines, an mbox's line."""
    if (first := raw[:1]) not in b"\xef\r\n \t\0>F" or (first == b"F" and raw[:5] != b"From "):
        return 0
    head = bytes(raw[:START_MAX_BYTES])
    at = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    blank = len(head) - len(head[at:].lstrip(b"\r\n\t \0"))
    envelope = _ENVELOPE.match(raw, blank, blank + START_MAX_BYTES)
    if envelope is not None:
        return envelope.end()
    return blank if _KNOWN.match(head[blank:]) else at


def split_header(raw: Raw, begin: int, end: int) -> tuple[Header, int]:
    """Return the header that begins at *begin*, and where its body begins.

    A line that is no field ends it too, unless fields that are known follow before the next blank line: then
    it is a damaged one among them.
    """
    first = raw[begin : min(begin + 2, end)]
    if first[:1] == b"\n":
        return Header(b""), begin + 1
    if first == b"\r\n":
        return Header(b""), begin + 2
    limit = min(end, begin + HEADER_MAX_BYTES)
    stop = _end_of_fields(raw, begin, limit)
    if stop == limit and first[:1] not in b" \t":
        return Header(raw[begin:limit]), limit
    after = raw[stop : min(stop + 3, limit)]
    if after[:1] == b"\n" and stop > begin:
        return Header(raw[begin:stop]), stop + 1
    if after[:2] == b"\r\n" and stop > begin:
        return Header(raw[begin:stop]), stop + 2
    if after == b"\r\r\n":
        return Header(raw[begin:stop]), stop + 3
    return _split_damaged(raw, begin, stop, limit)


def split_part(raw: Raw, begin: int, end: int) -> tuple[Header, int]:
    """Do as `split_header` for a part: words that only look like fields (`Note: ...`) are its body."""
    header, at = split_header(raw, begin, end)
    if "content-type" not in header and at - begin > 2 and not _KNOWN.search(raw, begin, at):
        return Header(b""), begin
    return header, at


def _end_of_fields(raw: Raw, begin: int, end: int) -> int:
    found = _FIELDS.match(raw, begin, end)
    return begin if found is None else found.end()


def _split_damaged(raw: Raw, begin: int, stop: int, limit: int) -> tuple[Header, int]:
    """Do as `split_header`, where the line at *stop* is no field."""
    if limit - stop <= 2:  # what is left of the line's end at the limit
        return Header(raw[begin:limit]), limit
    found = _BLANK.search(raw, max(begin, stop - 1), limit)
    last, body = (found.start(), found.end()) if found else (limit, limit)
    if _KNOWN.search(raw, stop, min(last, stop + DAMAGED_MAX_BYTES)):
        return Header(raw[begin:last]), body
    if not _KNOWN.search(raw, begin, stop) and raw[begin : begin + 1] in b" \t":
        return Header(b""), begin
    return Header(raw[begin:stop]), stop
