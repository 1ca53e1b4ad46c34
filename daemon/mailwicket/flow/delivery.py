"""From the outbox to an outgoing server: one courier for each, which connects when there is mail.

A server that is down costs no mail an attempt: it is connected first, and mail is claimed then. What the breaker says
of it is in `rules.breaker`; who stands in, in `flow.switchboard`; the order of effects in `flow.carrying`.
"""

from __future__ import annotations

import logging
from contextlib import closing
from functools import partial
from typing import Final

import anyio

from mailwicket.errors import BlockedError, StoreError, TransientError
from mailwicket.flow.carrying import Pace, Session, take_over
from mailwicket.flow.handing import ConnectionOverError, Office
from mailwicket.flow.observe import CourierObserver
from mailwicket.flow.rounds import Round
from mailwicket.ports import KnowsLogin, Sender
from mailwicket.store.store import Store

log = logging.getLogger(__name__)

GIVE_UP_LOOK_S: Final = 60


class Courier:
    """Takes mail to one server: `run` until cancelled."""

    def __init__(  # noqa: PLR0913 - what a server is, and what it is watched by
        self,
        name: str,
        sender: Sender,
        store: Store,
        office: Office,
        observer: CourierObserver,
        *,
        connections: int = 2,
        rate_per_minute: int | None = None,
    ) -> None:
        """Take mail of *store* to the server *name* by *sender*, over so many *connections* at a time."""
        self.name = name
        self._sender = sender
        self._store = store
        self._office = office
        self._round = Round(name, office)
        self._board = office.board
        self._observer = observer
        self._connections = connections
        self._pace = Pace(rate_per_minute, connections)
        self._called = anyio.Event()

    # --- what the house may do

    def wake(self) -> bool:
        """Look for mail now, and try a server that failed."""
        self._round.hurry()
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
        await self._store.write(partial(take_over, self._store, self._office, self.name))
        self._store.slips.clear(self.name)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._check_login)
            tasks.start_soon(self._probe)
            tasks.start_soon(self._give_up)
            for number in range(self._connections):
                tasks.start_soon(self._connect_when_wanted, number)

    async def _connect_when_wanted(self, number: int) -> None:
        while True:
            await self._until_wanted(number)
            outages = self._round.outages
            try:
                async with self._sender.connect() as submission:
                    self._observer.works()
                    slips = self._store.slips.open(self.name, number)
                    told = self._office, self._pace, self._observer
                    session = Session(self.name, self._store, *told, submission, slips)
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
            changed, tick = self._board.changed, anyio.current_time()
            wait_s = self._store.read(lambda tx: self._round.wait_s(tx, tick, number))  # noqa: B023 - asked now
            if not wait_s:
                return
            with anyio.move_on_after(wait_s):
                await changed.wait()

    # --- how the server is

    def _fail(self, failure: TransientError | BlockedError, outages: int) -> None:
        """Count a failure of the server, once for all connections that were under way."""
        pause_s = self._round.failed(failure, outages, anyio.current_time())
        if pause_s is None:
            return
        if isinstance(failure, BlockedError):
            self._observer.blocked(failure)
        else:
            self._observer.waits(failure, pause_s)

    async def _check_login(self) -> None:
        """Find out before there is mail that nobody can log in: people mend that, and the primary stands in."""
        if not isinstance(self._sender, KnowsLogin):
            return
        outages = self._round.outages
        try:
            await self._sender.check_login()
        except BlockedError as failure:
            self._fail(failure, outages)
        except TransientError as failure:
            log.debug("outgoing/%s: %s", self.name, failure)

    async def _probe(self) -> None:
        """While the server is broken, connect and log in once a minute, or when somebody calls."""
        while True:
            changed, called = self._board.changed, self._called
            if self._round.next_probe is None:
                await changed.wait()
                continue
            with anyio.move_on_after(self._round.until_probe_s()):
                await called.wait()
            if self._round.next_probe is not None:
                await self._probe_now()

    async def _probe_now(self) -> None:
        self._observer.tries()
        outages = self._round.outages
        try:
            async with self._sender.connect():
                pass
        except StoreError:
            raise
        except (TransientError, BlockedError) as failure:
            self._fail(failure, outages)
            return
        if self._round.let_in():
            self._observer.works()
        else:
            self._observer.probed(self._round.until_probe_s())

    async def _give_up(self) -> None:
        """Tell people of mail that was never handed over."""
        while True:
            if self._store.read(self._round.has_too_old):
                await self._store.write(self._round.give_up)
            await anyio.sleep(GIVE_UP_LOOK_S)
