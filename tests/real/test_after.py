"""What becomes of the server's copy once the ticket is on disk."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.lab import mailmix
from tests.lab.dovecot import Dovecot
from tests.lab.ledger import close_books, digest
from tests.lab.stand import Stand

pytestmark = pytest.mark.real

COUNT = 12


def taken(stands: Callable[..., Stand], dovecot: Dovecot, after: str) -> Stand:
    """Let the daemon have a mailbox, answers and a parked mail in it; it dies before it could note what it changed."""
    stand = stands(dovecot, after=after)
    stand.lay([*mailmix.small(COUNT - 1), mailmix.anonymous()])
    stand.daemon.start("intake.settled:1:die")
    assert stand.daemon.died()
    stand.run(COUNT)
    books = close_books(stand.daemon.state_dir, stand.made)
    assert books.balanced, str(books)
    return stand


def folder(stand: Stand, name: str) -> set[str]:
    return {digest(raw) for _, raw in stand.dovecot.served(stand.user, name)}


def flags(stand: Stand) -> set[str]:
    """All flags in INBOX but the server's own."""
    with stand.dovecot.session(stand.user) as imap:
        _, answers = imap.uid("FETCH", "1:*", "(FLAGS)")
    words = " ".join(answer.decode() for answer in answers if answer)
    return {word for word in ("\\Seen", "\\Deleted", "\\Answered", "\\Flagged", "\\Draft") if word in words}


def test_seen_marks_each_mail_and_changes_nothing_else(stands: Callable[..., Stand], dovecot: Dovecot) -> None:
    stand = taken(stands, dovecot, "seen")
    assert folder(stand, "INBOX") == stand.made
    assert stand.unseen() == []
    assert flags(stand) == {"\\Seen"}


def test_leave_changes_nothing(stands: Callable[..., Stand], dovecot: Dovecot) -> None:
    stand = taken(stands, dovecot, "leave")
    assert folder(stand, "INBOX") == stand.made
    assert len(stand.unseen()) == COUNT
    assert flags(stand) == set()


def test_delete_leaves_nothing(stands: Callable[..., Stand], dovecot: Dovecot) -> None:
    stand = taken(stands, dovecot, "delete")
    assert folder(stand, "INBOX") == set()


def test_delete_leaves_what_other_people_flagged_as_deleted(stands: Callable[..., Stand], dovecot: Dovecot) -> None:
    stand = stands(dovecot, after="delete", start_from="now")
    old = [*mailmix.small(1, seed=8)]
    stand.lay(old)
    with dovecot.session(stand.user, readonly=False) as imap:
        imap.uid("STORE", "1", "+FLAGS", r"(\Deleted)")
        stand.daemon.start()
        stand.daemon.wait_until_idle()
        new = [*mailmix.small(2, seed=9)]
        stand.lay(new)
        stand.daemon.wait_until_settled(2)
        assert stand.daemon.stop() == 0
    assert folder(stand, "INBOX") == {digest(raw) for raw in old}


def test_move_brings_each_mail_into_the_folder_once_and_makes_it_first(
    stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    stand = taken(stands, dovecot, "move:Done/Helpdesk")
    assert folder(stand, "INBOX") == set()
    assert folder(stand, "Done/Helpdesk") == stand.made
    assert len(dovecot.uids(stand.user, "Done/Helpdesk")) == COUNT
    new = [*mailmix.small(3, seed=9)]
    stand.lay(new)  # the folder is there now
    stand.run(COUNT + 3)
    assert folder(stand, "INBOX") == set()
    assert folder(stand, "Done/Helpdesk") == stand.made
