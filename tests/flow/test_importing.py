"""Mail that is handed over: each once, in order, whatever dies or fails in between."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from tests.fakes import DeskWatcher, FakeDesk, FakeNet, Watcher, mail, rulebook
from tests.flow.test_intake import at_once
from tests.lab import mailmix

from mailwicket import failpoint as failpoints
from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.backends.desk.writing import Writing
from mailwicket.errors import StoreError, TransientError, UnknownError
from mailwicket.flow.backend import Door
from mailwicket.flow.importing import EPOCH, NO_UNIT, Became, Importing, Way
from mailwicket.flow.judge import Judge
from mailwicket.flow.reading import Reading
from mailwicket.mail.parse import parse
from mailwicket.model import Fetched, MailRef, Reason, SpooledMail
from mailwicket.ports import Desk, JoinsTransaction
from mailwicket.rules.own import OwnAddresses
from mailwicket.rules.policy import Policy
from mailwicket.store.parked import IMPORT
from mailwicket.store.store import Store
from mailwicket.store.threads import Threads
from mailwicket.store.tickets import TicketBook

THEN = datetime(2020, 5, 6, 7, 8, 9, tzinfo=UTC)


def offered(raw: bytes, unit: str = NO_UNIT) -> Fetched:
    return Fetched(MailRef(unit, EPOCH, hashlib.sha256(raw).hexdigest(), len(raw), THEN), raw)


class Counter:
    """A store, a desk, and somebody who takes mails over; it may be closed and opened again."""

    def __init__(self, directory: Path, desk: Desk) -> None:
        self.directory = directory
        self.desk = desk
        self.watcher = Watcher()
        self.units = {"support": "first line", NO_UNIT: None}

    def open(self) -> Importing:
        joined = isinstance(self.desk, JoinsTransaction)
        self.store = Store(self.directory / "state", [self.desk.schema] if joined else [])  # type: ignore[attr-defined]
        self.reading = Reading(self.store)
        self.importing = Importing(self.store, self.reading, self.way)
        return self.importing

    def way(self, unit: str) -> Way:
        if unit not in self.units:
            raise UnknownError(f"there is no mailbox {unit}")
        home = rulebook(unit or IMPORT, "desk@example.net", group=self.units[unit])
        desk = self.desk if isinstance(self.desk, JoinsTransaction) else Door(self.desk, DeskWatcher(), pause=at_once)
        return Way(Judge(self.store, desk, home, self.watcher), 10_000)

    async def close(self) -> None:
        self.reading.close()
        await self.store.close()

    async def finish(self, states: list[str]) -> None:
        """Run it until the mails are in *states*."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.importing.run)
            with anyio.fail_after(10):
                while self.ask("SELECT state FROM intake ORDER BY intake_id") != [(state,) for state in states]:  # noqa: ASYNC110 - the database tells nobody
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self.store.read(lambda tx: tx.execute(sql).fetchall())]


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[Counter]:
    one = Counter(tmp_path, EmbeddedDesk("desk", EmbeddedDesk.Config(), FakeNet(tmp_path)))
    one.open()
    yield one
    await one.close()


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[Counter]:
    one = Counter(tmp_path, FakeDesk())
    one.open()
    yield one
    await one.close()


def told(became: list[Became]) -> list[tuple[bool, str, int | None]]:
    return [(one.known, one.reason.value, one.ticket) for one in became]


QUESTION = mail("Pump", message_id="q@example.org")
ANSWER = mail("Re: Pump", message_id="a@example.org", in_reply_to="q@example.org")
NOBODY = mail("x", author="nobody", message_id="n@example.org")


