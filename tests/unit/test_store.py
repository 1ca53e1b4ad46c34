"""The store: what it acknowledges is on disk, what fails leaves no trace, and it belongs to one daemon."""

from __future__ import annotations

import os
import sqlite3
import sys
from datetime import date
from pathlib import Path

import anyio
import pytest

from mailwicket import failpoint as failpoints
from mailwicket.errors import AlreadyRunningError, MailwicketError, StoreError
from mailwicket.model import IntakeId, SpooledMail
from mailwicket.ports import Schema
from mailwicket.store import raw as raw_module
from mailwicket.store.database import open_reader
from mailwicket.store.raw import RawStore
from mailwicket.store.store import Store

DAY = date(2026, 1, 1)


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch):  # noqa: ANN201 - a function to arm a failpoint
    def set_to(spec: str | None) -> None:
        monkeypatch.setattr(failpoints, "_armed", None if spec is None else failpoints._Armed(spec))

    return set_to


def note(tx: sqlite3.Connection, kind: str) -> None:
    tx.execute("INSERT INTO event (at, kind, unit, detail) VALUES ('', ?, '', '')", (kind,))


def kinds(tx: sqlite3.Connection) -> list[str]:
    return [kind for (kind,) in tx.execute("SELECT kind FROM event ORDER BY kind").fetchall()]


async def test_jobs_that_wait_together_are_committed_and_a_failing_one_takes_only_its_own_writes_back(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    failures = []

    async def one(n: int) -> None:
        def job(tx: sqlite3.Connection) -> None:
            note(tx, f"{n:03}")
            if n % 10 == 3:
                raise ValueError(n)

        try:
            await store.write(job)
        except ValueError as error:
            failures.append(error.args[0])

    async with anyio.create_task_group() as tasks:
        for n in range(200):
            tasks.start_soon(one, n)
    assert sorted(failures) == list(range(3, 200, 10))
    assert store.read(kinds) == [f"{n:03}" for n in range(200) if n % 10 != 3]
    await store.close()


async def test_a_full_disk_at_commit_fails_every_job_of_the_group_and_writes_nothing(tmp_path: Path, arm) -> None:  # noqa: ANN001
    store = Store(tmp_path)
    arm("commit.before:1:enospc")
    with pytest.raises(StoreError):
        await store.write(lambda tx: note(tx, "lost"))
    arm(None)
    await store.write(lambda tx: note(tx, "kept"))
    assert store.read(kinds) == ["kept"]
    await store.close()


async def test_a_second_daemon_on_one_state_directory_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    code = (
        "import sys; from pathlib import Path; from mailwicket.store.store import Store\n"
        "try: Store(Path(sys.argv[1]))\nexcept Exception as error: print(type(error).__name__, error)"
    )
    told = (await anyio.run_process([sys.executable, "-c", code, str(tmp_path)])).stdout.decode()
    assert told.startswith(AlreadyRunningError.__name__)
    assert str(os.getpid()) in told
    await store.close()
    await Store(tmp_path).close()


async def test_a_store_that_a_newer_release_wrote_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    await store.write(lambda tx: tx.execute("INSERT INTO schema_version VALUES ('journal', 999)"))
    await store.close()
    with pytest.raises(MailwicketError, match="newer release"):
        Store(tmp_path)


async def test_a_file_that_is_no_database_is_refused_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mailwicket.db").write_bytes(b"this is not a database" * 400)
    with pytest.raises(StoreError) as raised:
        Store(tmp_path)
    assert raised.value.reason == "store_damaged"
    assert (tmp_path / "mailwicket.db").read_bytes().startswith(b"this is not")


async def test_a_migration_is_done_once_and_its_failure_leaves_the_version_before(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    steps.mkdir()
    (steps / "0001_first.sql").write_text("CREATE TABLE first (x TEXT) STRICT;")
    schema = Schema("plugin", steps)
    for _ in range(2):
        await Store(tmp_path / "state", [schema]).close()
    (steps / "0002_second.sql").write_text("CREATE TABLE second (x TEXT) STRICT; CREATE TABLE first (x TEXT) STRICT;")
    with pytest.raises(StoreError, match="already exists"):
        Store(tmp_path / "state", [schema])
    reader = open_reader(tmp_path / "state")
    assert reader.execute("SELECT version FROM schema_version WHERE name = 'plugin'").fetchall() == [(1,)]
    assert reader.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'second'").fetchone() == (0,)
    reader.close()


async def test_every_file_of_the_state_directory_is_its_owners_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    await store.write(lambda tx: note(tx, "x"))
    store.raw.append([b"x"], DAY)
    modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "state").rglob("*")}
    assert {name for name, mode in modes.items() if mode} == set()
    await store.close()


