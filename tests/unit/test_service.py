"""Units: who must act decides what happens next, and people are told once."""

from __future__ import annotations

import logging

import anyio
import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from mailwicket.errors import BlockedError, StoreError, TransientError
from mailwicket.model import Reason
from mailwicket.service import supervisor
from mailwicket.service.looplag import LoopLag
from mailwicket.service.metrics import registry_of
from mailwicket.service.report import ready, status
from mailwicket.service.supervisor import first_failure, supervise
from mailwicket.service.units import Unit, UnitState
from mailwicket.web.endpoint import Endpoint


@pytest.fixture
def unit() -> Unit:
    return Unit("incoming/box", "imap.example.org:993")


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    failures: list[int] = []

    def pause_s(count: int, _chance: float, _retry_after_s: float | None) -> float:
        failures.append(count)
        return 0.0

    monkeypatch.setattr(supervisor, "pause_s", pause_s)
    return failures


class Script:
    """Runs as a unit: raises or succeeds as listed, then waits for ever."""

    def __init__(self, unit: Unit, *outcomes: Exception | None) -> None:
        self.unit = unit
        self.outcomes = list(outcomes)
        self.ended = anyio.Event()

    async def __call__(self) -> None:
        if not self.outcomes:
            self.ended.set()
            await anyio.sleep_forever()
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome
        self.unit.connected(lambda: 1.5)


async def play(unit: Unit, *outcomes: Exception | None, script: type[Script] = Script) -> None:
    running = script(unit, *outcomes)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervise, unit, running)
        with anyio.fail_after(5):
            # A unit has no event to wait for.
            while not running.ended.is_set() and unit.state is not UnitState.BLOCKED:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()


async def test_a_refused_login_blocks_the_unit_and_says_server_words_and_what_next(
    unit: Unit, caplog: pytest.LogCaptureFixture
) -> None:
    said = 'imap.example.org:993 refused login of desk@example.org ("[AUTHENTICATIONFAILED] no")'
    await play(unit, BlockedError(said, reason="login_refused"), None)
    assert (unit.state, unit.reason, unit.said) == (UnitState.BLOCKED, "login_refused", said)
    assert caplog.messages == [f"incoming/box: {said}; blocked until conf.d is mended and mailwicket restarted"]


