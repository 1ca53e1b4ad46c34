"""Files that stand uuencoded in a text: `begin 644 name`, lines of up to 45 bytes, `end` (POSIX uuencode)."""

from __future__ import annotations

import binascii
import mmap
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

SLICE_BYTES: Final = 1024 * 1024
LINES_MAX: Final = SLICE_BYTES // 8
"""Of a slice so many lines are read: encoders write 60 letters and more on each."""

WINDOW_BYTES: Final = 4 * 1024 * 1024
BLOCKS_MAX: Final = 100
"""Files that are taken out of one text; what comes after them stays there."""

MISSED_MAX: Final = 1000
"""Lines of one text that begin as a file does, and are no file's."""

_BEGIN: Final = re.compile(rb"begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n")
# Whole lines are matched by the thousand, a stretch at a time; the others one by one. Never a way back.
_WHOLE: Final = re.compile(rb"(?:M[ -`]{60}[ -`]?\r?\n){1,4000}+")
_LINE: Final = re.compile(rb"([!-`])([ -`]{0,86})\r?\n")
_END: Final = re.compile(rb"(?:[ `]?[ \t]{0,9}\r?\n)?end[ \t]{0,9}\r?(?:\n|\Z)")


class Block(NamedTuple):
    """A file in a text: its name as bytes, and where it stands, `begin` and `end` included."""

    name: bytes
    begin: int
    end: int


def blocks(raw: bytes | bytearray | mmap.mmap, begin: int, end: int) -> list[Block]:
    """Return the files in the text `raw[begin:end]`, in order; what only begins like one is none."""
    found: list[Block] = []
    if raw.find(b"`", begin, end) < 0 and raw.find(b"%", begin, end) < 0 and raw.find(b"#", begin, end) < 0:
        return found  # a file has one of them, prose seldom; to look for a single letter is quick
    missed = 0
    at = _find(raw, begin, end)
    while at >= 0 and len(found) < BLOCKS_MAX and missed < MISSED_MAX:
        missed += 1
        opened = _BEGIN.match(raw, at, end)
        stop = at + 6
        if opened is not None:
            lines = _last_line(raw, opened.end(), end)
            closed = _END.match(raw, lines, min(end, lines + 50))
            stop = max(stop, lines)  # the lines of one that is none need no second look: none of them begins another
            if closed is not None and lines > opened.end():
                found.append(Block(opened[1].strip(), at, closed.end()))
                stop = closed.end()
                missed -= 1
        at = _find(raw, stop - 1, end)
    return found


def undone(raw: bytes | bytearray | mmap.mmap, begin: int, end: int) -> Iterator[bytes]:
    """Yield the bytes of the file that `raw[begin:end]` is, in slices; what is no line of it is passed over."""
    while begin < end:
        stop = min(end, begin + SLICE_BYTES)
        if stop < end:
            stop = raw.rfind(b"\n", begin, stop) + 1 or stop
        lines = bytes(raw[begin:stop]).split(b"\n", LINES_MAX)[:LINES_MAX]
        yield b"".join(
            [_bytes_of(line) for line in lines if line and line[:6] != b"begin " and line.rstrip() != b"end"]
        )
        begin = stop


def _bytes_of(line: bytes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:  # letters behind the last: some encoders write a checksum there
        length = (line[0] - 32) & 63
        try:
            return binascii.a2b_uu(line[: 1 + (length + 2) // 3 * 4])
        except binascii.Error:
            return b""


def _find(raw: bytes | bytearray | mmap.mmap, begin: int, end: int) -> int:
    """Find the next line from *begin* on that may begin a file."""
    if raw[begin : begin + 6] == b"begin " and (begin == 0 or raw[begin - 1 : begin] in b"\r\n"):
        return begin
    for at in range(begin, end, WINDOW_BYTES):
        found = raw.find(b"\nbegin ", at, min(end, at + WINDOW_BYTES + 7))
        if found >= 0:
            return found + 1
    return -1


def _last_line(raw: bytes | bytearray | mmap.mmap, at: int, end: int) -> int:
    """Return where the lines of a file end that begin at *at*."""
    while True:
        if whole := _WHOLE.match(raw, at, end):
            at = whole.end()
            continue
        line = _LINE.match(raw, at, end)
        if line is None or not _is_of_length(line[1][0], len(line[2])):
            return at
        at = line.end()


def _is_of_length(told: int, letters: int) -> bool:
    """Tell whether a line that announces its length with the letter *told* may have so many; blanks may be cut off."""
    length = (told - 32) & 63
    needed = (length + 2) // 3 * 4
    return 0 < length and letters <= needed + 2 and (letters >= needed - 3 or length == 45)  # noqa: SIM300