def test_segments_hold_what_was_appended_and_are_closed_by_day_and_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_module, "SEGMENT_BYTES", 1000)
    raw = RawStore(tmp_path)
    mails = [bytes([65 + n]) * 300 for n in range(6)]
    places = [raw.append([mail], DAY)[0] for mail in mails] + raw.append([b"next day"], date(2026, 1, 2))
    assert [raw.read(place) for place in places] == [*mails, b"next day"]
    files = list(dict.fromkeys(place.file for place in places))
    assert files == ["20260101-000001.seg", "20260101-000002.seg", "20260102-000001.seg"]
    assert raw.outside(date(2026, 1, 2), date(2026, 1, 9)) == files[:2]
    assert raw.outside(date(2026, 1, 9), date(2026, 1, 9)) == files[:2]  # never the one in use
    assert raw.outside(date(2025, 1, 1), date(2025, 12, 31)) == files[:2]  # kept when the clock was ahead
    assert raw.outside(date(2026, 1, 1), date(2026, 1, 1)) == []
    raw.directory.rename(tmp_path / "gone")
    with pytest.raises(StoreError, match="No such file or directory"):
        raw.outside(DAY, DAY)
    raw.close()


def test_what_a_crash_left_behind_the_last_row_is_passed_over(tmp_path: Path) -> None:
    raw = RawStore(tmp_path)
    (first,) = raw.append([b"first"], DAY)
    raw.close()
    with (raw.directory / first.file).open("ab") as segment:
        segment.write(b"half a ma")
    again = RawStore(tmp_path)
    (second,) = again.append([b"second"], DAY)
    assert second.file == first.file
    assert [again.read(first), again.read(second)] == [b"first", b"second"]
    again.close()


@pytest.mark.parametrize("place", ["segment.write", "segment.sync"])
def test_a_refused_write_keeps_nothing_and_frees_what_it_took(tmp_path: Path, place: str, arm) -> None:  # noqa: ANN001
    raw = RawStore(tmp_path)
    (first,) = raw.append([b"first"], DAY)
    size = (raw.directory / first.file).stat().st_size
    arm(f"{place}:1:enospc")
    with pytest.raises(StoreError) as raised:
        raw.append([b"second" * 1000], DAY)
    assert raised.value.reason == "disk_full"
    assert (raw.directory / first.file).stat().st_size == size
    (third,) = raw.append([b"third"], DAY)
    assert [raw.read(first), raw.read(third)] == [b"first", b"third"]
    raw.close()


def test_a_large_mail_is_taken_over_whole_and_a_parked_one_gets_a_file_of_its_own(tmp_path: Path) -> None:
    raw = RawStore(tmp_path)
    spooled = tmp_path / "spooled"
    spooled.write_bytes(b"L" * 3_000_000)
    place = raw.adopt(SpooledMail(spooled, 3_000_000), DAY, IntakeId(7))
    assert not spooled.exists()
    assert raw.read(place) == b"L" * 3_000_000
    (small,) = raw.append([b"odd"], DAY)
    parked = raw.set_apart(small, IntakeId(8))
    assert (raw.read(parked), parked.sha256) == (b"odd", small.sha256)
    assert (raw.directory / parked.file).read_bytes() == b"odd"
    assert parked.file not in raw.outside(date(2099, 1, 1), date(2099, 1, 1))
    raw.close()


def test_an_unknown_failpoint_is_an_error_and_no_silent_success() -> None:
    with pytest.raises(ValueError, match="no such failpoint"):
        failpoints._Armed("commit.befor:1:die")
