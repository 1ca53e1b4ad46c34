"""The one thread that writes: jobs that wait together are committed together (group commit)."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from mailwicket.diskwait import DISK
from mailwicket.errors import StoreError
from mailwicket.failpoint import failpoint
from mailwicket.store.database import BUSY_TIMEOUT_S, store_error

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], Any]

# Not their subclasses: a violated constraint is one job's mistake.
BROKEN = {sqlite3.OperationalError, sqlite3.InternalError, sqlite3.DatabaseError}

BUSY_ROUND_MS = 500  # of BUSY_TIMEOUT_S, so that a stop is noticed

GROUP_MAX = 100  # jobs; a job is a batch of mails already


class _Waiting:
    """A job, where its result goes, and what came of it."""

    __slots__ = ("error", "future", "job", "loop", "result")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def deliver(self) -> None:
        def settle() -> None:
            if self.future.done():  # the caller was cancelled; the work is committed all the same
                return
            if self.error is None:
                self.future.set_result(self.result)
            else:
                self.future.set_exception(self.error)

        try:
            self.loop.call_soon_threadsafe(settle)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return


class Writer:
    """Runs jobs on the database, in order, each all or nothing, and answers when they are durable."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take over *connection*; it is used by the writer's thread alone from now on."""
        self._connection = connection
        self._hurry = False
        self._locked_at: float | None = None
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        connection.execute(f"PRAGMA busy_timeout = {BUSY_ROUND_MS}")
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run *job* in a transaction and return its result once that is on disk.

        What *job* raises is raised here and leaves no trace in the database. A cancelled caller does not
        stop its job: the rows tell afterwards whether it happened.

        Raises:
            StoreError: the disk is full, the database locked or damaged: nothing of the job was written.
        """
        return await self.begin(job)

    def begin(self, job: Callable[[sqlite3.Connection], T]) -> Awaitable[T]:
        """As `write`, without waiting yet."""
        waiting = _Waiting(job)
        self._queue.put(waiting)
        return waiting.future

    @property
    def locked_s(self) -> float:
        """For how many seconds somebody else has held the database while a job waits; 0 where none does."""
        since = self._locked_at
        return 0.0 if since is None else time.monotonic() - since

    def hurry(self) -> None:
        """From now on a database that somebody else holds is not waited for."""
        self._hurry = True

    def close(self) -> None:
        """Finish what is queued, then close the database. Blocking."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                break
            group, last = [first], False
            while len(group) < GROUP_MAX and not last:
                try:
                    waiting = self._queue.get_nowait()
                except queue.Empty:
                    break
                if waiting is None:
                    last = True
                else:
                    group.append(waiting)
            try:
                self._commit(group)
            except Exception as error:  # noqa: BLE001 - a bug; the thread must live, or everybody waits for ever
                for waiting in group:
                    waiting.error = waiting.error or error
            for waiting in group:
                waiting.deliver()
            if last:
                break
        with suppress(sqlite3.Error):  # else the log holds it: no harm
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def _commit(self, group: list[_Waiting]) -> None:
        """Run *group* in one transaction; a failing job takes only its own writes back."""
        execute = self._connection.execute
        try:
            self._begin()
            with DISK.of("the database"):
                for waiting in group:
                    execute("SAVEPOINT job")
                    try:
                        waiting.result = waiting.job(self._connection)
                    except BaseException as error:  # it belongs to the caller
                        if type(error) in BROKEN:
                            raise  # the disk or the database itself: the whole group failed
                        waiting.error = error
                        execute("ROLLBACK TO job")
                    execute("RELEASE job")
                failpoint("commit.before")
                execute("COMMIT")
                failpoint("commit.after")
        except (sqlite3.Error, OSError) as error:
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):  # a failing disk took it back already
                    execute("ROLLBACK")
            failure = error if isinstance(error, StoreError) else store_error("database", error)
            for waiting in group:
                waiting.error = waiting.error or failure

    def _begin(self) -> None:
        """Begin a transaction; a backup or an admin's shell may hold the database for a while."""
        begun = time.monotonic()
        try:
            while True:
                try:
                    self._connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    is_over = self._hurry or time.monotonic() > begun + BUSY_TIMEOUT_S
                    if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or is_over:
                        raise
                    self._locked_at = self._locked_at or begun
                else:
                    return
        finally:
            self._locked_at = None
