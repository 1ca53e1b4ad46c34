"""What every desk promises, whichever adapter keeps the tickets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.contract.desks import ADA, BEN, CLEO, HARNESSES, Bench, EmbeddedBench, entry_draft, ticket_draft

from mailwicket.errors import PermanentError
from mailwicket.model import (
    EntryKind,
    IntakeKey,
    MessageId,
    Reason,
    TicketChange,
    TicketNumber,
    TicketRef,
    TicketStatus,
)
from mailwicket.ports import JoinsTransaction, Transaction

INSTALLED = sorted(entry_points(group="mailwicket.backends"), key=lambda point: point.name)
JOINING = [point for point in INSTALLED if hasattr(point.load(), "join")]

ODD_TEXTS = [
    "",
    " \t\r\n ",
    "emoji \N{FIRE}\N{FIRE ENGINE} \N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}",
    "'; DROP TABLE desk_ticket; --",
    "\x1b[31mred\x1b[0m \x07\x7f\x85",
    "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe \N{LINE SEPARATOR}\ufeff\uffff",
    "long " * 400_000,
]


@pytest.fixture(params=INSTALLED, ids=lambda point: point.name)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with HARNESSES[request.param.name](tmp_path) as running:
        yield running


@pytest.mark.parametrize("point", INSTALLED, ids=lambda point: point.name)
def test_every_installed_desk_has_a_harness_and_is_the_class_under_test(point: Any) -> None:
    assert point.name in HARNESSES
    assert isinstance(point.load().Config, type)


@pytest.mark.parametrize("point", INSTALLED, ids=lambda point: point.name)
def test_a_config_refuses_unknown_keys_without_showing_their_values(point: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        point.load().Config.model_validate({"pasword": "canary-4711"})
    assert "pasword" in str(caught.value)
    assert "canary-4711" not in str(caught.value)


async def test_a_created_ticket_has_everything_of_its_draft(bench: Bench) -> None:
    draft = ticket_draft(cc=[CLEO, BEN], group="first", category="hardware", company="Example")
    ticket = await bench.desk.create(draft, IntakeKey("k1"))
    shown = await bench.ticket(ticket.number)
    assert {key: shown[key] for key in ("number", "subject", "requester", "cc", "status", "message_ids")} == {
        "number": ticket.number,
        "subject": "Printer",
        "requester": "ada@example.org",
        "cc": ["cleo@example.com", "ben@example.net"],
        "status": "open",
        "message_ids": ["1@example.org"],
    }
    assert (shown["group"], shown["category"], shown["company"]) == ("first", "hardware", "Example")
    assert [entry["text"] for entry in shown["entries"]] == ["The printer is on fire."]


async def test_the_same_create_again_returns_the_same_ticket_and_changes_nothing(bench: Bench) -> None:
    first = await bench.desk.create(ticket_draft(), IntakeKey("k1"))
    before = await bench.ticket(first.number)
    again = await bench.desk.create(ticket_draft(subject="Other", cc=[BEN]), IntakeKey("k1"))
    assert again == first
    assert await bench.ticket(first.number) == before
    assert await bench.count() == 1


async def test_equal_drafts_under_different_keys_are_different_tickets(bench: Bench) -> None:
    tickets = [await bench.desk.create(ticket_draft(), IntakeKey(key)) for key in ("k1", "k2", "k3")]
    assert len({ticket.number for ticket in tickets}) == 3
    assert await bench.count() == 3


async def test_the_same_append_again_changes_nothing(bench: Bench) -> None:
    ticket = await bench.desk.create(ticket_draft(), IntakeKey("k1"))
    await bench.desk.append(ticket, entry_draft(text="second"), IntakeKey("k2"))
    before = await bench.ticket(ticket.number)
    await bench.desk.append(ticket, entry_draft(text="third"), IntakeKey("k2"))
    assert await bench.ticket(ticket.number) == before
    assert [entry["text"] for entry in before["entries"]] == ["The printer is on fire.", "second"]


async def test_the_same_change_again_changes_nothing(bench: Bench) -> None:
    ticket = await bench.desk.create(ticket_draft(), IntakeKey("k1"))
    await bench.desk.change(ticket, TicketChange(status=TicketStatus.CLOSED), IntakeKey("k2"))
    await bench.desk.change(ticket, TicketChange(status=TicketStatus.OPEN), IntakeKey("k3"))
    before = await bench.ticket(ticket.number)
    await bench.desk.change(ticket, TicketChange(status=TicketStatus.CLOSED), IntakeKey("k2"))
    assert await bench.ticket(ticket.number) == before
    assert before["status"] == "open"


async def test_find_tells_the_ticket_of_every_kind_of_effect_and_none_of_an_unknown_one(bench: Bench) -> None:
    ticket = await bench.desk.create(ticket_draft(), IntakeKey("k1"))
    await bench.desk.append(ticket, entry_draft(), IntakeKey("k2"))
    await bench.desk.change(ticket, TicketChange(add_cc=[BEN]), IntakeKey("k3"))
    assert [await bench.desk.find(IntakeKey(key)) for key in ("k1", "k2", "k3")] == [ticket] * 3
    assert await bench.desk.find(IntakeKey("k4")) is None


async def test_an_unknown_ticket_is_nothing_that_time_could_mend_and_leaves_no_trace(bench: Bench) -> None:
    nowhere = TicketRef(TicketNumber(4711))
    with pytest.raises(PermanentError, match="4711"):
        await bench.desk.append(nowhere, entry_draft(), IntakeKey("k1"))
    with pytest.raises(PermanentError, match="4711"):
        await bench.desk.change(nowhere, TicketChange(status=TicketStatus.CLOSED), IntakeKey("k2"))
    assert [await bench.desk.find(IntakeKey(key)) for key in ("k1", "k2")] == [None, None]
    assert await bench.count() == 0


async def test_a_link_to_an_unknown_ticket_is_refused_and_the_rest_of_the_change_too(bench: Bench) -> None:
    ticket = await bench.desk.create(ticket_draft(), IntakeKey("k1"))
    change = TicketChange(status=TicketStatus.CLOSED, add_cc=[BEN], linked_to=TicketNumber(4711))
    with pytest.raises(PermanentError, match="4711"):
        await bench.desk.change(ticket, change, IntakeKey("k2"))
    shown = await bench.ticket(ticket.number)
    assert (shown["status"], shown["cc"]) == ("open", [])
    assert await bench.desk.find(IntakeKey("k2")) is None


async def test_a_change_leaves_alone_what_it_does_not_name(bench: Bench) -> None:
    other = await bench.desk.create(ticket_draft(), IntakeKey("k1"))
    ticket = await bench.desk.create(ticket_draft(cc=[BEN]), IntakeKey("k2"))
    await bench.desk.change(ticket, TicketChange(status=TicketStatus.CLOSED), IntakeKey("k3"))
    await bench.desk.change(ticket, TicketChange(linked_to=other.number), IntakeKey("k4"))
    shown = await bench.ticket(ticket.number)
    assert (shown["status"], shown["cc"], len(shown["entries"])) == ("closed", ["ben@example.net"], 1)
    assert (await bench.ticket(other.number))["status"] == "open"


async def test_an_address_gets_copies_once_however_it_is_written(bench: Bench) -> None:
    ticket = await bench.desk.create(ticket_draft(cc=[BEN, CLEO]), IntakeKey("k1"))
    shouted = type(BEN)("Ben", "BEN@Example.NET")
    await bench.desk.change(ticket, TicketChange(add_cc=[shouted, ADA]), IntakeKey("k2"))
    assert (await bench.ticket(ticket.number))["cc"] == ["ben@example.net", "cleo@example.com", "ada@example.org"]


async def test_an_entry_keeps_who_may_see_it_and_why_it_is_there(bench: Bench) -> None:
    ticket = await bench.desk.create(ticket_draft(), IntakeKey("k1"))
    note = entry_draft(author=None, public=False, kind=EntryKind.NOTE, message_id=None, reason=Reason.BOUNCE_ATTACHED)
    await bench.desk.append(ticket, note, IntakeKey("k2"))
    shown = await bench.ticket(ticket.number)
    entry = shown["entries"][1]
    assert [entry[key] for key in ("author", "public", "kind", "message_id", "reason")] == [
        None,
        False,
        "note",
        None,
        "bounce_attached",
    ]
    assert shown["message_ids"] == ["1@example.org"]


async def test_a_thousand_entries_stay_in_the_order_in_which_they_came(bench: Bench) -> None:
    ticket = await bench.desk.create(ticket_draft(), IntakeKey("k0"))
    ids = [f"{(n * 37) % 1000}@example.org" for n in range(1, 1000)]  # not in the order of any column
    for number, message_id in enumerate(ids, 1):
        entry = entry_draft(text=f"entry {number}", message_id=MessageId(message_id))
        await bench.desk.append(ticket, entry, IntakeKey(f"k{number}"))
    shown = await bench.ticket(ticket.number)
    assert shown["message_ids"] == ["1@example.org", *ids]
    assert [entry["text"] for entry in shown["entries"]][1:] == [f"entry {number}" for number in range(1, 1000)]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text)[1:20])
async def test_odd_text_comes_back_as_it_was_given(bench: Bench, text: str) -> None:
    entry = entry_draft(text=text, html=text, message_id=MessageId(text))
    ticket = await bench.desk.create(ticket_draft(entry, subject=text), IntakeKey("k1"))
    shown = await bench.ticket(ticket.number)
    assert shown["subject"] == text
    assert shown["message_ids"] == [text]
    assert shown["entries"][0]["text"] == text


# --- desks that join the caller's transaction


class ChangedMindError(Exception):
    """The caller's transaction fails after the desk did its part."""


