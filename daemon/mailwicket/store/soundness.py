"""Is the database the one that was here before, and whole? Asked at every start, before anything is written to it.

A damaged store is refused with a line that says what to do; never is a new one begun in its place: that would
take every mail of the mailboxes for new, and tickets would be gone without a word.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mailwicket.errors import StoreError

log = logging.getLogger(__name__)

CHECK_S: Final = 2.0
"""So long the structure is looked at before the daemon starts: about 1 GB of pages in memory. A backup looks at all."""

WHAT_TO_DO: Final = 'put a backup back: docs/runbook.md, "Backup and restore"'


def damaged(path: Path, words: str) -> StoreError:
    """Return the refusal of the database at *path*."""
    return StoreError(f"store {path}: damaged ({words}); {WHAT_TO_DO}", reason="store_damaged")


def refuse_a_second_beginning(path: Path) -> None:
    """Refuse to begin a new database at *path* beside what an earlier one left.

    Raises:
        StoreError: there is none, or an empty one, and mail or a journal's rest lies beside it.
    """
    if path.exists() and path.stat().st_size:
        return
    if _has_log(path):
        raise _begun_before(path, _log(path))
    if (trace := next(_kept_mail(path.parent), None)) is not None:
        raise _begun_before(path, trace)


def refuse_an_emptied_one(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database without a name of its own beside mail that an earlier one kept.

    Raises:
        StoreError: it is so.
        sqlite3.DatabaseError: it cannot be read.
    """
    known = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'instance'").fetchone()[0]
    if known and connection.execute("SELECT count(*) FROM instance").fetchone()[0]:
        return
    if (trace := next(_kept_mail(path.parent), None)) is not None:
        raise _begun_before(path, trace)


def refuse_a_damaged_one(connection: sqlite3.Connection, path: Path, limit_s: float = CHECK_S) -> bool:
    """Look at the structure of the database for up to *limit_s*; tell whether all of it was looked at.

    What a value says is not looked at: SQLite keeps no checksums, so a byte that flipped inside a text shows nowhere.

    Raises:
        StoreError: it is damaged.
        sqlite3.DatabaseError: it cannot be read.
    """
    page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
    if path.stat().st_size % page_bytes and not _has_log(path):  # else the log holds what is to stand there
        raise damaged(path, "its last page is cut off")
    patience = threading.Timer(limit_s, connection.interrupt)
    patience.start()
    try:
        found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)").fetchall()]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        log.info("store %s: checked for %g s, the rest is checked by the next backup", path, limit_s)
        return False
    finally:
        patience.cancel()
        patience.join()  # an interrupt that came late would meet another statement
    if found != ["ok"]:
        raise damaged(path, "; ".join(found).replace("\n", " "))
    return True


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _has_log(path: Path) -> bool:
    """Tell whether changes stand in the log that are not in the database itself yet."""
    return _log(path).exists() and _log(path).stat().st_size > 0


def _kept_mail(state_dir: Path) -> Iterator[Path]:
    """Yield files that only a store can have written."""
    for pattern in ("raw/*.seg", "raw/*.eml", "attachments/*/*"):
        yield from state_dir.glob(pattern)


def _begun_before(path: Path, trace: Path) -> StoreError:
    return StoreError(
        f"store {path}: it is missing or empty, but {trace} is of an earlier one; no new store is begun beside it: "
        f"{WHAT_TO_DO}, or move {path.parent} away to begin anew",
        reason="store_damaged",
    )
