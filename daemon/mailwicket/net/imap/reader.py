"""From a stream of bytes to complete responses, in linear time and bounded memory. No input or output here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

CR, LF = 0x0D, 0x0A
CRLF: Final = b"\r\n"

LINE_BYTES: Final = 64 * 1024
"""RFC 7162 4 asks of a client at least 8192; servers fold nothing, so leave room."""

RESPONSE_OVERHEAD_BYTES: Final = 128
"""What a kept response costs beside its text, so that a flood of empty ones has an end, too."""

_ANNOUNCED: Final = re.compile(rb"~?\{(\d{1,20})\}$")
_STATUS: Final = re.compile(rb"\* (?:OK|NO|BAD|BYE|PREAUTH)\b", re.IGNORECASE)


class UnreadableError(Exception):
    """What the server sends is no IMAP, or more than a command may be answered with."""


class OversizeError(UnreadableError):
    """It announces a literal larger than its command may be answered with."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A literal that was let pass unread because it is larger than its command has room for."""

    size_bytes: int


Part = bytes | bytearray | Skipped
Response = list[Part]
"""Lines at even places, the literals between them at odd ones; the first is always a line."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much a command may be answered with."""

    line_bytes: int = LINE_BYTES
    text_bytes: int = 16 * 1024 * 1024
    """All lines together; about 60,000 flag lines."""
    keep_bytes: int = LINE_BYTES
    """A literal over this, or that no longer fits beside the ones before it, is skipped."""
    literal_bytes: int = LINE_BYTES
    """A literal announced larger ends the connection before a byte of it is read."""
    kept_bytes: int = 4 * 1024 * 1024
    """All kept literals together."""
    literals_bytes: int = 16 * 1024 * 1024
    """All literals together, kept or not: nobody is listened to for ever."""


class ResponseReader:
    """Cuts a stream into responses; the same ones however it is split."""

    def __init__(self, on_response: Callable[[Response], None]) -> None:
        """Hand each complete response to *on_response*, in order."""
        self._on_response = on_response
        self._line = bytearray()
        self._parts: Response = []
        self._literal: bytearray | None = None
        self._literal_bytes = 0
        self._missing_bytes = 0
        self._stopped = False
        self.injected = False
        """Bytes came after `stop`: somebody spoke before TLS did."""
        self.give_room(Room())

    def give_room(self, room: Room) -> None:
        """Begin to count anew, for the next command."""
        self._room = room
        self._text_bytes = 0
        self._kept_bytes = 0
        self._literals_bytes = 0

    def stop(self) -> None:
        """Read nothing after the response at hand: what follows it is not the server's (RFC 3501 6.2.1)."""
        self._stopped = True

    def resume(self) -> None:
        """Read again, from a clean state: the stream is another one now."""
        self._stopped = False

    def feed(self, data: bytes | bytearray, end: int) -> None:
        """Take the first *end* bytes of *data*, which may be written over afterwards.

        Raises:
            UnreadableError: the connection is of no more use.
        """
        view = memoryview(data)
        position = 0
        while position < end:
            if self._stopped:
                self.injected = True
                return
            if self._missing_bytes:
                position = self._take_literal(view, position, end)
                continue
            if self._line:
                position = self._end_line(data, view, position, end)
                continue
            at = data.find(CRLF, position, end)
            if at < 0:
                self._begin_line(view[position:end])
                return
            line = bytes(view[position:at])
            position = at + 2
            self._take_line(line)

    def _begin_line(self, begun: memoryview) -> None:
        self._line += begun
        if len(self._line) > self._room.line_bytes:
            raise UnreadableError(f"a line of more than {self._room.line_bytes} bytes")

    def _end_line(self, data: bytes | bytearray, view: memoryview, position: int, end: int) -> int:
        """Go on with a line that began in an earlier piece; return the place behind what was used."""
        if self._line[-1] == CR and data[position] == LF:
            line, following = bytes(self._line[:-1]), position + 1
        else:
            at = data.find(CRLF, position, end)
            if at < 0:
                self._begin_line(view[position:end])
                return end
            self._line += view[position:at]
            line, following = bytes(self._line), at + 2
        self._line.clear()
        self._take_line(line)
        return following

    def _take_line(self, line: bytes) -> None:
        if len(line) > self._room.line_bytes:
            raise UnreadableError(f"a line of more than {self._room.line_bytes} bytes")
        self._text_bytes += len(line) + RESPONSE_OVERHEAD_BYTES
        if self._text_bytes > self._room.text_bytes:
            raise UnreadableError(f"an answer of more than {self._room.text_bytes} bytes in lines")
        parts = self._parts
        parts.append(line)
        if line.endswith(b"}") and (announced := _ANNOUNCED.search(line)) and self._may_hold_literal():
            self._begin_literal(int(announced[1]))
            return
        self._parts = []
        self._on_response(parts)

    def _may_hold_literal(self) -> bool:
        """Human-readable text may end in `{5}` and announces nothing by it (RFC 3501 9, resp-text)."""
        first = self._parts[0]
        return isinstance(first, bytes) and first.startswith(b"* ") and not _STATUS.match(first)

    def _begin_literal(self, size_bytes: int) -> None:
        room = self._room
        if size_bytes > room.literal_bytes:
            raise OversizeError(f"a literal of {size_bytes} bytes where at most {room.literal_bytes} were asked for")
        self._literals_bytes += size_bytes
        if self._literals_bytes > room.literals_bytes:
            raise OversizeError(f"literals of more than {room.literals_bytes} bytes together")
        if size_bytes > room.keep_bytes or self._kept_bytes + size_bytes > room.kept_bytes:
            self._literal = None
        else:
            self._kept_bytes += size_bytes
            self._literal = bytearray()
        self._literal_bytes = self._missing_bytes = size_bytes
        if not size_bytes:
            self._parts.append(b"")

    def _take_literal(self, view: memoryview, position: int, end: int) -> int:
        following = min(end, position + self._missing_bytes)
        piece = view[position:following]
        whole = len(piece) == self._literal_bytes
        self._missing_bytes -= len(piece)
        if self._literal is None:
            if not self._missing_bytes:
                self._parts.append(Skipped(self._literal_bytes))
        elif whole:  # most small mails lie in one piece: one copy
            self._parts.append(bytes(piece))
        else:
            self._literal += piece  # grows with what came, never by what was announced
            if not self._missing_bytes:
                self._parts.append(self._literal)
        return following
