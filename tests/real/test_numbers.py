"""The server gives its mails new numbers (UIDVALIDITY): nothing is done twice, nothing skipped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.lab import mailmix
from tests.lab.dovecot import Dovecot
from tests.lab.stand import Stand

pytestmark = pytest.mark.real

HALF = 500


@pytest.fixture(scope="module")
def feed() -> list[bytes]:
    return [*mailmix.mix(2 * HALF, largest_bytes=20_000)]


def close(stand: Stand, renumberings: int) -> None:
    stand.close()
    count = stand.daemon.ask("SELECT count(*) FROM event WHERE kind = 'MailboxRenumbered'")
    assert count == [(renumberings,)]


@pytest.mark.parametrize(
    "death",
    [
        pytest.param(
            "intake.fetched:1:die", marks=pytest.mark.torture
        ),  # the second half is seen, nothing of it fetched
        "intake.settled:2:die",  # of a part the copies are marked and the rows do not say so, another part is kept
    ],
)
def test_1000_mails_with_new_numbers_in_the_middle_of_the_work_are_known_again(
    stand: Stand, feed: list[bytes], death: str
) -> None:
    stand.lay(feed[:HALF])
    stand.run(HALF)
    stand.lay(feed[HALF:])
    stand.daemon.start(death)
    assert stand.daemon.died()
    ((kept,),) = stand.daemon.ask("SELECT count(*) FROM kept")
    assert kept == 2 * HALF if "fetched" not in death else kept == HALF
    stand.dovecot.renumber(stand.user)
    stand.catch_up()
    close(stand, renumberings=1)
    known = stand.daemon.ask("SELECT count(*) FROM intake WHERE renumbered_from IS NOT NULL")
    assert known == [(kept,)]


@pytest.mark.parametrize("renumber", [Dovecot.renumber, Dovecot.revalidate])
def test_new_numbers_while_the_daemon_waits_for_mail_double_nothing(
    stands: Callable[..., Stand], dovecot: Dovecot, feed: list[bytes], renumber: Callable[[Dovecot, str], None]
) -> None:
    # Of a changed UIDVALIDITY alone Dovecot tells when it is asked: at the sweep beside IDLE.
    stand = stands(dovecot, poll_s=1)
    stand.lay(feed[:50])
    stand.daemon.start()
    stand.daemon.wait_until_idle()
    renumber(dovecot, stand.user)
    stand.lay(feed[50:60])
    stand.wait_until_caught_up()
    assert stand.daemon.stop() == 0
    close(stand, renumberings=1)


def test_numbers_that_change_twice_double_nothing(stand: Stand, feed: list[bytes]) -> None:
    for part in range(3):
        stand.lay(feed[part * 30 : part * 30 + 30])
        if part:
            stand.dovecot.renumber(stand.user)
        stand.catch_up()
    close(stand, renumberings=2)


def test_old_numbers_that_come_back_lose_nothing(stand: Stand, feed: list[bytes]) -> None:
    """A repaired server takes its list of numbers back: mail that was only seen under them is still to be fetched."""
    stand.lay(feed[:60])
    stand.daemon.start("intake.fetched:1:die")
    assert stand.daemon.died()
    with stand.dovecot.renumbered_for_a_while(stand.user):
        stand.daemon.start("intake.fetched:1:die")
        assert stand.daemon.died()
    stand.catch_up()
    close(stand, renumberings=2)
