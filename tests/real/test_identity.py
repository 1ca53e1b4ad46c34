"""What makes a mail itself: its place on the server and its bytes. The Message-ID is a hint."""

from __future__ import annotations

import json

import pytest
from tests.fakes import mail
from tests.lab.ledger import close_books, digest
from tests.lab.stand import Stand

pytestmark = pytest.mark.real


def test_two_different_mails_with_one_message_id_are_both_kept_and_the_second_is_flagged(stand: Stand) -> None:
    stand.lay([mail("first", "one\r\n", message_id="same@example.org")])
    stand.lay([mail("second", "two\r\n", message_id="same@example.org")])
    stand.run(2)
    stand.close()
    assert stand.daemon.reasons() == ["created", "created"]
    flags = stand.daemon.ask("SELECT flags FROM desk_entry ORDER BY entry")
    assert [json.loads(flag) for (flag,) in flags] == [[], ["same_id_other_content"]]


def test_three_different_mails_without_any_message_id_are_three_tickets(stand: Stand) -> None:
    stand.lay(mail("no id", f"mail {number}\r\n") for number in range(3))
    stand.run(3)
    stand.close()
    assert stand.daemon.reasons() == ["created"] * 3


def test_a_second_copy_of_a_mail_is_known_as_one_and_opens_no_ticket(stand: Stand) -> None:
    raw = mail("once", "the same\r\n", message_id="once@example.org")
    stand.lay([raw, raw])
    stand.run(2)
    assert stand.daemon.reasons() == ["created", "duplicate"]
    books = close_books(stand.daemon.state_dir, [digest(raw)])
    assert books.balanced, str(books)
    assert stand.unseen() == []
