"""One mailbox to the desk, with a server, a clock and a disk that do what a test says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.fakes import DeskWatcher, FakeDesk, FakeNet, FakeServer, FakeSource, Watcher, mail, rulebook

from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.backends.desk.writing import Writing
from mailwicket.errors import PermanentError, StoreError, TransientError
from mailwicket.flow import reader
from mailwicket.flow.backend import Door
from mailwicket.flow.intake import Intake
from mailwicket.flow.judge import Judge
from mailwicket.flow.reading import Reading
from mailwicket.model import IntakeKey, Reason, TicketDraft, TicketRef
from mailwicket.ports import Desk, JoinsTransaction
from mailwicket.store import journal
from mailwicket.store.store import Store


def at_once(_failures: int, _jitter: float, _retry_after_s: float | None) -> float:
    """Try again without a pause worth the name."""
    return 0.01


class Bench:
    """A store, a server and a desk, and a way to run the intake until it has caught up."""

    def __init__(self, directory: Path, desk: Desk) -> None:
        self.directory = directory
        self.desk = desk
        self.server = FakeServer()
        self.source = FakeSource(self.server)
        self.watcher = Watcher()
        self.store: Store
        self.reading: Reading

    def open(self) -> None:
        joined = isinstance(self.desk, JoinsTransaction)
        self.store = Store(self.directory / "state", [self.desk.schema] if joined else [])  # type: ignore[attr-defined]
        self.reading = Reading(self.store)

    async def close(self) -> None:
        self.reading.close()
        await self.store.close()

    def intake(self) -> Intake:
        home = rulebook("box", "desk@example.net", group="first line")
        desk = self.desk if isinstance(self.desk, JoinsTransaction) else Door(self.desk, DeskWatcher(), pause=at_once)
        judge = Judge(self.store, desk, home, self.watcher)
        return Intake("box", self.source, self.store, self.reading, judge, self.watcher)

    async def catch_up(self) -> None:
        """Run until everything the server shows is settled."""
        self.watcher.idle = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.intake().run)
            with anyio.fail_after(20):
                await self.watcher.idle.wait()
            tasks.cancel_scope.cancel()

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self.store.read(lambda tx: tx.execute(sql).fetchall())]

    def kinds(self) -> list[object]:
        return [kind for (kind,) in self.ask("SELECT kind FROM event ORDER BY event_id")]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    one = Bench(tmp_path, EmbeddedDesk("desk", EmbeddedDesk.Config(), FakeNet(tmp_path)))
    one.open()
    yield one
    await one.close()


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[Bench]:
    one = Bench(tmp_path, FakeDesk())
    one.open()
    yield one
    await one.close()


async def test_a_mail_becomes_a_ticket_and_is_settled_after_that(bench: Bench) -> None:
    raw = mail(message_id="one@example.org")
    bench.server.deliver(raw)
    await bench.catch_up()
    assert bench.watcher.reasons == [Reason.CREATED]
    assert bench.server.settled == ["1"]
    assert bench.ask("SELECT state, reason, ticket FROM intake") == [("settled", "created", 1)]
    assert bench.ask("SELECT subject FROM desk_ticket") == [("Printer on fire",)]
    assert bench.kinds() == []


async def test_the_kept_bytes_are_the_servers(bench: Bench) -> None:
    raws = [mail(f"number {n}", "x" * n, message_id=f"{n}@example.org") for n in range(1, 60)]
    bench.server.deliver(*raws)
    await bench.catch_up()
    kept = []
    for file, offset, length in bench.ask("SELECT raw_file, raw_offset, raw_length FROM intake ORDER BY intake_id"):
        with (bench.store.raw.directory / str(file)).open("rb") as segment:
            segment.seek(int(str(offset)))
            kept.append(segment.read(int(str(length))))
    assert kept == raws


async def test_an_answer_joins_the_ticket_of_what_it_answers(bench: Bench) -> None:
    bench.server.deliver(
        mail(message_id="q@example.org"),
        mail("Re: Printer on fire", message_id="a@example.org", in_reply_to="q@example.org"),
        mail("Re: Printer on fire", message_id="b@example.org", references="<nobody@x> <a@example.org>"),
    )
    await bench.catch_up()
    assert bench.watcher.reasons == [Reason.CREATED, Reason.REPLY_PUBLIC, Reason.REPLY_PUBLIC]
    assert bench.ask("SELECT DISTINCT ticket FROM intake") == [(1,)]


async def test_a_mail_beyond_what_is_read_is_a_ticket_with_the_reason_and_the_mail_itself(bench: Bench) -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(150))
    raw = b"From: ann@example.org\r\nMessage-ID: <deep@example.org>\r\nSubject: Deep\r\n" + deep + b"\r\nWords\r\n"
    bench.server.deliver(raw)
    await bench.catch_up()
    assert bench.watcher.reasons == [Reason.CREATED]
    ((flags, trace),) = bench.ask(
        "SELECT e.flags, d.trace FROM desk_entry AS e JOIN decision AS d ON d.message_id = e.message_id"
    )
    assert (flags, "the mail itself is attached" in str(trace)) == ('["truncated"]', True)
    attached = bench.ask("SELECT filename, size, sha256 FROM desk_attachment ORDER BY position DESC LIMIT 1")
    assert attached == [("mail.eml", len(raw), hashlib.sha256(raw).hexdigest())]


async def test_a_question_that_comes_after_its_answer_joins_late(bench: Bench) -> None:
    bench.server.deliver(
        mail("Re: Printer on fire", message_id="a@example.org", in_reply_to="q@example.org"),
        mail(message_id="q@example.org"),
    )
    await bench.catch_up()
    assert bench.watcher.reasons == [Reason.CREATED, Reason.JOINED_LATE]


async def test_two_copies_of_one_mail_are_one(bench: Bench) -> None:
    raw = mail(message_id="one@example.org")
    bench.server.deliver(raw, b"Received: by another way\r\n" + raw)
    await bench.catch_up()
    assert bench.watcher.reasons == [Reason.CREATED, Reason.DUPLICATE]
    assert bench.ask("SELECT ticket FROM intake") == [(1,), (1,)]


async def test_two_different_mails_with_one_message_id_are_both_kept_and_the_second_is_flagged(bench: Bench) -> None:
    bench.server.deliver(
        mail(message_id="one@example.org"), mail("Another matter", "Other words.", message_id="one@example.org")
    )
    await bench.catch_up()
    assert bench.watcher.reasons == [Reason.CREATED, Reason.CREATED]
    flags = [flags for (flags,) in bench.ask("SELECT flags FROM desk_entry ORDER BY entry")]
    assert "same_id_other_content" not in str(flags[0])
    assert "same_id_other_content" in str(flags[1])


async def test_three_different_mails_without_any_id_are_three_tickets_and_a_fourth_equal_one_is_a_copy(
    bench: Bench,
) -> None:
    raws = [mail(f"matter {n}") for n in range(3)]
    bench.server.deliver(*raws, raws[0])
    await bench.catch_up()
    assert bench.watcher.reasons == [Reason.CREATED] * 3 + [Reason.DUPLICATE]


async def test_a_changed_uidvalidity_half_way_does_nothing_twice_and_skips_nothing(bench: Bench) -> None:
    raws = [mail(f"matter {n}", message_id=f"{n}@example.org") for n in range(1000)]
    bench.server.deliver(*raws[:500])
    await bench.catch_up()
    # The others are noted, but the server renumbers before they are fetched.
    bench.server.deliver(*raws[500:])
    bench.server.fail_fetch = TransientError("gone away")
    with pytest.raises(ExceptionGroup):
        await bench.intake().run()
    bench.server.fail_fetch = None
    bench.server.renumber("2")
    await bench.catch_up()
    assert bench.watcher.reasons == [Reason.CREATED] * 1000
    assert bench.ask("SELECT count(*), count(DISTINCT subject) FROM desk_ticket") == [(1000, 1000)]
    assert bench.kinds().count("MailboxRenumbered") == 1
    assert sorted(bench.server.settled, key=int) == [str(n) for n in range(1, 1001)]
    assert bench.ask("SELECT count(*) FROM intake WHERE renumbered_from IS NOT NULL") == [(500,)]


async def test_a_second_renumbering_is_matched_as_the_first_was(bench: Bench) -> None:
    bench.server.deliver(*(mail(f"matter {n}", message_id=f"{n}@example.org") for n in range(5)))
    await bench.catch_up()
    for epoch in ("2", "3"):
        bench.server.renumber(epoch)
        await bench.catch_up()
        assert bench.server.settled == ["1", "2", "3", "4", "5"]
    bench.server.deliver(mail("new", message_id="new@example.org"))
    await bench.catch_up()
    assert bench.watcher.reasons == [Reason.CREATED] * 6
    assert bench.kinds() == ["MailboxRenumbered"] * 2


async def test_two_equal_mails_stay_two_rows_when_the_server_renumbers(bench: Bench) -> None:
    raw = mail(message_id="one@example.org")
    bench.server.deliver(raw, raw)
    await bench.catch_up()
    bench.server.renumber("2")
    await bench.catch_up()
    assert bench.ask("SELECT count(*) FROM intake WHERE renumbered_from IS NOT NULL") == [(2,)]
    assert bench.ask("SELECT count(*) FROM desk_entry") == [(1,)]


async def test_a_mail_that_left_the_server_before_it_was_fetched_is_gone_and_no_error(bench: Bench) -> None:
    bench.server.deliver(*(mail(f"matter {n}", message_id=f"{n}@example.org") for n in range(10)))
    bench.server.before_fetch = lambda: bench.server.mails.pop(4, None)  # type: ignore[assignment, return-value]
    await bench.catch_up()
    assert bench.watcher.reasons == [Reason.CREATED] * 9
    assert bench.ask("SELECT remote_id FROM intake WHERE state = 'gone'") == [("4",)]


async def test_a_mail_that_breaks_the_reader_is_parked_and_the_next_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = reader.parse

    def parse(raw: bytes) -> object:
        if b"poison" in raw:
            raise ValueError("broken by it")
        return right(raw)

    monkeypatch.setattr(reader, "parse", parse)
    poison = mail("poison", message_id="p@example.org")
    bench.server.deliver(poison, mail(message_id="one@example.org"))
    await bench.catch_up()
    assert bench.watcher.reasons == [Reason.UNPARSEABLE, Reason.CREATED]
    ((file, parked),) = bench.ask("SELECT raw_file, parked FROM intake WHERE reason = 'unparseable'")
    assert parked == 1
    assert (bench.store.raw.directory / str(file)).read_bytes() == poison
    assert bench.server.parked == ["1"]


async def test_a_mail_in_hand_at_two_deaths_is_parked_and_its_neighbours_are_not(bench: Bench) -> None:
    bench.server.deliver(*(mail(f"matter {n}", message_id=f"{n}@example.org") for n in range(3)))
    await _fetch_only(bench)
    for _ in range(2):
        with bench.store.in_hand.worker() as slot:
            slot.take(
                bench.store.read(
                    lambda tx: tx.execute("SELECT intake_id FROM intake WHERE remote_id='2'").fetchone()[0]
                )
            )
            image = (bench.directory / "state" / "in-hand").read_bytes()
        await bench.close()
        (bench.directory / "state" / "in-hand").write_bytes(image)
        bench.open()
    await bench.catch_up()
    assert sorted(bench.watcher.reasons) == [Reason.CREATED, Reason.CREATED, Reason.FAILED_REPEATEDLY]
    assert bench.ask("SELECT remote_id FROM intake WHERE parked = 1") == [("2",)]


async def _fetch_only(bench: Bench) -> None:
    """Bring the mails to `fetched`, as a death before deciding leaves them."""

    class Died(Exception):  # noqa: N818 - not an error: a death
        pass

    async def die(*_: object) -> None:
        raise Died

    intake = bench.intake()
    intake._judge.judge = die  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup):
        await intake.run()


async def test_what_was_kept_before_a_death_is_judged_without_the_server(bench: Bench) -> None:
    bench.server.deliver(*(mail(f"matter {n}", message_id=f"{n}@example.org") for n in range(3)))
    await _fetch_only(bench)
    bench.source.down = TransientError("not reachable")
    with pytest.raises(TransientError):
        await bench.intake().run()
    assert bench.watcher.reasons == [Reason.CREATED] * 3
    assert len(bench.server.fetches) == 1


async def test_a_backlog_is_fetched_in_bounded_batches(bench: Bench) -> None:
    bench.source.page = 300
    bench.server.deliver(*(mail(f"matter {n}", "x" * 9000, message_id=f"{n}@example.org") for n in range(700)))
    await bench.catch_up()
    assert [len(uids) for uids in bench.server.fetches] == [250, 50, 250, 50, 100]
    assert bench.ask("SELECT count(*) FROM desk_ticket") == [(700,)]


async def test_a_desk_of_its_own_gets_each_effect_once_with_one_key(remote: Bench) -> None:
    desk = remote.desk
    assert isinstance(desk, FakeDesk)
    remote.server.deliver(
        mail(message_id="q@example.org"), mail("Re: x", message_id="a@example.org", in_reply_to="q@example.org")
    )
    await remote.catch_up()
    assert remote.watcher.reasons == [Reason.CREATED, Reason.REPLY_PUBLIC]
    assert {number: len(entries) for number, entries in desk.tickets.items()} == {1: 2}
    assert len(desk.effects) == 2


async def test_while_the_desk_is_out_mail_waits_and_nothing_is_settled(remote: Bench) -> None:
    desk = remote.desk
    assert isinstance(desk, FakeDesk)
    desk.down = TransientError("503", reason="backend_down")
    remote.server.deliver(mail(message_id="one@example.org"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(remote.intake().run)
        with anyio.fail_after(5):
            while desk.calls < 3:  # noqa: ASYNC110 - it is tried again and again
                await anyio.sleep(0.01)
        assert remote.server.settled == []
        desk.down = None
        with anyio.fail_after(5):
            await remote.watcher.idle.wait()
        tasks.cancel_scope.cancel()
    assert remote.source.connections == 1
    assert remote.watcher.reasons == [Reason.CREATED]
    assert remote.ask("SELECT parked, attempts FROM intake") == [(0, 0)]


async def test_a_mail_that_the_desk_refuses_for_ever_is_parked(remote: Bench) -> None:
    desk = remote.desk
    assert isinstance(desk, FakeDesk)
    desk.refuse = {"bad"}
    remote.server.deliver(mail("bad", message_id="1@example.org"), mail("good", message_id="2@example.org"))
    await remote.catch_up()
    assert remote.watcher.reasons == [Reason.FAILED_REPEATEDLY, Reason.CREATED]


Runner = Callable[[], Awaitable[None]]


@pytest.mark.parametrize("error", [PermanentError("no"), ValueError("a bug")])
async def test_one_mail_that_fails_in_the_desk_takes_no_other_with_it(
    bench: Bench, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Writing.create

    def create(self: Writing, draft: TicketDraft, key: IntakeKey) -> TicketRef:
        if draft.subject == "bad" and isinstance(error, PermanentError):
            raise error
        ref = right(self, draft, key)
        if draft.subject == "bad":
            raise error
        return ref

    monkeypatch.setattr(Writing, "create", create)
    await deliver_a_bad_one_among_others(bench)
    assert {subject for (subject,) in bench.ask("SELECT subject FROM desk_ticket")} == {"one", "two", "three"}
    assert bench.ask("SELECT reason FROM intake WHERE parked = 1") == [("failed_repeatedly",)]


async def test_a_mail_that_the_database_refuses_takes_no_other_with_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Writing.create

    def create(self: Writing, draft: TicketDraft, key: IntakeKey) -> TicketRef:
        subject = None if draft.subject == "bad" else draft.subject  # NOT NULL: refused when the batch is written
        return right(self, replace(draft, subject=subject), key)  # type: ignore[arg-type]

    monkeypatch.setattr(Writing, "create", create)
    await deliver_a_bad_one_among_others(bench)
    assert {subject for (subject,) in bench.ask("SELECT subject FROM desk_ticket")} == {"one", "two", "three"}
    assert bench.ask("SELECT reason FROM intake WHERE parked = 1") == [("failed_repeatedly",)]


async def deliver_a_bad_one_among_others(bench: Bench) -> None:
    """Sweep until the bad one is parked."""
    bench.server.deliver(*(mail(subject, message_id=f"{subject}@example.org") for subject in ("one", "bad", "two")))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.intake().run)
        with anyio.fail_after(20):
            while not bench.ask("SELECT 1 FROM intake WHERE parked = 1"):
                await anyio.sleep(0.02)
                bench.server.deliver()
        bench.server.deliver(mail("three", message_id="three@example.org"))
        with anyio.fail_after(20):
            while len(bench.server.settled + bench.server.parked) < 4:
                await anyio.sleep(0.02)
                bench.server.deliver()
        tasks.cancel_scope.cancel()


async def test_the_questions_about_open_work_do_not_walk_through_the_mails_that_are_done(bench: Bench) -> None:
    asked = {"to_fetch": (1, 0, 5), "to_judge": (1, 0, 5), "to_settle": (1, 5), "backlog": (1,), "open_work": ("box",)}
    for name, values in asked.items():
        plan = bench.store.read(
            lambda tx: tx.execute(f"EXPLAIN QUERY PLAN {getattr(journal.SQL, name)}", values).fetchall()  # noqa: B023 - called at once
        )
        told = " ".join(str(row[3]) for row in plan)
        assert re.search(r"intake_(seen|fetched|done) \(place_id=\?", told), told
        assert "TEMP B-TREE" not in told


async def test_a_mail_that_is_decided_at_a_later_sweep_is_settled_then(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Writing.create
    failures = [ValueError("once")]

    def create(self: Writing, draft: TicketDraft, key: IntakeKey) -> TicketRef:
        if failures:
            raise failures.pop()
        return right(self, draft, key)

    monkeypatch.setattr(Writing, "create", create)
    bench.server.deliver(mail(message_id="one@example.org"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.intake().run)
        with anyio.fail_after(5):
            while bench.server.arrived is None:  # noqa: ASYNC110 - it is set when the sweep's pause begins
                await anyio.sleep(0.01)
            assert bench.server.settled == []
            assert bench.watcher.idle is None or not bench.watcher.idle.is_set()
            bench.server.deliver()
            while not bench.server.settled:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert bench.watcher.reasons == [Reason.CREATED]


async def test_copies_that_cannot_be_settled_do_not_keep_new_mail_waiting(bench: Bench) -> None:
    bench.server.fail_settle = TransientError("over quota")
    for number in range(3):
        bench.server.deliver(mail(f"matter {number}", message_id=f"{number}@example.org"))
        with pytest.raises(ExceptionGroup):
            await bench.intake().run()
    assert bench.watcher.reasons == [Reason.CREATED] * 3
    bench.server.fail_settle = None
    await bench.catch_up()
    assert bench.server.settled == ["1", "2", "3"]


async def test_a_sweep_that_finds_nothing_asks_two_questions_and_writes_nothing(bench: Bench) -> None:
    bench.server.deliver(mail(message_id="one@example.org"))
    await bench.catch_up()
    reader, asked = bench.store._reader, []

    async def sweep() -> None:
        """Wait until it waits, let it look, and wait until it waits again."""
        while bench.server.arrived is None or bench.server.arrived.is_set():  # noqa: ASYNC110 - a new one each time
            await anyio.sleep(0.01)
        bench.server.deliver()
        while bench.server.arrived.is_set():  # noqa: ASYNC110
            await anyio.sleep(0.01)

    async with anyio.create_task_group() as tasks:
        bench.server.arrived = None
        tasks.start_soon(bench.intake().run)
        with anyio.fail_after(5):
            await sweep()
            before = reader.execute("PRAGMA data_version").fetchone()
            reader.set_trace_callback(asked.append)
            await sweep()
            reader.set_trace_callback(None)
        tasks.cancel_scope.cancel()
    assert reader.execute("PRAGMA data_version").fetchone() == before
    assert len(asked) == 2, asked


async def test_an_outage_of_our_own_store_is_outlasted_with_the_connection_kept(bench: Bench) -> None:
    bench.watcher.is_patient = True
    refused = iter([1, 1, 0, 1, 0])
    write = bench.store.write

    async def moody(job: Any) -> Any:
        if next(refused, 0):
            raise StoreError("cannot write: No space left on device", reason="disk_full")
        return await write(job)

    bench.store.write = moody  # type: ignore[method-assign]
    bench.server.deliver(*(mail(str(number), message_id=f"{number}@example.org") for number in range(3)))
    await bench.catch_up()
    assert len(bench.watcher.outages) == 3
    assert bench.watcher.connections == 1
    assert len(bench.watcher.reasons) == 3
