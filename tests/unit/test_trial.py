"""The record of a staged test: what each stage came to, and that nothing hangs, whatever an adapter does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
import pytest

from mailwicket.errors import BlockedError, MailwicketError, StageError, TransientError
from mailwicket.service.trial import ANY_FIX, AT_ONCE, BUG_FIX, FIXES, Candidate, try_connection, try_connections
from mailwicket.stages import Probe, StageState

OK, FAILED, SKIPPED = StageState.OK, StageState.FAILED, StageState.SKIPPED


class Connection:
    """Goes through three stages; in the second it does what a test says."""

    stages: Sequence[str] = ("one", "two", "three")

    def __init__(self, act: Callable[[], object] = lambda: None, *, hangs: bool = False) -> None:
        self.act = act
        self.hangs = hangs
        self.under_way = 0
        self.most = 0

    async def prove(self, probe: Probe) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        with probe.stage("one") as finding:
            await anyio.sleep(0.02)
            finding.detail = "found"
        with probe.stage("two"):
            self.act()
            if self.hangs:
                await anyio.sleep(60)
        with probe.stage("three"):
            pass
        self.under_way -= 1


def raises(error: Exception) -> Callable[[], object]:
    def act() -> None:
        raise error

    return act


async def states_of(connection: object, stage_s: float = 5) -> list[tuple[str, StageState, str, str | None]]:
    report = await try_connection(Candidate("incoming/x", "s:1", connection), stage_s=stage_s)
    assert report.ok == all(stage.state is OK for stage in report.stages)
    return [(stage.name, stage.state, stage.detail, stage.fix) for stage in report.stages]


async def test_stages_that_succeed_are_told_with_what_they_found_and_their_time() -> None:
    begun: list[str] = []
    report = await try_connection(Candidate("incoming/x", "s:1", Connection()), begun.append)
    assert report.ok
    assert begun == ["one", "two", "three"]
    assert (report.stages[0].state, report.stages[0].detail, report.stages[0].fix) == (OK, "found", None)
    assert 15 <= report.stages[0].ms < 1000


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (StageError("words", fix="do this"), "do this"),
        (TransientError("words", reason="connection_lost"), FIXES["connection_lost"]),
        (BlockedError("words"), ANY_FIX),
        (MailwicketError("words"), ANY_FIX),
    ],
)
async def test_a_failed_stage_has_the_words_and_a_fix_and_those_behind_it_are_skipped(
    error: MailwicketError, fix: str
) -> None:
    assert (await states_of(Connection(raises(error))))[1:] == [
        ("two", FAILED, "words", fix),
        ("three", SKIPPED, "", None),
    ]


async def test_a_stage_that_hangs_fails_at_its_deadline() -> None:
    told = await states_of(Connection(hangs=True), 0.1)
    assert told[1:] == [("two", FAILED, "not done within 0.1 s", FIXES["timeout"]), ("three", SKIPPED, "", None)]


async def test_a_bug_is_told_without_its_words_and_the_others_are_tested(caplog: pytest.LogCaptureFixture) -> None:
    good, bad = Connection(), Connection(raises(ZeroDivisionError("canary-4711")))
    reports = await try_connections([Candidate("incoming/a", "s:1", bad), Candidate("incoming/b", "s:1", good)])
    assert [one.ok for one in reports] == [False, True]
    assert (reports[0].stages[1].detail, reports[0].stages[1].fix) == ("a bug: ZeroDivisionError", BUG_FIX)
    assert "test failed unit=incoming/a" in caplog.text


async def test_an_adapter_that_cannot_be_tested_says_so() -> None:
    assert [one[:2] for one in await states_of(object())] == [("test", SKIPPED)]


async def test_many_are_tested_at_once_but_not_all_and_told_in_order() -> None:
    connection = Connection()
    candidates = [Candidate(f"incoming/{number}", "s:1", connection) for number in range(3 * AT_ONCE)]
    begun: list[tuple[str, str]] = []
    reports = await try_connections(candidates, lambda unit, stage: begun.append((unit, stage)))
    assert [one.unit for one in reports] == [one.unit for one in candidates]
    assert connection.most == AT_ONCE
    assert len(begun) == 9 * AT_ONCE


async def test_a_cancelled_test_ends_and_blames_no_stage() -> None:
    connection = Connection(hangs=True)
    with anyio.move_on_after(0.1) as scope:
        await try_connection(Candidate("incoming/x", "s:1", connection))
    assert scope.cancelled_caught
