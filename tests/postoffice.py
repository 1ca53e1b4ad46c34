"""An outgoing server that behaves as a test says, and an outbox with couriers to it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import anyio
from pydantic import BaseModel

from mailwicket.config.outgoing import Outgoing
from mailwicket.errors import BlockedError, TransientError, UncertainError
from mailwicket.flow.delivery import Courier
from mailwicket.flow.handing import Office
from mailwicket.flow.switchboard import Exchange, Switchboard
from mailwicket.flow.writing import Writing
from mailwicket.model import Address, TicketNumber
from mailwicket.outgoing import Envelope, Event, RecipientStatus
from mailwicket.ports import Transaction
from mailwicket.rules.route import Mailbox
from mailwicket.store import outbox, outlist
from mailwicket.store.attempts import Attempt, Noted
from mailwicket.store.outbox import Claimed, Draft, Queued
from mailwicket.store.store import Store
from tests.fakes import NOON

TAKEN = RecipientStatus(250, "2.0.0 ok")


@dataclass
class FakePost:
    """A server that takes mail."""

    name: str = "main"
    taken: list[tuple[Envelope, bytes]] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    open_most: int = 0
    down: Exception | None = None
    """What `connect` raises."""
    fails: Exception | None = None
    """What `submit` raises; nothing is taken."""
    drops_after_data: int = 0
    """So many times it takes a mail and says nothing."""
    hangs: bool = False
    refuses: dict[str, RecipientStatus] = field(default_factory=dict)
    turns: anyio.Event = field(default_factory=anyio.Event)

    @property
    def ids(self) -> list[str]:
        return [field_of(raw, "Message-ID").strip("<>") for _, raw in self.taken]

    @property
    def subjects(self) -> list[str]:
        return [field_of(raw, "Subject") for _, raw in self.taken]

    async def until(self, count: int) -> None:
        with anyio.fail_after(10):
            while len(self.taken) < count:
                await self.turns.wait()
                self.turns = anyio.Event()


class FakeSender:
    """A sender to a FakePost."""

    Config: ClassVar[type[BaseModel]] = Outgoing

    def __init__(self, post: FakePost) -> None:
        self.post = post

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[FakeSubmission]:
        post = self.post
        post.connections += 1
        if post.down is not None:
            raise post.down
        post.open_now += 1
        post.open_most = max(post.open_most, post.open_now)
        try:
            yield FakeSubmission(post)
        finally:
            post.open_now -= 1


class FakeSubmission:
    def __init__(self, post: FakePost) -> None:
        self.post = post

    async def submit(self, envelope: Envelope, raw: bytes) -> Mapping[str, RecipientStatus]:
        post = self.post
        await anyio.lowlevel.checkpoint()
        if post.hangs:
            await anyio.sleep_forever()
        if post.fails is not None:
            raise post.fails
        said = {address: post.refuses.get(address, TAKEN) for address in envelope.forward_paths}
        if any(one.is_taken for one in said.values()):
            post.taken.append((envelope, raw))
            post.turns.set()
        if post.drops_after_data:
            post.drops_after_data -= 1
            raise UncertainError(f"{post.name}: the connection was lost after DATA", reason="connection_lost")
        return said


class CourierWatcher:
    """Remembers what a courier tells."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def tell(*_: object) -> None:
            if self.told[-1:] != [name]:
                self.told.append(name)

        return tell


class Minutes:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