async def test_what_is_handed_over_is_decided_in_order_and_known_the_second_time(counter: Counter) -> None:
    mails = [offered(raw) for raw in (QUESTION, ANSWER, NOBODY)]
    first = await counter.importing.take(NO_UNIT, mails)
    assert told(first) == [(False, "created", 1), (False, "reply_public", 1), (False, "no_sender", None)]
    assert counter.watcher.reasons == [Reason.CREATED, Reason.REPLY_PUBLIC, Reason.NO_SENDER]
    again = await counter.importing.take(NO_UNIT, [*mails, offered(mail("new", message_id="z@example.org"))])
    assert told(again)[:3] == [(True, reason, ticket) for _, reason, ticket in told(first)]
    assert told(again)[3:] == [(False, "created", 2)]
    assert counter.ask("SELECT count(*), count(DISTINCT raw_sha256) FROM desk_entry") == [(3, 3)]
    assert counter.ask("SELECT DISTINCT source, folder, epoch, state FROM intake") == [(IMPORT, "", EPOCH, "settled")]
    assert await counter.importing.take(NO_UNIT, []) == []


async def test_the_same_bytes_twice_in_one_batch_are_one_mail(counter: Counter) -> None:
    became = await counter.importing.take(NO_UNIT, [offered(QUESTION), offered(ANSWER), offered(QUESTION)])
    assert told(became) == [(False, "created", 1), (False, "reply_public", 1), (True, "created", 1)]
    assert counter.ask("SELECT count(*) FROM desk_entry") == [(2,)]


async def test_mail_for_a_mailbox_gets_its_group_and_the_time_that_it_came(counter: Counter) -> None:
    await counter.importing.take("support", [offered(QUESTION, "support")])
    assert counter.ask('SELECT "group", created FROM desk_ticket') == [("first line", "2020-05-06T07:08:09.000000Z")]
    with pytest.raises(UnknownError):
        await counter.importing.take("nowhere", [offered(ANSWER, "nowhere")])
    with pytest.raises(UnknownError):
        counter.importing.limit_bytes("nowhere")
    assert counter.ask("SELECT count(*) FROM intake") == [(1,)]


async def test_a_large_mail_and_one_whose_headers_came_alone_are_taken_too(counter: Counter, tmp_path: Path) -> None:
    raw = mailmix.large(600_000)
    spooled = tmp_path / "spooled.eml"
    spooled.write_bytes(raw)
    large = Fetched(MailRef("", EPOCH, hashlib.sha256(raw).hexdigest(), len(raw), None), SpooledMail(spooled, len(raw)))
    head = QUESTION.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    cut = Fetched(MailRef("", EPOCH, "f" * 64, 10**9, THEN), head, headers_only=True)
    became = await counter.importing.take(NO_UNIT, [large, offered(NOBODY), cut])
    assert [one.reason for one in became] == [Reason.CREATED, Reason.NO_SENDER, Reason.TOO_LARGE_TRUNCATED]
    assert not spooled.exists()
    assert counter.ask("SELECT raw_length FROM intake WHERE intake_id = 1") == [(len(raw),)]


async def test_who_hands_over_at_the_same_time_waits_for_his_turn(counter: Counter) -> None:
    raws = [*mailmix.small(200)]
    became: list[Became] = []

    async def hand_over(part: list[bytes]) -> None:
        became.extend(await counter.importing.take(NO_UNIT, [offered(raw) for raw in part]))

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(hand_over, raws[number * 20 : number * 20 + 60])  # they overlap
    assert len([one for one in became if not one.known]) == 200
    assert counter.ask("SELECT count(*), count(DISTINCT raw_sha256) FROM desk_entry") == [(200, 200)]


