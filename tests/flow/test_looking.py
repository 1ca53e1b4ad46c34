"""Mail that may have been taken, at a server that can be asked whether it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.postoffice import TAKEN, FakeSender, FakeSubmission, PostOffice, field_of
from tests.waiting import becomes

from mailwicket.errors import PermanentError
from mailwicket.outgoing import Envelope, RecipientStatus


class LookingSubmission(FakeSubmission):
    """Knows its mail by its id, and shows it when it likes."""

    shows = True
    tells = True
    looks = 0

    async def resume(self, envelope: Envelope, raw: bytes) -> Mapping[str, RecipientStatus] | None:
        LookingSubmission.looks += 1
        if not self.tells:
            raise PermanentError("nobody knows whether it was taken")
        if not self.shows:
            return None
        if field_of(raw, "Message-ID").strip("<>") in self.post.ids:
            return dict.fromkeys(envelope.forward_paths, TAKEN)
        return await self.submit(envelope, raw)


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PostOffice]:
    @asynccontextmanager
    async def connect(sender: FakeSender) -> AsyncIterator[LookingSubmission]:
        sender.post.connections += 1
        yield LookingSubmission(sender.post)

    monkeypatch.setattr(FakeSender, "connect", connect)
    for name, value in (("shows", True), ("tells", True), ("looks", 0)):
        monkeypatch.setattr(LookingSubmission, name, value)
    one = PostOffice(tmp_path)
    yield one
    await one.store.close()


async def until_asked_again(office: PostOffice, true: Any) -> None:
    """One minute after the other."""

    def now() -> bool:
        if not true():
            office.clock.forward(minutes=1.1)
            office.board.wake()
        return bool(true())

    await becomes(now)


async def lose_an_answer(office: PostOffice) -> None:
    office.post.drops_after_data = 1
    await office.queue(office.draft())
    await becomes(lambda: office.row()["uncertain"] and office.board.breaker("main").failures)
    office.board.reset("main")


async def test_a_mail_that_was_taken_without_an_answer_is_found_and_not_sent_again(office: PostOffice) -> None:
    async with office.running():
        await lose_an_answer(office)
        await until_asked_again(office, lambda: office.row()["state"] == "sent")
    assert len(office.post.taken) == 1
    assert LookingSubmission.looks == 1


async def test_a_mail_that_was_not_taken_is_sent_by_the_look(office: PostOffice) -> None:
    async with office.running():
        await lose_an_answer(office)
        office.post.taken.clear()
        await until_asked_again(office, lambda: office.row()["state"] == "sent")
    assert len(office.post.taken) == 1


async def test_what_the_server_does_not_show_yet_is_asked_for_again_and_costs_neither_attempts_nor_its_good_name(
    office: PostOffice,
) -> None:
    LookingSubmission.shows = False
    async with office.running():
        await lose_an_answer(office)
        attempts = office.row()["attempts"]
        await until_asked_again(office, lambda: LookingSubmission.looks >= 5)
        await becomes(lambda: office.waiting() == (1, 0))
        assert (office.row()["uncertain"], office.row()["attempts"]) == (True, attempts)
        assert not office.board.breaker("main").failures
        await office.queue(office.draft())  # the others go on meanwhile
        await becomes(lambda: office.row(2)["state"] == "sent")
        LookingSubmission.shows = True
        await until_asked_again(office, lambda: office.row()["state"] == "sent")
    assert len(office.post.taken) == 2


async def test_a_mail_of_which_nobody_can_ever_tell_fails_and_waits_for_a_person(office: PostOffice) -> None:
    LookingSubmission.tells = False
    async with office.running():
        await lose_an_answer(office)
        await until_asked_again(office, lambda: office.row()["state"] == "failed")
    assert len(office.post.taken) == 1
    assert office.ends.seen[-1][1:] == ("refused", ["ann@example.com"])


async def test_a_mail_that_was_never_tried_is_not_looked_for(office: PostOffice) -> None:
    async with office.running():
        await office.queue(office.draft())
        await becomes(lambda: office.row()["state"] == "sent")
    assert LookingSubmission.looks == 0
