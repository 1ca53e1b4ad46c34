"""Keeps units running: backs off when time mends it, stops when a human must, survives a bug in one."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection
from typing import Final, Protocol, runtime_checkable

import anyio
from anyio.abc import TaskGroup

from mailwicket.errors import (
    BlockedError,
    ConflictError,
    MailwicketError,
    SessionEndedError,
    StoreError,
    TransientError,
    UnknownError,
    is_shortage,
)
from mailwicket.rules.schedule import pause_s
from mailwicket.service.units import Unit, UnitState

log = logging.getLogger(__name__)

STORE_HASTE: Final = 5
"""So many failures in a row count when it is our own disk: a try costs nobody, and room is used within a minute."""


class Work(Protocol):
    """What a unit does. `run` ends by raising; see `errors` for who must act then."""

    async def run(self) -> None:
        """Work until cancelled."""
        ...

    def wake(self) -> bool:
        """Have it look for new work now; False where it cannot be told so."""
        ...


@runtime_checkable
class Unblocks(Protocol):
    """Work that goes on while its unit is blocked, and wants to be told when a person has mended it."""

    def unblock(self) -> None:
        """Try again now."""
        ...


class Keeper:
    """Keeps one unit running, whatever its work raises."""

    def __init__(self, unit: Unit, work: Work, chance: Callable[[], float] = random.random) -> None:
        """Keep *unit* doing *work*; *chance* returns the jitter of its pauses, in [0, 1)."""
        self.unit = unit
        self._work = work
        self._chance = chance
        self._life = anyio.CancelScope()
        self._attempt = anyio.CancelScope()
        self._called = anyio.Event()
        self._ended = anyio.Event()
        unit.back_off = self._back_off

    async def keep(self) -> None:
        """Run until stopped or cancelled."""
        try:
            with self._life:
                while True:
                    await (self._rest() if self.unit.held else self._try())
        finally:
            self.unit.become(UnitState.STOPPED)
            self._ended.set()

    async def stop(self) -> None:
        """End the unit; returns when its connection is closed and its transactions are over."""
        self._life.cancel()
        await self._ended.wait()

    # --- what an admin may ask for

    def act(self, action: str) -> str:
        """Do *action*: `poll`, `pause`, `resume` or `unblock`; return what happens.

        Raises:
            ConflictError: it cannot be done as the unit is.
        """
        return {"poll": self.poll, "pause": self.pause, "resume": self.resume, "unblock": self.unblock}[action]()

    def poll(self) -> str:
        """Have it look for new mail now; return what happens.

        Raises:
            ConflictError: it is paused or blocked.
        """
        if self.unit.held:
            raise ConflictError(f'{self.unit.name} is paused; "mailwicket resume {self.unit.name}" comes first')
        if self.unit.state is UnitState.BLOCKED:
            raise ConflictError(
                f'{self.unit.name} is blocked ({self.unit.reason}); mend that, then "mailwicket unblock '
                f'{self.unit.name}"'
            )
        if self.unit.state is UnitState.WAITING:
            self._call()
            if isinstance(self._work, Unblocks):
                self._work.wake()
            return "is tried again now"
        return "looks for new mail now" if self._work.wake() else "is connecting already"

    def pause(self) -> str:
        """End what it does and hold it there until `resume`; return what happens."""
        if self.unit.held:
            return "is paused already"
        self.unit.held = True
        log.info("%s: paused", self.unit.name)
        self._attempt.cancel()
        self._call()
        return "is paused; mail waits on its server"

    def resume(self) -> str:
        """Take a pause back; return what happens."""
        if not self.unit.held:
            return "was not paused"
        self.unit.held = False
        log.info("%s: resumed", self.unit.name)
        self._call()
        return "starts again"

    def unblock(self) -> str:
        """Try a blocked unit again; return what happens.

        Raises:
            ConflictError: it is not blocked.
        """
        if self.unit.state is not UnitState.BLOCKED:
            raise ConflictError(f"{self.unit.name} is not blocked, it is {self.unit.state}")
        self.unit.failures = 0
        self._call()
        if isinstance(self._work, Unblocks):
            self._work.unblock()
        return "is tried again now"

    def _call(self) -> None:
        self._called.set()

    # --- its life

    async def _rest(self) -> None:
        self.unit.become(UnitState.PAUSED, "by_admin")
        await self._wait()

    async def _try(self) -> None:
        """One attempt, and what follows from its failure."""
        self.unit.become(UnitState.STARTING, self.unit.reason, self.unit.said)
        failure = await self._run()
        if failure is None or isinstance(failure, SessionEndedError):
            return
        if isinstance(failure, BlockedError):
            self.unit.blocks(failure)
            await self._wait()
        else:
            await self._back_off(failure)

    async def _back_off(self, failure: Exception) -> None:
        """Say what happened, and wait for the next try or an admin's call."""
        failures = self.unit.failures + 1
        retry_after_s = failure.retry_after_s if isinstance(failure, TransientError) else None
        counted = min(failures, STORE_HASTE) if isinstance(failure, StoreError) else failures
        pause = pause_s(counted, self._chance(), retry_after_s)
        self.unit.waits(failure, pause)
        with anyio.move_on_after(pause):
            await self._wait()

    async def _run(self) -> Exception | None:
        """Work, and return why that ended; None where an admin paused it."""
        with anyio.CancelScope() as self._attempt:
            try:
                await self._work.run()
            except Exception as error:  # noqa: BLE001 - each kind is answered by the caller; a bug in one unit stays in it
                return None if self.unit.held else _plain(first_failure(error))
            return TransientError(f"{self.unit.server} ended the connection", reason="connection_lost")
        return None

    async def _wait(self) -> None:
        self._called = anyio.Event()
        await self._called.wait()


