"""Where small mails are cheapest to keep: rows of the database, a file each, or a segment. `python -m bench.keep`.

Each way keeps the same mails and commits the same row for them, in the same batches; the figure is mails a second
until everything is durable, the median of several rounds, the ways taking turns.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from mailwicket.store.raw import RawStore

ROUNDS = 5
TOTAL_BYTES = 48 * 1024 * 1024
SHAPES = ((8_600, 1), (8_600, 200), (264_000, 1), (264_000, 16))  # mail size, mails in a batch

Keep = Callable[[sqlite3.Connection, Path, list[bytes]], None]


def in_rows(db: sqlite3.Connection, _directory: Path, mails: list[bytes]) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT INTO mail (place, raw) VALUES ('row', ?)", [(mail,) for mail in mails])
    db.execute("COMMIT")


def in_files(db: sqlite3.Connection, directory: Path, mails: list[bytes]) -> None:
    names = []
    for mail in mails:
        name = f"{time.monotonic_ns()}.eml"
        with (directory / name).open("wb") as file:
            file.write(mail)
            file.flush()
            os.fdatasync(file.fileno())
        names.append((name,))
    fd = os.open(directory, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT INTO mail (place) VALUES (?)", names)
    db.execute("COMMIT")


def in_segment(db: sqlite3.Connection, directory: Path, mails: list[bytes]) -> None:
    store = segments.setdefault(directory, RawStore(directory))
    places = store.append(mails, date(2026, 1, 1))
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT INTO mail (place) VALUES (?)", [(f"{place.file}:{place.offset}",) for place in places])
    db.execute("COMMIT")


segments: dict[Path, RawStore] = {}


def rate(keep: Keep, size_bytes: int, batch: int) -> float:
    with tempfile.TemporaryDirectory(prefix="mailwicket-bench-") as name:
        directory = Path(name)
        db = sqlite3.connect(directory / "db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE mail (number INTEGER PRIMARY KEY, place TEXT NOT NULL, raw BLOB) STRICT")
        count = min(2000, TOTAL_BYTES // size_bytes) // batch * batch
        mails = [os.urandom(size_bytes) for _ in range(batch)]
        begin = time.perf_counter()
        for _ in range(count // batch):
            keep(db, directory, mails)
        took = time.perf_counter() - begin
        db.close()
        if (store := segments.pop(directory, None)) is not None:
            store.close()
        return count / took


def main() -> None:
    ways: dict[str, Keep] = {"rows": in_rows, "files": in_files, "segment": in_segment}
    table: dict[str, dict[str, int]] = {}
    for size_bytes, batch in SHAPES:
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, keep in ways.items():
                rates[way].append(rate(keep, size_bytes, batch))
        shape = f"{size_bytes} bytes, {batch} a batch"
        table[shape] = {way: round(statistics.median(found)) for way, found in rates.items()}
        sys.stderr.write(f"{shape}: {table[shape]}\n")
    print(json.dumps(table))


if __name__ == "__main__":
    main()
