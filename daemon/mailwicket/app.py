"""The composition root: the only file that knows every part. Start in order, stop in order."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import TaskStatus

from mailwicket import __version__
from mailwicket.config.incoming import Incoming
from mailwicket.config.settings import Settings
from mailwicket.flow.drafts import Home
from mailwicket.flow.intake import Intake
from mailwicket.flow.judge import Judge, utc_now
from mailwicket.flow.reading import Reading
from mailwicket.flow.reclaim import Reclaim
from mailwicket.net.machine import Machine
from mailwicket.ports import Desk, JoinsTransaction, Source
from mailwicket.rules.decide import Policy
from mailwicket.service import footprint
from mailwicket.service.looplag import LoopLag
from mailwicket.service.metrics import registry_of
from mailwicket.service.report import ready, status
from mailwicket.service.supervisor import supervise
from mailwicket.service.units import Unit
from mailwicket.store import journal
from mailwicket.store.store import Store
from mailwicket.web.endpoint import Endpoint

log = logging.getLogger(__name__)


class Daemon:
    """Everything wired for one configuration."""

    def __init__(
        self,
        settings: Settings,
        backends: Mapping[str, Callable[..., Desk]],
        sources: Mapping[str, Callable[..., Source]],
    ) -> None:
        """Wire *settings* with the adapters installed. Locks and opens the store; nothing is connected yet.

        Raises:
            AlreadyRunningError: another daemon has the state directory.
            StoreError, MailwicketError: the store does not open.
        """
        self.settings = settings
        state_dir = settings.daemon.state_dir
        self.machine = Machine(state_dir)
        self.desk = backends[settings.backend.type](settings.backend.type, settings.backend.keys, self.machine)
        joined = self.desk if isinstance(self.desk, JoinsTransaction) else None
        self.store = Store(state_dir, [joined.schema] if joined else [])
        if joined:
            joined.bind(self.store.write)
        self.reading = Reading(self.store)
        _empty_spool(self.machine)
        self.lag = LoopLag()
        self.units: dict[str, Unit] = {}
        self._intakes: list[tuple[Unit, Intake]] = []
        own = frozenset(
            address.casefold() for one in settings.incoming.values() for address in (one.email, *one.aliases)
        )
        for name, config in settings.incoming.items():
            if config.enabled:
                self._add_source(name, config, sources[config.protocol], own)

    def _add_source(self, name: str, config: Incoming, source: Callable[..., Source], own: frozenset[str]) -> None:
        unit = Unit(f"incoming/{name}", f"{config.server}:{config.port}")
        home = Home(name, Policy(own), config.group, config.category, config.company)
        judge = Judge(self.store, self.desk, home, unit)
        self.units[unit.name] = unit
        self._intakes.append(
            (unit, Intake(name, source(name, config, self.machine), self.store, self.reading, judge, unit))
        )

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled.

        Raises:
            BlockedError: an address of `[http] listen` cannot be had.
        """
        token = self.settings.http.admin_token
        registry = registry_of(self.units, self.lag, lambda: self.store.read(journal.count_parked))
        endpoint = Endpoint(self.status, self.ready, registry, None if token is None else token.reveal())
        keep = timedelta(days=self.settings.store.raw_keep_days)
        quarantine_keep = timedelta(days=self.settings.store.quarantine_keep_days)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(endpoint.serve(self.settings.http.listen))
            tasks = await stack.enter_async_context(anyio.create_task_group())
            tasks.start_soon(self.lag.run)
            tasks.start_soon(footprint.settle)
            chores = Unit("store", str(self.settings.daemon.state_dir))
            tasks.start_soon(supervise, chores, Reclaim(self.store, self.desk, keep, quarantine_keep, utc_now).run)
            for unit, intake in self._intakes:
                tasks.start_soon(supervise, unit, intake.run)
                await anyio.lowlevel.checkpoint()  # the endpoint answers while a thousand begin
            log.info("mailwicket %s runs units=%s state_dir=%s", __version__, len(self._intakes), chores.server)
            tasks.start_soon(self._hurry_when_cancelled)
            on_ready()

    async def _hurry_when_cancelled(self) -> None:
        """A stop waits neither for a reader in the middle of a batch nor for somebody who holds the database."""
        try:
            await anyio.sleep_forever()
        finally:
            self.reading.close()
            self.store.hurry()

    async def close(self) -> None:
        """Close the store; every task has ended before."""
        self.reading.close()
        await self.store.close()

    def status(self) -> Mapping[str, Any]:
        """What `mailwicket status --json` prints."""
        parked = self.store.read(journal.count_parked)
        return status(self.units.values(), __version__, self.settings.backend.type, parked)

    def ready(self) -> Mapping[str, Any]:
        """What `/readyz` answers."""
        return ready(self.units.values())


async def run_until_signalled(daemon: Daemon) -> None:
    """Run *daemon* until SIGTERM or SIGINT, then stop in order within `stop_timeout_s`."""
    patience = threading.Timer(daemon.settings.daemon.stop_timeout_s, _give_up, [daemon])
    patience.daemon = True
    try:
        async with anyio.create_task_group() as tasks:
            await tasks.start(_wait_for_signal, tasks.cancel_scope, patience)  # who is answered may stop us, in order
            await daemon.run()
    finally:
        with anyio.CancelScope(shield=True):
            await daemon.close()
        patience.cancel()
        log.info("mailwicket stopped")


def _give_up(daemon: Daemon) -> None:
    """A thread hangs in a system call: end all the same, and let no mail be blamed for that."""
    log.error("not stopped within stop_timeout_s; what was begun goes on at the next start")
    daemon.store.in_hand.put_all_down()
    logging.shutdown()
    os._exit(1)


async def _wait_for_signal(
    scope: anyio.CancelScope, patience: threading.Timer, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for number in signals:
            log.info("stopping signal=%s", signal.Signals(number).name)
            patience.start()
            scope.cancel()
            return


def _empty_spool(machine: Machine) -> None:
    """What lies there was never named by a row: the mail is fetched again."""
    shutil.rmtree(machine.spool_dir, ignore_errors=True)
    machine.spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
