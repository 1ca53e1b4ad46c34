"""What the contract suite of mailwicket runs on."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailwicket.model import TicketNumber
from mailwicket_logbook.desk import LogbookConfig, LogbookDesk, lines


class Room:
    """A machine with nothing but directories."""

    def __init__(self, directory: Path) -> None:
        self.spool_dir = directory / "spool"
        self.attachment_dir = directory / "attachments"

    async def trust(self, ca_file: Path | None) -> ssl.SSLContext:
        """Return nothing: a file needs no trust."""
        raise NotImplementedError(ca_file)


@dataclass
class Bench:
    """A desk, and what its file says."""

    desk: LogbookDesk
    path: Path

    async def ticket(self, number: TicketNumber) -> dict[str, Any]:
        """Read a ticket as `mailwicket tickets show --json` has it."""
        first, *rest = (line for line in lines(self.path) if line["ticket"] == number)
        draft = first["what"]
        status, cc, entries = "open", [one["address"].casefold() for one in draft["cc"]], [draft["entry"]]
        for line in rest:
            what = line["what"]
            if line["kind"] == "append":
                entries.append(what)
            else:
                status = what["status"] or status
                cc += [one["address"].casefold() for one in what["add_cc"]]
        shown = {**draft, "number": number, "status": status, "requester": draft["requester"]["address"]}
        told = [{**one, "author": None if one["author"] is None else one["author"]["address"]} for one in entries]
        ids = [one["message_id"] for one in entries if one["message_id"] is not None]
        return {**shown, "cc": list(dict.fromkeys(cc)), "entries": told, "message_ids": ids}

    async def count(self) -> int:
        """How many tickets there are."""
        return sum(line["kind"] == "create" for line in lines(self.path)) if self.path.exists() else 0


@asynccontextmanager
async def bench(directory: Path) -> AsyncIterator[Bench]:
    """Run a desk on a file of its own."""
    path = directory / "logbook.jsonl"
    desk = LogbookDesk("logbook", LogbookConfig(path=path), Room(directory))
    try:
        yield Bench(desk, path)
    finally:
        await desk.close()
