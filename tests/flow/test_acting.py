"""What is asked of tickets beside mail: once for each key, all or nothing, and of a desk elsewhere only told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from tests.fakes import FakeDesk, FakeNet, mail
from tests.flow.test_intake import Bench

from mailwicket import failpoint as failpoints
from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.errors import ConflictError, MailwicketError, StoreError, UnknownError
from mailwicket.flow.acting import Acting, Asked, NewTicket
from mailwicket.flow.actions import ACTIONS, Action
from mailwicket.model import TicketNumber, TicketStatus
from mailwicket.rules.directory import Directory, Person, Role
from mailwicket.rules.own import OwnAddresses
from mailwicket.rules.policy import Home, Policy
from mailwicket.store import audit
from mailwicket.store.tickets import TicketBook

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
TESS, IDLE = "tess@example.net", "idle@example.net"
PEOPLE = [Person(TESS, "Tess", Role.TECHNICIAN), Person(IDLE, None, Role.TECHNICIAN, active=False)]
POLICY = Policy(
    own=OwnAddresses(["desk@example.net"]),
    directory=Directory(PEOPLE, {"example.org": "Example"}),
    homes={"box": Home("box", "desk@example.net", group="first line", category="Mail", company="Other")},
)
ONE = TicketNumber(1)
ME = Asked("uid 1000")


class Counter:
    """A store with one ticket, and somebody who acts on it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.now = NOW
        self.policy = POLICY
        self.acting = Acting(bench.store, lambda: bench.desk, lambda: self.policy, lambda: self.now)

    async def act(self, do: str, asked: Asked = ME, number: int = 1, **words: str) -> dict[str, object]:
        return dict(await self.acting.act(Action(do, TicketNumber(number), **words), asked))

    def status(self, number: int = 1) -> TicketStatus:
        facts = self.bench.store.read(lambda tx: TicketBook(tx).find(TicketNumber(number)))
        assert facts is not None
        return facts.status

    def rows(self) -> list[tuple[str, str, str]]:
        found = self.bench.store.read(audit.rows)
        return [(row["actor"], row["action"], row["object"]) for row in found]


async def counters(directory: Path, desk: EmbeddedDesk | FakeDesk) -> AsyncIterator[Counter]:
    bench = Bench(directory, desk)
    bench.open()
    bench.server.deliver(mail(message_id="q@example.org", cc="ben@example.org"))
    await bench.catch_up()
    yield Counter(bench)
    await bench.close()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Counter]:
    async for one in counters(tmp_path, EmbeddedDesk("desk", EmbeddedDesk.Config(), FakeNet(tmp_path))):
        yield one


@pytest.fixture
async def elsewhere(tmp_path: Path) -> AsyncIterator[Counter]:
    async for one in counters(tmp_path, FakeDesk()):
        yield one


# --- the embedded desk


async def test_facts_desk_and_audit_change_together(here: Counter) -> None:
    told = await here.act("close", by=TESS)
    assert (told["status"], told["closed"], told["unit"]) == ("closed", "2026-03-01T09:00:00.000000Z", "incoming/box")
    assert here.bench.ask("SELECT status FROM desk_ticket") == [("closed",)]
    assert here.rows() == [("uid 1000", "ticket.close", "1")]


