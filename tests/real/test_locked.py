"""Somebody else holds the database: mail waits, nobody is logged out, and it goes on when the lock is gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest
from tests.lab import mailmix
from tests.lab.dovecot import Dovecot
from tests.lab.locker import locked
from tests.lab.processes import side_by_side, until
from tests.lab.stall import lag_watched
from tests.lab.stand import Stand

pytestmark = pytest.mark.real

SHORT_BUSY_S = 3.0


def prompt(stand: Stand, seconds: float) -> None:
    """Let time pass; the loop answers all the while, how soon is measured elsewhere."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert stand.daemon.lives_within_s() < 5
        time.sleep(min(0.5, seconds / 10))


def hold(stand: Stand, held_s: float, backlog: int) -> None:
    """Lock while it idles, or amid a backlog."""
    daemon, mails = stand.daemon, backlog or 3
    stand.lay(mailmix.small(mails))
    daemon.start_and_answer()
    if backlog:
        until(lambda: daemon.count("settled") + daemon.count("done"), 30, 0.002, "the first tickets")
    else:
        daemon.wait_until_idle()
    connections = daemon.connections(stand.dovecot.imap)
    with lag_watched(daemon, f"database locked for {held_s:.0f} s, {mails} mails before"):
        with locked(daemon.state_dir):
            began = time.monotonic()
            stand.deliver(*mailmix.small(2, seed=2))
            until(lambda: daemon.ready() == (False, "store_locked"), 10, what="readyz")
            told_s = time.monotonic() - began
            stand.assert_nothing_is_marked_without_its_commit()
            prompt(stand, held_s - (time.monotonic() - began))
            stand.assert_nothing_is_marked_without_its_commit()
        freed = time.monotonic()
        daemon.wait_until_settled(mails + 2, limit_s=90)
        over_s = time.monotonic() - freed
        until(lambda: daemon.ready() == (True, None), 10, what="readiness")
    assert daemon.connections(stand.dovecot.imap) == connections, "the connection was not kept"
    assert daemon.stop() == 0
    print(f"{stand.close()}; readyz told it after {told_s:.1f} s, all done {over_s:.1f} s after, connection kept")
    lines = [line for line in daemon.told("error") if line.startswith("incoming/box")]
    assert len(lines) <= 1, lines
    assert len(daemon.told("error")) <= 2 + len(lines), "the same alert again and again"
    assert daemon.ask("SELECT sum(attempts) FROM intake_row") == [(0,)]


def test_a_locked_database_is_outlasted_in_idle_and_amid_a_backlog(
    stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    jobs = []
    for backlog in (0, 1300):  # three pages of a look: one that could not be noted is looked at again
        stand = stands(dovecot)
        stand.daemon.patches["LAB_BUSY_S"] = str(SHORT_BUSY_S)
        jobs.append(partial(hold, stand, 3 * SHORT_BUSY_S, backlog))
    side_by_side(jobs)


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_a_database_locked_for_ten_minutes_is_outlasted(stands: Callable[..., Stand], dovecot: Dovecot) -> None:
    cases = [(60.0, 0), (600.0, 0), (600.0, 2000)]
    side_by_side([partial(hold, stands(dovecot), *case) for case in cases], at_once=3)