@pytest.fixture(params=JOINING, ids=lambda point: point.name)
async def joining(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EmbeddedBench]:
    async with HARNESSES[request.param.name](tmp_path) as running:
        assert isinstance(running.desk, JoinsTransaction)
        assert isinstance(running, EmbeddedBench)
        yield running


async def test_what_is_rolled_back_with_the_callers_transaction_never_happened(joining: EmbeddedBench) -> None:
    desk = joining.desk
    ticket = await desk.create(ticket_draft(), IntakeKey("k1"))
    before = await joining.ticket(ticket.number)

    def fail_after_three_effects(tx: Transaction) -> None:
        joined = desk.join(tx, [IntakeKey("k2"), IntakeKey("k3"), IntakeKey("k4")])
        joined.create(ticket_draft(), IntakeKey("k2"))
        joined.append(ticket, entry_draft(), IntakeKey("k3"))
        joined.change(ticket, TicketChange(status=TicketStatus.CLOSED, add_cc=[BEN]), IntakeKey("k4"))
        joined.write()
        raise ChangedMindError

    with pytest.raises(ChangedMindError):
        await joining.in_transaction(fail_after_three_effects)
    assert [await desk.find(IntakeKey(key)) for key in ("k2", "k3", "k4")] == [None] * 3
    assert await joining.ticket(ticket.number) == before
    assert await joining.count() == 1


