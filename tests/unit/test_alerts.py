"""Alerts: what a person must mend is told when it begins, once a day, and when it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.fakes import report

from mailwicket.cli.status import severity, sheet
from mailwicket.errors import StoreError
from mailwicket.model import Reason
from mailwicket.service.alerts import CRITICAL, Alert, Cause, alerts_of
from mailwicket.service.ending import Ending
from mailwicket.service.herald import LOGGED, Herald, News, tell_log
from mailwicket.service.report import ParkedLately, Report
from mailwicket.service.units import Unit, UnitState

MINUTE = timedelta(minutes=1)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def unit() -> Unit:
    one = Unit("incoming/box", "imap.example.org:993")
    one.become(UnitState.STARTING)
    return one


def causes(*units: Unit, after: timedelta = timedelta(0), **changes: object) -> list[tuple[str, str | None]]:
    """What stands *after* that time."""
    return [alert.key for alert in alerts_of(report(*units, at=now() + after, **changes))]


def fail(unit: Unit, reason: str = "unreachable") -> None:
    unit.failures += 1
    unit.become(UnitState.WAITING, reason, "said")


# --- each begins when it should, and ends ----------------------------------------------------------------------------


def test_a_daemon_that_is_well_has_none(unit: Unit) -> None:
    unit.connected(lambda: 1.0)
    unit.caught_up()
    unit.unread(3, 0)
    assert causes(unit, after=timedelta(days=9)) == []


def test_a_blocked_unit_is_one_after_a_minute_until_it_is_tried_again(unit: Unit) -> None:
    unit.become(UnitState.BLOCKED, "login_refused", "said")
    assert causes(unit, after=0.9 * MINUTE) == []
    (alert,) = alerts_of(report(unit, at=now() + MINUTE))
    assert (alert.key, alert.since, alert.severity) == (("unit_blocked", "incoming/box"), unit.since, "critical")
    assert "login_refused" in alert.said
    assert "mailwicket unblock incoming/box" in alert.do
    unit.become(UnitState.STARTING, "login_refused", "said")
    assert causes(unit, after=9 * MINUTE) == []


def test_a_unit_that_fails_for_half_an_hour_is_one_however_often_it_is_tried_meanwhile(unit: Unit) -> None:
    fail(unit)
    begun = unit.failing_since
    assert causes(unit, after=29 * MINUTE) == []
    for _ in range(3):
        unit.become(UnitState.STARTING, unit.reason, unit.said)
        fail(unit)
    assert unit.failing_since == begun
    assert causes(unit, after=31 * MINUTE) == [("unit_failing", "incoming/box")]
    unit.connected(lambda: 1.0)
    assert causes(unit, after=31 * MINUTE) == [], "half an hour later it is connected still"
    unit.caught_up()
    fail(unit)
    assert causes(unit, after=29 * MINUTE) == [], "it was well in between"


def test_a_connection_that_never_holds_for_five_minutes_is_a_failure(unit: Unit) -> None:
    fail(unit)
    unit.failing_since = now() - 40 * MINUTE
    unit.connected(lambda: 1.0)
    assert causes(unit, after=4 * MINUTE) == [("unit_failing", "incoming/box")]
    assert causes(unit, after=6 * MINUTE) == []


def test_a_paused_unit_fails_nobody(unit: Unit) -> None:
    fail(unit)
    unit.become(UnitState.PAUSED, "by_admin")
    assert causes(unit, after=timedelta(days=2)) == []


def test_a_backend_that_is_down_for_five_minutes_is_one_and_its_mailboxes_are_not(unit: Unit) -> None:
    fail(unit, "backend_down")
    assert causes(unit, after=4 * MINUTE) == []
    unit.become(UnitState.STARTING, unit.reason, unit.said)
    fail(unit, "backend_down")
    assert causes(unit, after=40 * MINUTE) == [("backend_down", None)]
    unit.connected(lambda: 1.0)
    assert causes(unit, after=6 * MINUTE) == []


@pytest.mark.parametrize(
    ("reason", "do"),
    [("disk_full", "make room"), ("store_locked", "end whoever"), ("store_damaged", "backup"), ("disk_error", "log")],
)
def test_a_store_that_takes_no_writes_is_one_after_a_minute_until_something_is_written(
    unit: Unit, reason: str, do: str
) -> None:
    fail(unit, reason)
    assert causes(unit, after=0.9 * MINUTE) == []
    (alert,) = alerts_of(report(unit, at=now() + MINUTE))
    assert alert.key == ("store_down", None)
    assert reason in alert.said
    assert do in alert.do
    unit.connected(lambda: 1.0)
    assert causes(unit, after=60 * MINUTE) == [("store_down", None)], "a server that answers makes no room"
    unit.done(Reason.CREATED)
    assert causes(unit, after=60 * MINUTE) == []


def test_a_refused_configuration_is_one_after_ten_minutes(unit: Unit) -> None:
    refused = {"errors": ("a", "b"), "refused_since": now()}
    assert causes(unit, after=9 * MINUTE, **refused) == []
    assert causes(unit, after=11 * MINUTE, **refused) == [("config_refused", None)]
    (alert,) = alerts_of(report(unit, at=now() + 11 * MINUTE, **refused))
    assert "2 errors" in alert.said


def test_mail_that_was_parked_within_a_day_is_one_and_older_parked_mail_is_none(unit: Unit) -> None:
    assert causes(unit, parked=12) == []
    (alert,) = alerts_of(report(unit, parked=12, parked_lately=ParkedLately(1, now()), parked_keep_days=30))
    assert (alert.key, alert.severity) == (("quarantine_growing", None), "warning")
    assert alert.said == "1 mail parked within a day, 12 wait for a person"
    assert "30 days" in alert.do


def test_unread_mail_that_was_never_taken_is_one_after_ten_minutes_until_a_count_finds_none(unit: Unit) -> None:
    unit.unread(5, 2)
    since = unit.untaken_since
    assert causes(unit, after=9 * MINUTE) == []
    unit.unread(5, 1)
    assert unit.untaken_since == since
    (alert,) = alerts_of(report(unit, at=now() + 11 * MINUTE))
    assert alert.key == ("mail_untaken", "incoming/box")
    assert "1 unread mail that" in alert.said
    unit.unread(5, 0)
    assert causes(unit, after=11 * MINUTE) == []
    unit.unread(5, 2)
    unit.become(UnitState.STOPPED, "disabled")
    assert causes(unit, after=11 * MINUTE) == [], "nobody counts there any more"


def test_the_worst_comes_first(unit: Unit) -> None:
    unit.become(UnitState.BLOCKED, "refused", "said")
    other = Unit("incoming/other", "imap.example.org:993")
    other.become(UnitState.STARTING)
    fail(other)
    found = alerts_of(report(other, unit, at=now() + 40 * MINUTE))
    assert [alert.cause for alert in found] == ["unit_blocked", "unit_failing"]
    assert {alert.severity for alert in found if alert.cause in CRITICAL} == {"critical"}


# --- told once --------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.at = now()

    def __call__(self) -> datetime:
        return self.at


class Stage:
    """A herald over units that a test changes, and what it told."""

    def __init__(self, *units: Unit) -> None:
        self.units = units
        self.clock = Clock()
        self.news: list[News] = []
        self.broken: tuple[StoreError, datetime] | tuple[None, None] = (None, None)
        self.herald = Herald(self.report, [self.news.append, tell_log], self.clock)

    def report(self) -> Report:
        error, since = self.broken
        return report(*self.units, at=self.clock.at, store_waits=error, store_waits_since=since)

    def look(self, after: timedelta = timedelta(0)) -> News:
        self.clock.at += after
        return self.herald.look()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The lines since the last call."""
    caplog.set_level(logging.INFO)

    def fresh() -> list[str]:
        messages = list(caplog.messages)
        caplog.clear()
        return messages

    return fresh


