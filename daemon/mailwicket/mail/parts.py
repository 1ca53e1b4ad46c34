"""The leaves of a mail, found by searching for boundaries from the start: attachments are never read line by line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from mailwicket.mail.decode import Raw
from mailwicket.mail.head import split_part
from mailwicket.mail.header import Header
from mailwicket.mail.media import content_type

DEPTH_MAX: Final = 100
PARTS_MAX: Final = 1000
WINDOW_BYTES: Final = 4 * 1024 * 1024
STRETCH_BYTES: Final = 4096  # searched for a boundary from a dash on: text is full of dashes
ROUNDS_MAX: Final = 12
"""How often the bytes of a mail are searched in all: multiparts that never end are searched to the end each."""

ROUND_MIN_BYTES: Final = 1024 * 1024
"""A mail that is not larger may be searched once for each of DEPTH_MAX."""

CLOSED_MAX: Final = 100
"""How often a multipart may end, and go on: one inside it has the same boundary."""

MISSED_MAX: Final = 20_000
"""How many lines of a multipart may begin as its boundary does and be none: they are looked at one by one."""

PREAMBLE_MAX_BYTES: Final = 400
GUESS_BYTES: Final = 64 * 1024
"""Where a boundary that no header names is looked for."""

_OPENING: Final = re.compile(rb"^--([^\r\n]{1,200})\r?\n(?:Content-[A-Za-z-]{1,40}):", re.MULTILINE | re.IGNORECASE)
_CLOSING: Final = re.compile(rb"^--([^\r\n]{1,200})--[ \t]{0,9}\r?$", re.MULTILINE)
_TYPE: Final = re.compile(rb"\s{0,9}Content-Type[ \t]{0,9}:", re.IGNORECASE)
_AFTER: Final = b"\r\n \t-"
_REST: Final = Header(b"Content-Type: application/octet-stream\n")


class Around(NamedTuple):
    """What a leaf stands in."""

    kind: str
    """The multipart directly around it; `""` for none."""
    serial: int
    """The number of that multipart in the mail."""
    place: int
    """Its place in it, from 0."""
    depth: int
    choice: int
    """The number of the outermost multipart/alternative around it, 0 for none."""
    branch: int
    """Its place, or that of what it stands in, among the choices."""
    related: bool
    """Inside a multipart/alternative or related: shown with the body, not beside it."""
    report: bool
    """Inside a multipart/report."""
    start: str
    """The Content-ID that the multipart/related directly around it begins with, `""` where it does not say."""


_NOTHING: Final = Around("", 0, 0, 0, 0, 0, related=False, report=False, start="")


class Part(NamedTuple):
    """A leaf, or a mail inside the mail: its header and where its body stands in the raw mail."""

    header: Header
    content_type: str
    parameters: Mapping[str, str]
    begin: int
    end: int
    around: Around


def leaves(raw: Raw, header: Header, begin: int, end: int, damage: list[str]) -> Iterator[Part]:
    """Yield every leaf between *begin* and *end* in order; *header* is the mail's own.

    Beyond DEPTH_MAX, PARTS_MAX or ROUNDS_MAX a multipart is told as one leaf, and so are the parts of it that are too
    many: nothing is lost.
    """
    stack = [(header, begin, end, _NOTHING)]
    count = serial = 0
    budget = max(ROUNDS_MAX * (end - begin), DEPTH_MAX * ROUND_MIN_BYTES)
    while stack:
        own, first, last, around = stack.pop()
        default = "message/rfc822" if around.kind == "multipart/digest" else "text/plain"
        kind, options = content_type(own, default)
        if not kind.startswith("multipart/"):
            if around.depth or "content-type" in own or not _opens_here(raw, first, last):
                yield Part(own, kind, options, first, last, around)
                continue
            kind = "multipart/mixed"
        if around.depth >= DEPTH_MAX or count >= PARTS_MAX or budget < 0:
            damage.append("too_many_parts")
            yield Part(own, kind, options, first, last, around)
            continue
        spans, rest = _spans(raw, options.get("boundary", ""), first, last, PARTS_MAX - count)
        budget -= last - first
        if spans:
            serial += 1
            inside = _inside(around, kind, options, serial)
            children = []
            for index, (start, stop) in enumerate(spans):
                child, body = split_part(raw, start, stop)
                children.append((child, body, stop, inside(index)))
            if rest:
                damage.append("too_many_parts")
                children.append((_REST, rest, last, inside(len(spans))))
            stack.extend(reversed(children))
            count += len(children)
        elif raw[first : min(last, first + GUESS_BYTES)].strip():
            damage.append("no_parts")
            # What a person wrote stands there, under a wrong label.
            yield Part(own, "text/plain", options, first, last, around)


def _inside(around: Around, kind: str, options: Mapping[str, str], serial: int) -> Callable[[int], Around]:
    """Return what tells of a place in a multipart of that *kind* what a part there stands in."""
    alternative = kind == "multipart/alternative"
    depth, choice, branch = around.depth + 1, around.choice, around.branch
    related = around.related or alternative or kind == "multipart/related"
    report = around.report or kind == "multipart/report"
    start = options.get("start", "").strip("<> ") if kind == "multipart/related" else ""
    if alternative and not choice:
        return lambda index: Around(kind, serial, index, depth, serial, index, related, report, start)
    return lambda index: Around(kind, serial, index, depth, choice, branch, related, report, start)


def _spans(raw: Raw, boundary: str, begin: int, end: int, limit: int) -> tuple[list[tuple[int, int]], int]:
    """Return what `_split` does; where no line bears the boundary, or none is named, with one that is guessed."""
    found: tuple[list[tuple[int, int]], int] = ([], 0)
    if named := boundary.rstrip():
        found = _split(raw, named.encode("utf-8", "replace"), begin, end, limit)
    if not found[0] and (guessed := _opening(raw, begin, end) or _closing(raw, begin, end)):
        found = _split(raw, guessed, begin, end, limit)
        stop = _before(raw, raw.find(b"--" + guessed, begin, end), begin)
        before = raw[begin : min(stop, begin + GUESS_BYTES)]
        if found[0] and found[0][0][0] != begin and not _is_preamble(before):
            found[0].insert(0, (begin, stop))  # it may be no boundary at all, but words that quote one
    return found


def _opens_here(raw: Raw, begin: int, end: int) -> bool:
    """Tell whether a text whose header says nothing of parts has some: not where it quotes the header that names them.

    That is how servers return a mail below their notice, and how people show the source of one.
    """
    boundary = _opening(raw, begin, end)
    return bool(boundary) and raw.find(boundary, begin, raw.find(b"--" + boundary, begin, end)) < 0


def _is_preamble(before: bytes | bytearray) -> bool:
    """Tell whether what stands before the first boundary is nothing, or what programs write for those without MIME."""
    words = before.strip()
    return not words or (len(words) <= PREAMBLE_MAX_BYTES and b"MIME" in words)


def _opening(raw: Raw, begin: int, end: int) -> bytes:
    """Return the boundary of the first line that looks like one: a Content field follows it."""
    limit = min(end, begin + GUESS_BYTES)
    found = _OPENING.search(raw, begin, limit) if raw.find(b"--", begin, limit) >= 0 else None
    return found[1].rstrip() if found else b""


def _closing(raw: Raw, begin: int, end: int) -> bytes:
    """Return the boundary of the last line `--boundary--`, near the end."""
    found = _CLOSING.findall(raw[max(begin, end - 1000) : end])
    return found[-1] if found else b""


def _split(raw: Raw, boundary: bytes, begin: int, end: int, limit: int) -> tuple[list[tuple[int, int]], int]:
    """Return where the parts between the lines `--boundary` stand (RFC 2046 5.1.1), and where those too many begin.

    A missing last line is forgiven. One that is not the last, too: a multipart inside has the same boundary. Behind
    MISSED_MAX lines that only look like it no further part is looked for.
    """
    mark = b"--" + boundary
    spans: list[tuple[int, int]] = []
    start, closed, missed = -1, 0, 0
    at = _find(raw, mark, begin, end)
    if at > begin and _TYPE.match(raw, begin, min(end, begin + 100)):
        start = begin  # the first boundary is missing
    while at >= 0 and missed < MISSED_MAX:
        after = at + len(mark)
        tail, following = _behind(raw, at, after, begin, end)
        if tail is None:
            missed += 1
        else:
            if start >= 0:
                spans.append((start, _before(raw, at, start)))
            start = following
            if len(spans) >= limit:
                return spans, 0 if tail else start
            if tail:
                start, closed = -1, closed + 1
                if closed > CLOSED_MAX:
                    return spans, 0
        at = _find(raw, mark, after, end)
    if start >= 0 and at >= 0:
        return spans, start
    if start >= 0:
        spans.append((start, end))
    return spans, 0


def _behind(raw: Raw, at: int, after: int, begin: int, end: int) -> tuple[bytes | bytearray | None, int]:
    """Return what follows a boundary on its line, nothing or dashes, and where the next line begins.

    None where what stands from *at* to *after* is no boundary: most that begin alike are another's.
    """
    if raw[after : after + 1] not in _AFTER or (at != begin and raw[at - 1 : at] != b"\n"):
        return None, after
    line_end = raw.find(b"\n", after, min(end, after + 1000))
    tail = raw[after : line_end if line_end >= 0 else min(end, after + 1000)].strip()
    if tail not in (b"", b"--"):
        return None, after
    return tail, line_end + 1 if line_end >= 0 else end


def _before(raw: Raw, at: int, start: int) -> int:
    """Return where the part ends before the boundary at *at*: its line end belongs to the boundary."""
    if raw[at - 1 : at] == b"\n":
        at -= 2 if raw[at - 2 : at - 1] == b"\r" else 1
    return max(start, at)


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
