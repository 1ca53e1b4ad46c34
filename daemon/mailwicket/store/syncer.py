"""Has the database's log written to the disk, beside the work: what was only noted is durable a moment later.

A commit that waits for the disk costs some milliseconds, a mail that is handed over less than one. So the notes of the
outbox are committed without that wait: a process that dies has them all the same, a machine that loses its power
repeats the mails of the last moment.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from contextlib import suppress

log = logging.getLogger(__name__)


class LogSyncer:
    """A thread that syncs the log of one database whenever that is wanted; started when it is wanted first."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Sync the log of the database of *connection*."""
        self._path = connection.execute("PRAGMA database_list").fetchone()[2] + "-wal"
        self._wanted = threading.Event()
        self._ends = False
        self._thread: threading.Thread | None = None

    def want(self) -> None:
        """Have everything synced that is committed until now."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="store-syncer", daemon=True)
            self._thread.start()
        self._wanted.set()

    def close(self) -> None:
        """End. Blocking; the database's last checkpoint has synced everything."""
        if self._thread is not None:
            self._ends = True
            self._wanted.set()
            self._thread.join()

    def _run(self) -> None:
        fd = -1
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)  # no lock of SQLite's is on this file
            while True:
                self._wanted.wait()
                self._wanted.clear()
                if self._ends:
                    return
                os.fdatasync(fd)
        except OSError as error:  # the next commit that waits for the disk tells whoever asked for it
            log.warning("store: the log is not synced (%s); what was sent last may be repeated", error.strerror)
        finally:
            with suppress(OSError):
                os.close(fd)