def test_an_alert_is_told_when_it_begins_once_a_day_and_when_it_is_over(
    unit: Unit, lines: Callable[[], list[str]]
) -> None:
    stage = Stage(unit)
    assert not stage.look()
    unit.become(UnitState.BLOCKED, "login_refused", "said")
    assert not stage.look(0.9 * MINUTE)
    stage.look(0.2 * MINUTE)
    (line,) = lines()
    assert line.startswith("alert unit_blocked: incoming/box is blocked (login_refused)")
    assert 'else "mailwicket unblock incoming/box"' in line
    for _ in range(100):
        assert not stage.look(14 * MINUTE)
    assert lines() == []
    stage.look(50 * MINUTE)
    (line,) = lines()
    assert line.startswith("alert stands unit_blocked: incoming/box is blocked")
    assert not stage.look(23 * 60 * MINUTE)
    unit.become(UnitState.RUNNING)
    stage.look()
    (line,) = lines()
    assert line.startswith("alert over unit_blocked incoming/box: it stood for 2")
    assert not stage.look()
    assert len(stage.news) == 3


def test_a_critical_alert_is_an_error_in_the_log_and_another_a_warning(
    unit: Unit, caplog: pytest.LogCaptureFixture
) -> None:
    unit.become(UnitState.BLOCKED, "login_refused", "said")
    other = Unit("incoming/other", "imap.example.org:993")
    other.unread(1, 1)
    Stage(unit, other).look(11 * MINUTE)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_of_a_thousand_mailboxes_that_fail_at_once_some_are_named(lines: Callable[[], list[str]]) -> None:
    units = [Unit(f"incoming/box{number}", "imap.example.org:993") for number in range(1000)]
    for one in units:
        one.become(UnitState.STARTING)
        fail(one)
    stage = Stage(*units)
    assert len(stage.look(31 * MINUTE).begun) == 1000
    told = lines()
    assert len(told) == LOGGED + 1
    assert told[-1] == 'alert unit_failing: 990 more units, "mailwicket status" tells all'
    for one in units:
        one.connected(lambda: 1.0)
        one.caught_up()
    stage.look(6 * MINUTE)
    told = lines()
    assert len(told) == LOGGED + 1
    assert told[-1] == 'alert over unit_failing: 990 more units, "mailwicket status" tells all'


