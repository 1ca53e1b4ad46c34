"""A hundred mailboxes and 64 descriptors: some connect, their mail is taken, and room is used without a restart."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from tests.lab import mailmix
from tests.lab.daemon import MIB, Daemon
from tests.lab.dovecot import Dovecot
from tests.lab.ledger import close_books, digest
from tests.lab.processes import until
from tests.lab.stall import lag_watched

pytestmark = pytest.mark.real

FEW, MANY = 64, 4096


def states(daemon: Daemon) -> dict[str, set[str]]:
    """The names of the mailboxes by their state, with its reason where there is one."""
    found: dict[str, set[str]] = {}
    for name, unit in daemon.units().items():
        state = f"{unit['state']} {unit['reason']}" if unit["state"] == "waiting" else unit["state"]
        found.setdefault(state, set()).add(name.removeprefix("incoming/"))
    return found


def deliver(dovecot: Dovecot, users: list[str]) -> None:
    """Lay a small mail and one that comes in slices into each mailbox."""
    for number, user in enumerate(users, start=1000):
        dovecot.fill(user, [*mailmix.small(1, number), mailmix.large(1_200_000, number)])


def settled(daemon: Daemon) -> int:
    return sum(count for (count,) in daemon.ask("SELECT count(*) FROM intake WHERE state = 'settled'"))


def use_up(daemon: Daemon, dovecot: Dovecot, boxes: list[str], fault_s: float, *, poll: bool) -> None:
    for user in boxes:
        dovecot.fill(user, [])
    dovecot.stop()
    daemon.start_and_answer()
    # It may have raised its soft limit at the start. The hard one stays: not everybody may raise it again.
    resource.prlimit(daemon.running.pid, resource.RLIMIT_NOFILE, (FEW, MANY))
    dovecot.start()
    with lag_watched(daemon, f"{len(boxes)} mailboxes, {FEW} descriptors for {fault_s:.0f} s"):
        until(lambda: not states(daemon).keys() & {"starting", "waiting unreachable"}, 60, 0.1, "as many as can be")
        now = states(daemon)
        running, waiting = now["running"], now["waiting too_many_files"]
        assert len(running) >= 10
        assert len(running | waiting) == len(boxes)
        said = daemon.unit(min(waiting))["said"]
        assert "too many open files: of 64 that the system allows, the last 21 are not for connections" in said
        assert "raise LimitNOFILE" in said
        connections = daemon.connections(dovecot.imap)

        deliver(dovecot, boxes)
        began = time.monotonic()
        until(lambda: settled(daemon) >= 2 * len(running), 30, 0.1, "the mail of those that are connected")
        taken_s = time.monotonic() - began
        assert daemon.descriptors() < FEW
        spent_s, began = daemon.cpu_s(), time.monotonic()
        time.sleep(fault_s)
        share = (daemon.cpu_s() - spent_s) / (time.monotonic() - began)
        until(lambda: daemon.ready() == (True, None), 60, 0.5, "readiness")
        assert daemon.command("status").returncode == 1
        assert connections <= daemon.connections(dovecot.imap)

        resource.prlimit(daemon.running.pid, resource.RLIMIT_NOFILE, (MANY, MANY))
        raised = time.monotonic()
        if poll:
            for name in waiting:
                daemon.post(f"/api/v1/units/incoming/{name}/poll")
        until(lambda: settled(daemon) >= 2 * len(boxes), 200, 0.1, "all mail")
        back_s = time.monotonic() - raised
        until(lambda: len(states(daemon).get("running", ())) == len(boxes), 30, 0.1, "all mailboxes")
    assert daemon.stop() == 0
    told = [line for line in daemon.told("warning", "error") if "open files" in line]
    assert len(told) <= len(waiting) + len(running)
    # Mails that come in slices need a file each: a few may have been refused one, and were tried again. A reader that
    # finds no descriptor is done without: the mails are read in the daemon.
    known = ("spool: Too many open files; mail waits", "a reader died: it could not be started: Too many open files")
    assert [line for line in daemon.told("error") if not any(words in line for words in known)] == []
    assert daemon.ask("SELECT sum(attempts) FROM intake_row") == [(0,)], "a mail was blamed"
    books = close_books(daemon.state_dir, [digest(raw) for user in boxes for _, raw in dovecot.served(user)])
    assert books.balanced, str(books)
    assert books.made == 2 * len(boxes)
    print(
        f"descriptors: {books}; {len(running)} of {len(boxes)} connected, their mail after {taken_s:.1f} s, "
        f"CPU {100 * share:.1f} %, all mail {back_s:.1f} s after the limit was raised"
    )
    assert share < 0.05


def daemon_of(dovecot: Dovecot, boxes: list[str], directory: Path) -> Daemon:
    daemon = Daemon(directory, {name: dovecot.box(name) for name in boxes})
    daemon.patches = {"LAB_WHOLE_BYTES": str(MIB)}
    return daemon


def test_mailboxes_beyond_the_descriptors_wait_and_the_others_lose_nothing(
    own_dovecot: Dovecot, tmp_path: Path
) -> None:
    boxes = [f"many{number}" for number in range(60)]
    daemon = daemon_of(own_dovecot, boxes, tmp_path)
    try:
        use_up(daemon, own_dovecot, boxes, 4, poll=True)
    finally:
        daemon.end()


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_a_hundred_mailboxes_with_64_descriptors_are_back_when_the_limit_is_raised(
    own_dovecot: Dovecot, tmp_path: Path
) -> None:
    boxes = [f"many{number}" for number in range(100)]
    daemon = daemon_of(own_dovecot, boxes, tmp_path)
    try:
        use_up(daemon, own_dovecot, boxes, 60, poll=False)
    finally:
        daemon.end()
