"""What tests of desks share: drafts, and a harness for each desk that starts it and shows what it holds."""

from __future__ import annotations

import sqlite3
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tests.receiver import Receiver, receiving

from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.backends.desk.reading import list_tickets, show_ticket
from mailwicket.backends.webhook import WebhookDesk
from mailwicket.model import (
    Address,
    Attachment,
    EntryDraft,
    EntryKind,
    MessageId,
    Reason,
    Sha256,
    TicketDraft,
    TicketNumber,
)
from mailwicket.net.machine import Machine
from mailwicket.ports import Desk
from mailwicket.store.store import Store

T = TypeVar("T")


ADA = Address("Ada Requester", "ada@example.org")
BEN = Address(None, "ben@example.net")
CLEO = Address("Cleo", "cleo@example.com")
NINE = datetime(2026, 1, 1, 9, tzinfo=UTC)


def entry_draft(**changes: Any) -> EntryDraft:
    """A mail from Ada, with *changes*."""
    values: dict[str, Any] = {
        "author": ADA,
        "public": True,
        "kind": EntryKind.MAIL,
        "text": "The printer is on fire.",
        "html": None,
        "received_at": NINE,
        "message_id": MessageId("1@example.org"),
        "raw_sha256": Sha256("ab" * 32),
        "attachments": (),
        "reason": Reason.CREATED,
    }
    return EntryDraft(**values | changes)


def ticket_draft(entry: EntryDraft | None = None, **changes: Any) -> TicketDraft:
    """A ticket of Ada's, with *changes*."""
    values: dict[str, Any] = {
        "subject": "Printer",
        "requester": ADA,
        "cc": (),
        "group": None,
        "category": None,
        "company": None,
        "entry": entry or entry_draft(),
    }
    return TicketDraft(**values | changes)


def attachment(**changes: Any) -> Attachment:
    """A small picture, with *changes*."""
    values: dict[str, Any] = {
        "filename": "fire.png",
        "content_type": "image/png",
        "size": 3,
        "sha256": Sha256("cd" * 32),
        "inline": False,
        "content_id": None,
        "span": (100, 104),
        "encoding": "base64",
    }
    return Attachment(**values | changes)


class Room:
    """A machine with nothing but directories."""

    def __init__(self, directory: Path) -> None:
        self.spool_dir = directory / "spool"
        self.attachment_dir = directory / "attachments"

    async def trust(self, ca_file: Path | None) -> ssl.SSLContext:
        raise NotImplementedError


class Bench(Protocol):
    """A running desk, and a look behind its contract."""

    desk: Desk

    async def ticket(self, number: TicketNumber) -> dict[str, Any]:
        """What `tickets show --json` tells; a desk that keeps less leaves keys out."""
        ...

    async def count(self) -> int:
        """How many tickets there are."""
        ...


@dataclass
class EmbeddedBench:
    desk: EmbeddedDesk
    store: Store

    async def ticket(self, number: TicketNumber) -> dict[str, Any]:
        found = self.store.read(lambda tx: show_ticket(tx, number))
        assert found is not None
        return found

    async def count(self) -> int:
        return len(self.store.read(lambda tx: list_tickets(tx, all=True)))

    async def in_transaction(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return await self.store.write(job)


@asynccontextmanager
async def embedded(directory: Path) -> AsyncIterator[EmbeddedBench]:
    store = Store(directory, [EmbeddedDesk.schema])
    try:
        desk = EmbeddedDesk("desk", EmbeddedDesk.Config(), Room(directory))
        desk.bind(store.write)
        yield EmbeddedBench(desk, store)
    finally:
        await store.close()


@dataclass
class WebhookBench:
    desk: WebhookDesk
    receiver: Receiver

    async def ticket(self, number: TicketNumber) -> dict[str, Any]:
        return self.receiver.shown(number)

    async def count(self) -> int:
        return len(self.receiver.tickets)


@asynccontextmanager
async def webhook(directory: Path) -> AsyncIterator[WebhookBench]:
    async with receiving(directory) as receiver:
        config = WebhookDesk.Config.model_validate(receiver.keys())
        desk = WebhookDesk("webhook", config, Machine(directory))  # type: ignore[arg-type]
        try:
            yield WebhookBench(desk, receiver)
        finally:
            await desk.close()


Harness = Callable[[Path], AbstractAsyncContextManager[Bench]]

OURS: dict[str, Harness] = {"desk": embedded, "webhook": webhook}

HARNESSES: dict[str, Harness] = OURS | {
    point.name: point.load() for point in entry_points(group="mailwicket.desk_harnesses") if point.name not in OURS
}
"""By the name of the backend; a plug-in brings its own by the entry point group `mailwicket.desk_harnesses`."""