def test_a_store_that_cannot_even_be_read_is_told_once_and_the_rest_stands(
    unit: Unit, lines: Callable[[], list[str]]
) -> None:
    unit.become(UnitState.BLOCKED, "login_refused", "said")
    stage = Stage(unit)
    stage.look(2 * MINUTE)
    assert len(lines()) == 1
    stage.broken = StoreError("store database: disk I/O error", reason="disk_error"), stage.clock.at
    for _ in range(3):
        stage.look(MINUTE)
    (line,) = lines()
    assert line.startswith("alert store_down: our own store takes no writes (disk_error)")
    stage.broken = None, None
    stage.look()
    assert lines() == ["alert over store_down: it stood for 3 min"]


# --- shown ------------------------------------------------------------------------------------------------------------


def test_status_tells_alerts_in_json_and_in_lines_and_by_its_exit_status(unit: Unit) -> None:
    at = now() + 11 * MINUTE
    assert report(unit, at=at).status()["alerts"] == []
    unit.connected(lambda: 1.0)
    unit.unread(4, 1)
    told = dict(report(unit, at=at).status())
    (alert,) = told["alerts"]
    assert (alert["cause"], alert["severity"], alert["unit"]) == ("mail_untaken", "warning", "incoming/box")
    assert datetime.fromisoformat(alert["since"]) == unit.untaken_since
    assert (told["units"][0]["unread"], told["units"][0]["untaken"]) == (4, 1)
    assert severity(told, at) == 1
    assert any(line.startswith("warning for 10 min: imap.example.org:993 shows 1 ") for line in sheet(told, at))


def test_every_cause_can_be_begun_by_a_report(unit: Unit) -> None:
    blocked, failing, out = (Unit(f"incoming/{name}", "imap.example.org:993") for name in ("b", "f", "o"))
    blocked.become(UnitState.BLOCKED, "refused", "said")
    for one, reason in ((failing, "timeout"), (out, "backend_down"), (unit, "disk_full")):
        one.become(UnitState.STARTING)
        fail(one, reason)
    failing.unread(1, 1)
    main, support = Unit("outgoing/main", "s"), Unit("outgoing/support", "s")
    main.broken_since = support.broken_since = now()
    support.stand_in = "main"
    changes: dict[str, object] = {"errors": ("a",), "refused_since": now(), "parked_lately": ParkedLately(1, now())}
    changes["endings"] = [Ending("office", "secret", now())]
    found = alerts_of(report(blocked, failing, out, unit, main, support, at=now() + 60 * MINUTE, **changes))
    assert {alert.cause for alert in found} == set(Cause)
    assert all(isinstance(alert, Alert) and alert.said and alert.do for alert in found)


@pytest.mark.parametrize(
    ("what", "days", "said"),
    [
        ("secret", 31, None),
        ("secret", 30, "the secret of oauth office ends in 30 days"),
        ("certificate", 1, "the certificate of oauth office ends in 1 day"),
        ("certificate", -1, "the certificate of oauth office has ended"),
        ("grant", 15, None),
        ("grant", 14, "the grant of oauth office ends in 14 days"),
    ],
)
def test_what_ends_one_day_is_told_in_time(what: str, days: int, said: str | None) -> None:
    at = now()
    told = alerts_of(report(at=at, endings=[Ending("office", what, at + timedelta(days=days))]))
    assert [one.said for one in told] == ([said] if said else [])
    assert all(one.unit == "oauth/office" and one.severity == "warning" and one.do for one in told)


def test_of_several_things_of_one_application_the_nearest_end_is_told() -> None:
    at = now()
    ends = [Ending("office", what, at + timedelta(days=days)) for what, days in (("secret", 9), ("certificate", 3))]
    (told,) = alerts_of(report(at=at, endings=ends))
    assert told.said.startswith("the certificate")


def test_a_store_that_is_out_for_long_does_not_begin_anew_with_each_write_that_waits(unit: Unit) -> None:
    locked = StoreError("store database: another process holds it (database is locked)", reason="store_locked")
    lately = {"store_waits": locked, "store_waits_since": now() + 5 * MINUTE}
    assert causes(unit, after=5 * MINUTE, **lately) == []  # a write waits, since a moment
    assert causes(unit, after=6 * MINUTE, **lately) == [("store_down", None)]
    fail(unit, "store_locked")
    assert causes(unit, after=2 * MINUTE) == [("store_down", None)]
    assert causes(unit, after=5 * MINUTE, **lately) == [("store_down", None)]


def test_a_sign_in_whose_end_is_set_is_told_at_half_its_life_and_says_that_use_does_not_help() -> None:
    at = now()
    ending = Ending("office", "grant", at + timedelta(days=3), timedelta(days=7))
    (told,) = alerts_of(report(at=at, endings=[ending]))
    assert told.cause == Cause.CREDENTIAL_ENDING
    assert told.do.startswith('"mailwicket oauth login office"; its provider ends it')
    assert alerts_of(report(at=at - timedelta(days=1), endings=[ending])) == []
