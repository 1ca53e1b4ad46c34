"""What the server marks as unread, held against the journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from tests.fakes import DeskWatcher, FakeDesk, FakeServer, FakeSource, Watcher, mail, rulebook

from mailwicket.errors import TransientError
from mailwicket.flow.backend import Door
from mailwicket.flow.batches import PAGE_ROWS
from mailwicket.flow.intake import Intake
from mailwicket.flow.judge import Judge
from mailwicket.flow.reading import Reading
from mailwicket.store.store import Store


class Bench:
    """A store that lives through several runs of the intake."""

    def __init__(self, directory: Path) -> None:
        self.server = FakeServer()
        self.desk = FakeDesk()
        self.watcher = Watcher()
        self.outage = DeskWatcher()
        self.store = Store(directory / "state")
        self.reading = Reading(self.store)

    async def compare(self) -> tuple[int, int]:
        """Run until the server's marks were held against the journal; return unread and untaken."""
        self.watcher.compared = anyio.Event()
        await self.run_until(self.watcher.compared)
        return self.watcher.unreads[-1]

    async def run_until(self, event: anyio.Event) -> None:
        door = Door(self.desk, self.outage)
        judge = Judge(self.store, door, rulebook("box"), self.watcher)
        intake = Intake("box", FakeSource(self.server), self.store, self.reading, judge, self.watcher)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(intake.run)
            with anyio.fail_after(20):
                await event.wait()
            tasks.cancel_scope.cancel()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    one = Bench(tmp_path)
    yield one
    one.reading.close()
    await one.store.close()


async def test_when_all_is_done_nothing_is_unread_and_nothing_untaken(bench: Bench) -> None:
    bench.server.deliver(mail(message_id="a@example.org"), b"no mail at all", mail(message_id="b@example.org"))
    assert await bench.compare() == (0, 0)
    assert len(bench.server.settled) + len(bench.server.parked) == 3


async def test_a_mail_that_a_person_marks_as_unread_again_was_taken_all_the_same(bench: Bench) -> None:
    bench.server.deliver(mail(message_id="a@example.org"), mail(message_id="b@example.org"))
    await bench.compare()
    bench.server.unread.add(2)
    assert await bench.compare() == (1, 0)


async def test_a_mail_that_the_server_never_told_is_untaken_until_it_is_taken(bench: Bench) -> None:
    bench.server.hidden.add(2)
    bench.server.deliver(*(mail(message_id=f"{n}@example.org") for n in range(3)))
    assert await bench.compare() == (1, 1)
    bench.server.mails[bench.server.next_uid] = bench.server.mails.pop(2)  # moved away and back
    bench.server.next_uid += 1
    assert await bench.compare() == (0, 0)
    assert len(bench.desk.tickets) == 3


async def test_a_mail_that_was_gone_when_it_was_to_be_fetched_and_is_there_after_all_is_untaken(bench: Bench) -> None:
    bench.server.deliver(mail(message_id="a@example.org"), mail(message_id="b@example.org"))
    away: list[bytes] = []
    bench.server.before_fetch = lambda: away.append(bench.server.mails.pop(1)) if not away else None
    assert await bench.compare() == (0, 0)
    bench.server.mails[1] = away[0]
    assert await bench.compare() == (1, 1)


async def test_after_new_numbers_what_was_taken_under_the_old_ones_is_known(bench: Bench) -> None:
    bench.server.deliver(mail(message_id="a@example.org"), mail(message_id="b@example.org"))
    await bench.compare()
    bench.server.renumber("2")
    assert await bench.compare() == (0, 0)
    bench.server.unread.add(1)
    assert await bench.compare() == (1, 0)
    assert len(bench.desk.tickets) == 2


async def test_more_mails_than_a_page_are_compared(bench: Bench) -> None:
    count = 2 * PAGE_ROWS + 3
    bench.server.hidden = {1, PAGE_ROWS + 1, count}
    bench.server.deliver(*(mail(message_id=f"{n}@example.org") for n in range(count)), mail(message_id="last@x.org"))
    assert await bench.compare() == (3, 3)
    bench.server.unread = set(bench.server.mails)
    assert await bench.compare() == (count + 1, 3)


class Outage(DeskWatcher):
    """Tells when a desk is out."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = anyio.Event()

    def waits(self, failure: Exception, pause_s: float) -> None:
        super().waits(failure, pause_s)
        self.begun.set()


async def test_the_age_of_the_oldest_open_mail_is_told_while_the_desk_is_out(bench: Bench) -> None:
    bench.server.deliver(mail(message_id="a@example.org"))
    bench.desk.down = TransientError("503", reason="backend_down")
    ages: list[datetime | None] = []
    for _ in range(2):  # and again by the next run, before it has connected
        outage = bench.outage = Outage()
        await bench.run_until(outage.begun)
        ages.append(bench.watcher.oldest[-1])
    assert ages[0] is not None
    assert datetime.now(UTC) - ages[0] < timedelta(seconds=60)
    assert ages[0] == ages[1]
    bench.desk.down = None
    await bench.compare()
    assert (bench.watcher.backlogs[-1], bench.watcher.oldest[-1]) == (0, None)
