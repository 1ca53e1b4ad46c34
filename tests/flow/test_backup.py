"""A backup holds one moment of the store, whatever goes on beside it, and comes back whole."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from tests.fakes import FakeDesk, mail
from tests.flow.test_intake import Bench
from tests.lab import mailmix
from tests.lab.processes import until
from tests.stores import filled, tables, torn, untar

from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.errors import ConflictError, MailwicketError, StoreError
from mailwicket.flow.reclaim import Reclaim
from mailwicket.store import links as links_module
from mailwicket.store import snapshot as snapshot_module
from mailwicket.store.backup import back_up
from mailwicket.store.raw import RawPlace
from mailwicket.store.store import Store
from mailwicket.store.verify import verify
from mailwicket.timestamp import timestamp

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of a stopped daemon: a segment, large mails, a parked one, attachments of reclaimed mail."""
    mails = [*mailmix.mix(60, largest_bytes=60_000), mailmix.anonymous()]
    state_dir = anyio.run(filled, tmp_path_factory.mktemp("old"), mails)
    for name in (b"one", b"two"):
        keep_attachment(state_dir, name)
    return state_dir


def keep_attachment(state_dir: Path, content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    shelf = state_dir / "attachments" / digest[:2]
    shelf.mkdir(mode=0o700, parents=True)
    (shelf / digest).write_bytes(content)
    (shelf / f".{digest}").write_bytes(b"half of it")


@pytest.fixture
def state(old: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(old, tmp_path / "state"))


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def left_overs(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if ".part" in path.name]


# --- what is in it


def test_a_backup_put_back_is_the_store_that_it_was(state: Path, tmp_path: Path) -> None:
    (segment,) = (state / "raw").glob("*.seg")
    with segment.open("ab") as end:
        end.write(b"half a mail that no row names")
    (state / "raw" / ".parked-99.eml").write_bytes(b"half")
    file = tmp_path / "backup.tar"
    done = back_up(state, file, NOW)
    assert (done.faults, done.mails, done.made_at) == ([], 61, timestamp(NOW))
    assert file.stat().st_size == done.size_bytes
    assert file.stat().st_mode & 0o777 == 0o600
    assert left_overs(tmp_path) == []
    assert names(state / links_module.DIRECTORY) == []

    back = untar(file, tmp_path / "back")
    assert tables(back) == tables(state)
    assert torn(back) == []
    there = {str(path.relative_to(back)) for path in back.rglob("*") if path.is_file()}
    assert {name for name in there if name.startswith("raw/")} == {f"raw/{file}" for (file,) in named_files(state)}
    assert len([name for name in there if name.startswith("attachments/")]) == 2
    assert there >= {"backup.json", "SHA256SUMS", "mailwicket.db", "mailwicket.db-wal"}
    assert not any(b"half" in path.read_bytes()[-40:] for path in back.rglob("*") if path.is_file())
    assert {path.stat().st_mode & 0o077 for path in back.rglob("*")} == {0}
    told = json.loads((back / "backup.json").read_text())
    assert told["made_at"] == timestamp(NOW)
    assert set(told["schemas"]) == {"journal", "desk"}
    assert told["mails"] == 61


def named_files(state_dir: Path) -> list[tuple[str]]:
    with closing(sqlite3.connect(state_dir / "mailwicket.db")) as database:
        return database.execute("SELECT DISTINCT file FROM kept WHERE file IS NOT NULL").fetchall()


def test_a_log_of_another_database_is_not_played_into_the_one_that_is_put_back(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    back_up(state, file, NOW)
    for name in ("one", "two"):
        untar(file, tmp_path / name)
    with closing(sqlite3.connect(tmp_path / "two" / "mailwicket.db", isolation_level=None)) as other:
        other.execute("UPDATE desk_ticket SET subject = 'of another time'")
        log = (tmp_path / "two" / "mailwicket.db-wal").read_bytes()
    assert log
    (tmp_path / "one" / "mailwicket.db-wal").write_bytes(log)
    subprocess.run(["tar", "-xf", file, "-C", tmp_path / "one"], check=True)
    assert tables(tmp_path / "one") == tables(state)


async def test_mail_that_comes_meanwhile_neither_waits_for_a_backup_nor_spoils_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "state", [EmbeddedDesk.schema])
    slowest_s = 0.0
    kept = 0

    async def keep_mail() -> None:
        nonlocal slowest_s, kept
        while True:
            began = time.monotonic()
            (place,) = store.raw.append([os.urandom(20_000)], date(2026, 1, 1))

            def note(tx: sqlite3.Connection, place: RawPlace = place) -> None:
                tx.execute("INSERT INTO place VALUES (1, 's', 'f', 'e') ON CONFLICT DO NOTHING")
                row = tx.execute(
                    "INSERT INTO intake_row (place_id, remote_id, size_bytes, seen_at, state) "
                    "VALUES (1, ?, 1, '', 2) RETURNING intake_id",
                    (place.sha256,),
                ).fetchone()
                where = (place.file, place.offset, place.length, place.sha256)
                tx.execute("INSERT INTO kept VALUES (?, ?, ?, ?, ?, 0, '')", (row[0], *where))

            await store.write(note)
            kept += 1
            slowest_s = max(slowest_s, time.monotonic() - began)
            await anyio.lowlevel.checkpoint()  # a commit is not cancelled

    counts = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_mail)
        for number in range(4):
            await anyio.sleep(0.2)
            before = kept
            file = tmp_path / f"{number}.tar"
            done = await anyio.to_thread.run_sync(back_up, tmp_path / "state", file, NOW)
            assert before <= done.mails <= kept
            counts.append(done.mails)
        tasks.cancel_scope.cancel()
    await store.close()
    for number, count in enumerate(counts):
        back = untar(tmp_path / f"{number}.tar", tmp_path / f"back{number}")
        assert len(tables(back)["kept"]) == count
        assert torn(back) == []
        assert verify(tmp_path / f"{number}.tar").faults == []
    print(f"{kept} mails kept beside 4 backups, the slowest in {slowest_s * 1000:.0f} ms")
    assert counts == sorted(set(counts))
    assert slowest_s < 2


