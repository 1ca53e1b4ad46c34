"""Stores as a stopped daemon leaves them, with mail in them."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mailwicket.backends.desk import EmbeddedDesk
from tests.fakes import FakeNet
from tests.flow.test_intake import Bench

Tables = dict[str, list[tuple[Any, ...]]]


async def filled(directory: Path, mails: Sequence[bytes]) -> Path:
    """Have *mails* become tickets of a store below *directory*; return its state directory, all in order."""
    state_dir = directory / "state"
    bench = Bench(directory, EmbeddedDesk("desk", EmbeddedDesk.Config(), FakeNet(state_dir)))
    bench.open()
    bench.server.deliver(*mails)
    await bench.catch_up()
    await bench.close()
    shutil.rmtree(state_dir / "spool")
    return state_dir


@contextmanager
def desk_tables() -> Iterator[sqlite3.Connection]:
    """Give the embedded desk's tables, empty and in memory, in a connection that commits by itself."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for migration in sorted(EmbeddedDesk.schema.migrations.glob("*.sql")):
            connection.executescript(migration.read_text(encoding="utf-8"))
        yield connection


def tables(state_dir: Path) -> Tables:
    """Return every row of the database."""
    with closing(sqlite3.connect(f"file:{state_dir / 'mailwicket.db'}?mode=ro", uri=True)) as database:
        names = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return {name: database.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names}


def untar(archive: Path, directory: Path) -> Path:
    """Put a backup back as a person does."""
    directory.mkdir(mode=0o700)
    subprocess.run(["tar", "-xf", archive, "-C", directory], check=True)
    subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], cwd=directory, check=True)
    return directory


def torn(state_dir: Path) -> list[int]:
    """Return the mails whose kept bytes are not those of their rows."""
    with closing(sqlite3.connect(f"file:{state_dir / 'mailwicket.db'}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT intake_id, file, first_byte, length, sha256 FROM kept WHERE file IS NOT NULL")
        found = []
        for intake_id, file, first, length, sha256 in rows:
            raw = (state_dir / "raw" / file).read_bytes()[first : first + length]
            if hashlib.sha256(raw).hexdigest() != sha256:
                found.append(intake_id)
        return found