class Supervisor:
    """All units that run, by name."""

    def __init__(self, tasks: TaskGroup) -> None:
        """Run them in *tasks*."""
        self._tasks = tasks
        self._keepers: dict[str, Keeper] = {}

    def start(self, unit: Unit, work: Work) -> None:
        """Keep *unit* doing *work* from now on; one of this name was stopped before."""
        keeper = self._keepers[unit.name] = Keeper(unit, work)
        self._tasks.start_soon(keeper.keep, name=unit.name)

    async def stop(self, name: str) -> None:
        """Stop the unit *name*, if it runs; see `Keeper.stop`."""
        keeper = self._keepers.get(name)
        if keeper is not None:
            await keeper.stop()
            self._keepers.pop(name)

    def keeper(self, name: str) -> Keeper:
        """Return who keeps the unit *name*.

        Raises:
            UnknownError: no such unit runs.
        """
        if name not in self._keepers:
            raise UnknownError(f"{name} does not run: it is disabled")
        return self._keepers[name]

    def retry(self, reasons: Collection[str], among: Collection[str]) -> list[str]:
        """Try the units again, *among* those named, that one of *reasons* blocks; return their names."""
        found = [
            name
            for name, keeper in self._keepers.items()
            if name in among and keeper.unit.state is UnitState.BLOCKED and keeper.unit.reason in reasons
        ]
        for name in found:
            self._keepers[name].unblock()
        return found


def first_failure(error: Exception) -> Exception:
    """Return what went wrong first in a group of tasks: the others ended because of it."""
    while isinstance(error, ExceptionGroup):
        told = [one for one in error.exceptions if isinstance(one, MailwicketError | ExceptionGroup)]
        error = told[0] if told else error.exceptions[0]
    return error


def _plain(failure: Exception) -> Exception:
    """Return *failure*, or what it comes to: with no descriptor left, whatever opens a file may fail first."""
    if not is_shortage(failure) or isinstance(failure, MailwicketError):
        return failure
    return TransientError(f"{failure}; raise LimitNOFILE (systemd) or ulimit -n", reason="too_many_files")