class Ends:
    """What followed from attempts."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, str, Sequence[str]]] = []

    def ended(self, tx: Transaction, mail: Claimed, attempt: Attempt, noted: Noted, now: datetime) -> None:
        self.seen.append((mail.outbox_id, attempt.outcome, noted.failed))


def server(email: str = "desk@example.org", **keys: Any) -> Outgoing:
    return Outgoing.model_validate({"email": email, "server": "smtp.example.org", "authentication": False, **keys})


DOWN = TransientError("main: no route to host")
REFUSED = BlockedError("main: 535 wrong password", reason="login_refused")


class PostOffice:
    """A store with an outbox, servers, and couriers that run in a test's own task group."""

    def __init__(self, directory: Path, **servers: Outgoing) -> None:
        self.store = Store(directory / "state")
        self.clock = Minutes()
        self.fetched = {"support": True}
        self.exchange = Exchange(
            servers or {"main": server()},
            mailboxes={"support": Mailbox("support@example.org"), "desk": Mailbox("desk@example.org")},
            primary_mailbox="desk",
        )
        self.board = Switchboard(self.exchange, lambda name: self.fetched.get(name, True))
        self.posts = {name: FakePost(name) for name in self.exchange.servers}
        self.watchers = {name: CourierWatcher() for name in self.posts}
        self.ends = Ends()
        writing = Writing(self.store.raw, directory / "attachments")
        self.office = Office(self.board, writing, self.ends, self.clock, lambda: 0.0)
        self.numbers = itertools.count(1)

    @property
    def post(self) -> FakePost:
        return self.posts["main"]

    def courier(self, name: str = "main") -> Courier:
        config = self.exchange.servers[name]
        return Courier(
            name,
            FakeSender(self.posts[name]),
            self.store,
            self.office,
            self.watchers[name],
            connections=config.connections,
            rate_per_minute=config.rate_per_minute,
        )

    @asynccontextmanager
    async def running(self, *names: str) -> AsyncIterator[dict[str, Courier]]:
        couriers = {name: self.courier(name) for name in names or self.posts}
        async with anyio.create_task_group() as tasks:
            for one in couriers.values():
                tasks.start_soon(one.run)
            yield couriers
            tasks.cancel_scope.cancel()

    def draft(self, *to: str, meant: str = "main", **changes: Any) -> Draft:
        number = next(self.numbers)
        draft = Draft(
            cause=f"test-{number}/technician_replied/requester",
            event=Event.TECHNICIAN_REPLIED,
            ticket=TicketNumber(number),
            to=[Address(None, one) for one in to or ("ann@example.com",)],
            cc=[],
            subject=f"Mail {number}",
            text="Words.\n",
            html=None,
            meant=meant,
            route={"meant": meant, "via": meant, "from": self.exchange.servers[meant].email},
            domain="example.org",
            received_at="support",
        )
        return replace(draft, **changes)

    async def queue(self, *drafts: Draft) -> list[Queued]:
        def job(tx: Transaction) -> list[Queued]:
            nonces = (
                f"n{chr(97 + number % 26)}{number // 26 % 6 + 2}" for number in itertools.count(next(self.numbers))
            )
            return [outbox.queue(tx, one, self.store.keys, next(nonces), self.clock()) for one in drafts]

        queued = await self.store.write(job)
        self.board.wake()
        return queued

    def rows(self) -> list[dict[str, Any]]:
        return self.store.read(lambda tx: outlist.listed(tx, every=True))

    def row(self, number: int = 1) -> dict[str, Any]:
        return self.rows()[number - 1]

    async def settled(self, *, but: int = 0) -> None:
        """Wait until so many mails wait and no others, none of which is due or in hand."""
        names = list(self.posts)

        def due(tx: Transaction) -> int:
            return sum(outbox.count_due(tx, name, names, self.clock(), 1) for name in names)

        with anyio.fail_after(10):
            while self.waiting() != (but, 0) or self.store.read(due):  # noqa: ASYNC110 - the store tells nobody
                await anyio.sleep(0.005)

    def waiting(self) -> tuple[int, int]:
        sql = "SELECT count(*), count(claimed_until) FROM outbox WHERE state = 'waiting'"
        found = self.store.read(lambda tx: tx.execute(sql).fetchone())
        return int(found[0]), int(found[1])


def field_of(raw: bytes, name: str) -> str:
    for line in raw.split(b"\r\n\r\n")[0].decode().replace("\r\n ", " ").split("\r\n"):
        if line.lower().startswith(f"{name.lower()}:"):
            return line.partition(":")[2].strip()
    return ""