async def test_within_one_transaction_later_steps_see_earlier_ones(joining: EmbeddedBench) -> None:
    desk = joining.desk

    def two_mails_of_a_thread(tx: Transaction) -> TicketRef:
        joined = desk.join(tx, [IntakeKey("k1"), IntakeKey("k2")])
        ticket = joined.create(ticket_draft(), IntakeKey("k1"))
        assert joined.create(ticket_draft(), IntakeKey("k1")) == ticket
        joined.append(ticket, entry_draft(text="answer"), IntakeKey("k2"))
        joined.append(ticket, entry_draft(text="answer"), IntakeKey("k2"))
        joined.write()
        again = desk.join(tx, [IntakeKey("k1"), IntakeKey("k2")])
        assert again.create(ticket_draft(), IntakeKey("k1")) == ticket
        again.append(ticket, entry_draft(text="answer"), IntakeKey("k2"))
        again.write()
        return ticket

    ticket = await joining.in_transaction(two_mails_of_a_thread)
    assert [entry["text"] for entry in (await joining.ticket(ticket.number))["entries"]][1:] == ["answer"]


async def test_a_refused_effect_leaves_the_others_of_its_batch_alone(joining: EmbeddedBench) -> None:
    desk = joining.desk

    def three_mails(tx: Transaction) -> TicketRef:
        joined = desk.join(tx, [IntakeKey("k1"), IntakeKey("k2"), IntakeKey("k3")])
        ticket = joined.create(ticket_draft(), IntakeKey("k1"))
        with pytest.raises(PermanentError):
            joined.append(TicketRef(TicketNumber(4711)), entry_draft(), IntakeKey("k2"))
        joined.append(ticket, entry_draft(text="answer"), IntakeKey("k3"))
        joined.write()
        return ticket

    ticket = await joining.in_transaction(three_mails)
    assert len((await joining.ticket(ticket.number))["entries"]) == 2
    assert await desk.find(IntakeKey("k2")) is None


async def test_numbers_go_on_behind_the_last_batch(joining: EmbeddedBench) -> None:
    first = await joining.desk.create(ticket_draft(), IntakeKey("k1"))
    second = await joining.desk.create(ticket_draft(), IntakeKey("k2"))
    assert second.number == first.number + 1
