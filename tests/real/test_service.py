"""The daemon as a service: it is told of new mail, it is alone, and it stops in order."""

from __future__ import annotations

import re
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.lab import mailmix
from tests.lab.dovecot import Dovecot
from tests.lab.processes import until
from tests.lab.stand import Stand

pytestmark = pytest.mark.real

POLL_S = 300  # no sweep comes to help
STOP_S = 10  # stop_timeout_s
COUNT = 900


def test_20_mails_that_arrive_one_by_one_are_tickets_without_waiting_for_the_poll(
    stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    stand = stands(dovecot, poll_s=POLL_S)
    daemon = stand.daemon
    daemon.start()
    daemon.wait_until_idle()
    delays = []
    for number, raw in enumerate(mailmix.small(20), 1):
        sent = time.monotonic()
        stand.deliver(raw)
        until(lambda: daemon.count("settled") == number, 10, 0.005, "the ticket")  # noqa: B023 - called at once
        delays.append(time.monotonic() - sent)
    print(f"arrival to settled: median {sorted(delays)[10] * 1000:.0f} ms, worst {max(delays) * 1000:.0f} ms")
    assert daemon.stop() == 0
    stand.close()


def ignores_hangups(process: int) -> bool:
    ignored = re.search(r"^SigIgn:\s*([0-9a-f]+)$", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    return ignored is not None and bool(int(ignored[1], 16) & 1)


def test_a_hangup_before_it_is_ready_is_no_end(stand: Stand) -> None:
    daemon, sent = stand.daemon, 0
    daemon.start()
    until(lambda: ignores_hangups(daemon.running.pid), 5, 0.001, "Python's start")
    while not daemon.answers():
        daemon.running.send_signal(signal.SIGHUP)
        sent += 1
        time.sleep(0.03)
    assert sent > 5
    assert daemon.stop() == 0


def test_a_second_daemon_on_one_state_directory_ends_with_75_and_the_first_works_on(stand: Stand) -> None:
    stand.lay(mailmix.small(1))
    stand.daemon.start()
    stand.daemon.wait_until_settled(1)
    second = stand.daemon.command("run")
    assert second.returncode == 75
    assert f"is in use by another mailwicket (process {stand.daemon.running.pid})" in second.stderr
    stand.lay(mailmix.small(1, seed=2))
    stand.daemon.wait_until_settled(2)
    assert stand.daemon.stop() == 0
    stand.close()


def test_a_stop_amid_a_batch_is_orderly_and_the_next_start_goes_on(stand: Stand) -> None:
    stand.lay(mailmix.mix(COUNT, seed=9, largest_bytes=60_000))
    stops = 0
    while stand.daemon.count("settled") < COUNT:
        before = stand.daemon.count("settled")
        stand.daemon.start_and_answer()
        until(lambda: stand.daemon.count("settled") > before, 20, 0.001, "the first mail")  # noqa: B023 - called at once
        began = time.monotonic()
        assert stand.daemon.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < STOP_S
        stops += stand.daemon.count("settled") < COUNT
        stand.assert_nothing_is_marked_without_its_commit()
    assert stops > 0, "no stop came amid the work"
    stand.catch_up()
    stand.close()
    assert stand.daemon.ask("SELECT sum(attempts) FROM intake_row") == [(0,)], "a stop was taken for a death"
    assert stand.daemon.told("warning", "error") == []


def test_a_stop_does_not_wait_for_somebody_who_holds_the_database(stand: Stand) -> None:
    stand.lay(mailmix.small(3))
    daemon = stand.daemon
    daemon.start_and_answer()
    daemon.wait_until_settled(3)
    with closing(sqlite3.connect(daemon.state_dir / "mailwicket.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stand.deliver(*mailmix.small(1, seed=2))
        time.sleep(1)  # it waits for us now
        begun = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - begun < 8
    stand.run(4)
    stand.close()