@pytest.mark.parametrize("name", ["commit.before", "commit.after"])
async def test_a_failing_disk_changes_nothing_or_all(here: Counter, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(failpoints, "_armed", failpoints._Armed(f"{name}:1:eio"))
    with pytest.raises(StoreError):
        await here.act("close")
    after = name == "commit.after"
    assert here.status() is (TicketStatus.CLOSED if after else TicketStatus.OPEN)
    assert here.bench.ask("SELECT status FROM desk_ticket") == [("closed" if after else "open",)]
    assert len(here.rows()) == after


@pytest.mark.parametrize(
    ("do", "words", "error", "said"),
    [
        ("close", {"by": "eve@example.org"}, UnknownError, "eve@example.org is no technician of the directory"),
        ("assign", {"to": IDLE}, ConflictError, "is not active"),
        ("assign", {"to": "eve@example.org"}, UnknownError, "is no technician"),
        ("note", {"text": " \n"}, ConflictError, "a note without words"),
        ("reopen", {}, ConflictError, "ticket 1 is open: it cannot be reopened"),
        ("merge", {"to": "one"}, UnknownError, "merge wants the number"),
        ("merge", {"to": "9" * 5000}, UnknownError, "merge wants the number"),
        ("merge", {"to": "1"}, ConflictError, "merged into itself"),
        ("merge", {"to": "9"}, UnknownError, "there is no ticket 9"),
        ("remove-cc", {"to": "eve@example.org"}, UnknownError, "gets no copies of ticket 1"),
        ("explode", {}, UnknownError, "there is no action explode"),
    ],
)
async def test_what_is_refused_changes_nothing_and_is_not_in_the_audit(
    here: Counter, do: str, words: dict[str, str], error: type[MailwicketError], said: str
) -> None:
    with pytest.raises(error, match=said):
        await here.act(do, **words)
    assert here.rows() == []
    assert here.bench.ask("SELECT count(*) FROM desk_event") == [(1,)]


@pytest.mark.parametrize("do", ACTIONS)
async def test_the_same_key_again_is_answered_as_the_first_time_and_changes_nothing(here: Counter, do: str) -> None:
    here.bench.server.deliver(mail("Other", author="cleo@example.org", message_id="o@example.org"))
    await here.bench.catch_up()
    if do == "reopen":
        await here.act("close")
    words = {
        "reply": {"text": "x"},
        "note": {"text": "x"},
        "assign": {"to": TESS},
        "merge": {"to": "2"},
        "remove-cc": {"to": "ben@example.org"},
    }
    asked = Asked("token", "4711")
    first = await here.act(do, asked, **words.get(do, {}))
    effects = here.bench.ask("SELECT count(*) FROM desk_event")
    rows = here.rows()
    here.now += timedelta(days=29)
    assert await here.act(do, asked, **words.get(do, {})) == first
    assert here.bench.ask("SELECT count(*) FROM desk_event") == effects
    assert here.rows() == rows
    with pytest.raises(ConflictError, match="this Idempotency-Key was used for something else"):
        await here.act(do, asked, number=2, **words.get(do, {}))


async def test_many_at_once_with_one_key_are_one(here: Counter) -> None:
    answers: list[object] = []

    async def close() -> None:
        answers.append(await here.act("note", Asked("token", "same"), text="x"))

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(close)
    assert len(answers) == 20
    assert here.bench.ask("SELECT count(*) FROM desk_entry WHERE kind = 'note'") == [(1,)]


async def test_answers_are_forgotten_after_their_time(here: Counter) -> None:
    await here.act("note", Asked("token", "old"), text="x")
    here.now += timedelta(days=31)
    await here.act("note", Asked("token", "new"), text="x")
    assert here.bench.ask("SELECT count(*) FROM asked") == [(1,)]


async def test_a_new_ticket_takes_what_its_mailbox_and_its_requester_say(here: Counter) -> None:
    new = NewTicket(
        "Ada <ada@example.org>", " Chair \n broken ", "It wobbles.", cc=["ben@example.org", "BEN@example.org"]
    )
    bare = await here.acting.open(new, ME)
    assert (bare["number"], bare["group"], bare["company"], bare["unit"]) == (2, None, "Example", None)
    assert bare["cc"] == ["ben@example.org"]
    home = await here.acting.open(NewTicket("eve@example.com", "x", unit="box", by=TESS), ME)
    assert (home["group"], home["category"], home["company"]) == ("first line", "Mail", "Other")
    shown = await here.acting.shown(TicketNumber(2))
    assert (shown["subject"], shown["entries"][0]["author"], shown["entries"][0]["public"]) == (
        "Chair broken", "ada@example.org", True,
    )  # fmt: skip
    assert here.rows() == [("uid 1000", "ticket.new", "2"), ("uid 1000", "ticket.new", "3")]


async def test_a_new_ticket_without_a_mailbox_is_at_home_in_the_primary_one(here: Counter) -> None:
    here.policy = replace(POLICY, primary="box")
    told = await here.acting.open(NewTicket("eve@example.com", "x"), ME)
    assert (told["unit"], told["group"]) == ("incoming/box", "first line")


async def test_who_asks_for_a_new_ticket_again_is_answered_whatever_holds_today(here: Counter) -> None:
    new, asked = NewTicket("ada@example.org", "x", unit="box", by=TESS), Asked("token", "4711")
    first = await here.acting.open(new, asked)
    here.policy = Policy()
    assert await here.acting.open(new, asked) == first
    with pytest.raises(UnknownError):
        await here.acting.open(new, ME)


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (NewTicket("ada@example.org"), "a ticket wants a subject"),
        (NewTicket("", "x"), "an address is wanted"),
        (NewTicket("a@example.org, b@example.org", "x"), "an address is wanted"),
        (NewTicket("desk+1@example.net", "x"), "is one of our own addresses"),
        (NewTicket("ada@example.org", "x", cc=["desk@example.net"]), "is one of our own addresses"),
        (NewTicket("ada@example.org", "x", cc=[f"{n}@example.org" for n in range(49)]), "at most 48 get copies"),
        (NewTicket("ada@example.org", "x", unit="sales"), "there is no mailbox sales; there are: box"),
        (NewTicket("ada@example.org", "x", by=IDLE), "is not active"),
        (NewTicket("ada@example.org", "x", number=7), "get their numbers from it"),
    ],
)
async def test_a_new_ticket_that_cannot_be_is_refused(here: Counter, new: NewTicket, said: str) -> None:
    with pytest.raises(MailwicketError, match=said):
        await here.acting.open(new, ME)
    assert here.rows() == []
    assert here.bench.ask("SELECT count(*) FROM desk_ticket") == [(1,)]


