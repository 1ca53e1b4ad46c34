"""The store at one moment, taken from beside a running daemon without holding it up.

A read transaction pins the moment: in WAL mode the writer goes on meanwhile. The database is copied through it page
by page; every raw file that its rows name is linked, before and after, so that reclaiming takes none away.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mailwicket.errors import MailwicketError
from mailwicket.store.database import FILE_NAME, open_reader, store_error
from mailwicket.store.journal import SQL
from mailwicket.store.links import Links
from mailwicket.store.soundness import damaged

TRIES: Final = 5
PAUSE_S: Final = 0.5
"""A parked mail's file goes a moment before its row says so."""

STEP_PAGES: Final = 1024
"""8 MiB: so often progress is told."""

Copied = Callable[[int, int], None]
"""Bytes done, bytes in all."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a backup is to hold."""

    instance: str
    schemas: Mapping[str, int]
    files: Mapping[str, int]
    """Raw files, and how many of their bytes are named."""
    missing: Sequence[str]
    """Raw files that rows name and that are not there."""
    mails: int


def take(state_dir: Path, links: Links, copy: Path, told: Copied) -> Snapshot:
    """Copy the database to *copy*, which is empty, and link every raw file that it names. Blocking.

    Raises:
        StoreError: the database is damaged or does not answer.
        MailwicketError: *copy* cannot be written.
        OSError: the raw files cannot be linked.
    """
    path = state_dir / FILE_NAME
    try:
        reader, files, missing = _pinned(state_dir, links)
        with closing(reader):
            found = _described(reader, files, missing)
            _copy(reader, copy, told)
        _check(copy, path)
    except sqlite3.DatabaseError as error:
        raise store_error(path, error) from error
    return found


def _pinned(state_dir: Path, links: Links) -> tuple[sqlite3.Connection, dict[str, int], list[str]]:
    """Return a connection that sees one moment, the raw files named at it, all linked, and those that there are not."""
    tries = TRIES
    while True:
        tries -= 1
        links.catch_all()
        reader = open_reader(state_dir)
        reader.execute("BEGIN")
        files: dict[str, int] = dict(reader.execute(SQL.raw_files).fetchall())
        missing = links.catch(files)
        if not (missing and tries):
            return reader, files, missing
        reader.close()
        time.sleep(PAUSE_S)


def _described(reader: sqlite3.Connection, files: Mapping[str, int], missing: Sequence[str]) -> Snapshot:
    row = reader.execute(SQL.instance).fetchone()
    schemas = dict(reader.execute(SQL.schemas).fetchall())
    mails = reader.execute("SELECT count(*) FROM intake_row").fetchone()[0]
    there = {name: end for name, end in files.items() if name not in missing}
    return Snapshot("" if row is None else row[0], schemas, there, missing, mails)


def _copy(reader: sqlite3.Connection, copy: Path, told: Copied) -> None:
    """Copy what *reader* sees. Without a sync: who copies it on syncs that."""
    page = reader.execute("PRAGMA page_size").fetchone()[0]

    def progress(_status: int, remaining: int, total: int) -> None:
        told((total - remaining) * page, total * page)

    try:
        with closing(sqlite3.connect(copy, isolation_level=None)) as target:
            target.execute("PRAGMA journal_mode = OFF")
            target.execute("PRAGMA synchronous = OFF")
            reader.backup(target, pages=STEP_PAGES, progress=progress, sleep=0)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_IOERR_WRITE}:
            raise MailwicketError(f"cannot write {copy}: {error}") from error
        raise


def _check(copy: Path, path: Path) -> None:
    """Look at all of the copy: a backup of a damaged database would take the place of a good one."""
    if copy.stat().st_size == 0:
        raise damaged(path, "it is empty")
    found = integrity(copy)
    if found:
        raise damaged(path, "; ".join(found).replace("\n", " "))


def unchanging(database: Path) -> sqlite3.Connection:
    """Open a *database* that nobody writes to."""
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def integrity(database: Path) -> list[str]:
    """Return what SQLite finds wrong in a *database* that nobody writes to."""
    with closing(unchanging(database)) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)").fetchall()]
        if found == ["ok"]:
            broken = connection.execute("PRAGMA foreign_key_check").fetchmany(3)
            found = [f"a row of {table} names a row of {parent} that there is not" for table, _, parent, _ in broken]
    return found
