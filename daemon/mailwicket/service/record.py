"""The audit of what the house does: configurations that were loaded, units that an admin acted on."""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import anyio

from mailwicket.config.load import Loaded
from mailwicket.errors import StoreError
from mailwicket.service.reload import ConfDir, Reloaded
from mailwicket.store import audit
from mailwicket.store.audit import Deed
from mailwicket.store.store import Store
from mailwicket.timestamp import timestamp

log = logging.getLogger(__name__)

START: Final = "start"
LOAD: Final = "config.load"
ERRORS_NOTED: Final = 20

PATIENCE_S: Final = 2.0
"""So long an admin waits for his row; it is written later where somebody holds the database."""


class Record:
    """Appends to the audit, while `run` does. A store that is out keeps nobody from mending it.

    The log says what is missing then. That is so of what is no transaction of ours: tickets and the quarantine write
    their rows themselves.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime], patience_s: float = PATIENCE_S) -> None:
        """Write to *store*."""
        self._store = store
        self._clock = clock
        self._patience_s = patience_s
        self._waiting: deque[tuple[Deed, str, anyio.Event]] = deque()
        self._called = anyio.Event()

    async def run(self) -> None:
        """Write down what is noted, in order, until cancelled; what waits then is written or logged before it ends."""
        while True:
            while self._waiting:
                deed, now, written = self._waiting.popleft()
                await self._write(deed, now)  # shielded by the store
                written.set()
            self._called = anyio.Event()
            await self._called.wait()

    async def note(self, deed: Deed) -> None:
        """Have *deed* appended: when this returns it is, or waits for a store that did not answer in *patience_s*."""
        written = anyio.Event()
        self._waiting.append((deed, timestamp(self._clock()), written))
        self._called.set()
        with anyio.move_on_after(self._patience_s):
            await written.wait()

    async def _write(self, deed: Deed, now: str) -> None:
        try:
            await self._store.write(lambda tx: audit.note(tx, deed, now))
        except (StoreError, sqlite3.Error) as error:
            log.error("not in the audit: %s %s %s: %s", deed.actor, deed.action, deed.what, error)  # noqa: TRY400 - no bug

    async def rows(self, since: str) -> list[dict[str, Any]]:
        """Return the record from the timestamp *since* on."""
        return await self._store.look(lambda tx: audit.rows(tx, since))

    async def verify(self) -> Mapping[str, Any]:
        """Tell whether it is whole."""
        return (await self._store.look(audit.verify)).told()

    async def imported(self, who: str, unit: str, mails: int) -> None:
        """*who* handed over *mails* that were not known, for the mailbox *unit* or for none."""
        await self.note(Deed(who, "import", f"incoming/{unit}" if unit else "", {"mails": mails}))

    async def started(self, version: str, conf: ConfDir | None) -> None:
        """The daemon began with the configuration of *conf*."""
        files = {} if conf is None else dict(conf.hashes)
        where = "" if conf is None else str(conf.directory)
        await self.note(Deed(START, LOAD, where, {"outcome": "applied", "version": version, "files": files}))

    async def reloaded(self, where: str, who: str, loaded: Loaded, done: Reloaded) -> None:
        """The configuration in *where* was read again as *who* asked: which keys changed, never what they hold."""
        detail: dict[str, object] = {
            "outcome": "refused" if done.errors else "applied",
            "generation": done.generation,
            "files": dict(loaded.hashes),
        }
        if done.errors:
            detail["errors"] = [str(error) for error in done.errors[:ERRORS_NOTED]]
        if done.plan is not None:
            told = done.plan.told()
            detail |= {key: told[key] for key in ("changes", "at_once", "after_restart", "retried") if told[key]}
        await self.note(Deed(who, LOAD, where, detail))
