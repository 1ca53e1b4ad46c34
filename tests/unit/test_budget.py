"""How much each correspondent sent within an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailwicket.facts import Lately
from mailwicket.flow import budget as module
from mailwicket.flow.budget import Budget
from mailwicket.mail.parse import parse
from mailwicket.model import TicketNumber

NOW = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)
ANN, BOB = (parse(f"From: {name}@example.com\r\n\r\nx\r\n".encode()) for name in ("Ann", "bob"))
SEVEN, EIGHT = TicketNumber(7), TicketNumber(8)


def test_what_opened_tickets_and_what_joined_one_is_counted_apart() -> None:
    budget = Budget()
    budget.note(ANN, SEVEN, NOW, opened=True)
    budget.note(ANN, SEVEN, NOW, opened=False)
    budget.note(ANN, SEVEN, NOW, opened=False)
    budget.note(ANN, EIGHT, NOW, opened=True)
    assert budget.lately(ANN, SEVEN, NOW) == Lately(opened=2, joined=2)
    assert budget.lately(ANN, EIGHT, NOW) == Lately(opened=2, joined=0)
    assert budget.lately(ANN, None, NOW) == Lately(opened=2)
    assert budget.lately(BOB, SEVEN, NOW) == Lately()


def test_an_address_is_one_in_whatever_case() -> None:
    budget = Budget()
    budget.note(parse(b"From: ANN@EXAMPLE.COM\r\n\r\nx\r\n"), SEVEN, NOW, opened=False)
    assert budget.lately(ANN, SEVEN, NOW).joined == 1


def test_the_hour_is_the_one_in_which_the_mail_was_received() -> None:
    budget = Budget()
    budget.note(ANN, SEVEN, NOW, opened=False)
    assert budget.lately(ANN, SEVEN, NOW + timedelta(hours=1)) == Lately()
    assert budget.lately(ANN, SEVEN, NOW - timedelta(days=1)) == Lately()


def test_how_often_a_ticket_was_opened_again_counts_for_all() -> None:
    budget = Budget()
    budget.note(ANN, SEVEN, NOW, opened=False)
    budget.note_reopened(SEVEN, NOW)
    assert budget.lately(BOB, SEVEN, NOW) == Lately(reopened=1)
    assert budget.lately(ANN, EIGHT, NOW) == Lately()


def test_nobody_is_counted_who_has_no_address() -> None:
    nobody = parse(b"Subject: x\r\n\r\nx\r\n")
    budget = Budget()
    budget.note(nobody, SEVEN, NOW, opened=True)
    budget.note(ANN, SEVEN, NOW, opened=True)
    assert budget.lately(nobody, SEVEN, NOW) == Lately()


def test_memory_has_an_end_and_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COUNTED_MAX", 3)
    budget = Budget()
    for number in range(1, 6):
        budget.note(ANN, TicketNumber(number), NOW, opened=False)
    assert [budget.lately(ANN, TicketNumber(number), NOW).joined for number in range(1, 6)] == [0, 0, 1, 1, 1]
    for number in range(5):
        budget.note_hits("support", [f"keywords: {number}"])
    assert len(budget.hits()) == 3
