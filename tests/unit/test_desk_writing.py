"""The embedded desk's rows: times, people, events, and what a ticket costs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from tests.contract.desks import ADA, BEN, NINE, Room, entry_draft, ticket_draft
from tests.stores import desk_tables

from mailwicket import failpoint
from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.backends.desk.reading import READING
from mailwicket.backends.desk.writing import SQL
from mailwicket.model import Address, Flag, IntakeKey, Reason, TicketChange, TicketNumber, TicketRef, TicketStatus
from mailwicket.ports import Desk, JoinsTransaction, KeepsAttachments, Transaction
from mailwicket.timestamp import timestamp

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ONE = TicketRef(TicketNumber(1))


@pytest.fixture
def tx() -> Iterator[sqlite3.Connection]:
    with desk_tables() as connection:
        yield connection


@pytest.fixture
def desk(tmp_path: Path) -> EmbeddedDesk:
    return EmbeddedDesk("desk", EmbeddedDesk.Config(), Room(tmp_path), now=lambda: NOON)


def rows(tx: Transaction, question: str) -> list[Any]:
    return tx.execute(question).fetchall()


def test_it_is_a_desk_that_joins_transactions_and_keeps_attachments(desk: EmbeddedDesk) -> None:
    contract: Desk = desk  # mypy compares the signatures
    assert isinstance(contract, JoinsTransaction)
    assert isinstance(contract, KeepsAttachments)


async def test_a_desk_that_was_never_bound_says_so(desk: EmbeddedDesk) -> None:
    with pytest.raises(RuntimeError, match="bind"):
        await desk.find(IntakeKey("k1"))


def test_every_statement_is_described() -> None:
    for name, statement in [*vars(SQL).items(), *vars(READING).items()]:
        assert statement.startswith("-- "), name


def test_numbers_count_from_one_without_gaps(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    assert [desk.create_in(tx, ticket_draft(), IntakeKey(f"k{n}")).number for n in range(5)] == [1, 2, 3, 4, 5]


def test_a_number_of_a_rolled_back_ticket_goes_to_the_next(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    tx.execute("BEGIN")
    desk.create_in(tx, ticket_draft(), IntakeKey("k1"))
    tx.execute("ROLLBACK")
    assert desk.create_in(tx, ticket_draft(), IntakeKey("k2")) == ONE


def test_a_ticket_is_as_old_as_its_mail_and_the_event_as_its_commit(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    desk.create_in(tx, ticket_draft(), IntakeKey("k1"))
    assert rows(tx, "SELECT created, updated FROM desk_ticket") == [("2026-01-01T09:00:00.000000Z",) * 2]
    assert rows(tx, "SELECT at FROM desk_event") == [("2026-01-01T12:00:00.000000Z",)]


def test_a_mail_that_comes_late_does_not_turn_the_ticket_back(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    desk.create_in(tx, ticket_draft(), IntakeKey("k1"))
    desk.append_in(tx, ONE, entry_draft(received_at=NINE + timedelta(hours=2)), IntakeKey("k2"))
    desk.append_in(tx, ONE, entry_draft(received_at=NINE - timedelta(days=9)), IntakeKey("k3"))
    assert rows(tx, "SELECT created, updated FROM desk_ticket") == [
        ("2026-01-01T09:00:00.000000Z", "2026-01-01T11:00:00.000000Z")
    ]


def test_a_change_is_as_old_as_the_clock_says(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    desk.create_in(tx, ticket_draft(), IntakeKey("k1"))
    desk.change_in(tx, ONE, TicketChange(status=TicketStatus.SPAM), IntakeKey("k2"))
    assert rows(tx, "SELECT status, updated FROM desk_ticket") == [("spam", "2026-01-01T12:00:00.000000Z")]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 1, 9, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))), "2026-01-01T03:45:00.000000Z"),
        (datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "2026-12-31T23:59:59.999999Z"),
        (datetime(987, 6, 5, tzinfo=UTC), "0987-06-05T00:00:00.000000Z"),
    ],
)
def test_times_are_utc_and_sort_as_text(moment: datetime, text: str) -> None:
    assert timestamp(moment) == text


def test_events_tell_what_happened_and_nothing_that_did_not(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    desk.create_in(tx, ticket_draft(), IntakeKey("k1"))
    desk.create_in(tx, ticket_draft(), IntakeKey("k2"))
    desk.append_in(tx, ONE, entry_draft(), IntakeKey("k3"))
    change = TicketChange(status=TicketStatus.CLOSED, add_cc=[BEN], linked_to=TicketNumber(2))
    desk.change_in(tx, ONE, change, IntakeKey("k4"))
    desk.change_in(tx, ONE, TicketChange(status=TicketStatus.OPEN), IntakeKey("k5"))
    told = rows(tx, "SELECT kind, ticket, detail FROM desk_event ORDER BY event")
    assert [(kind, ticket, json.loads(detail)) for kind, ticket, detail in told] == [
        ("TicketCreated", 1, {"entry": 1}),
        ("TicketCreated", 2, {"entry": 2}),
        ("EntryAppended", 1, {"entry": 3}),
        ("TicketChanged", 1, {"status": "closed", "add_cc": ["ben@example.net"], "linked_to": 2}),
        ("TicketChanged", 1, {"status": "open"}),
    ]


def test_a_link_is_kept_once(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    for key in ("k1", "k2"):
        desk.create_in(tx, ticket_draft(), IntakeKey(key))
    for key in ("k3", "k4"):
        desk.change_in(tx, TicketRef(TicketNumber(2)), TicketChange(linked_to=TicketNumber(1)), IntakeKey(key))
    assert rows(tx, "SELECT ticket, linked_to FROM desk_link") == [(2, 1)]


def test_a_person_is_known_once_under_the_first_name_told(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    nameless = Address(None, "GRETE@Example.org")
    desk.create_in(tx, ticket_draft(requester=nameless, cc=[BEN]), IntakeKey("k1"))
    desk.append_in(tx, ONE, entry_draft(author=Address("Grete", "grete@example.org")), IntakeKey("k2"))
    desk.append_in(tx, ONE, entry_draft(author=Address("Other", "Grete@example.org")), IntakeKey("k3"))
    desk.append_in(tx, ONE, entry_draft(author=nameless), IntakeKey("k4"))
    assert rows(tx, "SELECT address, name FROM desk_person ORDER BY address") == [
        ("ada@example.org", "Ada Requester"),  # the author of the first mail
        ("ben@example.net", None),
        ("grete@example.org", "Grete"),
    ]


def test_addresses_of_a_ticket_stay_as_they_were_written(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    loud = Address(None, "LOUD@Example.org")
    desk.create_in(tx, ticket_draft(entry_draft(author=loud), requester=loud, cc=[loud]), IntakeKey("k1"))
    assert rows(
        tx,
        "SELECT requester, author, address FROM desk_ticket JOIN desk_entry ON desk_entry.ticket = number "
        "JOIN desk_cc ON desk_cc.ticket = number",
    ) == [("LOUD@Example.org",) * 3]


def test_flags_are_kept_in_order(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    entry = entry_draft(flags=(Flag.TRUNCATED, Flag.SAME_ID_OTHER_CONTENT), reason=Reason.TOO_LARGE_TRUNCATED)
    desk.create_in(tx, ticket_draft(entry), IntakeKey("k1"))
    assert rows(tx, "SELECT flags, reason FROM desk_entry") == [
        ('["truncated", "same_id_other_content"]', "too_large_truncated")
    ]


def test_the_failpoints_stand_behind_the_rows(
    desk: EmbeddedDesk, tx: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failpoint, "_armed", failpoint._Armed("desk.created:1:eio"))
    with pytest.raises(OSError, match="Input/output"):
        desk.create_in(tx, ticket_draft(), IntakeKey("k1"))
    assert desk.find_in(tx, IntakeKey("k1")) == ONE
    monkeypatch.setattr(failpoint, "_armed", failpoint._Armed("desk.appended:1:eio"))
    with pytest.raises(OSError, match="Input/output"):
        desk.append_in(tx, ONE, entry_draft(), IntakeKey("k2"))
    assert desk.find_in(tx, IntakeKey("k2")) == ONE


def test_a_plain_mail_costs_six_statements(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    ran: list[str] = []
    tx.set_trace_callback(ran.append)
    desk.create_in(tx, ticket_draft(requester=ADA), IntakeKey("k1"))
    assert len(ran) == 6


def test_a_full_batch_costs_hardly_more_statements_than_one(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    keys = [IntakeKey(f"k{n}") for n in range(250)]
    ran: list[str] = []
    tx.set_trace_callback(ran.append)
    writing = desk.join(tx, keys)
    for key in keys:
        writing.create(ticket_draft(requester=ADA), key)
    writing.write()
    tx.set_trace_callback(None)
    assert len(ran) == 6
    assert rows(tx, "SELECT count(*) FROM desk_entry") == [(250,)]


def test_no_statement_leaves_the_transaction_unable_to_end(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    tx.execute("BEGIN")
    tx.execute("SAVEPOINT job")
    desk.create_in(tx, ticket_draft(), IntakeKey("k1"))
    desk.append_in(tx, ONE, entry_draft(), IntakeKey("k2"))
    desk.change_in(tx, ONE, TicketChange(add_cc=[BEN]), IntakeKey("k3"))
    tx.execute("RELEASE job")
    tx.execute("COMMIT")
    assert rows(tx, "SELECT count(*) FROM desk_event") == [(3,)]
