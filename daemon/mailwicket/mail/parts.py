"""The leaves of a mail, found by searching for boundaries from the start: attachments are never read line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from mailwicket.mail.decode import Raw
from mailwicket.mail.header import HEADER_MAX_BYTES, Header, parameters

DEPTH_MAX: Final = 100
PARTS_MAX: Final = 1000
WINDOW_BYTES: Final = 4 * 1024 * 1024
STRETCH_BYTES: Final = 4096  # searched for a boundary from a dash on: text is full of dashes

_BLANK: Final = re.compile(rb"\n\r?\n")  # begins with a letter to look for: ten times as fast as `\r?\n\r?\n`


class Part(NamedTuple):
    """A leaf, or a mail inside the mail: its header and where its body stands in the raw mail."""

    header: Header
    content_type: str
    parameters: Mapping[str, str]
    begin: int
    end: int
    related: bool
    """Inside a multipart/alternative or related: shown with the body, not beside it."""


def split_header(raw: Raw, begin: int, end: int) -> tuple[Header, int]:
    """Return the header that begins at *begin*, and where its body begins."""
    if raw[begin : begin + 1] == b"\n":
        return Header(b""), begin + 1
    if raw[begin : begin + 2] == b"\r\n":
        return Header(b""), begin + 2
    limit = min(end, begin + HEADER_MAX_BYTES)
    found = _BLANK.search(raw, begin, limit)
    if found is None:
        return Header(raw[begin:limit]), limit
    return Header(raw[begin : found.start()]), found.end()


def leaves(raw: Raw, header: Header, begin: int, end: int, damage: list[str]) -> Iterator[Part]:
    """Yield every leaf between *begin* and *end* in order; *header* is the mail's own.

    Beyond DEPTH_MAX or PARTS_MAX a multipart is told as one leaf: nothing is lost.
    """
    stack: list[tuple[Header, int, int, int, bool]] = [(header, begin, end, 0, False)]
    count = 0
    while stack:
        own, first, last, depth, related = stack.pop()
        kind, options = parameters(own.get("content-type"))
        multipart = kind.startswith("multipart/")
        boundary = options.get("boundary", "").rstrip().encode("utf-8", "replace") if multipart else b""
        if boundary and depth < DEPTH_MAX and count < PARTS_MAX:
            spans = _split(raw, boundary, first, last, PARTS_MAX - count)
            if spans:
                inside = related or kind in {"multipart/alternative", "multipart/related"}
                children = []
                for start, stop in spans:
                    child, body = split_header(raw, start, stop)
                    children.append((child, body, stop, depth + 1, inside))
                stack.extend(reversed(children))
                count += len(spans)
                continue
            damage.append("no_parts")
            kind = "text/plain"  # what a person wrote stands there, under a wrong label
        elif boundary:
            damage.append("too_many_parts")
        yield Part(own, kind or "text/plain", options, first, last, related)


def _split(raw: Raw, boundary: bytes, begin: int, end: int, limit: int) -> list[tuple[int, int]]:
    """Return where the parts between the lines `--boundary` stand (RFC 2046 5.1.1); a missing last line is forgiven."""
    mark = b"--" + boundary
    spans: list[tuple[int, int]] = []
    start = -1
    at = _find(raw, mark, begin, end)
    while at >= 0:
        after = at + len(mark)
        line_end = raw.find(b"\n", after, min(end, after + 1000))
        tail = raw[after : line_end if line_end >= 0 else min(end, after + 1000)].strip()
        if (at == begin or raw[at - 1 : at] == b"\n") and tail in (b"", b"--"):
            if start >= 0:
                stop = at - 1 if raw[at - 1 : at] == b"\n" else at
                stop = stop - 1 if raw[stop - 1 : stop] == b"\r" else stop
                spans.append((start, max(start, stop)))
            start = line_end + 1 if line_end >= 0 else end
            if tail == b"--" or len(spans) >= limit:
                return spans
        at = _find(raw, mark, after, end)
    if start >= 0:
        spans.append((start, end))
    return spans


def _find(raw: Raw, mark: bytes, begin: int, end: int) -> int:
    """Find *mark*, which begins with a dash: in base64 there is none, and one letter is found ten times as fast."""
    stretch = max(STRETCH_BYTES, 64 * len(mark))  # a search prepares itself in time of the mark's length
    while begin < end:
        at = raw.find(mark, begin, min(end, begin + stretch + len(mark)))
        if at >= 0:
            return at
        begin = _find_dash(raw, begin + stretch, end)
    return -1


def _find_dash(raw: Raw, begin: int, end: int) -> int:
    """Find a dash, or *end*, a window at a time: one search through 50 MB would keep the interpreter to itself."""
    for at in range(begin, end, WINDOW_BYTES):
        dash = raw.find(b"-", at, min(end, at + WINDOW_BYTES))
        if dash >= 0:
            return dash
    return end
