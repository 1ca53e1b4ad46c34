"""Doubles that behave: a mailbox server in memory, a desk of its own, a store of its own."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import anyio
from pydantic import BaseModel

from mailwicket.errors import BlockedError, PermanentError, StoreError, TransientError
from mailwicket.flow.judge import Rulebook
from mailwicket.model import (
    EntryDraft,
    Fetched,
    IntakeKey,
    Look,
    MailRef,
    Reason,
    Renumbered,
    Settlement,
    TicketChange,
    TicketDraft,
    TicketNumber,
    TicketRef,
    Unread,
)
from mailwicket.rules.own import OwnAddresses
from mailwicket.rules.policy import Home, Policy
from mailwicket.service.report import Disk, Report
from mailwicket.service.units import Unit

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def rulebook(source: str, *own: str, group: str | None = None) -> Rulebook:
    """The rules of a mailbox *source* of a desk that receives at *own*."""
    return Rulebook(source, Policy(own=OwnAddresses(own), homes={source: Home(source, group=group)}))


@dataclass
class FakeServer:
    """A folder of mails by UID, as IMAP numbers them."""

    mails: dict[int, bytes] = field(default_factory=dict)
    epoch: str = "1"
    next_uid: int = 1
    settled: list[str] = field(default_factory=list)
    parked: list[str] = field(default_factory=list)
    fetches: list[list[str]] = field(default_factory=list)
    before_fetch: Callable[[], None] | None = None
    fail_fetch: Exception | None = None
    fail_settle: Exception | None = None
    arrived: anyio.Event | None = None
    unread: set[int] = field(default_factory=set)
    hidden: set[int] = field(default_factory=set)
    """UIDs that no look tells."""

    def deliver(self, *raws: bytes) -> None:
        for raw in raws:
            self.mails[self.next_uid] = raw
            self.unread.add(self.next_uid)
            self.next_uid += 1
        if self.arrived is not None:
            self.arrived.set()

    def renumber(self, epoch: str) -> None:
        self.epoch = epoch
        self.mails = dict(enumerate(self.mails.values(), 1))
        self.next_uid = len(self.mails) + 1
        self.unread = set(self.mails)
        self.settled.clear()


class FakeSource:
    """A source over a FakeServer; `connect` counts, and fails while `down`."""

    Config: ClassVar[type[BaseModel]] = BaseModel

    def __init__(self, server: FakeServer, page: int = 1000) -> None:
        self.server = server
        self.page = page
        self.connections = 0
        self.down: Exception | None = None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[FakeMailbox]:
        if self.down is not None:
            raise self.down
        self.connections += 1
        yield FakeMailbox(self.server, self.page)


class FakeMailbox:
    def __init__(self, server: FakeServer, page: int) -> None:
        self.server = server
        self.page = page

    async def wait(self) -> None:
        self.server.arrived = anyio.Event()
        await self.server.arrived.wait()

    async def look(self, cursor: str | None) -> Look:
        epoch, start = cursor.split(":") if cursor else (self.server.epoch, "1")
        renumbered = None
        if epoch != self.server.epoch:
            renumbered, start = Renumbered("INBOX", epoch, self.server.epoch), "1"
        uids = [uid for uid in sorted(self.server.mails) if uid >= int(start) and uid not in self.server.hidden]
        more = len(uids) > self.page
        uids = uids[: self.page]
        refs = [MailRef("INBOX", self.server.epoch, str(uid), len(self.server.mails[uid]), NOON) for uid in uids]
        following = uids[-1] + 1 if uids else int(start)
        return Look(refs, f"{self.server.epoch}:{following}", more, renumbered)

    async def fetch(self, refs: Sequence[MailRef]) -> Sequence[Fetched]:
        if self.server.before_fetch is not None:
            self.server.before_fetch()
        if self.server.fail_fetch is not None:
            raise self.server.fail_fetch
        self.server.fetches.append([ref.remote_id for ref in refs])
        return [
            Fetched(ref, self.server.mails[int(ref.remote_id)])
            for ref in refs
            if ref.epoch == self.server.epoch and int(ref.remote_id) in self.server.mails
        ]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        if self.server.fail_settle is not None:
            raise self.server.fail_settle
        for one in settlements:
            (self.server.parked if one.parked else self.server.settled).append(one.ref.remote_id)
            self.server.unread.discard(int(one.ref.remote_id))

    async def unread(self, cursor: str) -> Unread | None:
        end = int(cursor.split(":")[1])
        uids = sorted(uid for uid in self.server.unread & self.server.mails.keys() if uid < end)
        return Unread("INBOX", self.server.epoch, [str(uid) for uid in uids])

    def silence_s(self) -> float:
        return 0.0


class FakeDesk:
    """A desk that keeps its own books, as a webhook's would."""

    Config: ClassVar[type[BaseModel]] = BaseModel

    def __init__(self) -> None:
        self.tickets: dict[int, list[tuple[TicketDraft | EntryDraft, IntakeKey]]] = {}
        self.effects: dict[IntakeKey, TicketNumber] = {}
        self.calls = 0
        self.down: TransientError | None = None
        self.refuse: set[str] = set()

    async def find(self, key: IntakeKey) -> TicketRef | None:
        return TicketRef(self.effects[key]) if key in self.effects else None

    async def create(self, draft: TicketDraft, key: IntakeKey) -> TicketRef:
        self._answer(draft.subject)
        if key not in self.effects:
            number = TicketNumber(len(self.tickets) + 1)
            self.tickets[number] = [(draft, key)]
            self.effects[key] = number
        return TicketRef(self.effects[key])

    async def append(self, ticket: TicketRef, entry: EntryDraft, key: IntakeKey) -> None:
        self._answer("")
        if key not in self.effects:
            self.tickets[ticket.number].append((entry, key))
            self.effects[key] = ticket.number

    async def change(self, ticket: TicketRef, change: TicketChange, key: IntakeKey) -> None:
        self._answer("")

    def _answer(self, subject: str) -> None:
        self.calls += 1
        if self.down is not None:
            raise self.down
        if subject in self.refuse:
            raise PermanentError("422: the desk will never take this")


