"""The store: one directory, one daemon, one database, one raw directory."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from mailwicket.diskwait import DISK
from mailwicket.errors import StoreError
from mailwicket.ports import Schema
from mailwicket.store import journal
from mailwicket.store.database import JOURNAL, migrate, open_reader, open_writer, store_error
from mailwicket.store.inhand import InHand
from mailwicket.store.keys import keyring
from mailwicket.store.lock import StateLock
from mailwicket.store.raw import RawStore, disk_error
from mailwicket.store.tickets import SQL as TICKETS
from mailwicket.store.writer import Writer

T = TypeVar("T")

LOOP_BUSY_MS: Final = 20
"""A question on the event loop waits no longer than this for whoever repairs the database's index of the moment."""

FACTS_WIDENED: Final = {("journal", 5), ("desk", 2)}
"""Steps after which the facts of older tickets of our own desk are to be filled in."""

TELL_S: Final = 5
"""A write that has taken so long is told: a busy disk is not this slow."""


class Store:
    """Everything durable. Open it once; close it last."""

    def __init__(self, state_dir: Path, schemas: Sequence[Schema] = ()) -> None:
        """Lock *state_dir*, open the database in it and bring its tables up to date. Blocking.

        Raises:
            AlreadyRunningError: another daemon has it.
            StoreError: the disk refuses, or the database is damaged.
            MailwicketError: a newer mailwicket wrote it.
        """
        try:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = StateLock(state_dir)
        except OSError as error:
            raise disk_error(state_dir, error) from error
        try:
            os.umask(0o077)
            connection = open_writer(state_dir)
            try:
                if migrate(connection, (JOURNAL, *schemas)) >= FACTS_WIDENED:
                    connection.execute(TICKETS.fill_in)
                self.instance = journal.instance(connection, new_name=uuid.uuid4().hex[:12])
                self.keys = keyring(connection, datetime.now(UTC))
                self.in_hand = InHand(state_dir)
                journal.count_attempts(connection, self.in_hand.left_over)
                self.in_hand.begin()
                self.raw = RawStore(state_dir)
            except (sqlite3.DatabaseError, OSError) as error:
                raise store_error(state_dir, error) from error
            self._reader = open_reader(state_dir)
            self._reader.execute(f"PRAGMA busy_timeout = {LOOP_BUSY_MS}")
        except BaseException:
            self._lock.release()
            raise
        self._state_dir = state_dir
        self._writer = Writer(connection)

    async def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run *job* in a transaction; see `Writer.write`. A cancellation waits for it: who comes next finds it done."""
        with anyio.CancelScope(shield=True):
            result = await self._writer.write(job)
        return result  # noqa: RET504 - a scope might swallow a return, say its types

    def hurry(self) -> None:
        """The daemon stops: wait no more for others who hold the database."""
        self._writer.hurry()

    def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Answer a short *question* from what is committed: microseconds, so it is asked on the loop.

        Raises:
            StoreError: the database does not answer.
        """
        try:
            return question(self._reader)
        except sqlite3.DatabaseError as error:
            raise store_error("database", error) from error

    async def look(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Answer a long *question* from what is committed at one moment, in a thread and by a connection of its own.

        Raises:
            StoreError: the database does not answer.
        """
        return await anyio.to_thread.run_sync(self._look, question)

    def _look(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with closing(open_reader(self._state_dir)) as connection:
                connection.execute("BEGIN")
                return question(connection)
        except sqlite3.DatabaseError as error:
            raise store_error("database", error) from error

    def trouble(self) -> StoreError | None:
        """Tell what our own disk has kept waiting for more than TELL_S: no error says so."""
        if self._writer.locked_s >= TELL_S:
            return StoreError("store database: another process holds it (database is locked)", reason="store_locked")
        waited_s, what = DISK.longest()
        if waited_s >= TELL_S:
            return StoreError(f"store: the disk does not answer, {what} waits to be written", reason="disk_hangs")
        return None

    async def close(self) -> None:
        """Finish what is queued and give the directory back, everything in the database's own file.

        The reader is the last to close: it removes neither log nor index, empty as they are, and the next start needs
        no room for them on a full disk.
        """
        await anyio.to_thread.run_sync(self._writer.close)
        self._reader.close()
        self.raw.close()
        self.in_hand.close()
        self._lock.release()


__all__ = ["Store", "StoreError"]
