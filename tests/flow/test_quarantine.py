"""Mail in quarantine: decided again by what holds today, given up, and lost or doubled by nobody."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from tests.fakes import DeskWatcher, FakeDesk, FakeNet, mail
from tests.flow.test_intake import Bench, at_once

from mailwicket import failpoint as failpoints
from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.config.filter import Filter
from mailwicket.errors import ConflictError, StoreError, TransientError, UnknownError
from mailwicket.flow import quarantine
from mailwicket.flow.backend import Door
from mailwicket.flow.judge import Judge, Rulebook
from mailwicket.flow.quarantine import Parking
from mailwicket.flow.reclaim import Reclaim
from mailwicket.model import IntakeId, Reason
from mailwicket.ports import JoinsTransaction
from mailwicket.rules.own import OwnAddresses
from mailwicket.rules.policy import Home, Policy
from mailwicket.store import audit, journal
from mailwicket.store.parked import waiting

WHO = "uid 1000"
FIRST = IntakeId(1)
STRANGER = mail("Cheap watches", author="Spam <spam@example.com>", message_id="spam@example.com")


class Ward:
    """A desk whose filter ignores a domain until a test lets it in."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.settled: list[str] = []
        self.ignores = True
        desk = bench.desk
        self._way = desk if isinstance(desk, JoinsTransaction) else Door(desk, DeskWatcher(), pause=at_once)
        self.parking = Parking(bench.store, bench.reading, self, lambda: datetime.now(UTC))

    @property
    def rulebook(self) -> Rulebook:
        ignored = Filter(type="ignore", domains=("example.com",)) if self.ignores else None
        home = Home("box", "desk@example.net", group="first line", filter=ignored)
        return Rulebook("box", Policy(own=OwnAddresses(["desk@example.net"]), homes={"box": home}))

    def judge(self, name: str) -> Judge:
        assert name == "box"
        return Judge(self.bench.store, self._way, self.rulebook, self.bench.watcher)

    def settle(self, name: str) -> None:
        self.settled.append(name)

    def done(self, name: str, reason: Reason) -> None:
        assert name == "box"
        self.bench.watcher.done(reason)

    async def take(self, *raws: bytes) -> None:
        """Let mails come, as a mailbox brings them."""
        self.bench.server.deliver(*raws)
        intake = self.bench.intake()
        intake._judge.adopt(self.rulebook, self._way)
        self.bench.watcher.idle = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(intake.run)
            with anyio.fail_after(20):
                await self.bench.watcher.idle.wait()
            tasks.cancel_scope.cancel()

    def audited(self) -> list[tuple[str, str, str]]:
        rows = self.bench.store.read(audit.rows)
        return [(row["actor"], row["action"], row["object"]) for row in rows]


@pytest.fixture
async def ward(tmp_path: Path) -> AsyncIterator[Ward]:
    bench = Bench(tmp_path, EmbeddedDesk("desk", EmbeddedDesk.Config(), FakeNet(tmp_path)))
    bench.open()
    yield Ward(bench)
    await bench.close()


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[Ward]:
    bench = Bench(tmp_path, FakeDesk())
    bench.open()
    yield Ward(bench)
    await bench.close()


async def test_what_is_parked_is_listed_and_shown_with_its_trace(ward: Ward) -> None:
    await ward.take(mail(message_id="a@example.org"), STRANGER)
    (line,) = await ward.parking.listed()
    assert line == {
        "id": 2,
        "reason": "filter_ignored",
        "unit": "incoming/box",
        "received": "2026-01-01T12:00:00.000000Z",
        "message_id": "spam@example.com",
        "from": "Spam <spam@example.com>",
        "subject": "Cheap watches",
        "raw_sha256": hashlib.sha256(STRANGER).hexdigest(),
    }
    shown = await ward.parking.shown(IntakeId(2))
    assert shown["text"] == "It burns.\n"
    assert shown["headers"].startswith("From: Spam <spam@example.com>\nTo: desk@example.net\n")
    assert "filter" in {rule for rule, _ in shown["trace"]}
    assert await ward.parking.raw(IntakeId(2)) == STRANGER
    for number in (1, 3):
        with pytest.raises(UnknownError, match=f"mail {number} is not parked"):
            await ward.parking.shown(IntakeId(number))


