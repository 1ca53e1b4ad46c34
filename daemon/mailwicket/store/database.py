"""One SQLite database under the state directory: opened one way, migrated in numbered steps.

WAL and synchronous=FULL: an acknowledged commit survives a power cut, readers never wait for the writer.
"""

from __future__ import annotations

import errno
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from mailwicket.errors import MailwicketError, StoreError
from mailwicket.ports import Schema
from mailwicket.store.soundness import (
    WHAT_TO_DO,
    refuse_a_damaged_one,
    refuse_a_second_beginning,
    refuse_an_emptied_one,
)

FILE_NAME = "mailwicket.db"
BUSY_TIMEOUT_S = 60  # another process (a backup, an admin's shell) may hold the write lock for a while

JOURNAL = Schema("journal", Path(__file__).with_name("migrations"))


def open_writer(state_dir: Path) -> sqlite3.Connection:
    """Open the database for the writer thread; creates it readable by its owner only.

    Raises:
        StoreError: the disk refuses, the file is no database or a damaged one, or it is gone and its mail is not.
    """
    path = state_dir / FILE_NAME
    try:
        refuse_a_second_beginning(path)
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.DatabaseError) as error:
        raise store_error(path, error) from error
    try:
        refuse_an_emptied_one(connection, path)
        connection.execute("PRAGMA page_size = 8192")  # a mail's text spans fewer pages
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: fewer, larger copies into the main file
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA cache_size = -16384")
        refuse_a_damaged_one(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise store_error(path, error) from error
    except StoreError:
        connection.close()
        raise
    return connection


def open_reader(state_dir: Path) -> sqlite3.Connection:
    """Open the database for reading only; works beside a running daemon.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    path = state_dir / FILE_NAME
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5, isolation_level=None, check_same_thread=False
        )
        connection.execute("SELECT 1 FROM sqlite_schema")
    except sqlite3.DatabaseError as error:
        raise store_error(path, error) from error
    return connection


def store_error(path: Path | str, error: Exception) -> StoreError:
    """Say in an admin's words why the store at *path* does not work."""
    text = str(error)
    if isinstance(error, OSError):
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        return StoreError(f"store {path}: {error.strerror}", reason="disk_full" if full else "disk_error")
    code = getattr(error, "sqlite_errorname", "")
    reason = {"SQLITE_FULL": "disk_full", "SQLITE_BUSY": "store_locked", "SQLITE_CORRUPT": "store_damaged"}.get(
        code, "store_damaged" if "not a database" in text or "decode to UTF-8" in text else "disk_error"
    )
    what_next = f"; {WHAT_TO_DO}" if reason == "store_damaged" else ""
    return StoreError(f"store {path}: {text}{what_next}", reason=reason)


def migrate(connection: sqlite3.Connection, schemas: Sequence[Schema]) -> set[tuple[str, int]]:
    """Bring every schema to its newest version, each step in a transaction of its own; return the steps.

    Raises:
        MailwicketError: the database was written by a newer mailwicket.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version ("
        "name TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (name, version)) STRICT, WITHOUT ROWID"
    )
    taken: set[tuple[str, int]] = set()
    for schema in schemas:
        (done,) = connection.execute(
            "SELECT coalesce(max(version), 0) FROM schema_version WHERE name = ?", (schema.name,)
        ).fetchone()
        steps = {
            int(match[1]): file
            for file in sorted(schema.migrations.glob("*.sql"))
            if (match := re.fullmatch(r"(\d{4})_\w+\.sql", file.name))
        }
        if done > max(steps, default=0):
            raise MailwicketError(
                f"the store's tables {schema.name!r} have version {done}, this mailwicket knows up to "
                f"{max(steps, default=0)}: it was written by a newer release; install that one"
            )
        for version in range(done + 1, max(steps, default=0) + 1):
            script = steps[version].read_text(encoding="utf-8")
            # executescript would commit an open transaction first, so the transaction is part of the script.
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script}\n"
                f"INSERT INTO schema_version (name, version) VALUES ('{schema.name}', {version});\nCOMMIT;"
            )
            taken.add((schema.name, version))
    return taken