async def test_an_outage_is_told_once_and_its_end_once(
    unit: Unit, no_pause: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    gone = TransientError("imap.example.org:993: connection refused")
    await play(unit, gone, gone, gone, None)
    assert no_pause[:3] == [1, 2, 3]
    assert sum("connection refused" in line for line in caplog.messages) == 1
    assert sum("is back" in line for line in caplog.messages) == 1


async def test_a_full_disk_says_that_mail_waits_on_its_server(
    unit: Unit, no_pause: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    await play(unit, ExceptionGroup("tasks", [StoreError("cannot write raw/x: No space left", reason="disk_full")]))
    assert any("mail waits on its server" in line and "No space left" in line for line in caplog.messages)


async def test_a_full_disk_is_told_once_and_is_not_over_because_the_server_answers(
    unit: Unit, no_pause: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    full = StoreError("cannot write raw/x: No space left", reason="disk_full")

    class Connected(Script):
        async def __call__(self) -> None:
            self.unit.connected(lambda: 1.5)
            await super().__call__()

    await play(unit, *[full] * 8, script=Connected)
    assert (unit.state, unit.reason, unit.said) == (UnitState.RUNNING, "disk_full", str(full))
    assert not status([unit], "1.0", "desk", 0)["store"]["ok"]
    assert sum("No space left" in line for line in caplog.messages) == 1
    assert not any("is back" in line for line in caplog.messages)
    assert max(no_pause) == 5, "room on the disk is used within a minute"
    unit.done(Reason.CREATED)
    assert status([unit], "1.0", "desk", 0)["store"]["ok"]
    assert caplog.messages[-1] == "incoming/box: the store is back"


async def test_a_bug_in_a_unit_leaves_a_traceback_and_the_unit_goes_on(
    unit: Unit, no_pause: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    await play(unit, ZeroDivisionError("a bug"))
    assert any(record.exc_info for record in caplog.records)


def test_the_first_failure_of_a_group_is_the_one_that_says_who_must_act() -> None:
    blocked = BlockedError("folder unknown")
    assert first_failure(ExceptionGroup("a", [ValueError(), ExceptionGroup("b", [blocked])])) is blocked


async def test_the_loop_lag_shows_a_blocked_loop() -> None:
    lag = LoopLag()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lag.run)
        await anyio.sleep(0.06)
        before = lag.max_s
        import time  # the standard clock's sleep is the fault under test

        time.sleep(0.12)  # noqa: ASYNC251
        await anyio.sleep(0.06)
        tasks.cancel_scope.cancel()
    assert before < 0.08 < lag.max_s


def endpoint(unit: Unit, token: str | None = "canary-token") -> Endpoint:
    units = {unit.name: unit}
    registry = registry_of(units, LoopLag(), lambda: 2)
    return Endpoint(lambda: status(units.values(), "1.0", "desk", 2), lambda: ready(units.values()), registry, token)


async def test_readyz_is_503_with_the_reason_while_a_unit_is_blocked(unit: Unit) -> None:
    async with TestClient(TestServer(endpoint(unit)._app(trusted=False))) as client:
        assert (await client.get("/readyz")).status == 200
        unit.become(UnitState.BLOCKED, "login_refused", "said")
        answer = await client.get("/readyz")
        assert answer.status == 503
        assert (await answer.json())["units"]["incoming/box"] == {"state": "blocked", "reason": "login_refused"}
        assert (await client.get("/livez")).status == 200


async def test_every_api_route_wants_the_token_and_every_route_but_health_a_local_host(unit: Unit) -> None:
    async with TestClient(TestServer(endpoint(unit)._app(trusted=True))) as client:
        routes = [route["path"] for route in await (await client.get("/api/v1/")).json()]
    assert "/api/v1/status" in routes
    bearer = {"Authorization": "Bearer canary-token"}
    async with TestClient(TestServer(endpoint(unit)._app(trusted=False))) as client:
        for path in routes:
            foreign = await client.get(path, headers={**bearer, "Host": "evil.example.org"})
            wrong = await client.get(path, headers={"Authorization": "Bearer wrong"})
            assert (await client.get(path, headers=bearer)).status == 200
            if path not in {"/livez", "/readyz"}:
                assert foreign.status == 403
            if path.startswith("/api/"):
                assert wrong.status == 401
                assert wrong.content_type == "application/problem+json"


async def test_without_a_token_the_api_is_closed_over_tcp(unit: Unit) -> None:
    async with TestClient(TestServer(endpoint(unit, None)._app(trusted=False))) as client:
        assert (await client.get("/api/v1/status", headers={"Authorization": "Bearer "})).status == 401


async def test_an_address_that_is_not_loopback_is_refused(unit: Unit) -> None:
    with pytest.raises(BlockedError, match="not loopback"):
        async with endpoint(unit).serve(["0.0.0.0:0"]):
            pass


async def test_metrics_show_state_backlog_silence_reasons_and_the_loops_lag(unit: Unit) -> None:
    unit.connected(lambda: 1.5)
    unit.backlog(12)
    unit.done(Reason.CREATED)
    async with TestClient(TestServer(endpoint(unit)._app(trusted=False))) as client:
        text = await (await client.get("/metrics")).text()
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["mailwicket_unit_state", "incoming/box", "running"] == 1
    assert found["mailwicket_unit_backlog_mails", "incoming/box"] == 12
    assert found["mailwicket_unit_silence_seconds", "incoming/box"] == 1.5
    assert found["mailwicket_mails_total", "created", "incoming/box"] == 1
    assert found["mailwicket_quarantine_mails",] == 2
    assert ("mailwicket_loop_lag_max_seconds",) in found