async def test_a_retry_under_the_same_rules_leaves_it_parked(ward: Ward) -> None:
    await ward.take(STRANGER)
    told = await ward.parking.retry(FIRST, WHO)
    assert (told["parked"], told["reason"], told["ticket"]) == (True, "filter_ignored", None)
    assert told["trace"][0] == ["quarantine", "replayed"]
    assert [one["id"] for one in await ward.parking.listed()] == [1]
    assert await ward.parking.raw(FIRST) == STRANGER


async def test_a_retry_under_other_rules_opens_its_ticket_once_and_the_copy_is_settled_again(ward: Ward) -> None:
    await ward.take(STRANGER)
    assert ward.bench.server.settled == []
    ward.ignores = False
    foreseen = await ward.parking.retry(FIRST, WHO, dry=True)
    assert (foreseen["reason"], foreseen["opens"], foreseen["ticket"]) == ("created", True, None)
    assert len(await ward.parking.listed()) == 1
    told = await ward.parking.retry(FIRST, WHO)
    assert (told["was"], told["reason"], told["ticket"]) == ("filter_ignored", "created", 1)
    assert ward.settled == ["box"]
    assert ward.bench.ask("SELECT state, reason, ticket, parked FROM intake") == [("done", "created", 1, 0)]
    with pytest.raises(UnknownError, match="mail 1 is not parked"):
        await ward.parking.retry(FIRST, WHO)
    assert ward.audited() == [(WHO, "quarantine.retry", "1")]
    await ward.take()
    assert ward.bench.server.settled == ["1"]
    assert ward.bench.ask("SELECT count(*) FROM desk_ticket") == [(1,)]
    assert ward.bench.ask("SELECT state FROM intake") == [("settled",)]


async def test_a_retried_mail_is_found_by_the_answer_to_it(ward: Ward) -> None:
    await ward.take(STRANGER)
    ward.ignores = False
    await ward.parking.retry(FIRST, WHO)
    await ward.take(mail("Re: Cheap watches", message_id="b@example.org", in_reply_to="spam@example.com"))
    assert ward.bench.ask("SELECT DISTINCT ticket FROM intake") == [(1,)]


async def test_two_retries_at_once_open_one_ticket(ward: Ward) -> None:
    await ward.take(STRANGER)
    ward.ignores = False
    ended: list[str] = []

    async def retry() -> None:
        try:
            ended.append(str((await ward.parking.retry(FIRST, WHO))["ticket"]))
        except UnknownError as error:
            ended.append(str(error))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(retry)
    assert sorted(ended) == ["1", *["mail 1 is not parked"] * 4]
    assert ward.bench.ask("SELECT count(*) FROM desk_entry") == [(1,)]


async def test_a_dropped_mail_is_not_listed_and_known_to_have_been_dropped(ward: Ward) -> None:
    await ward.take(STRANGER)
    assert await ward.parking.drop(FIRST, WHO) == {"id": 1, "reason": "dropped_by_admin", "was": "filter_ignored"}
    assert await ward.parking.listed() == []
    assert ward.bench.watcher.reasons == [Reason.FILTER_IGNORED, Reason.DROPPED_BY_ADMIN]
    assert ward.bench.ask("SELECT reason, parked FROM intake") == [("dropped_by_admin", 0)]
    for again in (ward.parking.drop(FIRST, WHO), ward.parking.retry(FIRST, WHO)):
        with pytest.raises(UnknownError, match="is not parked"):
            await again
    (row,) = ward.bench.store.read(audit.rows)
    assert (row["action"], row["detail"]["was"]) == ("quarantine.drop", "filter_ignored")


