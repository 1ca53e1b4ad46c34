"""Alerts by mail: once a day for each cause and unit, by any server that works."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.fakes import NOON, mail
from tests.flow.test_announcing import bounce
from tests.flow.test_outbox_kills import Sink, sink
from tests.flow.test_outgoing_unit import House as Whole
from tests.flow.test_outgoing_unit import becomes, tables
from tests.flow.test_posting import MAILBOXES, House
from tests.postoffice import DOWN, PostOffice, field_of, server

from mailwicket import failpoint as failpoints
from mailwicket.errors import StoreError
from mailwicket.flow.posting import Posting
from mailwicket.flow.switchboard import Exchange
from mailwicket.rules.own import OwnAddresses
from mailwicket.rules.policy import Policy
from mailwicket.service import alerts
from mailwicket.service.alertmail import GATHER, NAMED, AlertMail, Watched, words_of
from mailwicket.service.alerts import Alert, Cause, fresh
from mailwicket.store import attempts
from mailwicket.store.outbox import OutboxId

OPS = ["ops@example.net"]


def alert(unit: str | None = "outgoing/main", cause: Cause = Cause.FAILOVER) -> Alert:
    return Alert(cause, unit, NOON, f"{unit} does not work (timeout)", "see why")


class Watch:
    """An office, and what stands."""

    def __init__(self, directory: Path, **servers: Any) -> None:
        servers = servers or {"main": server(primary=True), "other": server("other@example.org")}
        self.office = PostOffice(directory, **servers)
        self.standing: list[Alert] = []
        self.to: list[str] = [*OPS]
        self.policy = Policy(
            own=OwnAddresses(["other@example.org"], {"desk@example.org": "desk"}), keys=self.office.store.keys
        )
        self.anew()

    def anew(self) -> None:
        """As after a restart."""
        posting = Posting(self.policy, {}, self.office.board)
        watched = Watched(lambda: self.standing, lambda: posting, lambda: self.to)
        self.mail = AlertMail(self.office.store, watched, self.office.clock)

    async def told(self, *standing: Alert, **later: float) -> list[str | None]:
        """The units of which people are told when these stand, so much *later*."""
        self.office.clock.forward(**later)
        self.standing = [*standing]
        return [one.unit for one in await self.mail.look()]


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[Watch]:
    one = Watch(tmp_path)
    yield one
    await one.office.store.close()


# --- when, and of what


def test_which_alert_now_is_once_a_day_for_each_cause_and_unit() -> None:
    told = {alert().key: NOON}
    for now, expected in (
        (NOON + timedelta(hours=23), [alert("outgoing/b")]),
        (NOON + timedelta(days=1), [alert(), alert("outgoing/b")]),
        (NOON - timedelta(days=2), [alert(), alert("outgoing/b")]),  # the clock leapt back
    ):
        assert fresh([alert(), alert("outgoing/b")], told, now) == expected
    assert fresh([alert(cause=Cause.SENDING_DOWN)], told, NOON) == [alert(cause=Cause.SENDING_DOWN)]


async def test_what_stands_is_told_once_a_day_however_often_it_begins_and_whoever_restarts(watch: Watch) -> None:
    assert await watch.told(alert()) == ["outgoing/main"]
    assert await watch.told(hours=1) == []
    assert await watch.told(alert(), hours=1) == []
    watch.anew()
    assert await watch.told(alert(), hours=21) == []
    assert await watch.told(alert(), hours=1) == ["outgoing/main"]
    assert [one["to"] for one in watch.office.rows()] == [OPS, OPS]


async def test_many_of_one_cause_are_one_mail_and_those_after_it_wait_for_the_next(watch: Watch) -> None:
    boxes = [alert(f"incoming/{number}", Cause.UNIT_BLOCKED) for number in range(60)]
    assert len(await watch.told(*boxes[:3], alert())) == 4
    assert [one["subject"] for one in watch.office.rows()] == [
        "[critical] incoming/0 does not work (timeout) and 2 more",
        "[warning] outgoing/main does not work (timeout)",
    ]
    assert await watch.told(*boxes, minutes=1) == []
    assert len(await watch.told(*boxes, seconds=GATHER.total_seconds() - 60)) == 57
    assert len(watch.office.rows()) == 3


async def test_nobody_is_told_where_nobody_is_named_or_nothing_is_sent(watch: Watch) -> None:
    watch.to = []
    assert await watch.told(alert()) == []
    watch.to = [*OPS]
    watch.office.board.adopt(Exchange())
    assert (await watch.told(alert()), watch.office.rows()) == ([], [])


@pytest.mark.parametrize("name", ["commit.before", "commit.after"])
async def test_a_failing_disk_loses_no_alert_and_repeats_none(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(failpoints, "_armed", failpoints._Armed(f"{name}:1:eio"))
    with pytest.raises(StoreError):
        await watch.told(alert())
    await watch.told(alert(), seconds=30)
    assert len(watch.office.rows()) == 1


# --- what it says


def test_it_says_what_is_the_matter_since_when_and_what_to_do_and_names_only_so_many() -> None:
    many = [alert(f"incoming/{number}", Cause.UNIT_BLOCKED) for number in range(NAMED + 2)]
    subject, text = words_of(many, "mx1")
    assert subject == f"[critical] incoming/0 does not work (timeout) and {NAMED + 1} more"
    assert text.startswith(f"Incoming/0 does not work (timeout).\nSince {NOON:%Y-%m-%d %H:%M} UTC.\nTo do: see why.\n")
    assert text.count("To do:") == NAMED
    assert "\n2 more of the same kind.\n" in text
    assert 'mailwicket on mx1: "mailwicket status" tells' in text


async def test_it_is_marked_as_a_machines_and_goes_to_each_alone(watch: Watch) -> None:
    watch.to = [*OPS, "Postmaster@example.net", "desk@example.org", "postmaster@example.net", "other@example.org"]
    async with watch.office.running("main"):
        await watch.told(alert())
        await watch.office.settled()
    assert sorted(field_of(raw, "To") for _, raw in watch.office.post.taken) == [
        *OPS,
        "other@example.org",
        "postmaster@example.net",
    ]
    one = message_from_bytes(watch.office.post.taken[0][1])
    assert (one["Auto-Submitted"], one["Precedence"]) == ("auto-generated", None)
    assert watch.policy.keys.is_loop_mark(str(one["X-Mailwicket-Loop"]))


# --- by whom


async def test_the_alert_about_the_primary_goes_by_another_server_that_works(watch: Watch) -> None:
    office = watch.office
    office.posts["main"].down = DOWN
    async with office.running():
        await office.queue(office.draft())
        await becomes(lambda: office.board.breaker("main").is_open)
        assert await watch.told(alert()) == ["outgoing/main"]
        await becomes(lambda: office.row(2)["state"] == "sent")
    ((envelope, raw),) = office.posts["other"].taken
    assert (envelope.reverse_path, field_of(raw, "From")) == ("other@example.org", "other@example.org")
    (row,) = [one for one in office.rows() if one["event"] == "alert"]
    assert (row["via"], row["meant"], row["state"]) == ("other", "*", "sent")


async def test_while_none_works_it_waits_for_the_first_that_does_and_survives_a_restart(watch: Watch) -> None:
    office = watch.office
    await watch.told(alert())
    assert [(one["via"], one["state"]) for one in office.rows()] == [(None, "waiting")]
    for post in office.posts.values():
        post.down = DOWN
    async with office.running():
        await becomes(lambda: all(post.connections for post in office.posts.values()))
    office.posts["other"].down = None
    async with office.running():
        await office.settled()
    assert len(office.posts["other"].taken) == 1
    assert office.posts["main"].taken == []


async def test_two_that_work_send_it_once(watch: Watch) -> None:
    async with watch.office.running():
        for hours in range(5):
            await watch.told(alert(f"incoming/{hours}", Cause.UNIT_BLOCKED), hours=1)
            await watch.office.settled()
    taken = [raw for post in watch.office.posts.values() for _, raw in post.taken]
    assert len(taken) == len({field_of(raw, "Message-ID") for raw in taken}) == 5


async def test_one_that_nobody_took_within_five_days_has_failed(watch: Watch) -> None:
    await watch.told(alert())
    watch.office.clock.forward(days=6)
    watch.office.posts["main"].down = DOWN
    async with watch.office.running("main"):
        await becomes(lambda: watch.office.row()["state"] == "failed")


# --- what comes back


async def test_answers_of_machines_and_reports_about_it_open_nothing(tmp_path: Path) -> None:
    exchange = Exchange({"main": server("support@example.org")}, mailboxes=MAILBOXES)
    house = House(tmp_path, exchange)
    watched = Watched(lambda: [alert()], lambda: house.posting, lambda: OPS)
    await AlertMail(house.store, watched, lambda: NOON).look()
    await house.store.write(lambda tx: attempts.note_sent(tx, {OutboxId(1): None}, NOON))
    away = {"auto_submitted": "auto-replied", "message_id": "v@example.net", "in_reply_to": house.ids()[0]}
    await house.receive(mail("Away", "Away.\r\n", "ops@example.net", **away), bounce(house, 0, "ops@example.net", 1))
    assert [str(one) for one in house.watcher.reasons] == ["auto_ignored", "auto_ignored"]
    assert house.mails()[0]["recipients"][0]["state"] == "bounced"
    assert len(house.mails()) == 1
    await house.close()


# --- the whole daemon


@pytest.fixture
async def main() -> AsyncIterator[Sink]:
    async with sink() as one:
        yield one


async def test_a_daemon_whose_primary_is_down_mails_that_by_its_other_server(
    tmp_path: Path, main: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "AT_ONCE", timedelta(0))
    house = Whole(tmp_path)
    text = tables(9, support=main.port)
    house_write = house.write

    def with_alert_to(said: str) -> None:
        house_write(said)
        conf = next(tmp_path.rglob("*.toml"))
        conf.write_text(conf.read_text().replace("[daemon]\n", f"[daemon]\nalert_to = {OPS}\n"))

    house.write = with_alert_to  # type: ignore[method-assign]
    async with house.runs(text):
        await house.queue("main")
        with anyio.fail_after(20):
            await becomes(lambda: bool(main.taken))
    assert field_of(main.taken[0], "Subject").startswith("[critical] outgoing/main does not work (")
    assert field_of(main.taken[0], "To") == OPS[0]