class FakeNet:
    """The machine, below a test's own directory."""

    def __init__(self, directory: Path) -> None:
        self.spool_dir = directory / "spool"
        self.attachment_dir = directory / "attachments"
        self.spool_dir.mkdir(parents=True, exist_ok=True)
        self.attachment_dir.mkdir(parents=True, exist_ok=True)

    @asynccontextmanager
    async def entrance(self, host: str) -> AsyncIterator[None]:
        yield

    async def trust(self, ca_file: Path | None) -> ssl.SSLContext:
        return ssl.create_default_context()


class Watcher:
    """Remembers what an observer is told."""

    def __init__(self) -> None:
        self.reasons: list[Reason] = []
        self.backlogs: list[int] = []
        self.connections = 0
        self.outages: list[StoreError] = []
        self.is_patient = False
        self.idle = anyio.Event()
        self.oldest: list[datetime | None] = []
        self.unreads: list[tuple[int, int]] = []
        self.compared = anyio.Event()

    async def outlast(self, failure: StoreError) -> None:
        self.outages.append(failure)
        if not self.is_patient:
            raise failure

    def connected(self, silence_s: Callable[[], float]) -> None:
        self.connections += 1

    def backlog(self, mails: int, oldest_at: datetime | None) -> None:
        self.backlogs.append(mails)
        self.oldest.append(oldest_at)

    def done(self, reason: Reason) -> None:
        self.reasons.append(reason)

    def caught_up(self) -> None:
        self.idle.set()

    def unread(self, mails: int, untaken: int) -> None:
        self.unreads.append((mails, untaken))
        self.compared.set()


class DeskWatcher:
    """Remembers what a door tells of its desk."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.failures: list[tuple[Exception, float]] = []

    def works(self) -> None:
        if self.told[-1:] != ["works"]:
            self.told.append("works")

    def waits(self, failure: Exception, pause_s: float) -> None:
        self.told.append("waits")
        self.failures.append((failure, pause_s))

    def tries(self) -> None:
        self.told.append("tries")

    def blocked(self, failure: BlockedError) -> None:
        self.told.append("blocked")
        self.failures.append((failure, 0))


def mail(
    subject: str = "Printer on fire",
    text: str = "It burns.\r\n",
    author: str = "Ann Example <ann@example.org>",
    **headers: Any,
) -> bytes:
    """A plain mail as bytes; keyword `message_id="x@y"` sets Message-ID, `in_reply_to` likewise, others by name."""
    lines = [f"From: {author}", "To: desk@example.net", f"Subject: {subject}", "Date: Thu, 01 Jan 2026 10:00:00 +0000"]
    for name, value in headers.items():
        field_name = {"message_id": "Message-ID", "in_reply_to": "In-Reply-To", "references": "References"}.get(
            name, name.replace("_", "-").title()
        )
        lines.append(f"{field_name}: {f'<{value}>' if name in {'message_id', 'in_reply_to'} else value}")
    return ("\r\n".join(lines) + "\r\n\r\n" + text).encode()


def report(*units: Unit, **changes: Any) -> Report:
    """What a daemon with *units* tells when all is well, with *changes*."""
    values: dict[str, Any] = {
        "version": "1.0",
        "generation": 1,
        "units": units,
        "chores": Unit("store", "/var/lib/mailwicket"),
        "backend": "desk",
        "desk": None,
        "parked": 0,
        "disk": Disk(1000, 400, 10),
    }
    return Report(**values | changes)