async def test_a_mail_whose_decision_is_a_bug_stays_parked(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    await ward.take(STRANGER)
    ward.ignores = False

    def stumble(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("mailwicket.flow.judgement.decide", stumble)
    with pytest.raises(ConflictError, match="could not be decided, look at the log; it stays parked"):
        await ward.parking.retry(FIRST, WHO)
    monkeypatch.undo()
    assert [one["reason"] for one in await ward.parking.listed()] == ["filter_ignored"]
    assert ward.audited() == []
    assert (await ward.parking.retry(FIRST, WHO))["ticket"] == 1


async def test_a_full_disk_leaves_it_parked(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    await ward.take(STRANGER)
    ward.ignores = False
    for name in ("quarantine.decided", "commit.before"):
        monkeypatch.setattr(failpoints, "_armed", failpoints._Armed(f"{name}:1:enospc"))
        with pytest.raises((StoreError, ConflictError)):
            await ward.parking.retry(FIRST, WHO)
        assert ward.bench.ask("SELECT parked, state FROM intake") == [(1, "settled")]
        assert ward.bench.ask("SELECT count(*) FROM desk_ticket") == [(0,)]
    assert (await ward.parking.retry(FIRST, WHO))["ticket"] == 1


async def test_a_mail_whose_bytes_are_gone_is_listed_and_cannot_be_retried(ward: Ward) -> None:
    await ward.take(STRANGER)
    for path in ward.bench.store.raw.directory.glob("parked-*"):
        path.unlink()
    (line,) = await ward.parking.listed()
    assert (line["reason"], line["from"], line["message_id"]) == ("filter_ignored", None, "spam@example.com")
    assert (await ward.parking.shown(FIRST))["raw_is_there"] is False
    with pytest.raises(ConflictError, match="its bytes cannot be read"):
        await ward.parking.raw(FIRST)
    with pytest.raises(StoreError):
        await ward.parking.retry(FIRST, WHO)
    assert len(await ward.parking.listed()) == 1


async def test_what_cannot_be_read_at_all_is_listed(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    await ward.take(STRANGER)

    def stumble(_raw: object) -> None:
        raise RecursionError

    monkeypatch.setattr("mailwicket.store.parked.parse", stumble)
    (line,) = await ward.parking.listed()
    assert (line["from"], line["subject"], line["message_id"]) == (None, "", "spam@example.com")


@pytest.mark.parametrize("message_id", ["spam@example.com", None])
async def test_what_was_dropped_or_has_expired_and_is_sent_again_is_no_copy_of_it(
    ward: Ward, message_id: str | None
) -> None:
    headers = {} if message_id is None else {"message_id": message_id}
    raw = mail("Cheap watches", author="Spam <spam@example.com>", **headers)
    await ward.take(raw, raw)
    assert [one["reason"] for one in await ward.parking.listed()] == ["filter_ignored"] * 2
    await ward.parking.drop(FIRST, WHO)
    now = datetime.now(UTC).isoformat()
    span = "9", "9"  # whenever it was parked
    assert await ward.bench.store.write(lambda tx: journal.expire(tx, IntakeId(2), "box", span, now))
    ward.ignores = False
    await ward.take(raw)
    assert ward.bench.watcher.reasons[-1] is Reason.CREATED


async def test_a_mail_that_killed_its_readers_is_read_by_one_of_its_own(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ward.take(STRANGER)
    ward.ignores = False
    await ward.bench.store.write(lambda tx: tx.execute("UPDATE decision SET reason = 'failed_repeatedly'"))
    monkeypatch.setenv("MAILWICKET_FAILPOINT", "reader.in_hand:0:die")
    told = await ward.parking.retry(FIRST, WHO)
    assert (told["parked"], told["reason"]) == (True, "failed_repeatedly")
    assert told["trace"][0] == ["quarantine", "replayed"]
    monkeypatch.delenv("MAILWICKET_FAILPOINT")
    assert (await ward.parking.retry(FIRST, WHO))["ticket"] == 1


# --- a desk that keeps its own books


async def test_a_retry_goes_through_the_door_of_a_desk_elsewhere(far: Ward) -> None:
    await far.take(STRANGER)
    far.ignores = False
    assert (await far.parking.retry(FIRST, WHO, dry=True))["reason"] == "created"
    assert isinstance(far.bench.desk, FakeDesk)
    assert far.bench.desk.calls == 0
    assert (await far.parking.retry(FIRST, WHO))["ticket"] == 1
    assert far.bench.ask("SELECT state, reason, ticket, parked FROM intake") == [("done", "created", 1, 0)]
    with pytest.raises(UnknownError):
        await far.parking.retry(FIRST, WHO)
    assert len(far.bench.desk.tickets) == 1
    assert far.audited() == [(WHO, "quarantine.retry", "1")]


async def test_a_desk_that_does_not_answer_leaves_it_parked_and_opens_one_ticket_later(
    far: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "DESK_S", 0.2)
    desk = far.bench.desk
    assert isinstance(desk, FakeDesk)
    await far.take(STRANGER)
    far.ignores = False
    desk.down = TransientError("503")
    with pytest.raises(TransientError, match="the backend does not answer; it stays parked"):
        await far.parking.retry(FIRST, WHO)
    assert len(await far.parking.listed()) == 1
    desk.down = None
    assert (await far.parking.retry(FIRST, WHO))["ticket"] == 1


async def test_a_failure_after_the_effect_elsewhere_doubles_nothing(far: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    await far.take(STRANGER)
    far.ignores = False
    monkeypatch.setattr(failpoints, "_armed", failpoints._Armed("commit.before:1:eio"))
    with pytest.raises(StoreError):
        await far.parking.retry(FIRST, WHO)
    desk = far.bench.desk
    assert isinstance(desk, FakeDesk)
    assert (len(desk.tickets), len(await far.parking.listed())) == (1, 1)
    assert (await far.parking.retry(FIRST, WHO))["ticket"] == 1
    assert len(desk.tickets) == 1


async def test_a_desk_elsewhere_that_refuses_it_leaves_it_parked_with_its_words(far: Ward) -> None:
    desk = far.bench.desk
    assert isinstance(desk, FakeDesk)
    desk.refuse = {"Cheap watches"}
    await far.take(STRANGER)
    far.ignores = False
    told = await far.parking.retry(FIRST, WHO)
    assert (told["parked"], told["reason"]) == (True, "failed_repeatedly")
    assert "422" in json.dumps(told["trace"])


# --- outages and time


async def test_an_outage_of_the_desk_never_fills_the_quarantine(far: Ward) -> None:
    desk = far.bench.desk
    assert isinstance(desk, FakeDesk)
    desk.down = TransientError("the desk is down")
    mails = [mail(f"number {n}", message_id=f"{n}@example.org") for n in range(20)]
    with anyio.move_on_after(1.5):
        await far.take(*mails)
    assert desk.calls > 3
    assert await far.parking.listed() == []
    desk.down = None
    await far.take()
    assert len(desk.tickets) == 20
    assert await far.parking.listed() == []


@pytest.mark.parametrize("name", ["commit.before", "intake.decided", "segment.sync", "raw.rename"])
async def test_an_outage_of_our_disk_never_fills_the_quarantine(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for number in range(4):
        monkeypatch.setattr(failpoints, "_armed", failpoints._Armed(f"{name}:0:enospc"))
        with pytest.RaisesGroup(pytest.RaisesExc((StoreError, OSError)), flatten_subgroups=True):
            await ward.take(mail("x", message_id=f"{number}@example.org"), STRANGER)
        monkeypatch.setattr(failpoints, "_armed", None)
        assert await ward.parking.listed() == []
    await ward.take()
    assert [one["reason"] for one in await ward.parking.listed()] == ["filter_ignored"] * 4
    assert ward.bench.ask("SELECT count(*) FROM desk_ticket") == [(4,)]


async def test_the_file_of_a_mail_that_is_parked_no_more_goes_with_raw_keep_days(ward: Ward) -> None:
    other = mail("Other", author="other@example.com", message_id="o@example.com")
    await ward.take(STRANGER, other)
    ward.ignores = False
    await ward.parking.retry(FIRST, WHO)
    await ward.parking.drop(IntakeId(2), WHO)
    directory = ward.bench.store.raw.directory
    now = datetime.now(UTC)
    for days, left in ((89, 2), (92, 0)):
        moment = now + timedelta(days=days)
        await ward.bench.store.write(lambda tx: journal.note_clock(tx, moment, None))  # noqa: B023 - awaited at once
        reclaim = Reclaim(
            ward.bench.store,
            ward.bench.desk,
            timedelta(days=90),
            timedelta(days=30),
            lambda: moment,  # noqa: B023
        )
        await reclaim.once()
        assert len(list(directory.glob("parked-*"))) == left
    assert ward.bench.ask("SELECT reason, raw_file FROM intake ORDER BY intake_id") == [
        ("created", None),
        ("dropped_by_admin", None),
    ]


async def test_a_mail_that_is_retried_while_old_ones_expire_does_not_expire(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ward.take(STRANGER)
    ward.ignores = False
    moment = datetime.now(UTC) + timedelta(days=31)
    await ward.bench.store.write(lambda tx: journal.note_clock(tx, moment, None))
    expired = journal.expired
    found: list[IntakeId] = []

    def seen(*args: object) -> list[tuple[IntakeId, str, str]]:
        rows = expired(*args)  # type: ignore[arg-type]
        found.extend(row[0] for row in rows)
        return rows

    class Slow(Reclaim):
        async def _expire(self, moment: datetime) -> None:
            write = ward.bench.store.write

            async def retried_first(job: object) -> object:
                monkeypatch.setattr(ward.bench.store, "write", write)
                await ward.parking.retry(FIRST, WHO)
                return await write(job)  # type: ignore[arg-type]

            monkeypatch.setattr(ward.bench.store, "write", retried_first)
            await super()._expire(moment)

    monkeypatch.setattr(journal, "expired", seen)
    told: list[tuple[str, Reason]] = []
    counted = {"on_expired": lambda source, reason: told.append((source, reason))}
    keep = timedelta(days=90), timedelta(days=30)
    await Slow(ward.bench.store, ward.bench.desk, *keep, lambda: moment, **counted).once()  # type: ignore[arg-type]
    assert (found, told) == ([1], [])
    assert ward.bench.ask("SELECT reason, ticket FROM intake") == [("created", 1)]
    assert len(list(ward.bench.store.raw.directory.glob("parked-*"))) == 1
    assert ward.bench.kinds() == ["MailQuarantined"]


async def test_what_expires_is_counted(ward: Ward) -> None:
    await ward.take(STRANGER)
    moment = datetime.now(UTC) + timedelta(days=31)
    await ward.bench.store.write(lambda tx: journal.note_clock(tx, moment, None))
    told: list[tuple[str, Reason]] = []
    keep = timedelta(days=90), timedelta(days=30)
    reclaim = Reclaim(
        ward.bench.store,
        ward.bench.desk,
        *keep,
        lambda: moment,
        on_expired=lambda source, reason: told.append((source, reason)),
    )
    await reclaim.once()
    assert told == [("box", Reason.EXPIRED_FROM_QUARANTINE)]
    assert list(ward.bench.store.raw.directory.glob("parked-*")) == []


async def test_how_much_waits_for_which_reason_and_since_when_is_told(ward: Ward) -> None:
    await ward.take(STRANGER, mail("x", author="nobody", message_id="n@example.org"))
    found = {one.reason.value: one for one in ward.bench.store.read(waiting)}
    assert {reason: one.mails for reason, one in found.items()} == {"filter_ignored": 1, "no_sender": 1}
    assert all(datetime.now(UTC) - one.oldest_at < timedelta(minutes=1) for one in found.values())
