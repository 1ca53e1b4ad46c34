"""Tickets as other programs read them: the JSON of `tickets list` and `tickets show`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.contract.desks import BEN, CLEO, NINE, Room, attachment, entry_draft, ticket_draft
from tests.stores import desk_tables

from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.backends.desk.reading import READING, list_tickets, show_ticket
from mailwicket.model import EntryKind, Flag, IntakeKey, MessageId, Reason, TicketChange, TicketNumber, TicketStatus


@pytest.fixture
def tx() -> Iterator[sqlite3.Connection]:
    with desk_tables() as connection:
        yield connection


@pytest.fixture
def desk(tmp_path: Path) -> EmbeddedDesk:
    return EmbeddedDesk("desk", EmbeddedDesk.Config(), Room(tmp_path), now=lambda: NINE + timedelta(hours=3))


@pytest.fixture
def filled(desk: EmbeddedDesk, tx: sqlite3.Connection) -> sqlite3.Connection:
    """One ticket of each status, the first with three entries and an attachment."""
    first = desk.create_in(tx, ticket_draft(cc=[CLEO, BEN], group="first", company="Example"), IntakeKey("k1"))
    picture = entry_draft(
        text="see picture",
        received_at=NINE + timedelta(hours=1),
        message_id=MessageId("2@example.org"),
        attachments=[attachment(), attachment(filename=None, inline=True, content_id="logo")],
        reason=Reason.REPLY_PUBLIC,
        flags=[Flag.SAME_ID_OTHER_CONTENT],
    )
    desk.append_in(tx, first, picture, IntakeKey("k2"))
    note = entry_draft(author=None, kind=EntryKind.NOTE, public=False, text="ours", message_id=MessageId("3@local"))
    desk.append_in(tx, first, note, IntakeKey("k3"))
    for status in (TicketStatus.CLOSED, TicketStatus.MERGED, TicketStatus.DELETED, TicketStatus.SPAM):
        ticket = desk.create_in(tx, ticket_draft(), IntakeKey(f"new {status}"))
        desk.change_in(tx, ticket, TicketChange(status=status), IntakeKey(f"is {status}"))
    return tx


def test_a_list_has_exactly_the_promised_keys(filled: sqlite3.Connection) -> None:
    assert list_tickets(filled, all=False) == [
        {
            "number": 1,
            "subject": "Printer",
            "requester": "ada@example.org",
            "cc": ["cleo@example.com", "ben@example.net"],
            "status": "open",
            "group": "first",
            "category": None,
            "company": "Example",
            "assignee": None,
            "created": "2026-01-01T09:00:00.000000Z",
            "updated": "2026-01-01T10:00:00.000000Z",
            "followers": [],
            "linked": [],
            "entries": 3,
            "message_ids": ["1@example.org", "2@example.org"],
        }
    ]


def test_only_all_lists_what_is_not_open(filled: sqlite3.Connection) -> None:
    assert [ticket["status"] for ticket in list_tickets(filled, all=False)] == ["open"]
    assert [(ticket["number"], ticket["status"]) for ticket in list_tickets(filled, all=True)] == [
        (1, "open"),
        (2, "closed"),
        (3, "merged"),
        (4, "deleted"),
        (5, "spam"),
    ]


def test_a_shown_ticket_is_the_listed_one_with_its_entries(filled: sqlite3.Connection) -> None:
    shown = show_ticket(filled, TicketNumber(1))
    assert shown is not None
    (listed,) = list_tickets(filled, all=False)
    assert {**shown, "entries": len(shown["entries"])} == listed
    assert shown["entries"][1] == {
        "author": "ada@example.org",
        "public": True,
        "kind": "mail",
        "text": "see picture",
        "received": "2026-01-01T10:00:00.000000Z",
        "message_id": "2@example.org",
        "raw_sha256": "ab" * 32,
        "attachments": [
            {"filename": "fire.png", "content_type": "image/png", "size": 3, "sha256": "cd" * 32, "inline": False},
            {"filename": None, "content_type": "image/png", "size": 3, "sha256": "cd" * 32, "inline": True},
        ],
        "reason": "reply_public",
        "flags": ["same_id_other_content"],
    }


def test_flags_and_yes_or_no_are_of_their_json_types(filled: sqlite3.Connection) -> None:
    shown = json.loads(json.dumps(show_ticket(filled, TicketNumber(1))))
    assert [entry["public"] for entry in shown["entries"]] == [True, True, False]
    assert [entry["flags"] for entry in shown["entries"]] == [[], ["same_id_other_content"], []]
    assert [a["inline"] for a in shown["entries"][1]["attachments"]] == [False, True]


def test_a_closed_ticket_is_shown_and_an_unknown_one_is_none(filled: sqlite3.Connection) -> None:
    closed = show_ticket(filled, TicketNumber(2))
    assert closed is not None
    assert closed["status"] == "closed"
    assert show_ticket(filled, TicketNumber(6)) is None


def test_an_empty_desk_lists_nothing(tx: sqlite3.Connection) -> None:
    assert list_tickets(tx, all=True) == []


@pytest.mark.parametrize("name", ["tickets", "cc", "entry_ids", "entries", "attachments", "attachments_in_raw"])
def test_one_ticket_is_found_without_walking_through_all(tx: sqlite3.Connection, name: str) -> None:
    values = {"first": 1, "last": 1, "all": True, "ticket": 1, "raw_sha256": "ab" * 32}
    plan = [row[3] for row in tx.execute(f"EXPLAIN QUERY PLAN {getattr(READING, name)}", values)]
    assert plan
    assert [step for step in plan if step.startswith("SCAN")] == []
