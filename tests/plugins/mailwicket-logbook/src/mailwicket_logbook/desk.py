"""The desk of `[backend] type = "logbook"`."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import anyio
import anyio.to_thread
from pydantic import BaseModel, Field

from mailwicket.config.model import FilePath, Table
from mailwicket.errors import PermanentError, TransientError
from mailwicket.model import EntryDraft, IntakeKey, TicketChange, TicketDraft, TicketNumber, TicketRef
from mailwicket.ports import Net


class LogbookConfig(Table):
    """A file of JSON lines."""

    path: FilePath = Field(description="The logbook; it is made where it is missing.")


class LogbookDesk:
    """Tickets in a file. A line counts when its end is written: a torn last line is cut off."""

    Config: ClassVar[type[BaseModel]] = LogbookConfig

    def __init__(self, name: str, config: LogbookConfig, net: Net) -> None:
        """Take the backend's *name*, its *config* and the machine. Does nothing yet."""
        self.name = name
        self._path = config.path
        self._turn = anyio.Lock()
        self._known: dict[str, int] = {}
        self._tickets = 0
        self._file: int | None = None

    async def find(self, key: IntakeKey) -> TicketRef | None:
        """Tell whether the effect *key* happened already, and on which ticket."""
        async with self._turn:
            await anyio.to_thread.run_sync(self._open)
            number = self._known.get(key)
        return None if number is None else TicketRef(TicketNumber(number))

    async def create(self, draft: TicketDraft, key: IntakeKey) -> TicketRef:
        """Open a ticket. The same *key* again returns the same ticket and changes nothing."""
        return await self._write("create", None, asdict(draft), key)

    async def append(self, ticket: TicketRef, entry: EntryDraft, key: IntakeKey) -> None:
        """Add *entry* to *ticket*. The same *key* again changes nothing."""
        await self._write("append", ticket.number, asdict(entry), key)

    async def change(self, ticket: TicketRef, change: TicketChange, key: IntakeKey) -> None:
        """Change state, people or links. The same *key* again changes nothing."""
        await self._write("change", ticket.number, asdict(change), key)

    async def close(self) -> None:
        """Close the file."""
        opened, self._file = self._file, None
        if opened is not None:
            os.close(opened)

    # --- the file

    async def _write(self, kind: str, number: int | None, what: dict[str, Any], key: IntakeKey) -> TicketRef:
        async with self._turn:  # one line after the other
            return await anyio.to_thread.run_sync(self._write_now, kind, number, what, key)

    def _write_now(self, kind: str, number: int | None, what: dict[str, Any], key: IntakeKey) -> TicketRef:
        file = self._open()
        if (known := self._known.get(key)) is not None:
            return TicketRef(TicketNumber(known))
        for named in (number, what.get("linked_to")):
            if named is not None and not 1 <= named <= self._tickets:
                raise PermanentError(f"{self._path}: there is no ticket {named}")
        ticket = self._tickets + 1 if number is None else number
        line = json.dumps({"key": key, "kind": kind, "ticket": ticket, "what": what}, default=_plain) + "\n"
        try:
            _append(file, line.encode("ascii"))
        except OSError as error:
            os.close(file)
            self._file = None  # what came of it is read from the file when it is opened again
            raise TransientError(f"{self._path}: {error.strerror}", reason="backend_down") from error
        self._learn(key, ticket)
        return TicketRef(TicketNumber(ticket))

    def _open(self) -> int:
        if self._file is not None:
            return self._file
        try:
            file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            whole, _, torn = self._path.read_bytes().rpartition(b"\n")
            if torn:
                os.ftruncate(file, len(whole) + 1 if whole else 0)
        except OSError as error:
            raise TransientError(f"{self._path}: {error.strerror}", reason="backend_down") from error
        self._known.clear()
        self._tickets = 0
        for line in filter(None, whole.split(b"\n")):
            told = json.loads(line)
            self._learn(told["key"], told["ticket"])
        self._file = file
        return file

    def _learn(self, key: str, ticket: int) -> None:
        self._known[key] = ticket
        self._tickets = max(self._tickets, ticket)


def _append(file: int, line: bytes) -> None:
    if os.write(file, line) < len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def lines(path: Path) -> list[dict[str, Any]]:
    """Read a logbook."""
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
