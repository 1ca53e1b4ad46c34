"""A store that is damaged, cut or gone: the next start says so, and never begins a new one in its place."""

from __future__ import annotations

import itertools
import random
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from tests.lab import mailmix
from tests.stores import Tables, filled, tables

from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.errors import MailwicketError, StoreError
from mailwicket.store import database
from mailwicket.store.database import store_error
from mailwicket.store.snapshot import integrity
from mailwicket.store.soundness import refuse_a_damaged_one
from mailwicket.store.store import Store

DAMAGES = 60
SCHEMAS = [EmbeddedDesk.schema]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of a daemon that did 120 mails and was stopped."""
    directory = tmp_path_factory.mktemp("old")
    return anyio.run(filled, directory, [*mailmix.small(119), mailmix.anonymous()])


@pytest.fixture
def copy(old: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(old, tmp_path / "state"))


async def start_and_stop(state_dir: Path) -> None:
    await Store(state_dir, SCHEMAS).close()


async def refusal(state_dir: Path) -> StoreError:
    """Start, and return why that is refused; nothing is touched by it."""
    path = state_dir / "mailwicket.db"
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(StoreError) as raised:
        await start_and_stop(state_dir)
    assert (path.read_bytes() if path.exists() else None) == before
    return raised.value


def test_a_stopped_store_is_whole_in_one_file_and_its_log_empty(old: Path) -> None:
    log = old / "mailwicket.db-wal"
    assert not log.exists() or log.stat().st_size == 0


async def test_a_store_that_is_as_it_was_starts(copy: Path) -> None:
    await start_and_stop(copy)


LEFT = ("segment", "parked mail", "attachment")
KINDS = ("gone", "of no bytes", "of no tables")
BEGINNINGS = [*itertools.product(LEFT, KINDS), *itertools.product(["log"], KINDS[:2])]
"""What an old store left, and what stands where its database was. A log is played into one without tables."""


@pytest.mark.parametrize(("left", "kind"), BEGINNINGS)
async def test_no_new_store_is_begun_beside_what_an_old_one_left(copy: Path, left: str, kind: str) -> None:
    path = copy / "mailwicket.db"
    path.unlink()
    if kind == "of no bytes":
        path.touch()
    if kind == "of no tables":
        with closing(sqlite3.connect(path)) as empty:
            empty.execute("PRAGMA user_version = 1")
    for file in (copy / "raw").iterdir():
        if (left, file.suffix) not in {("segment", ".seg"), ("parked mail", ".eml")}:
            file.unlink()
    if left == "attachment":
        (copy / "attachments" / "aa").mkdir(parents=True)
        (copy / "attachments" / "aa" / "aa11").write_bytes(b"x")
    if left == "log":
        (copy / "mailwicket.db-wal").write_bytes(b"x" * 4152)
    error = await refusal(copy)
    assert error.reason == "store_damaged"
    for word in (
        "is missing or empty",
        "no new store is begun",
        "put a backup back",
        "docs/runbook.md",
        "to begin anew",
    ):
        assert word in str(error)


async def test_a_first_start_that_was_killed_is_no_damage(tmp_path: Path) -> None:
    """What it left is an empty file, its lock and empty directories: nothing of a mail."""
    (tmp_path / "mailwicket.db").touch()
    for name in ("raw", "spool", "attachments"):
        (tmp_path / name).mkdir()
    (tmp_path / "lock").write_text("1\n")
    await start_and_stop(tmp_path)


async def test_a_database_cut_anywhere_is_refused(copy: Path) -> None:
    path = copy / "mailwicket.db"
    whole = path.read_bytes()
    chance = random.Random(11)
    refused = 0
    sizes = [*(chance.randrange(len(whole)) for _ in range(DAMAGES - 20)), *range(len(whole) - 20, len(whole))]
    for size in sizes:
        path.write_bytes(whole[:size])
        assert (await refusal(copy)).reason == "store_damaged"
        refused += 1
    print(f"cut: {refused} of {DAMAGES} refused at the start")


def differences(before: Tables, after: Tables) -> int:
    """Count the values that differ; the rows are the same in number."""
    assert {name: len(rows) for name, rows in before.items()} == {name: len(rows) for name, rows in after.items()}
    pairs = ((old, new) for name in before for old, new in zip(before[name], after[name], strict=True))
    return sum(a != b for old, new in pairs for a, b in zip(old, new, strict=True))


async def test_a_flipped_bit_is_noticed_or_is_confined_to_one_value(copy: Path) -> None:
    """SQLite has no checksums: what no start and no backup notices is in unused space, or is one value of one row."""
    path = copy / "mailwicket.db"
    whole = path.read_bytes()
    before = tables(copy)
    chance = random.Random(11)
    seen: Counter[str] = Counter()
    for _ in range(DAMAGES):
        bad = bytearray(whole)
        bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        path.write_bytes(bad)
        seen[await outcome(copy, before)] += 1
    print(f"one bit flipped: {dict(seen)}")
    noticed = {"refused at the start", "noticed by the next backup", "noticed when it is read"}
    assert set(seen) <= {*noticed, "one value differs", "in unused space"}


async def outcome(state_dir: Path, before: Tables) -> str:
    try:
        await start_and_stop(state_dir)
    except MailwicketError:
        return "refused at the start"
    try:
        if integrity(state_dir / "mailwicket.db"):
            return "noticed by the next backup"
        after = tables(state_dir)
    except sqlite3.DatabaseError as error:
        return "noticed when it is read" if store_error("x", error).reason == "store_damaged" else str(error)
    count = differences(before, after)
    assert count <= 1
    return "one value differs" if count else "in unused space"


@pytest.mark.parametrize("page", range(3, 60, 7))
async def test_a_page_of_noise_is_noticed(copy: Path, page: int) -> None:
    path = copy / "mailwicket.db"
    assert path.stat().st_size > 60 * 8192
    with path.open("r+b") as file:
        file.seek(page * 8192)
        file.write(random.Random(page).randbytes(8192))
    error = await refusal(copy)
    assert error.reason == "store_damaged"
    assert "put a backup back" in str(error)


async def test_the_look_at_a_start_has_an_end(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with closing(sqlite3.connect(copy / "mailwicket.db", check_same_thread=False)) as connection:
        assert refuse_a_damaged_one(connection, copy / "mailwicket.db")
        rows = ((bytes([n % 256]) * 4000,) for n in range(10_000))
        connection.execute("CREATE TABLE ballast (x BLOB CHECK (length(hex(hex(x))) > 1))")
        connection.executemany("INSERT INTO ballast VALUES (?)", rows)
        connection.commit()
        assert not refuse_a_damaged_one(connection, copy / "mailwicket.db", limit_s=0.02)
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert "the rest is checked by the next backup" in caplog.text


def test_what_a_broken_text_says_at_run_time_is_told_as_damage(copy: Path) -> None:
    with closing(sqlite3.connect(copy / "mailwicket.db")) as connection:
        connection.execute("UPDATE desk_ticket SET subject = CAST(x'ff41' AS TEXT) WHERE number = 1")
        with pytest.raises(sqlite3.OperationalError) as raised:
            connection.execute("SELECT subject FROM desk_ticket").fetchall()
    assert database.store_error("x", raised.value).reason == "store_damaged"
