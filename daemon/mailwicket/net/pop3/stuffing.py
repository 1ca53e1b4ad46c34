"""What a multi-line answer stands for: dots undone, its end found, in pieces of any size (RFC 1939 3)."""

from __future__ import annotations

from typing import Final

END: Final = b"\r\n.\r\n"
"""Only this ends an answer: a line of one dot between bare LFs is part of a mail."""


class Unstuffing:
    """Takes the bytes of one answer as they come."""

    def __init__(self) -> None:
        """Begin at the line behind `+OK`."""
        self._held = b"\r\n"  # that line's own end: the first line may begin with a dot, or be the last
        self._skip = len(self._held)
        self.finished = False
        """The end was seen."""
        self.rest = b""
        """What came behind it."""

    def feed(self, content: bytes | bytearray) -> bytes:
        """Return what *content* adds; it may be nothing, because the end could begin here."""
        text = self._held + content
        end = text.find(END)
        if end >= 0:
            self.finished = True
            self.rest, body = text[end + len(END) :], text[: end + 2]
        else:
            held = next(length for length in range(len(END) - 1, -1, -1) if text.endswith(END[:length]))
            self._held, body = text[len(text) - held :], text[: len(text) - held]
        body = body.replace(b"\r\n.", b"\r\n")
        skip = min(self._skip, len(body))
        self._skip -= skip
        return body[skip:]
