"""How fast an announcement is written: so that other mail never waits behind much of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes import NOON
from tests.lab.courier import local

from mailwicket.flow.acting import Asked
from mailwicket.flow.announcing import Announcement
from mailwicket.flow.posting import Posting
from mailwicket.flow.switchboard import Exchange, Switchboard
from mailwicket.rules.policy import Policy
from mailwicket.service.crier import BATCH, EVERY_S, LOOK_S, WINDOW, Crier
from mailwicket.store import announcements, attempts
from mailwicket.store.outbox import OutboxId
from mailwicket.store.store import Store

PEOPLE = [f"p{number:02}@example.com" for number in range(50)]


class Square:
    def __init__(self, directory: Path) -> None:
        self.store = Store(directory)
        self.board = Switchboard(Exchange({"main": local(9, 1)}))
        posting = Posting(Policy(keys=self.store.keys), {}, self.board)
        self.crier = Crier(self.store, lambda: posting, lambda: NOON)

    def rows(self) -> int:
        return int(self.store.read(lambda tx: tx.execute("SELECT count(*) FROM outbox").fetchone()[0]))


@pytest.fixture
async def square(tmp_path: Path) -> AsyncIterator[Square]:
    one = Square(tmp_path)
    await one.crier.announce(Announcement(PEOPLE, "We move", "On Monday."), Asked("uid 0"))
    yield one
    await one.store.close()


async def test_no_more_than_a_window_of_mails_waits_and_what_is_sent_makes_room(square: Square) -> None:
    assert [(await square.crier.step(), square.rows()) for _ in range(3)] == [
        (EVERY_S, BATCH),
        (EVERY_S, 2 * BATCH),
        (EVERY_S, WINDOW),
    ]
    await square.store.write(lambda tx: attempts.note_sent(tx, {OutboxId(1): None, OutboxId(2): None}, NOON))
    await square.crier.step()
    assert square.rows() == WINDOW + 2


async def test_mail_that_is_put_off_holds_nobody_up(square: Square) -> None:
    for _ in range(2):
        await square.crier.step()
    await square.store.write(lambda tx: tx.execute("UPDATE outbox SET next_attempt = '2099-01-01T00:00:00.000000Z'"))
    await square.crier.step()
    assert square.rows() == WINDOW + BATCH


async def test_when_all_are_written_to_or_nothing_is_sent_it_only_looks_now_and_then(square: Square) -> None:
    square.board.adopt(Exchange())
    assert (await square.crier.step(), square.rows()) == (LOOK_S, 0)
    square.board.adopt(Exchange({"main": local(9, 1)}))
    for _ in PEOPLE:
        await square.crier.step()
        await square.store.write(lambda tx: tx.execute("UPDATE outbox SET state = 'sent'"))
    assert (await square.crier.step(), square.rows()) == (LOOK_S, len(PEOPLE))
    assert square.store.read(lambda tx: announcements.to_write(tx, 1)) == {}
