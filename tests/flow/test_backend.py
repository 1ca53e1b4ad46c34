"""The door to a desk that keeps its own books: who is let through when, and whose fault a failure is."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint
from tests.fakes import DeskWatcher, FakeDesk

from mailwicket.errors import BlockedError, PermanentError, StoreError, TransientError
from mailwicket.flow.backend import STRIKES_MAX, Door, DoorRetiredError, StubbornError
from mailwicket.ports import Desk

PAUSE_S = 0.02

Call = Callable[[Desk], Awaitable[str]]


def quick(failures: int, _jitter: float, retry_after_s: float | None) -> float:
    return max(PAUSE_S * failures, retry_after_s or 0)


class WideDesk(FakeDesk):
    """Takes several effects at once, so many a minute."""

    def __init__(self, at_once: int = 100, rate_per_minute: int | None = None) -> None:
        super().__init__()
        self.at_once = at_once
        self.rate_per_minute = rate_per_minute


class Site:
    """A door, and what came through it."""

    def __init__(self, desk: Desk | None = None) -> None:
        self.watcher = DeskWatcher()
        self.desk = desk or WideDesk()
        self.door = Door(self.desk, self.watcher, pause=quick, chance=lambda: 0.0)
        self.sent: list[tuple[float, str]] = []
        self.done: list[str] = []
        self.failures: list[Exception] = []
        """What the next ones fail with."""
        self.stubborn: set[str] = set()
        self.gone: list[str] = []

    def effect(self, name: str, takes_s: float = 0) -> Call:
        async def act(_desk: Desk) -> str:
            self.sent.append((anyio.current_time(), name))
            await anyio.sleep(takes_s)
            if self.failures:
                raise self.failures.pop(0)
            if name in self.stubborn:
                raise TransientError(f"500 for {name}")
            return name

        return act

    async def bring(self, name: str, takes_s: float = 0) -> None:
        try:
            self.done.append(await self.door.bring(self.effect(name, takes_s), name) or "")
        except (StubbornError, PermanentError, DoorRetiredError):
            self.gone.append(name)

    @property
    def names(self) -> list[str]:
        return [name for _, name in self.sent]


async def settle() -> None:
    """Let every task come to where it waits."""
    for _ in range(10):
        await checkpoint()


@pytest.fixture
def site() -> Site:
    return Site()


def down(retry_after_s: float | None = None) -> TransientError:
    return TransientError("503", reason="backend_down", retry_after_s=retry_after_s)


async def test_an_effect_that_fails_is_tried_again_after_a_growing_pause_and_its_caller_knows_nothing_of_it(
    site: Site,
) -> None:
    site.failures = [down(), down(), down()]
    await site.bring("a")
    assert site.done == ["a"]
    gaps = [after - before for (before, _), (after, _) in zip(site.sent, site.sent[1:], strict=False)]
    assert [gap >= PAUSE_S * n for n, gap in enumerate(gaps, 1)] == [True] * 3
    assert site.watcher.told == ["waits", "tries", "waits", "tries", "waits", "tries", "works"]
    assert [pause for _, pause in site.watcher.failures] == [PAUSE_S, 2 * PAUSE_S, 3 * PAUSE_S]


async def test_while_the_door_is_closed_a_thousand_effects_cost_the_desk_one_request_at_a_time(site: Site) -> None:
    site.failures = [down()] * 10
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(site.bring, "first")
        await settle()
        for number in range(1000):
            tasks.start_soon(site.bring, str(number))
    assert len(site.sent) == 1001 + 10
    assert len(site.done) == 1001
    assert site.watcher.told.count("waits") == 10


async def test_everybody_waits_for_a_trial_in_the_order_of_arrival_and_who_failed_goes_to_the_end() -> None:
    site = Site(FakeDesk())  # says nothing of a pace: one at a time
    site.failures = [down()]
    async with anyio.create_task_group() as tasks:
        for name in "abcd":
            tasks.start_soon(site.bring, name, 0.01)
            await settle()
    assert site.names == ["a", "b", "c", "d", "a"]
    assert site.done == ["b", "c", "d", "a"]


async def test_nothing_is_sent_before_a_retry_after_has_passed(site: Site) -> None:
    site.failures = [down(retry_after_s=0.3)]
    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(site.bring, str(number))
            await checkpoint()
    first = site.sent[0][0]
    assert len(site.done) == 50
    begun_before_it_was_known = [at for at, _ in site.sent if at - first < 0.01]
    rest = [at for at, _ in site.sent if at - first >= 0.01]
    assert len(begun_before_it_was_known) <= 50
    assert min(rest) - first >= 0.3


async def test_a_longer_retry_after_of_a_request_that_was_under_way_is_obeyed_too(site: Site) -> None:
    async def second_fails(_desk: Desk) -> str:
        if not ended:
            ended.append(1)
            await anyio.sleep(0.01)
            raise down(retry_after_s=0.3)
        return "late"

    ended: list[int] = []
    site.failures = [down()]
    begun = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(site.door.bring, second_fails, "late")
        tasks.start_soon(site.bring, "a", 0.005)
    assert site.watcher.told.count("waits") == 1, "one outage was told twice"
    assert site.sent[1][0] - begun >= 0.3


async def test_a_success_that_was_under_way_before_the_door_closed_does_not_open_it(site: Site) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(site.bring, "slow", PAUSE_S / 2)
        await settle()
        site.door._close(down(retry_after_s=0.2), site.door._closings)
        begun = anyio.current_time()
        await anyio.sleep(PAUSE_S)
        assert site.done == ["slow"]
        await site.bring("next")
    assert anyio.current_time() - begun >= 0.2


async def test_a_desk_that_blocks_is_asked_once_and_left_alone_until_somebody_unblocks_it(site: Site) -> None:
    site.failures = [BlockedError("401", reason="login_refused")]
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(site.bring, str(number))
            await settle()
        await anyio.sleep(0.1)
        assert len(site.sent) == 1
        assert site.watcher.told == ["blocked"]
        site.failures = [BlockedError("401 still", reason="login_refused")]
        site.door.unblock()
        await anyio.sleep(0.1)
        assert len(site.sent) == 2
        assert site.watcher.told == ["blocked", "tries", "blocked"]
        site.door.unblock()
    assert len(site.done) == 20


async def test_a_new_desk_gets_what_waited_for_the_old_one(site: Site) -> None:
    other = FakeDesk()
    seen: list[Desk] = []

    async def effect(desk: Desk) -> str:
        seen.append(desk)
        if desk is not other:
            raise BlockedError("401")
        return "done"

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(site.door.bring, effect, str(number))
        await anyio.sleep(0.05)
        before = len(seen)
        site.door.adopt(other)
    assert seen[before:] == [other] * 3


async def test_what_the_old_desk_still_says_does_not_close_the_door_to_the_new_one(site: Site) -> None:
    other = FakeDesk()

    async def effect(desk: Desk) -> str:
        if desk is not other:
            await anyio.sleep(PAUSE_S)
            raise BlockedError("its session was closed")
        return "done"

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(site.door.bring, effect, "slow")
        await settle()
        site.door.adopt(other)
        assert await site.door.bring(effect, "next") == "done"
    assert site.watcher.told == ["works"]


async def test_who_waits_at_a_retired_door_is_sent_away_and_whoever_comes_later_too(site: Site) -> None:
    site.failures = [BlockedError("401")]
    async with anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(site.bring, name)
            await settle()
        site.door.retire()
    await site.bring("d")
    assert sorted(site.gone) == ["a", "b", "c", "d"]
    assert site.names == ["a"]


async def test_who_waits_can_be_cancelled_and_the_others_keep_their_places() -> None:
    site = Site(FakeDesk())
    site.failures = [down(retry_after_s=0.1)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(site.bring, "a")
        await settle()
        with anyio.move_on_after(0.02):
            await site.bring("cancelled")
        tasks.start_soon(site.bring, "b")
    assert sorted(site.done) == ["a", "b"]
    assert "cancelled" not in site.names


@pytest.mark.parametrize("rate", [600, 3000, 30_000])
async def test_effects_begin_at_the_desks_rate_and_a_pause_is_not_made_up_for(rate: int) -> None:
    site = Site(WideDesk(rate_per_minute=rate))
    count = max(10, rate // 60)  # a second's worth
    await site.bring("first")
    await anyio.sleep(0.5)
    begun = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for number in range(count):
            tasks.start_soon(site.bring, str(number))
    took = site.sent[-1][0] - site.sent[1][0]
    assert site.sent[1][0] - begun < 1
    expected_s = (count - 1) * 60 / rate
    assert expected_s * 0.9 <= took <= expected_s * 2, "never faster; a busy machine may be slower"


async def test_a_desk_without_a_pace_is_asked_one_thing_at_a_time() -> None:
    site = Site(FakeDesk())
    inside = most = 0

    async def effect(_desk: Desk) -> str:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await anyio.sleep(0.001)
        inside -= 1
        return "done"

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(site.door.bring, effect, str(number))
    assert most == 1


async def test_a_desk_is_asked_as_many_things_at_once_as_it_says() -> None:
    site = Site(WideDesk(at_once=3))
    inside = most = 0

    async def effect(_desk: Desk) -> str:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await anyio.sleep(0.001)
        inside -= 1
        return "done"

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(site.door.bring, effect, str(number))
    assert most == 3


# --- whose fault it is


async def test_an_effect_that_fails_while_others_succeed_is_given_up_after_so_many_times(site: Site) -> None:
    site.stubborn = {"poison"}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(site.bring, "poison")
        while not site.gone:
            await site.bring("good")
            await anyio.sleep(PAUSE_S / 2)
    assert site.gone == ["poison"]
    spells = " ".join(site.names).split("good")
    failed_with_evidence = [spell for spell in spells if "poison" in spell]
    assert len(failed_with_evidence) == STRIKES_MAX


async def test_an_effect_that_fails_alone_is_never_given_up(site: Site) -> None:
    site.stubborn = {"poison"}
    with anyio.move_on_after(1):
        await site.bring("poison")
    assert len(site.sent) > STRIKES_MAX
    assert site.gone == []


async def test_an_outage_of_the_desk_is_nobodys_fault_however_many_fail_in_turn(site: Site) -> None:
    site.failures = [down()] * 12
    async with anyio.create_task_group() as tasks:
        for name in "abcdef":
            tasks.start_soon(site.bring, name)
    assert sorted(site.done) == [*"abcdef"]
    assert site.gone == []


@pytest.mark.parametrize(
    "failure",
    [
        lambda: TransientError("429", retry_after_s=0.0),
        lambda: BlockedError("401"),
    ],
)
async def test_a_desk_that_names_a_time_or_asks_for_a_human_accuses_no_mail(
    failure: Callable[[], Exception], site: Site
) -> None:
    tries = 0

    async def effect(_desk: Desk) -> str:
        nonlocal tries
        tries += 1
        if tries <= 2 * STRIKES_MAX:
            raise failure()
        return "done"

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(site.door.bring, effect, "slow")
        while tries <= 2 * STRIKES_MAX:
            tasks.start_soon(site.bring, "good")
            await anyio.sleep(0.005)
            site.door.unblock()


async def test_an_effect_that_the_desk_refuses_for_good_shows_that_it_answers(site: Site) -> None:
    site.failures = [down(), PermanentError("422")]
    await site.bring("a")
    assert site.gone == ["a"]
    assert site.watcher.told == ["waits", "tries", "works"]


async def test_a_bug_in_a_desk_is_told_and_waited_out_as_an_outage_is(site: Site) -> None:
    bug = KeyError("x")
    site.failures = [bug]
    await site.bring("a")
    assert site.done == ["a"]
    assert site.watcher.failures == [(bug, PAUSE_S)]


async def test_our_own_disk_closes_no_door(site: Site) -> None:
    site.failures = [StoreError("full", reason="disk_full")]
    with pytest.raises(StoreError):
        await site.bring("a")
    assert site.watcher.told == []


async def test_what_finds_nothing_to_ask_for_tells_nothing_about_the_desk(site: Site) -> None:
    async def nothing(_desk: Desk) -> None:
        return None

    site.failures = [down()]
    with contextlib.suppress(TimeoutError), anyio.fail_after(PAUSE_S / 2):
        await site.bring("a")
    assert await site.door.bring(nothing, "nothing") is None
    assert site.door._failures == 1
    assert site.door._shut_until < math.inf
    assert site.watcher.told == ["waits", "tries"]
