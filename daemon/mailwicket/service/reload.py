"""Hot reload: one at a time, after the files have settled; a conf.d with an error changes nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from mailwicket.config.load import Loaded
from mailwicket.config.mistake import ConfigError
from mailwicket.config.read import fingerprint_of
from mailwicket.config.settings import Settings
from mailwicket.errors import ConflictError, MailwicketError
from mailwicket.service.clock import TimeOfDay
from mailwicket.service.plan import Plan
from mailwicket.service.watch import Watch

log = logging.getLogger(__name__)

SETTLE_S: Final = 0.3
"""Files that were quiet for so long are written: an editor saves in several steps."""

SETTLE_AT_MOST_S: Final = 5.0
"""Somebody who writes all the time is read all the same."""

REHASH_S: Final = 60
"""Network mounts tell nobody anything."""

SPACING_S: Final = 0.6
"""From one reload to the next: a storm of signals is one or two a second, and nobody waits for his."""

ERRORS_LOGGED: Final = 20

FILES: Final = "conf.d"
SIGNAL: Final = "signal"
"""Who asked for a reload, where it was no admin by the API."""


@dataclass(frozen=True, slots=True)
class ConfDir:
    """Where the running configuration came from."""

    directory: Path
    load: Callable[[], Loaded]
    """Read it again. Blocking; never raises for what stands there."""
    fingerprint: str
    """Of the files that run now."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each of them, by name."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of a request: the plan that was carried out, or the errors that kept everything as it was."""

    generation: int
    plan: Plan | None
    errors: tuple[ConfigError, ...] = ()
    notes: tuple[ConfigError, ...] = ()


async def _unrecorded(_who: str, _loaded: Loaded, _done: Reloaded) -> None:
    """Nobody is told."""


class Reloader:
    """Brings changes of conf.d to the running daemon."""

    refused_since = TimeOfDay()

    def __init__(  # noqa: PLR0913, PLR0917 - whom it tells
        self,
        conf: ConfDir | None,
        apply: Callable[[Settings], Awaitable[Plan]],
        began: Callable[[], None] = lambda: None,
        ended: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        record: Callable[[str, Loaded, Reloaded], Awaitable[None]] = _unrecorded,
    ) -> None:
        """Watch *conf* and carry it out by *apply*; without *conf* there is nothing to read again.

        *began* and *ended* are called around each reload, whatever becomes of it. *record* is told who asked, what
        was read and what became of it.
        """
        self.generation = 1
        self.errors: tuple[ConfigError, ...] = ()
        """Why the conf.d on disk is not what runs; empty where it is."""
        self.refused_since = None
        self.after_restart: tuple[str, ...] = ()
        """Keys that were changed and wait for a restart of the daemon."""
        self.lock = anyio.Lock()
        """Held while units are stopped and started."""
        self._conf = conf
        self._apply = apply
        self._seen = conf.fingerprint if conf else ""
        self._began, self._ended = began, ended
        self._clock = clock
        self._record = record
        self._askers: list[str] = []
        self._began_at = -SPACING_S
        self._requests = 0
        self._last: tuple[int, Reloaded] | None = None
        self._stirred = anyio.Event()
        self._asked = anyio.Event()

    async def run(self) -> None:
        """Watch the directory and serve `request` until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._serve_requests)
            if self._conf is not None:
                tasks.start_soon(Watch(self._conf.directory, self._stir).run)
                tasks.start_soon(self._settle, self._conf.directory)

    def request(self) -> None:
        """Have everything read again soon; for signal handlers. Many requests are one."""
        self._asked.set()

    async def reload(self, who: str = FILES) -> Reloaded:
        """Read everything again, secrets too, as *who* asks, and return what became of it.

        Requests that wait while one is carried out are answered together, by one that begins after them all.
        """
        self._requests += 1
        self._askers.append(who)
        mine = self._requests
        async with self.lock:
            if self._last is not None and self._last[0] >= mine:
                return self._last[1]
            await anyio.sleep(max(0.0, self._began_at + SPACING_S - time.monotonic()))
            self._began_at = time.monotonic()
            covered = self._requests
            askers, self._askers = dict.fromkeys(self._askers), []
            self._began()
            try:
                outcome = await self._read_and_apply(", ".join(askers))
            finally:
                self._ended()
            self._last = covered, outcome
            return outcome

    async def look(self) -> Loaded:
        """Read conf.d as it is now, without consequences.

        Raises:
            ConflictError: there is none.
        """
        if self._conf is None:
            raise ConflictError("this daemon was not started from a conf.d")
        return await anyio.to_thread.run_sync(self._conf.load)

    async def _read_and_apply(self, who: str) -> Reloaded:
        loaded = await self.look()
        self._seen = loaded.fingerprint
        outcome = await self._carry_out(loaded)
        await self._record(who, loaded, outcome)
        return outcome

    async def _carry_out(self, loaded: Loaded) -> Reloaded:
        if loaded.settings is None:
            self._refuse(loaded.errors)
            return Reloaded(self.generation, None, loaded.errors, loaded.notes)
        try:
            plan = await self._apply(loaded.settings)
        except MailwicketError as error:
            return self._not_carried_out(str(error), loaded)
        except Exception as error:  # a plug-in that cannot be made; nothing was touched before that
            log.exception("conf.d is refused by a bug, what ran runs on")
            return self._not_carried_out(type(error).__name__, loaded)
        if self.errors:
            log.info("conf.d is good again")
        self.errors, self.refused_since = (), None
        if plan.changes or plan.at_once or plan.after_restart != self.after_restart:
            self.generation += 1
            self._tell(plan)
        self.after_restart = plan.after_restart
        return Reloaded(self.generation, plan, (), loaded.notes)

    def _not_carried_out(self, why: str, loaded: Loaded) -> Reloaded:
        errors = (ConfigError("conf.d", None, "", f"cannot be carried out: {why}"),)
        self._refuse(errors)
        return Reloaded(self.generation, None, errors, loaded.notes)

    def _tell(self, plan: Plan) -> None:
        done = ", ".join(map(str, plan.changes)) or "no unit is touched"
        log.info("conf.d reloaded generation=%s: %s; %s units run on", self.generation, done, plan.kept)
        if plan.after_restart:
            log.warning("conf.d: %s counts when mailwicket is restarted", ", ".join(plan.after_restart))

    def _refuse(self, errors: tuple[ConfigError, ...]) -> None:
        if errors == self.errors:
            return
        for error in errors[:ERRORS_LOGGED]:
            log.error("conf.d is refused, what ran runs on: %s", error)
        if len(errors) > ERRORS_LOGGED:
            log.error('conf.d is refused: %s more errors, "mailwicket check" tells all', len(errors) - ERRORS_LOGGED)
        self.errors = errors
        self.refused_since = self.refused_since or self._clock()

    # --- who asks

    async def _serve_requests(self) -> None:
        while True:
            await self._asked.wait()
            self._asked = anyio.Event()
            await self.reload(SIGNAL)

    def _stir(self) -> None:
        self._stirred.set()

    async def _settle(self, directory: Path) -> None:
        """Wait until the files are quiet; then reload if what stands in them is news."""
        while True:
            with anyio.move_on_after(REHASH_S):
                await self._stirred.wait()
            with anyio.move_on_after(SETTLE_AT_MOST_S):
                while self._stirred.is_set():
                    self._stirred = anyio.Event()
                    with anyio.move_on_after(SETTLE_S):
                        await self._stirred.wait()
            if await anyio.to_thread.run_sync(fingerprint_of, directory) != self._seen:
                await self.reload()
