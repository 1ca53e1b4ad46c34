"""Disk space comes back, attachments and parked mail stay as long as they should."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.fakes import mail
from tests.flow.test_intake import Bench, bench

from mailwicket.flow.reclaim import Reclaim
from mailwicket.model import Reason

__all__ = ["bench"]

CONTENT = b"a picture" * 100
MULTIPART = (
    "--b\r\nContent-Type: text/plain\r\n\r\nSee there.\r\n--b\r\nContent-Type: image/png\r\n"
    'Content-Disposition: attachment; filename="p.png"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    + base64.encodebytes(CONTENT).decode().replace("\n", "\r\n")
    + "--b--\r\n"
)


START = datetime.now(UTC)


async def live(bench: Bench, first_day: int, last_day: int) -> None:
    """Let days pass, with a restart once a week."""
    for day in (*range(first_day, last_day, 7), last_day):
        await reclaim(bench, lambda day=day: START + timedelta(days=day)).once()  # type: ignore[misc]


def reclaim(bench: Bench, clock: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic) -> Reclaim:
    keep = timedelta(days=90), timedelta(days=30)
    return Reclaim(bench.store, bench.desk, *keep, clock, monotonic=monotonic)


def raw_files(bench: Bench) -> list[Path]:
    return sorted(bench.store.raw.directory.iterdir())


async def test_old_raw_mail_goes_whole_and_its_attachments_are_cut_out_before(bench: Bench, tmp_path: Path) -> None:
    kind = 'multipart/mixed; boundary="b"'
    bench.server.deliver(mail("picture", MULTIPART, message_id="p@example.org", content_type=kind))
    await bench.catch_up()
    bench.store.raw.close()
    bench.store.raw._name = ""  # the day is over: no segment is in use
    await live(bench, 0, 90)
    assert len(raw_files(bench)) == 1
    await live(bench, 91, 92)
    assert raw_files(bench) == []
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert [path.read_bytes() for path in tmp_path.rglob(digest)] == [CONTENT]  # noqa: ASYNC240 - a test may block
    assert bench.ask("SELECT raw_file, reason FROM intake") == [(None, "created")]


async def test_parked_mail_outlives_its_segment_and_expires_with_an_event(bench: Bench) -> None:
    bench.server.deliver(mail("nobody", author="nobody at all", message_id="n@example.org"))
    await bench.catch_up()
    assert bench.watcher.reasons == [Reason.NO_SENDER]
    await live(bench, 0, 29)
    assert len(list(bench.store.raw.directory.glob("parked-*"))) == 1
    await live(bench, 30, 31)
    assert list(bench.store.raw.directory.glob("parked-*")) == []
    assert bench.kinds() == ["MailQuarantined", "MailExpired"]


class Clocks:
    """A clock that may leap, and the monotonic one."""

    def __init__(self) -> None:
        self.lived_s = 0.0
        self.leapt = timedelta()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.lived_s) + self.leapt

    def monotonic(self) -> float:
        return self.lived_s

    async def live(self, reclaiming: Reclaim, days: float) -> None:
        """Let *days* pass with a look at the disk each day; it is each hour in truth."""
        for _ in range(int(days)):
            self.lived_s += 86_400
            await reclaiming.once()


@pytest.fixture
async def kept(bench: Bench) -> Bench:
    """A mail in a segment that is no longer in use, and a parked one."""
    bench.server.deliver(mail("one", message_id="1@example.org"), mail("nobody", author="none", message_id="2@x.y"))
    await bench.catch_up()
    bench.store.raw.close()
    bench.store.raw._name = ""
    return bench


@pytest.mark.parametrize("years", [10, -10])
@pytest.mark.parametrize("restart", [False, True])
async def test_a_clock_that_leaps_and_comes_back_deletes_nothing(kept: Bench, years: int, *, restart: bool) -> None:
    before = raw_files(kept)
    clocks = Clocks()
    reclaiming = reclaim(kept, clocks.now, clocks.monotonic)
    await reclaiming.once()
    for leap in (timedelta(days=365 * years), timedelta()):
        clocks.leapt = leap
        if restart:
            reclaiming = reclaim(kept, clocks.now, clocks.monotonic)
        await reclaiming.once()
        await clocks.live(reclaiming, 1)
        assert raw_files(kept) == before
    await clocks.live(reclaiming, 28)
    assert raw_files(kept) == before
    await clocks.live(reclaiming, 3)
    assert [path.suffix for path in raw_files(kept)] == [".seg"]  # 30 days after the last leap
    await clocks.live(reclaiming, 60)
    assert raw_files(kept) == []


async def test_what_was_kept_while_the_clock_was_ten_years_ahead_is_not_kept_for_ten_years(bench: Bench) -> None:
    clocks = Clocks()
    clocks.leapt = timedelta(days=3650)
    reclaiming = reclaim(bench, clocks.now, clocks.monotonic)
    await reclaiming.once()
    ahead = bench.store.raw.directory / f"{clocks.now():%Y%m%d}-000001.seg"
    ahead.touch()
    clocks.leapt = timedelta()
    await clocks.live(reclaiming, 89)
    assert raw_files(bench) == [ahead]
    await clocks.live(reclaiming, 3)
    assert raw_files(bench) == []


async def test_a_week_without_us_does_not_hold_what_is_old(kept: Bench) -> None:
    clocks = Clocks()
    await clocks.live(reclaim(kept, clocks.now, clocks.monotonic), 84)
    assert [path.suffix for path in raw_files(kept)] == [".seg"]
    clocks.lived_s += 7 * 86_400
    await reclaim(kept, clocks.now, clocks.monotonic).once()
    assert raw_files(kept) == []
