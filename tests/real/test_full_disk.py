"""The state directory's disk is full: mail waits on its server, unmarked, and all goes on when there is room."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from tests.lab import mailmix
from tests.lab.daemon import MIB, Daemon
from tests.lab.disk import SmallDisk
from tests.lab.dovecot import Dovecot
from tests.lab.needs import allowed
from tests.lab.processes import until
from tests.lab.stall import lag_watched
from tests.lab.stand import Stand

pytestmark = pytest.mark.real


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with allowed("a small disk"):
        mounted = SmallDisk(tmp_path / "disk", 18 * MIB)
    yield mounted
    mounted.unmount()


def too_much(seed: int) -> Iterator[bytes]:
    """30 MB: mails that share a segment, and some that come in slices."""
    for number in range(12):
        yield from mailmix.mix(12, seed + number, largest_bytes=30_000)
        yield mailmix.large(700_000 if number % 2 else 3_000_000, seed + number)


def is_full(stand: Stand) -> bool:
    unit = stand.daemon.unit()
    return (unit["state"], unit["reason"]) == ("waiting", "disk_full")


def decided(daemon: Daemon) -> int:
    return daemon.count("done") + daemon.count("settled")


def hold_and_go_on(stand: Stand, disk: SmallDisk, mails: Iterable[bytes], full_s: float, cpu_share: float) -> None:
    stand.lay(mails)
    daemon = stand.daemon
    daemon.start_and_answer()
    # What was kept when the room ended is decided at the next try.
    until(lambda: is_full(stand) and decided(daemon), 60, what="the full disk")
    with lag_watched(daemon, f"disk full for {full_s:.0f} s"):
        go_on(stand, disk, full_s, cpu_share)


def go_on(stand: Stand, disk: SmallDisk, full_s: float, cpu_share: float) -> None:
    daemon = stand.daemon
    stand.assert_nothing_is_marked_without_its_commit()
    assert decided(daemon) < len(stand.made)
    status = daemon.command("status")
    assert status.returncode == 2
    told = " ".join(status.stdout.split())
    assert "No space left on device" in told or "disk is full" in told

    began, used = time.monotonic(), daemon.cpu_s()
    time.sleep(full_s)
    share = (daemon.cpu_s() - used) / (time.monotonic() - began)
    stand.assert_nothing_is_marked_without_its_commit()
    lines = [line for line in daemon.told("error") if "mail waits on its server" in line]

    before = decided(daemon)
    disk.resize(300 * MIB)
    roomy = time.monotonic()
    until(lambda: decided(daemon) > before, 60, what="the first mail after room was made")
    first_s = time.monotonic() - roomy
    daemon.wait_until_settled(len(stand.made), limit_s=120)
    print(
        f"disk full: {len(stand.made)} mails, {100 * share:.1f} % CPU, told {len(lines)} times, "
        f"the first mail {first_s:.1f} s after room, all {time.monotonic() - roomy:.1f} s"
    )
    assert daemon.unit()["state"] == "running"
    assert daemon.ask("SELECT sum(attempts) FROM intake_row") == [(0,)]
    assert share < cpu_share
    assert 0 < len(lines) <= 3, lines  # the segment's words and the database's


def close(stand: Stand) -> None:
    assert stand.daemon.stop() == 0
    books = stand.close()
    assert books.parked == 0
    print(books)


def test_a_full_disk_holds_mail_on_its_server_and_room_lets_it_come(
    stands: Callable[..., Stand], dovecot: Dovecot, disk: SmallDisk
) -> None:
    stand = stands(dovecot, state_dir=disk.path / "state")
    hold_and_go_on(stand, disk, too_much(1), full_s=2, cpu_share=0.2)
    close(stand)


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_a_disk_that_is_full_for_ten_minutes_costs_next_to_nothing(
    stands: Callable[..., Stand], dovecot: Dovecot, disk: SmallDisk
) -> None:
    stand = stands(dovecot, state_dir=disk.path / "state")
    disk.resize(16 * MIB)
    hold_and_go_on(stand, disk, mailmix.small(5000), full_s=600, cpu_share=0.02)
    close(stand)


def test_a_restart_on_a_full_disk_waits_for_room(
    stands: Callable[..., Stand], dovecot: Dovecot, disk: SmallDisk
) -> None:
    stand = stands(dovecot, state_dir=disk.path / "state")
    stand.lay(mailmix.small(3))
    stand.run(3)
    ballast = disk.fill()
    stand.lay(mailmix.small(3, seed=2))
    stand.daemon.start_and_answer()
    until(lambda: is_full(stand), 30, what="the full disk")
    ballast.unlink()
    stand.daemon.wait_until_settled(6)
    assert stand.daemon.stop() == 0
    stand.close()


@pytest.mark.parametrize("missing", ["everything", "in-hand"])
def test_a_start_without_room_ends_with_a_line_that_says_so(
    stands: Callable[..., Stand], dovecot: Dovecot, disk: SmallDisk, missing: str
) -> None:
    stand = stands(dovecot, state_dir=disk.path / "state")
    stand.lay(mailmix.small(3))
    if missing != "everything":
        stand.run(0)
        (disk.path / "state" / missing).unlink()
    ballast = disk.fill()
    stand.daemon.start()
    assert stand.daemon.running.wait(20) == 1
    assert stand.daemon.log.splitlines()[-1].startswith("mailwicket: ")
    assert "No space left on device" in stand.daemon.log.splitlines()[-1]
    ballast.unlink()
    stand.run(3)
    stand.close()
