"""The machine's clock is set while mail is in flight: nothing waits longer, is lost, done twice or deleted for that."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event, Thread

import pytest
from tests.lab import mailmix
from tests.lab.dovecot import Dovecot
from tests.lab.faketime import LIBRARIES, FakeClock
from tests.lab.needs import lacking
from tests.lab.processes import side_by_side, until
from tests.lab.stall import lag_watched, machine
from tests.lab.stand import Stand

from mailwicket.rules.schedule import PAUSES_S

pytestmark = pytest.mark.real

DAY, YEARS = timedelta(days=1), timedelta(days=3652)
LEAPS = (DAY, timedelta(), -DAY, timedelta(), YEARS, timedelta())
EVERY_S = 0.1
BUSY_S = 2.0  # what other users of the machine may add


def need_faketime() -> None:
    if not LIBRARIES:
        lacking("libfaketime is missing: apt-get install faketime")


@contextmanager
def trickle(stand: Stand, seed: int) -> Iterator[None]:
    """Lay a few mails every tenth of a second."""
    over = Event()

    def lay() -> None:
        mails = mailmix.small(100_000, seed)
        while not over.wait(EVERY_S):
            stand.lay([next(mails), next(mails)])

    thread = Thread(target=lay)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def longest_pause_s(stand: Stand, steps: list[Callable[[], None]], each_s: float) -> float:
    """Take *steps*, *each_s* after one another, while mail comes; return the longest time without a ticket."""
    longest_s, seen, since = 0.0, stand.daemon.count("settled"), time.monotonic()
    for step in steps:
        step()
        end = time.monotonic() + each_s
        while time.monotonic() < end:
            if (now := stand.daemon.count("settled")) != seen:
                longest_s, seen, since = max(longest_s, time.monotonic() - since), now, time.monotonic()
            time.sleep(0.01)
    return max(longest_s, time.monotonic() - since)


@contextmanager
def hangs_up() -> Iterator[tuple[int, list[float]]]:
    """Run a server that ends every connection at once; yield its port and when it was called."""
    called: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            while True:
                connection, _ = server.accept()
                connection.close()
                if over.is_set():
                    return
                called.append(time.monotonic())

        over = Event()
        thread = Thread(target=answer)
        thread.start()
        try:
            yield port, called
        finally:
            over.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()


def next_try_in_s(stand: Stand, clock_ahead: timedelta) -> float:
    unit = stand.daemon.unit("late")
    if unit["next_try"] is None:
        return 0.0
    return (datetime.fromisoformat(unit["next_try"]) - datetime.now(UTC) - clock_ahead).total_seconds()


def leap(stand: Stand, each_s: float) -> None:
    need_faketime()
    with hangs_up() as (port, called):
        late = stand.dovecot.box("nobody", port=port)
        stand.daemon.configure({"box": stand.dovecot.box(stand.user), "late": late})
        leap_while(stand, each_s)
    for pause_s, earlier, later in zip(PAUSES_S, called, called[1:], strict=False):
        assert pause_s <= later - earlier < 1.5 * pause_s + 5, "a try did not go by the monotonic clock"
    assert len(called) > 3


def leap_while(stand: Stand, each_s: float) -> None:
    clock = FakeClock(stand.daemon, stand.daemon.directory)
    daemon = stand.daemon
    stand.lay(mailmix.small(20))
    daemon.start_and_answer()
    daemon.wait_until_settled(20)
    shown: list[float] = []

    def leaps_told() -> int:
        return len([line for line in daemon.told("warning") if "the clock was set by" in line])

    def set_to(ahead: timedelta) -> Callable[[], None]:
        def step() -> None:
            told = leaps_told()
            clock.set(ahead)
            until(lambda: leaps_told() > told, 20, what="word of the leap")
            until(lambda: -2 <= next_try_in_s(stand, ahead) <= 190, 20, what="a sensible next try")
            shown.append(next_try_in_s(stand, ahead))

        return step

    with lag_watched(daemon, f"clock set {len(LEAPS)} times"), machine() as worst:
        with trickle(stand, 2):
            quiet_s = longest_pause_s(stand, [lambda: None] * len(LEAPS), each_s)
        with trickle(stand, 3):
            leaping_s = longest_pause_s(stand, [set_to(ahead) for ahead in LEAPS], each_s)
        stand.wait_until_caught_up()
    assert leaps_told() == len(LEAPS)
    assert daemon.stop() == 0
    figures = f"longest pause {leaping_s:.2f} s, quiet {quiet_s:.2f} s, next try shown in {max(shown):.0f} s at most"
    print(f"clock: {stand.close()}; {figures}")
    assert leaping_s < 2 * quiet_s + worst[0] + BUSY_S, "a leap is no reason to wait"


def test_a_clock_set_by_a_day_or_ten_years_moves_nothing_that_waits(stand: Stand) -> None:
    leap(stand, each_s=1.2)


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_a_clock_set_under_a_thousand_mails_moves_nothing_that_waits(stand: Stand) -> None:
    leap(stand, each_s=15)


def test_a_start_under_a_wrong_clock_deletes_no_mail(stands: Callable[..., Stand], dovecot: Dovecot) -> None:
    need_faketime()
    side_by_side([partial(start_wrong, stands(dovecot), years) for years in (10, -10)])


def start_wrong(stand: Stand, years: int) -> None:
    clock = FakeClock(stand.daemon, stand.daemon.directory)
    stand.lay([*mailmix.small(3), mailmix.anonymous(1)])
    stand.run(4)
    kept = raw_files(stand)
    assert len(kept) == 2
    for ahead in (timedelta(days=365 * years), timedelta()):
        clock.set(ahead)
        told = len(stand.daemon.told("warning"))
        stand.daemon.start_and_answer()
        until(lambda told=told: "the clock leapt" in "".join(stand.daemon.told("warning")[told:]), 20)  # type: ignore[misc]
        stand.lay(mailmix.small(1, seed=abs(years) + int(ahead == timedelta())))
        stand.wait_until_caught_up()
        assert stand.daemon.stop() == 0
        assert set(kept) <= set(raw_files(stand))
    assert stand.close().parked == 1


def raw_files(stand: Stand) -> list[Path]:
    return sorted((stand.daemon.state_dir / "raw").iterdir())
