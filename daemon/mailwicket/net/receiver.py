"""Takes mails in whose size nobody vouches for: in memory while there is room, else in a file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from mailwicket.model import SpooledMail
from mailwicket.net.spool import Spool

WHOLE_BYTES: Final = 8 * 1024 * 1024
"""A mail over this goes to a file and is never in memory as a whole. Measured in docs/decisions.md."""

START_BYTES: Final = 1024 * 1024
"""So much is kept of a mail that is too large: its header is in that."""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A mail over the limit: what was read of it first."""

    start: bytes


class Receiver:
    """One unit's place for large mails, and its room in memory for a batch of others."""

    def __init__(self, directory: Path, label: str, max_mail_bytes: int) -> None:
        """Take mails of up to *max_mail_bytes*; large ones go to files of *directory*, named from *label* on."""
        self._directory = directory
        self._label = label
        self._max_mail_bytes = max_mail_bytes
        self.room_bytes = 0
        """So much of what comes may stay in memory: set it before each batch."""

    async def receive(self, piece: Callable[[], Awaitable[bytes]]) -> bytes | SpooledMail | TooLarge:
        """Take a mail in, *piece* by *piece*: an empty one is its end. Of one that is too large the end is not read.

        Raises:
            StoreError: our disk does not take it.
        """
        content = bytearray()
        limit = min(WHOLE_BYTES, max(0, self.room_bytes))
        while more := await piece():
            content += more
            if len(content) > self._max_mail_bytes:
                return TooLarge(bytes(content[:START_BYTES]))
            if len(content) > limit:
                return await self._spool(piece, content)
        self.room_bytes -= len(content)
        return bytes(content)

    async def _spool(self, piece: Callable[[], Awaitable[bytes]], begun: bytearray) -> SpooledMail | TooLarge:
        spool = await anyio.to_thread.run_sync(Spool, self._directory, self._label)
        start = bytes(begun[:START_BYTES])
        try:
            await anyio.to_thread.run_sync(spool.write, begun)
            while more := await piece():
                if spool.size_bytes + len(more) > self._max_mail_bytes:
                    return TooLarge(start)
                await anyio.to_thread.run_sync(spool.write, more)
            return await anyio.to_thread.run_sync(spool.finish)
        finally:
            if not spool.finished:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(spool.discard)