@pytest.mark.parametrize("place", ["segment.write", "commit.before", "commit.before:2", "commit.before:3"])
async def test_a_disk_that_fails_is_told_and_the_next_time_all_goes_on(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    mails = [offered(raw) for raw in (QUESTION, ANSWER)]
    name, _, hit = place.partition(":")
    await counter.importing.take(NO_UNIT, [])  # nothing is left over: the commits counted are those of the mails
    monkeypatch.setattr(failpoints, "_armed", failpoints._Armed(f"{name}:{hit or 1}:enospc"))
    with pytest.raises(StoreError):
        await counter.importing.take(NO_UNIT, mails)
    monkeypatch.setattr(failpoints, "_armed", None)
    became = await counter.importing.take(NO_UNIT, mails)
    assert [(one.reason, one.ticket) for one in became] == [(Reason.CREATED, 1), (Reason.REPLY_PUBLIC, 1)]
    assert counter.ask("SELECT count(*) FROM desk_entry") == [(2,)]
    assert counter.ask("SELECT DISTINCT state FROM intake") == [("settled",)]


async def test_what_a_dead_daemon_left_is_finished_by_the_next_without_being_handed_over_again(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await counter.importing.take("support", [])
    monkeypatch.setattr(failpoints, "_armed", failpoints._Armed("commit.before:3:eio"))  # kept, not decided
    with pytest.raises(StoreError):
        await counter.importing.take("support", [offered(QUESTION, "support")])
    monkeypatch.setattr(failpoints, "_armed", failpoints._Armed("intake.fetched:1:eio"))  # seen, not kept
    with pytest.raises(OSError, match="Input/output"):
        await counter.importing._take(counter.way("support").judge, [offered(ANSWER, "support")])
    monkeypatch.setattr(failpoints, "_armed", None)
    assert counter.ask("SELECT state FROM intake ORDER BY intake_id") == [("fetched",), ("seen",)]
    await counter.close()
    del counter.units["support"]  # meanwhile its table went from conf.d
    counter.open()
    await counter.finish(["settled", "gone"])
    counter.units["support"] = "first line"
    became = await counter.importing.take("support", [offered(raw, "support") for raw in (QUESTION, ANSWER)])
    assert told(became) == [(True, "created", 1), (False, "reply_public", 1)]


async def test_what_waits_for_a_desk_that_is_out_is_there_once_when_it_is_back(remote: Counter) -> None:
    assert isinstance(remote.desk, FakeDesk)
    remote.desk.down = TransientError("the desk is out", reason="backend_down")
    for _ in range(2):
        with anyio.move_on_after(0.1) as patience:
            await remote.importing.take(NO_UNIT, [offered(QUESTION)])
        assert patience.cancelled_caught
    assert remote.ask("SELECT state FROM intake") == [("fetched",)]
    remote.desk.down = None
    await remote.finish(["settled"])
    assert told(await remote.importing.take(NO_UNIT, [offered(QUESTION)])) == [(True, "created", 1)]
    assert len(remote.desk.tickets) == 1


async def test_a_mail_that_fails_by_itself_is_parked_and_stops_no_other(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Writing.create

    def fail(self: Writing, draft, key):  # noqa: ANN001, ANN202
        if draft.subject == "Pump":
            raise ZeroDivisionError
        return create(self, draft, key)

    monkeypatch.setattr(Writing, "create", fail)
    raws = [mail("before", message_id="1@example.org"), QUESTION, mail("after", message_id="2@example.org")]
    became = await counter.importing.take(NO_UNIT, [offered(raw) for raw in raws])
    assert [one.reason for one in became] == [Reason.CREATED, Reason.FAILED_REPEATEDLY, Reason.CREATED]


async def test_what_a_cancelled_request_began_is_finished(counter: Counter) -> None:
    chance = random.Random(1)
    raws = [*mailmix.small(60)]
    for _ in range(12):
        with anyio.move_on_after(chance.uniform(0.001, 0.06)):
            await counter.importing.take(NO_UNIT, [offered(raw) for raw in raws])
    became = await counter.importing.take(NO_UNIT, [offered(raw) for raw in raws])
    assert len(became) == 60
    assert counter.ask("SELECT count(*), count(DISTINCT raw_sha256) FROM desk_entry") == [(60, 60)]


async def test_what_was_handed_over_came_by_the_mailbox_that_it_was_meant_for(counter: Counter) -> None:
    """With `cross_mailbox = "per_mailbox"` only a copy in the same mailbox is one."""
    raws = [QUESTION, b"From: ann@example.org\r\nSubject: without id\r\n\r\nx\r\n"]
    mails = [parse(raw) for raw in raws]
    await counter.importing.take("support", [offered(raw, "support") for raw in raws])
    policy = Policy(OwnAddresses([]), {})
    threads = counter.store.read(lambda tx: Threads(tx, mails, policy, TicketBook(tx)))
    known = threads.facts(mails[0]).same_id, threads.facts(mails[1]).same_content
    assert [[one.source for one in copies] for copies in known] == [["support"]] * 2
