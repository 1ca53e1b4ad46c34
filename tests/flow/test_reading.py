"""Who reads kept mails: a thread, or a process of its own that may die without harm."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path

import anyio
import pytest
from tests.fakes import NOON, mail
from tests.lab.daemon import PATCHES

from mailwicket.errors import StoreError
from mailwicket.flow import reader, reading
from mailwicket.flow.reading import MANY_BYTES, MANY_MAILS, Read, Reading, Work
from mailwicket.mail.parse import parse
from mailwicket.model import IntakeId, Look, MailRef, Reason
from mailwicket.store import journal
from mailwicket.store.inhand import Slot
from mailwicket.store.journal import Kept
from mailwicket.store.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    one = Store(tmp_path / "state")
    yield one
    await one.close()


@pytest.fixture
async def reads(store: Store) -> AsyncIterator[Reading]:
    one = Reading(store)
    yield one
    one.close()


@pytest.fixture
def slot(store: Store) -> Iterator[Slot]:
    with store.in_hand.worker() as one:
        yield one


async def kept(store: Store, raws: list[bytes]) -> list[Work]:
    """Bring *raws* to the state `fetched`."""
    refs = [MailRef("INBOX", "1", str(number), len(raw), NOON) for number, raw in enumerate(raws, 1)]
    await store.write(lambda tx: journal.note_look(tx, "box", Look(refs, "c"), "2026-01-01T12:00:00Z"))
    places = store.raw.append(raws, date(2026, 1, 1))
    rows = [
        Kept(IntakeId(n), ref, place, headers_only=False)
        for n, (ref, place) in enumerate(zip(refs, places, strict=True), 1)
    ]
    await store.write(lambda tx: journal.keep(tx, "box", rows, [], "2026-01-01T12:00:00Z"))
    return [Work(row, raw) for row, raw in zip(rows, raws, strict=True)]


def some(count: int) -> list[bytes]:
    return [mail(f"matter {n}", f"words {n}", message_id=f"{n}@example.org") for n in range(count)]


def reasons(found: list[Read]) -> list[Reason | None]:
    return [None if one.unread is None else one.unread.reason for one in found]


def attempts(store: Store) -> list[int]:
    return [
        n for (n,) in store.read(lambda tx: tx.execute("SELECT attempts FROM intake ORDER BY intake_id").fetchall())
    ]


def pid(reads: Reading) -> int:
    assert reads._process is not None
    return reads._process._child.pid


async def test_few_mails_are_read_in_the_daemon_itself(store: Store, reads: Reading, slot: Slot) -> None:
    raws = some(MANY_MAILS - 1)
    found = await reads.read(await kept(store, raws), slot)
    assert [one.mail for one in found] == [parse(raw) for raw in raws]
    assert reads._process is None


@pytest.mark.parametrize("raws", [some(MANY_MAILS), [mail(body="x" * MANY_BYTES)]], ids=["many mails", "many bytes"])
async def test_a_large_batch_is_read_in_a_process_of_its_own_and_says_the_same(
    raws: list[bytes], store: Store, reads: Reading, slot: Slot
) -> None:
    found = await reads.read(await kept(store, raws), slot)
    assert [one.mail for one in found] == [parse(raw) for raw in raws]
    assert pid(reads) != os.getpid()
    assert slot.held is None


async def test_the_process_serves_batch_after_batch_and_a_second_reader_does_not_wait_for_it(
    store: Store, reads: Reading, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = await kept(store, some(60))
    found: list[Read] = []

    async def read(first: int) -> None:
        with store.in_hand.worker() as own:
            found.extend(await reads.read(work[first : first + 30], own))

    here: list[int] = []
    right = reading.read_all
    monkeypatch.setattr(reading, "read_all", lambda jobs, *rest: here.append(len(jobs)) or right(jobs, *rest))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, 0)
        tasks.start_soon(read, 30)
    assert here == [30]
    before = pid(reads)
    await reads.read(work[:30], slot)
    assert pid(reads) == before
    assert len(found) == 60
    assert all(one.mail is not None for one in found)


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mails with `X-Poison: die` kill their reader; see tests/lab/patches."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(PATCHES), os.environ.get("PYTHONPATH", "")])))
    monkeypatch.setenv("LAB_POISON", "1")


@pytest.mark.usefixtures("poisoned")
async def test_a_mail_that_kills_its_reader_twice_is_parked_and_the_daemon_and_the_others_live(
    store: Store, reads: Reading, slot: Slot
) -> None:
    raws = some(MANY_MAILS)
    raws.insert(7, mail("poison", x_poison="die"))
    found = await reads.read(await kept(store, raws), slot)
    wanted: list[Reason | None] = [None] * MANY_MAILS
    wanted.insert(7, Reason.FAILED_REPEATEDLY)
    assert reasons(found) == wanted
    assert attempts(store) == [2 if n == 7 else 0 for n in range(MANY_MAILS + 1)]


async def test_a_mail_that_was_in_hand_by_chance_is_read_alone_and_not_parked(
    store: Store, reads: Reading, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILWICKET_FAILPOINT", f"reader.in_hand:{MANY_MAILS}:die")
    found = await reads.read(await kept(store, some(MANY_MAILS)), slot)
    assert reasons(found) == [None] * MANY_MAILS
    assert attempts(store) == [0] * (MANY_MAILS - 1) + [1]


async def test_readers_that_die_over_any_mail_cost_no_mail_an_attempt(
    store: Store, reads: Reading, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILWICKET_FAILPOINT", "reader.in_hand:1:die")
    work = await kept(store, some(MANY_MAILS))
    for _ in range(3):
        assert reasons(await reads.read(work, slot)) == [None] * MANY_MAILS
    assert attempts(store) == [0] * MANY_MAILS
    assert reads._process is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_to_all_of_a_service_do_not_end_the_reader(
    number: int, store: Store, reads: Reading, slot: Slot
) -> None:
    work = await kept(store, some(MANY_MAILS))
    await reads.read(work, slot)
    before = pid(reads)
    assert os.getpgid(before) != os.getpgid(0)
    os.kill(before, number)
    await reads.read(work, slot)
    assert pid(reads) == before


async def test_a_reader_is_ended_in_the_middle_of_a_batch_when_the_daemon_stops_and_no_mail_is_blamed(
    store: Store, reads: Reading, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILWICKET_FAILPOINT", "reader.in_hand:3:hang")
    work = await kept(store, some(MANY_MAILS))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reads.read, work, slot)
        with anyio.fail_after(10):
            while slot.held != 3:  # noqa: ASYNC110 - another process writes it
                await anyio.sleep(0.01)
        reads.close()
        tasks.cancel_scope.cancel()
    assert attempts(store) == [0] * MANY_MAILS


async def test_the_reader_imports_nothing_from_where_the_daemon_is_started(
    store: Store, reads: Reading, slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pickle.py").write_text("raise SystemExit('mine')")
    monkeypatch.chdir(tmp_path)
    await reads.read(await kept(store, some(MANY_MAILS)), slot)
    assert reads._process is not None


async def test_a_reader_that_dies_with_nothing_in_hand_is_no_mails_fault(
    store: Store, reads: Reading, slot: Slot
) -> None:
    work = await kept(store, some(MANY_MAILS))
    await reads.read(work, slot)
    os.kill(pid(reads), signal.SIGKILL)
    found = await reads.read(work, slot)
    assert reasons(found) == [None] * MANY_MAILS
    assert attempts(store) == [0] * MANY_MAILS


async def test_where_no_process_can_be_started_mails_are_read_all_the_same(
    store: Store, reads: Reading, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading.sys, "executable", "/nonexistent/python")
    found = await reads.read(await kept(store, some(MANY_MAILS)), slot)
    assert reasons(found) == [None] * MANY_MAILS


async def test_a_raw_file_that_is_gone_is_an_outage_of_the_disk_and_no_mails_fault(
    store: Store, reads: Reading, slot: Slot
) -> None:
    work = [Work(one.kept) for one in await kept(store, some(MANY_MAILS))]
    for segment in store.raw.directory.iterdir():
        segment.unlink()
    for batch in (work, work[:2]):  # there and here
        with pytest.raises(StoreError):
            await reads.read(batch, slot)
    assert attempts(store) == [0] * MANY_MAILS


async def test_a_mail_that_breaks_the_reader_is_told_with_the_error_and_its_trace(
    store: Store, reads: Reading, slot: Slot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reader, "parse", lambda _raw: {}["broken"])
    (found,) = await reads.read(await kept(store, some(1)), slot)
    assert found.unread is not None
    assert (found.unread.reason, found.unread.trace[0].answer) == (Reason.UNPARSEABLE, "KeyError while it was read")
    assert "KeyError: 'broken'" in caplog.text


async def test_the_process_is_let_go_when_there_is_no_backlog_any_more(
    store: Store, reads: Reading, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "IDLE_S", 0.01)
    await reads.read(await kept(store, some(MANY_MAILS)), slot)
    child = pid(reads)
    with anyio.fail_after(5):
        while reads._process is not None:  # noqa: ASYNC110 - a timer, no event
            await anyio.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
