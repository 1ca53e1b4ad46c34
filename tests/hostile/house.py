"""Units as the daemon runs them: supervisor, intake, the real IMAP source, one store and the embedded desk for all."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import trustme
from tests.fakes import rulebook
from tests.lab.stall import ALONE

from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.config.incoming import Incoming
from mailwicket.flow.intake import Intake
from mailwicket.flow.judge import Judge
from mailwicket.flow.reading import Reading
from mailwicket.net.deadlines import Deadlines
from mailwicket.net.machine import Machine
from mailwicket.service.supervisor import Keeper
from mailwicket.service.units import Unit, UnitState
from mailwicket.sources.imap import ImapSource
from mailwicket.store.store import Store

PASSWORD = "canary-4711"
BRISK = Deadlines(
    connect_s=1,
    greeting_s=1,
    command_s=1,
    silence_s=1,
    batch_s=1.5,
    slowest_bytes_per_s=10_000_000,
    farewell_s=0.5,
)
TICK_S = 0.02
LONGEST_S = 1.5
"""The longest of these."""


def keeper_of(unit: Unit, intake: Intake) -> Keeper:
    """What the daemon runs a unit by, its pauses without jitter. The only place that knows the supervisor."""
    return Keeper(unit, intake, lambda: 0.0)


class _BriskSource(ImapSource):
    deadlines = BRISK


@cache
def _trusting_nobody() -> ssl.SSLContext:
    """The system's store takes 40 ms to read, and no test needs it a hundred times."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Machine(Machine):
    async def trust(self, ca_file: Path | None) -> ssl.SSLContext:
        return _trusting_nobody() if ca_file is None else await super().trust(ca_file)


@dataclass
class Tenant:
    """One mailbox in the house."""

    unit: Unit
    intake: Intake
    name: str
    _task: asyncio.Task[None] | None = None
    _keeper: Keeper | None = None

    def start(self) -> None:
        """Run it, again if need be."""
        assert self._task is None or self._task.done(), "it runs"
        self._keeper = keeper_of(self.unit, self.intake)
        self._task = asyncio.create_task(self._keeper.keep())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Tenant]:
        """Run it, and end it before its server ends: somebody else may get the port."""
        self.start()
        try:
            yield self
        finally:
            await self.stop()

    async def stop(self) -> float:
        """End it and return the seconds that took; beside other tests, by the loop's turns and its thread's time."""
        if self._keeper is None or self._task is None:
            return 0
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(TICK_S)
                ticks += 1

        ticking = asyncio.create_task(tick())
        begun, worked = time.monotonic(), time.thread_time()
        await self._keeper.stop()
        await self._task
        ticking.cancel()
        return time.monotonic() - begun if ALONE else max(ticks * TICK_S, time.thread_time() - worked)

    @property
    def halted(self) -> bool:
        """Whether it backs off or waits for a person."""
        return self.unit.state in (UnitState.WAITING, UnitState.BLOCKED)


class House:
    """A store, a desk, and the tenants."""

    def __init__(self, directory: Path) -> None:
        """Open everything below *directory*."""
        self.machine = _Machine(directory)
        self.machine.spool_dir.mkdir(parents=True)
        self.desk = EmbeddedDesk("desk", EmbeddedDesk.Config(), self.machine)
        self.store = Store(directory, [self.desk.schema])
        self.desk.bind(self.store.write)
        self.reading = Reading(self.store)
        self.tenants: list[Tenant] = []
        authority = trustme.CA()
        self.authority = directory / "ca.pem"
        """What the tenants may trust."""
        authority.cert_pem.write_to_path(str(self.authority))
        self.certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """What a server needs for that."""
        authority.issue_cert("127.0.0.1").configure_cert(self.certificate)

    def add(self, name: str, port: int, source: type[ImapSource] = _BriskSource, **keys: Any) -> Tenant:
        """A unit for the server on *port*; *keys* are of its table in conf.d. Not started."""
        table = {
            "email": "desk@example.org",
            "password": PASSWORD,
            "server": "127.0.0.1",
            "port": port,
            "security": "none",
            "start_from": "all",
            "poll_s": 60,
            **keys,
        }
        config = Incoming.model_validate(table)
        unit = Unit(f"incoming/{name}", f"{config.server}:{port}")
        judge = Judge(self.store, self.desk, rulebook(name), unit)
        intake = Intake(name, source(name, config, self.machine), self.store, self.reading, judge, unit)
        self.tenants.append(Tenant(unit, intake, name))
        return self.tenants[-1]

    def effects(self) -> Counter[str]:
        """How often each mail, by its digest, became an entry of a ticket."""
        asked = "SELECT raw_sha256, count(*) FROM desk_entry WHERE kind = 'mail' GROUP BY 1"
        return Counter(dict(self.store.read(lambda tx: tx.execute(asked).fetchall())))

    def holds(self, raw: bytes) -> bool:
        """Tell whether a mail is in a ticket."""
        asked = "SELECT 1 FROM desk_entry WHERE raw_sha256 = ?"
        return self.store.read(lambda tx: tx.execute(asked, (digest(raw),)).fetchone()) is not None

    def count(self, table: str = "desk_entry") -> int:
        """Count the rows of a table."""
        return int(self.store.read(lambda tx: tx.execute(f"SELECT count(*) FROM {table}").fetchone())[0])

    def unfinished(self, name: str) -> int:
        """How many mails of a tenant are neither settled nor gone."""
        asked = "SELECT count(*) FROM intake WHERE source = ? AND state NOT IN ('settled', 'gone')"
        return int(self.store.read(lambda tx: tx.execute(asked, (name,)).fetchone())[0])


@asynccontextmanager
async def house(directory: Path) -> AsyncIterator[House]:
    """A house whose tenants end with it."""
    one = House(directory)
    try:
        yield one
    finally:
        await asyncio.gather(*(tenant.stop() for tenant in one.tenants))
        one.reading.close()
        await one.store.close()


def digest(raw: bytes) -> str:
    """Name a mail by its bytes."""
    return hashlib.sha256(raw).hexdigest()