# --- what goes on beside it


def test_mail_that_is_reclaimed_meanwhile_is_in_the_backup_all_the_same(state: Path, tmp_path: Path) -> None:
    before = tables(state)

    def reclaim(what: str, _done: int, _whole: int) -> None:
        if what == "database":
            shutil.rmtree(state / "raw")
            (state / "raw").mkdir()

    file = tmp_path / "backup.tar"
    assert back_up(state, file, NOW, reclaim).faults == []
    back = untar(file, tmp_path / "back")
    assert torn(back) == []
    assert tables(back) == before


def test_a_parked_mail_that_expires_between_its_file_and_its_row_is_waited_for(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (parked,) = (state / "raw").glob("parked-*.eml")
    parked.unlink()
    pauses = []

    def its_row_goes(pause_s: float) -> None:
        pauses.append(pause_s)
        with closing(sqlite3.connect(state / "mailwicket.db", isolation_level=None)) as database:
            database.execute("UPDATE kept SET file = NULL WHERE file = ?", (parked.name,))

    monkeypatch.setattr(snapshot_module.time, "sleep", its_row_goes)
    assert back_up(state, tmp_path / "backup.tar", NOW).faults == []
    assert pauses == [snapshot_module.PAUSE_S]


async def test_a_backup_that_died_leaves_no_mail_behind_its_time(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    code = (
        "import os, sys, signal; from pathlib import Path; from datetime import datetime, UTC\n"
        "from mailwicket.store.backup import back_up\n"
        "def die(what, done, whole):\n    if what == 'files': os.kill(os.getpid(), signal.SIGKILL)\n"
        "back_up(Path(sys.argv[1]), Path(sys.argv[2]), datetime.now(UTC), die)"
    )
    command = [sys.executable, "-c", code, str(state), str(file)]
    assert (await anyio.run_process(command, check=False)).returncode == -signal.SIGKILL
    assert left_overs(tmp_path) != []
    assert names(state / links_module.DIRECTORY) != []

    store = Store(state, [EmbeddedDesk.schema])
    keep = timedelta(days=90)
    await Reclaim(store, FakeDesk(), keep, keep, lambda: datetime.now(UTC)).once()
    await store.close()
    assert names(state / links_module.DIRECTORY) == []
    assert back_up(state, file, NOW).faults == []
    assert left_overs(tmp_path) == []
    assert verify(file).faults == []


async def test_reclaiming_takes_nothing_from_a_backup_under_way(state: Path, tmp_path: Path) -> None:
    def reclaim(_what: str, _done: int, _whole: int) -> None:
        links_module.clear_left_over(state)

    assert back_up(state, tmp_path / "backup.tar", NOW, reclaim).faults == []


def test_one_backup_at_a_time_and_none_over_another(state: Path, tmp_path: Path) -> None:
    refusals = []

    def another(what: str, _done: int, _whole: int) -> None:
        if what == "database" and not refusals:
            for name in ("backup.tar", "other.tar"):
                with pytest.raises(ConflictError) as raised:
                    back_up(state, tmp_path / name, NOW)
                refusals.append(str(raised.value))

    file = tmp_path / "backup.tar"
    back_up(state, file, NOW, another)
    assert "being written by another backup" in refusals[0]
    assert "is under way" in refusals[1]
    content = file.read_bytes()
    with pytest.raises(ConflictError, match="replaces nothing"):
        back_up(state, file, NOW)
    assert file.read_bytes() == content
    assert left_overs(tmp_path) == []
    assert verify(file).faults == []
    with pytest.raises(MailwicketError, match="No such file or directory"):
        back_up(state, tmp_path / "nowhere" / "backup.tar", NOW)


# --- what goes wrong


def test_nothing_is_left_of_a_backup_that_failed_or_was_stopped(state: Path, tmp_path: Path) -> None:
    for error in (KeyboardInterrupt(), OSError(28, "No space left on device")):
        for place in ("database", "files"):

            def fail(what: str, _done: int, _whole: int, place: str = place, error: BaseException = error) -> None:
                if what == place:
                    raise error

            with pytest.raises((KeyboardInterrupt, MailwicketError)) as raised:
                back_up(state, tmp_path / "backup.tar", NOW, fail)
            assert "no backup was written" in str(raised.value) or raised.type is KeyboardInterrupt
            assert names(tmp_path) == ["state"]
            assert names(state / links_module.DIRECTORY) == []


@pytest.mark.parametrize("limit_bytes", [100_000, 2_000_000])
def test_a_disk_that_takes_no_more_is_told_and_nothing_is_left(state: Path, tmp_path: Path, limit_bytes: int) -> None:
    """The limit is met while the database is copied, or while the archive is written."""
    file = tmp_path / "backup.tar"
    code = (
        "import resource, sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from mailwicket.store.backup import back_up\nfrom mailwicket.errors import MailwicketError\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))\n"
        "try: back_up(Path(sys.argv[1]), Path(sys.argv[2]), datetime.now(UTC))\n"
        "except MailwicketError as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code, state, file], capture_output=True, text=True, check=True)
    assert str(file) in told.stdout
    assert "File too large" in told.stdout or "disk" in told.stdout, told.stdout
    assert names(tmp_path) == ["state"]


def test_a_damaged_database_takes_no_good_backups_place(state: Path, tmp_path: Path) -> None:
    with (state / "mailwicket.db").open("r+b") as database:
        database.seek(10 * 8192)
        database.write(random.Random(1).randbytes(8192))
    with pytest.raises(StoreError) as raised:
        back_up(state, tmp_path / "backup.tar", NOW)
    assert raised.value.reason == "store_damaged"
    assert names(tmp_path) == ["state"]


def test_what_the_store_misses_is_told_and_the_rest_is_kept(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_module, "PAUSE_S", 0.001)
    (parked,) = (state / "raw").glob("parked-*.eml")
    parked.unlink()
    (segment,) = (state / "raw").glob("*.seg")
    os.truncate(segment, 10_000)
    (shelf, *_) = (state / "attachments").iterdir()
    (kept,) = [path for path in shelf.iterdir() if not path.name.startswith(".")]
    kept.write_bytes(b"other")
    file = tmp_path / "backup.tar"
    faults = back_up(state, file, NOW).faults
    assert [name for name in (parked.name, segment.name, kept.name) if not any(name in line for line in faults)] == []
    assert len(faults) == 3
    assert tables(untar(file, tmp_path / "back")) == tables(state)
    assert any(parked.name in line for line in verify(file).faults)


def test_without_a_store_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(MailwicketError, match="nothing to back up"):
        back_up(tmp_path, tmp_path / "backup.tar", NOW)
    with pytest.raises(MailwicketError, match="nothing to back up"):
        back_up(tmp_path / "missing", tmp_path / "backup.tar", NOW)
    assert left_overs(tmp_path) == []


# --- is it whole


@pytest.fixture(scope="module")
def whole(old: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("whole") / "backup.tar"
    back_up(old, file, NOW)
    return file


def contents(file: Path, directory: Path) -> dict[str, bytes] | None:
    """What tar makes of a backup; None where it gives up."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    told = subprocess.run(["tar", "-xf", file, "-C", directory], capture_output=True, check=False)
    found = {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    return None if told.returncode else found


def test_a_flipped_bit_in_a_backup_is_noticed_or_changes_nothing(whole: Path, tmp_path: Path) -> None:
    before = contents(whole, tmp_path / "out")
    file = tmp_path / "bad.tar"
    good = whole.read_bytes()
    chance = random.Random(5)
    noticed = 0
    for number in range(60):
        bad = bytearray(good)
        place = chance.randrange(len(bad)) if number % 2 else chance.randrange(0, len(bad), 512) + chance.randrange(260)
        bad[place] ^= 1 << chance.randrange(8)
        file.write_bytes(bad)
        if verify(file).faults:
            noticed += 1
        else:
            assert contents(file, tmp_path / "out") == before, f"byte {place}"
    print(f"{noticed} of 60 flipped bits in a backup noticed, the others are in its padding")
    assert noticed > 40


def test_a_backup_cut_anywhere_is_noticed(whole: Path, tmp_path: Path) -> None:
    file = tmp_path / "cut.tar"
    good = whole.read_bytes()
    chance = random.Random(6)
    for size in [0, 100, 512, 1024, len(good) - 1024, *(chance.randrange(len(good) - 1024) for _ in range(40))]:
        file.write_bytes(good[:size])
        assert verify(file).faults, size


def test_what_does_not_belong_into_a_backup_is_named(whole: Path, tmp_path: Path) -> None:
    file = tmp_path / "more.tar"
    with tarfile.open(whole) as archive, tarfile.open(file, "w") as more:
        for member in archive.getmembers():
            if member.name == "SHA256SUMS":
                stranger = tarfile.TarInfo("../../etc/cron.d/x")
                more.addfile(stranger, io.BytesIO(b""))
            more.addfile(member, archive.extractfile(member) if member.isreg() else None)
    assert any("cron.d" in line for line in verify(file).faults)


def test_a_mail_that_is_not_as_it_came_is_named_even_if_the_sums_are_right(state: Path, tmp_path: Path) -> None:
    (segment,) = (state / "raw").glob("*.seg")
    raw = bytearray(segment.read_bytes())
    raw[len(raw) // 2] ^= 1
    segment.write_bytes(raw)
    file = tmp_path / "backup.tar"
    assert back_up(state, file, NOW).faults == []
    (fault,) = verify(file).faults
    assert fault.endswith("not as they came are mails: 1")


# --- the command


def command(*words: str | Path, state: Path) -> subprocess.CompletedProcess[str]:
    conf = state.parent / "conf.d"
    conf.mkdir(exist_ok=True)
    (conf / "00.toml").write_text(f'[daemon]\nstate_dir = "{state}"\n')
    line = [sys.executable, "-m", "mailwicket", "backup", *map(str, words), "--conf", str(conf)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_the_command_says_what_it_did_and_shows_no_progress_in_a_pipe(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    told = command(file, state=state)
    assert (told.returncode, told.stderr) == (0, "")
    assert "61 mails" in told.stdout
    checked = command("--verify", file, "--json", state=state)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert json.loads(checked.stdout)["mails_checked"] == 61
    assert json.loads(checked.stdout)["backup"]["mails"] == 61
    again = command(file, state=state)
    assert (again.returncode, again.stdout) == (1, "")
    assert "replaces nothing" in again.stderr
    assert command(state=state).returncode == 2
    os.truncate(file, 9_000)
    cut = command("--verify", file, state=state)
    assert cut.returncode == 1
    assert "cut off" in cut.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_command_that_is_ended_leaves_nothing_behind(state: Path, tmp_path: Path, number: signal.Signals) -> None:
    keep_attachment(state, b"much" * 40_000_000)
    conf = tmp_path / "conf.d"
    conf.mkdir()
    (conf / "00.toml").write_text(f'[daemon]\nstate_dir = "{state}"\n')
    file = tmp_path / "backup.tar"
    line = [sys.executable, "-m", "mailwicket", "backup", str(file), "--conf", str(conf)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until((tmp_path / "backup.tar.part").exists, 20, 0.001)
    process.send_signal(number)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 1
    assert told == "mailwicket: stopped; no backup was written\n"
    assert left_overs(tmp_path) == []
    assert not file.exists()


# --- desks that keep their own books


async def test_a_store_put_back_neither_loses_nor_doubles_a_mail_at_a_desk_that_did_not_go_back(
    tmp_path: Path,
) -> None:
    """Rows get their old numbers again, for other mails: it is the place on the server that names a mail there."""
    desk = FakeDesk()
    bench = Bench(tmp_path, desk)
    bench.open()
    first, *gap, last = (mail(f"number {n}", message_id=f"{n}@example.org") for n in range(4))
    bench.server.deliver(first)
    await bench.catch_up()
    await bench.close()
    back_up(tmp_path / "state", tmp_path / "backup.tar", NOW)
    bench.open()
    bench.server.deliver(*gap)
    await bench.catch_up()
    await bench.close()
    shutil.rmtree(tmp_path / "state")
    untar(tmp_path / "backup.tar", tmp_path / "state")
    del bench.server.mails[2]  # somebody deleted one that is a ticket already: the others get other rows than before
    bench.server.deliver(last)
    bench.open()
    await bench.catch_up()
    await bench.close()
    subjects = [entries[0][0].subject for entries in desk.tickets.values()]  # type: ignore[union-attr]
    assert sorted(subjects) == ["number 0", "number 1", "number 2", "number 3"]
