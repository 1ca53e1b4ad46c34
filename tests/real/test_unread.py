"""What Dovecot says is unread is what the journal knows, whoever marked it."""

from __future__ import annotations

import pytest
from tests.lab import mailmix
from tests.lab.daemon import Daemon
from tests.lab.dovecot import Dovecot
from tests.lab.processes import until
from tests.lab.stand import Stand

pytestmark = pytest.mark.real

COUNT = 60


def wait_for(daemon: Daemon, unread: int, untaken: int, limit_s: float = 15) -> None:
    """Wait until the daemon has counted so."""

    def holds() -> bool:
        unit = daemon.unit()
        return (unit["unread"], unit["untaken"]) == (unread, untaken)

    until(holds, limit_s, 0.05, f"unread {unread} and untaken {untaken}")


def mark_unread(dovecot: Dovecot, user: str, uids: list[int]) -> None:
    """Take the mark of *uids* away as another client."""
    with dovecot.session(user, readonly=False) as imap:
        result, words = imap.uid("STORE", ",".join(map(str, uids)), "-FLAGS.SILENT", r"(\Seen)")
        assert result == "OK", words


def test_after_catching_up_nothing_is_untaken_and_what_a_person_marks_unread_again_was_taken(
    stands: object, dovecot: Dovecot
) -> None:
    stand: Stand = stands(dovecot, poll_s=1)  # type: ignore[operator]
    stand.lay(mailmix.mix(COUNT, seed=7, largest_bytes=20_000))
    stand.daemon.start_and_answer()
    stand.wait_until_caught_up()
    wait_for(stand.daemon, 0, 0)
    uids = dovecot.uids(stand.user)
    mark_unread(dovecot, stand.user, uids[3:10])
    wait_for(stand.daemon, 7, 0)
    stand.deliver(*mailmix.mix(5, seed=8, largest_bytes=5_000))
    stand.daemon.wait_until_settled(COUNT + 5)
    wait_for(stand.daemon, 7, 0)
    assert stand.daemon.stop() == 0
    stand.daemon.start_and_answer()
    wait_for(stand.daemon, 7, 0)
    assert stand.daemon.stop() == 0


def test_mail_from_before_the_beginning_is_not_counted_and_mail_that_the_journal_lost_is(
    stands: object, dovecot: Dovecot
) -> None:
    stand: Stand = stands(dovecot, poll_s=1, start_from="now")  # type: ignore[operator]
    stand.lay(mailmix.mix(20, seed=9, largest_bytes=5_000))
    stand.daemon.start_and_answer()
    wait_for(stand.daemon, 0, 0)
    stand.deliver(*mailmix.mix(6, seed=10, largest_bytes=5_000))
    stand.daemon.wait_until_settled(6)
    wait_for(stand.daemon, 0, 0)
    assert len(dovecot.uids(stand.user, criterion="UNSEEN")) == 20
    assert stand.daemon.stop() == 0
    lost = stand.daemon.ask("SELECT remote_id FROM intake ORDER BY intake_id")[:2]
    _forget(stand, [uid for (uid,) in lost])
    mark_unread(dovecot, stand.user, [int(uid) for (uid,) in lost])
    stand.daemon.start_and_answer()
    wait_for(stand.daemon, 2, 2)
    assert stand.daemon.get("/metrics").decode().count('mailwicket_unit_untaken_mails{unit="incoming/box"} 2.0') == 1
    assert stand.daemon.stop() == 0


def _forget(stand: Stand, uids: list[str]) -> None:
    """Have the journal say that these were gone before they could be fetched."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(stand.daemon.state_dir / "mailwicket.db")) as database, database:
        for uid in uids:
            database.execute("UPDATE intake_row SET state = 5 WHERE remote_id = ?", (uid,))
