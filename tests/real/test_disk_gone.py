"""The kernel takes the disk away: it turns read-only under open files, or no write returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.lab import mailmix
from tests.lab.daemon import MIB
from tests.lab.disk import LoopDisk
from tests.lab.dovecot import Dovecot
from tests.lab.needs import allowed
from tests.lab.processes import side_by_side, until
from tests.lab.stall import lag_watched
from tests.lab.stand import Stand

pytestmark = pytest.mark.real

TOLD_WITHIN_S = 20.0
"""readyz knows of a write that hangs after 5 s; the rest is for a mail to come, on a busy machine."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[LoopDisk]:
    with allowed("a disk in a file"):
        mounted = LoopDisk(tmp_path / "loop", 320 * MIB)
    yield mounted
    mounted.unmount()


@pytest.fixture
def on_disk(stands: Callable[..., Stand], dovecot: Dovecot, disk: LoopDisk) -> Iterator[Stand]:
    stand = stands(dovecot, state_dir=disk.path / "state")
    yield stand
    stand.daemon.end()


def seen(stand: Stand) -> set[int]:
    return set(stand.dovecot.uids(stand.user, criterion="SEEN"))


def go_read_only(stand: Stand, disk: LoopDisk, mails: int, fault_s: float) -> None:
    stand.lay(mailmix.small(5))
    stand.run(5)
    daemon = stand.daemon
    stand.lay(mailmix.mix(mails, seed=2, largest_bytes=30_000))
    daemon.start_and_answer()
    until(lambda: daemon.count("done"), 30, 0.002, "the first tickets")
    with lag_watched(daemon, f"read-only for {fault_s:.0f} s"):
        disk.turn_read_only()
        until(lambda: daemon.ready() == (False, "disk_error"), 20, what="readyz")
        until(lambda: daemon.unit()["state"] == "waiting", 10, 0.002, "waiting")
        said = daemon.unit()["said"]
        assert any(words in said for words in ("disk I/O error", "Input/output error", "Read-only file system"))
        before = seen(stand)
        assert len(before) < mails + 5, "all was done before"
        spent_s, began = daemon.cpu_s(), time.monotonic()
        time.sleep(fault_s)
        share = (daemon.cpu_s() - spent_s) / (time.monotonic() - began)
        assert seen(stand) == before, "flags were set during the fault"
        stand.assert_nothing_is_marked_without_its_commit()
        assert daemon.lives_within_s() < 5
    assert daemon.stop() == 0

    daemon.start()  # as systemd does
    assert daemon.running.wait(20) == 1
    assert daemon.log.splitlines()[-1].startswith("mailwicket: ")
    assert "Read-only file system" in daemon.log.splitlines()[-1]
    disk.unmount()
    disk.mount()
    daemon.start_and_answer()
    daemon.wait_until_settled(mails + 5)
    assert daemon.stop() == 0
    assert daemon.ask("SELECT sum(attempts) FROM intake_row") == [(0,)], "a mail was blamed"
    print(f"read-only: {stand.close()}, flags set during the fault 0, CPU {100 * share:.1f} %")


def test_a_disk_that_turns_read_only_sets_no_flag_and_all_goes_on_when_it_is_mounted_anew(
    on_disk: Stand, disk: LoopDisk
) -> None:
    go_read_only(on_disk, disk, mails=800, fault_s=3)


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_a_disk_that_is_read_only_for_two_minutes_sets_no_flag(on_disk: Stand, disk: LoopDisk) -> None:
    go_read_only(on_disk, disk, mails=2000, fault_s=120)


def hang(stand: Stand, disk: LoopDisk, fault_s: float) -> None:
    stand.lay(mailmix.small(5))
    daemon = stand.daemon
    daemon.start_and_answer()
    daemon.wait_until_settled(5)
    slowest_s = 0.0
    with lag_watched(daemon, f"disk hangs for {fault_s:.0f} s"):
        with disk.hangs():
            began = time.monotonic()
            stand.deliver(*mailmix.small(3, seed=2), mailmix.large(1_300_000, 9))
            until(lambda: daemon.ready() == (False, "disk_hangs"), TOLD_WITHIN_S, what="readyz")
            told_s = time.monotonic() - began
            assert daemon.command("status").returncode == 2
            stand.dovecot.kick(stand.user)  # what is then cleaned up touches the disk, too
            while time.monotonic() < began + fault_s:
                slowest_s = max(slowest_s, daemon.lives_within_s())
                time.sleep(0.2)
            assert len(seen(stand)) == 5
        daemon.wait_until_settled(9)
        until(lambda: daemon.ready() == (True, None), 10, what="readiness")
    assert daemon.stop() == 0
    told = f"readyz told it after {told_s:.1f} s, livez within {1000 * slowest_s:.0f} ms"
    print(f"disk hangs: {stand.close()}, {told}")
    assert slowest_s < 5


def test_a_disk_that_hangs_stops_neither_livez_nor_the_word_of_readyz(on_disk: Stand, disk: LoopDisk) -> None:
    hang(on_disk, disk, fault_s=8)


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_a_disk_that_hangs_for_two_minutes_is_outlasted(on_disk: Stand, disk: LoopDisk) -> None:
    hang(on_disk, disk, fault_s=120)


def never_return(stand: Stand, place: str) -> None:
    stand.lay([*mailmix.small(4), mailmix.large(1_300_000)])
    daemon = stand.daemon
    daemon.start(f"{place}:1:hang")
    until(lambda: daemon.answers() and daemon.ready() == (False, "disk_hangs"), 20, what="readyz")
    assert daemon.lives_within_s() < 5
    assert len(stand.unseen()) == 5
    daemon.kill()
    stand.run(5)
    stand.close()


def test_a_write_that_never_returns_is_told_and_costs_no_mail(stands: Callable[..., Stand], dovecot: Dovecot) -> None:
    places = ("commit.before", "segment.sync", "spool.sync")
    side_by_side([partial(never_return, stands(dovecot), place) for place in places], at_once=3)
