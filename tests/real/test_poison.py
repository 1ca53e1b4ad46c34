"""A mail that breaks the reader, or kills the daemon each time, is parked; the mails around it arrive."""

from __future__ import annotations

import signal

import pytest
from tests.fakes import mail
from tests.lab import mailmix
from tests.lab.daemon import Daemon
from tests.lab.stand import Stand

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def poisoned(stand: Stand) -> None:
    stand.daemon.patches["LAB_POISON"] = "1"


def poison(kind: str) -> bytes:
    return mail("poison", "drink me\r\n", message_id=f"{kind}@example.org", x_poison=kind)


def lay_around(stand: Stand, middle: bytes, others: int = 5) -> None:
    """Mails before and behind it, in one batch."""
    stand.lay([*mailmix.small(others, seed=1), middle, *mailmix.small(others, seed=2)])


def parked(daemon: Daemon) -> list[tuple[str, str, int]]:
    return daemon.ask("SELECT remote_id, reason, attempts FROM intake WHERE parked = 1")


def test_a_mail_that_breaks_the_reader_is_parked_and_the_mail_behind_it_arrives(stand: Stand) -> None:
    lay_around(stand, poison("raise"))
    stand.daemon.start()
    stand.daemon.wait_until_settled(11)
    assert stand.daemon.unit()["state"] == "running"
    assert stand.daemon.command("status").returncode == 1  # a mail waits for a person
    assert stand.daemon.stop() == 0
    assert parked(stand.daemon) == [("6", "unparseable", 0)]
    assert any("mail unreadable intake=6" in line for line in stand.daemon.told("error"))
    assert any(
        "mail parked unit=incoming/box" in line and "remote_id=6 reason=unparseable" in line
        for line in stand.daemon.told("warning")
    )
    assert stand.close().parked == 1


def test_a_mail_that_kills_the_daemon_is_parked_after_two_deaths_and_alone(stand: Stand) -> None:
    lay_around(stand, poison("die"))
    for _ in range(2):
        stand.daemon.start()
        assert stand.daemon.running.wait(20) == -signal.SIGKILL
        stand.assert_nothing_is_marked_without_its_commit()
    stand.daemon.start()
    stand.daemon.wait_until_settled(11)
    assert stand.daemon.stop() == 0
    assert parked(stand.daemon) == [("6", "failed_repeatedly", 2)]
    assert any("reason=failed_repeatedly" in line for line in stand.daemon.told("warning"))
    assert stand.daemon.ask("SELECT sum(attempts) FROM intake_row") == [(2,)], "a mail beside it was blamed"
    assert stand.close().parked == 1


def test_of_a_backlog_a_deadly_mail_kills_two_readers_and_not_the_daemon(stand: Stand) -> None:
    lay_around(stand, poison("die"), others=50)
    stand.daemon.start()
    stand.daemon.wait_until_settled(101)
    assert stand.daemon.stop() == 0
    assert parked(stand.daemon) == [("51", "failed_repeatedly", 2)]
    told = [line for line in stand.daemon.told("error") if "a reader died intake=51" in line]
    assert len(told) == 2
    assert stand.daemon.ask("SELECT sum(attempts) FROM intake_row") == [(2,)], "a mail beside it was blamed"
    assert stand.close().parked == 1
