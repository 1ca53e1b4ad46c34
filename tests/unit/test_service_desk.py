"""The desk as a unit: what people are told of it, once."""

from __future__ import annotations

import logging

import pytest
from tests.fakes import report

from mailwicket.errors import BlockedError, TransientError
from mailwicket.service.desk import DeskUnit
from mailwicket.service.units import Unit, UnitState


@pytest.fixture
def desk() -> DeskUnit:
    return DeskUnit(Unit("backend", "webhook"))


def down(words: str = "https://desk.example.org answered 503") -> TransientError:
    return TransientError(words, reason="backend_down")


def test_nothing_is_known_against_a_desk_that_was_not_asked(desk: DeskUnit) -> None:
    assert (desk.unit.state, desk.unit.reason, desk.unit.last_success) == (UnitState.RUNNING, None, None)
    desk.works()
    assert desk.unit.last_success is not None


def test_an_outage_is_told_when_it_begins_and_when_it_is_over_and_not_between(
    desk: DeskUnit, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for pause in (1, 2, 5):
        desk.waits(down(), pause)
        unit = desk.unit
        assert (unit.state, unit.reason, unit.said) == (UnitState.WAITING, "backend_down", str(down()))
        assert unit.next_try is not None
        desk.tries()
        assert (unit.state, unit.reason) == (UnitState.STARTING, "backend_down")
    desk.works()
    desk.works()
    assert (desk.unit.state, desk.unit.reason, desk.unit.failures) == (UnitState.RUNNING, None, 0)
    assert [record.getMessage() for record in caplog.records] == [
        "backend: https://desk.example.org answered 503; next try in 1 s",
        "backend: webhook is back",
    ]
    desk.waits(down(), 1)
    assert caplog.records[-1].levelname == "WARNING"


def test_a_desk_that_blocks_is_critical_until_it_works(desk: DeskUnit, caplog: pytest.LogCaptureFixture) -> None:
    desk.blocked(BlockedError("https://desk.example.org answered 401", reason="login_refused"))
    assert (desk.unit.state, desk.unit.reason) == (UnitState.BLOCKED, "login_refused")
    assert not report(desk=desk.unit).ready()["ready"]
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith("backend: https://desk.example.org answered 401; blocked until ")
    desk.tries()
    desk.works()
    assert report(desk=desk.unit).ready()["ready"]


def test_a_bug_in_a_desk_is_told_with_where_it_happened(desk: DeskUnit, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyError) as caught:
        {}["x"]
    desk.waits(caught.value, 1)
    assert desk.unit.reason == "bug"
    assert caplog.records[0].exc_info


def test_status_says_that_the_backend_is_down(desk: DeskUnit) -> None:
    assert report(desk=desk.unit, backend="webhook").status()["backend"] == {
        "name": "webhook",
        "ok": True,
        "error": None,
    }
    desk.waits(down(), 1)
    assert report(desk=desk.unit, backend="webhook").status()["backend"]["ok"] is False
    desk.tries()  # which may take as long as its time limit
    assert report(desk=desk.unit, backend="webhook").status()["backend"] == {
        "name": "webhook",
        "ok": False,
        "error": str(down()),
    }
    assert "backend: backend_down" in report(desk=desk.unit).line()
    desk.works()
    assert report(desk=desk.unit).status()["backend"]["ok"] is True
