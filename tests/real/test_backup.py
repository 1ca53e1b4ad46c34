"""A backup of a daemon at work, the state directory lost, the backup put back: the books balance all the same."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.lab import mailmix
from tests.lab.daemon import MIB
from tests.lab.disk import SmallDisk
from tests.lab.dovecot import Dovecot
from tests.lab.processes import until
from tests.lab.stand import Stand
from tests.stores import untar

pytestmark = pytest.mark.real


@contextmanager
def arriving(stand: Stand, mails: list[bytes], pause_s: float = 0.01) -> Iterator[None]:
    """Have *mails* arrive one after another meanwhile."""
    stop = threading.Event()

    def arrive() -> None:
        for raw in mails:
            if stop.wait(pause_s):
                return
            stand.lay([raw])

    thread = threading.Thread(target=arrive)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def backed_up(stand: Stand, name: str) -> Path:
    """Make a backup beside whatever the daemon does."""
    file = stand.daemon.directory / name
    told = stand.daemon.command("backup", str(file), "--json")
    assert (told.returncode, told.stderr) == (0, ""), told.stderr
    assert json.loads(told.stdout)["faults"] == []
    return file


def put_back(stand: Stand, file: Path) -> int:
    """Lose the state directory, put *file* in its place, and return how many mails it knows."""
    checked = stand.daemon.command("backup", "--verify", str(file), "--json")
    assert checked.returncode == 0, checked.stderr
    shutil.rmtree(stand.daemon.state_dir)
    untar(file, stand.daemon.state_dir)
    return int(json.loads(checked.stdout)["backup"]["mails"])


def settled(stand: Stand) -> int:
    return stand.daemon.count("settled")


def test_a_backup_amid_a_backlog_that_is_put_back_an_hour_later_loses_and_doubles_nothing(stand: Stand) -> None:
    stand.lay(mailmix.mix(300, seed=1, largest_bytes=40_000))
    daemon = stand.daemon
    daemon.start_and_answer()
    with arriving(stand, [*mailmix.mix(1000, seed=2, largest_bytes=40_000)]):
        until(lambda: settled(stand) > 100, 30, 0.01)
        files = [backed_up(stand, f"{number}.tar") for number in range(3)]
        until(lambda: daemon.count("seen") + daemon.count("fetched") + daemon.count("done") > 0, 10, 0.001)
    stand.lay([mailmix.anonymous(5), *mailmix.mix(30, seed=3, largest_bytes=40_000)])
    daemon.wait_until_settled(len(stand.made))
    assert daemon.stop() == 0
    known = []
    for file in files:
        known.append(put_back(stand, file))
        stand.catch_up()
        books = stand.close()
        print(f"put back with {known[-1]} mails known: {books}")
    assert all(0 < count < len(stand.made) for count in known)
    assert known == sorted(known)


def test_mail_that_was_moved_since_the_backup_comes_again_when_it_is_moved_back(
    stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    stand = stands(dovecot, after="move:Done")
    dovecot.fill(stand.user, [], "Done")
    stand.lay(mailmix.small(20))
    stand.run(20)
    file = backed_up(stand, "backup.tar")
    stand.lay(mailmix.small(30, seed=2))
    stand.run(50)
    assert put_back(stand, file) == 20
    with dovecot.session(stand.user, "Done", readonly=False) as imap:
        assert imap.uid("MOVE", "1:*", "INBOX")[0] == "OK"  # too many of them: those of before are known by their ids
    stand.configure(after="seen")
    stand.catch_up()
    assert sorted(stand.daemon.reasons()).count("duplicate") == 20
    stand.close()


def test_a_damaged_store_is_refused_and_comes_back_from_a_backup(stand: Stand) -> None:
    stand.lay(mailmix.small(60))
    stand.run(60)
    file = backed_up(stand, "backup.tar")
    stand.lay(mailmix.small(30, seed=2))
    stand.run(90)
    path = stand.daemon.state_dir / "mailwicket.db"
    with path.open("r+b") as database:
        database.seek(3 * 8192)
        database.write(random.Random(1).randbytes(20 * 8192))
    for damage in ("noise", "gone"):
        if damage == "gone":
            path.unlink()
        stand.daemon.start()
        assert stand.daemon.running.wait(20) == 1
        line = stand.daemon.log.splitlines()[-1]
        assert line.startswith("mailwicket: store ")
        assert "put a backup back" in line
        assert path.exists() == (damage == "noise")
        assert stand.daemon.command("backup", str(file) + ".new").returncode == 1
    assert put_back(stand, file) == 60
    stand.catch_up()
    stand.close()


def test_a_backup_onto_a_full_disk_is_told_and_leaves_nothing(stand: Stand, tmp_path: Path) -> None:
    if os.getuid():
        pytest.skip("only root can mount a small disk")
    try:
        disk = SmallDisk(tmp_path / "small", 2 * MIB)
    except subprocess.CalledProcessError:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        stand.lay(mailmix.mix(40, largest_bytes=100_000))
        stand.run(40)
        told = stand.daemon.command("backup", str(disk.path / "backup.tar"))
        assert told.returncode == 1
        assert str(disk.path / "backup.tar") in told.stderr
        assert "full" in told.stderr or "No space left on device" in told.stderr
        assert list(disk.path.iterdir()) == []
        assert list((stand.daemon.state_dir / "backup").iterdir()) == []
    finally:
        disk.unmount()


def test_the_daemon_hardly_notices_a_backup(stand: Stand) -> None:
    """Its commits and its event loop go on: what a new mail waits for is not the backup."""
    stand.lay(mailmix.mix(400, seed=7, largest_bytes=200_000))
    daemon = stand.daemon
    daemon.start_and_answer()
    daemon.wait_until_settled(400)
    waits = []
    with closing(subprocess_of_backups(stand)) as backups:
        next(backups)
        for number in range(10):
            began = time.monotonic()
            stand.lay(mailmix.small(1, seed=100 + number))
            daemon.wait_until_settled(401 + number)
            waits.append(time.monotonic() - began)
        made = next(backups)
    print(f"{made} backups meanwhile; a new mail was settled within {max(waits):.2f} s")
    assert made > 1
    assert daemon.metric("mailwicket_loop_lag_max_seconds") < 1
    assert daemon.stop() == 0
    stand.close()


def subprocess_of_backups(stand: Stand) -> Iterator[int]:
    """Make one backup after another from the first `next` to the second, which returns their number."""
    stop = threading.Event()
    made = []

    def make() -> None:
        while not stop.is_set():
            backed_up(stand, "again.tar").unlink()
            made.append(1)

    thread = threading.Thread(target=make)
    thread.start()
    try:
        yield 0
        stop.set()
        thread.join()
        yield len(made)
    finally:
        stop.set()
        thread.join()