async def test_a_reply_to_a_merged_ticket_and_a_reopened_one_follow_what_people_did(here: Counter) -> None:
    here.bench.server.deliver(mail("Other", author="cleo@example.org", message_id="o@example.org"))
    await here.bench.catch_up()
    await here.act("merge", number=2, to="1")
    here.bench.server.deliver(
        mail("Re: Other", author="cleo@example.org", message_id="r@example.org", in_reply_to="o@example.org")
    )
    await here.bench.catch_up()
    assert here.bench.ask("SELECT ticket FROM intake ORDER BY intake_id") == [(1,), (2,), (1,)]


# --- a desk elsewhere


async def test_what_a_desk_elsewhere_tells_changes_what_is_known_and_asks_nothing_of_it(elsewhere: Counter) -> None:
    desk = elsewhere.bench.desk
    assert isinstance(desk, FakeDesk)
    calls = desk.calls
    closed = await elsewhere.act("close", Asked("token", at=NOW - timedelta(days=3)))
    assert (closed["status"], closed["closed"]) == ("closed", "2026-02-26T09:00:00.000000Z")
    again = await elsewhere.act("close", Asked("token", at=NOW))
    assert again == closed, "it was closed when it told so first"
    assert (await elsewhere.act("assign", to="somebody@example.com"))["assignee"] == "somebody@example.com"
    assert (await elsewhere.act("remove-cc", to="ben@example.org"))["cc"] == []
    assert (await elsewhere.act("remove-cc", to="ben@example.org"))["cc"] == []
    assert (await elsewhere.act("reopen"))["status"] == "open"
    assert (await elsewhere.act("spam"))["status"] == "spam"
    assert (await elsewhere.act("delete"))["status"] == "deleted"
    assert desk.calls == calls
    assert len(elsewhere.rows()) == 8


async def test_a_ticket_that_a_desk_elsewhere_opened_is_known_by_its_number(elsewhere: Counter) -> None:
    told = await elsewhere.acting.open(NewTicket("ada@example.org", number=77, unit="box"), ME)
    assert (told["number"], told["requester"], told["unit"]) == (77, "ada@example.org", "incoming/box")
    assert (await elsewhere.act("close", number=77))["status"] == "closed"
    again = await elsewhere.acting.open(NewTicket("eve@example.org", number=77), ME)
    assert (again["requester"], again["status"]) == ("ada@example.org", "closed"), "it stays as it is known"
    assert (await elsewhere.act("merge", to="77"))["merged_into"] == 77


async def test_what_a_desk_elsewhere_keeps_itself_is_refused(elsewhere: Counter) -> None:
    for wanted in (
        elsewhere.act("note", text="x"),
        elsewhere.acting.open(NewTicket("ada@example.org", "x"), ME),
        elsewhere.acting.listed(every=True),
        elsewhere.acting.shown(ONE),
    ):
        with pytest.raises(ConflictError, match="the backend"):
            await wanted
    with pytest.raises(UnknownError, match="there is no ticket 99"):
        await elsewhere.act("close", number=99)
    assert elsewhere.rows() == []
