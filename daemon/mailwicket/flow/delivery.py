"""From the outbox to an outgoing server: one courier for each, which connects when there is mail.

A server that is down costs no mail an attempt: it is connected first, and mail is claimed then. What the breaker says
of it is in `rules.breaker`; who stands in, in `flow.switchboard`; the order of effects in `flow.carrying`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Final

import anyio

from mailwicket.errors import BlockedError, StoreError, TransientError
from mailwicket.flow.carrying import ConnectionOverError, Office, Pace, Session, take_over
from mailwicket.flow.observe import CourierObserver
from mailwicket.ports import Sender, Transaction
from mailwicket.rules.breaker import Failure
from mailwicket.rules.schedule import pause_s
from mailwicket.store import outbox
from mailwicket.store.outbox import Attempt, Claimed

log = logging.getLogger(__name__)

SHARE: Final = 4
"""A further connection is opened for so many mails that wait: a login costs as much as some mails."""

LOOK_S: Final = 30
"""At the latest the outbox is looked at again, whoever forgot to wake us."""

GIVE_UP_LOOK_S: Final = 60


class Courier:
    """Takes mail to one server: `run` until cancelled."""

    def __init__(  # noqa: PLR0913 - what a server is, and what it is watched by
        self,
        name: str,
        sender: Sender,
        office: Office,
        observer: CourierObserver,
        *,
        connections: int = 2,
        rate_per_minute: int | None = None,
    ) -> None:
        """Take mail to the server *name* by *sender*, over so many *connections* at a time."""
        self.name = name
        self._sender = sender
        self._office = office
        self._board = office.board
        self._observer = observer
        self._connections = connections
        self._pace = Pace(rate_per_minute, connections)
        self._tried_from = 0.0
        self._outages = 0
        """Counts failures, so that one outage is not counted once for each connection."""
        self._called = anyio.Event()

    # --- what the house may do

    def wake(self) -> bool:
        """Look for mail now, and try a server that failed."""
        self._tried_from = 0.0
        called, self._called = self._called, anyio.Event()
        called.set()
        self._board.wake()
        return True

    def unblock(self) -> None:
        """A person says that the server works."""
        self._board.reset(self.name)
        self._observer.idle()
        self.wake()

    # --- its life

    async def run(self) -> None:
        """Send until cancelled.

        Raises:
            StoreError: our disk: an outage.
        """
        self._observer.idle()
        await self._office.store.write(partial(take_over, self._office, self.name))
        self._office.store.slips.clear(self.name)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._probe)
            tasks.start_soon(self._give_up)
            for number in range(self._connections):
                tasks.start_soon(self._connect_when_wanted, number)

    async def _connect_when_wanted(self, number: int) -> None:
        while True:
            await self._until_wanted(number)
            outages = self._outages
            try:
                async with self._sender.connect() as submission:
                    self._observer.works()
                    slips = self._office.store.slips.open(self.name, number)
                    session = Session(self.name, self._office, self._pace, self._observer, submission, slips)
                    with closing(slips[0]), closing(slips[1]):
                        await session.carry()
            except StoreError:
                raise
            except (TransientError, BlockedError) as failure:
                self._fail(failure, outages)
            except ConnectionOverError as ended:
                log.debug("outgoing/%s: %s", self.name, ended)

    async def _until_wanted(self, number: int) -> None:
        """Wait until there is mail for so many connections, and the server may be tried."""
        while True:
            changed, wait_s = self._board.changed, float(LOOK_S)
            rest_s = self._tried_from - anyio.current_time()
            covers = self._board.covers(self.name)
            if rest_s > 0:
                wait_s = rest_s
            elif covers and not (self._board.breaker(self.name).failures and number):
                if self._count_due(covers, number * SHARE + 1) > number * SHARE:
                    return
                wait_s = min(wait_s, self._until_next(covers))
            with anyio.move_on_after(wait_s):
                await changed.wait()

    def _count_due(self, covers: Sequence[str], limit: int) -> int:
        now = self._office.clock()
        return self._office.store.read(lambda tx: outbox.count_due(tx, self.name, covers, now, limit))

    def _until_next(self, covers: Sequence[str]) -> float:
        """Seconds until the next mail is due; one that waits for another of its ticket is looked for now and then."""
        at = self._office.store.read(lambda tx: outbox.next_due(tx, self.name, covers))
        return LOOK_S if at is None else max((at - self._office.clock()).total_seconds(), 1.0)

    # --- how the server is

    def _fail(self, failure: TransientError | BlockedError, outages: int) -> None:
        """Count a failure of the server, once for all connections that were under way."""
        if outages != self._outages:
            return
        self._outages += 1
        told = Failure(failure.reason, str(failure))
        permanent = isinstance(failure, BlockedError)
        breaker = self._board.failed(self.name, self._office.clock(), told, permanent=permanent)
        retry_after_s = failure.retry_after_s if isinstance(failure, TransientError) else None
        pause = pause_s(breaker.failures, self._office.chance(), retry_after_s)
        self._tried_from = anyio.current_time() + pause
        if isinstance(failure, BlockedError):
            self._observer.blocked(failure)
        else:
            self._observer.waits(failure, self._until_probe_s() if breaker.is_open else pause)

    def _until_probe_s(self) -> float:
        due = self._board.breaker(self.name).next_probe
        return LOOK_S if due is None else max((due - self._office.clock()).total_seconds(), 0.0)

    async def _probe(self) -> None:
        """While the server is broken, connect and log in once a minute, or when somebody calls."""
        while True:
            changed, called = self._board.changed, self._called
            breaker = self._board.breaker(self.name)
            if not breaker.is_open:
                await changed.wait()
                continue
            with anyio.move_on_after(self._until_probe_s()):
                await called.wait()
            if self._board.breaker(self.name).is_open:
                await self._probe_now()

    async def _probe_now(self) -> None:
        self._observer.tries()
        outages = self._outages
        try:
            async with self._sender.connect():
                pass
        except StoreError:
            raise
        except (TransientError, BlockedError) as failure:
            self._fail(failure, outages)
            return
        if self._board.probed(self.name, self._office.clock()).is_open:
            self._observer.probed(self._until_probe_s())
        else:
            self._tried_from = 0.0
            self._observer.works()
            self._board.wake()

    async def _give_up(self) -> None:
        """Tell people of mail that was never handed over."""
        while True:
            now = self._office.clock()
            for mail in self._office.store.read(lambda tx: outbox.too_old(tx, [self.name], self._office.clock())):
                attempt = Attempt(self.name, "refused", now, "no server took it within 5 days", counted=False)
                await self._office.store.write(partial(self._conclude, mail, attempt))
            await anyio.sleep(GIVE_UP_LOOK_S)

    def _conclude(self, mail: Claimed, attempt: Attempt, tx: Transaction) -> None:
        self._office.conclude(tx, mail, attempt)
