"""What became of the mail that an entry caused is to be seen on its ticket."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest
from tests.flow import test_answering
from tests.flow.test_answering import ANN, TESS, Counter
from tests.postoffice import CourierWatcher, FakePost, FakeSender
from tests.waiting import becomes

from mailwicket.flow.carrying import Office, take_over
from mailwicket.flow.delivery import Courier
from mailwicket.flow.writing import Writing
from mailwicket.outgoing import RecipientStatus

here = test_answering.here


class Postman:
    """Takes the mail of a counter to its server."""

    def __init__(self, counter: Counter) -> None:
        house, self.counter = counter.house, counter
        self.post, self.store = FakePost(), house.store
        writing = Writing(house.store.raw, house.desk._files._directory)
        self.office = Office(house.board, writing, house.telling, lambda: counter.now, lambda: 0.0)

    async def carry(self, *, state: str = "sent") -> dict[str, Any]:
        """Until the last mail is in *state*, and nobody has any in hand."""
        last = self.counter.house.mails()[-1]["id"]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Courier("main", FakeSender(self.post), self.store, self.office, CourierWatcher()).run)
            await becomes(lambda: self._is_done(last, state))
            tasks.cancel_scope.cancel()
        return self.counter.house.shown(last)

    def _is_done(self, number: int, state: str) -> bool:
        mail = self.counter.house.shown(number)
        return mail["state"] == state and (state != "waiting" or mail["uncertain"])

    async def flags(self) -> list[list[str]]:
        return [one["flags"] for one in (await self.counter.shown())["entries"]]


@pytest.fixture
async def postman(here: Counter) -> Postman:
    one = Postman(here)
    await one.carry()
    return one


async def test_an_entry_shows_that_nobody_knows_whether_its_mail_arrived_also_when_it_was_sent_again(
    here: Counter, postman: Postman
) -> None:
    postman.post.drops_after_data = 1
    await here.act("reply", by=TESS, text="Did you get it?")
    await postman.carry(state="waiting")
    assert await postman.flags() == [["unverified"], ["delivery_uncertain"]]
    here.now += timedelta(minutes=2)
    again = await postman.carry()
    assert postman.post.ids[-2:] == [again["message_id"]] * 2
    assert await postman.flags() == [["unverified"], ["delivery_uncertain"]], "he may have it twice"


async def test_an_acknowledgement_that_nobody_knows_of_is_shown_at_the_request(here: Counter, postman: Postman) -> None:
    postman.post.drops_after_data = 1
    await here.new("ada@example.org", "Chair broken")
    await postman.carry(state="waiting")
    assert (await here.shown(2))["entries"][0]["flags"] == ["delivery_uncertain"]


async def test_a_change_has_no_entry_that_could_show_it(here: Counter, postman: Postman) -> None:
    postman.post.drops_after_data = 1
    await here.act("close")
    await postman.carry(state="waiting")
    assert await postman.flags() == [["unverified"]]


async def test_a_mail_that_was_on_its_way_at_a_death_is_shown_as_uncertain(here: Counter, postman: Postman) -> None:
    await here.act("reply", by=TESS, text="Are you there?")
    slips = here.house.store.slips
    mail = here.claimed(here.last()["id"])
    slips.open("main", 0)[0].begin(mail.outbox_id, here.house.board.sent_as(mail, "main"))
    await here.house.store.write(lambda tx: take_over(postman.store, postman.office, "main", tx))
    assert here.last()["uncertain"]
    assert await postman.flags() == [["unverified"], ["delivery_uncertain"]]


async def test_a_reply_that_is_refused_is_an_event_on_its_ticket_for_technicians(
    here: Counter, postman: Postman
) -> None:
    postman.post.refuses[ANN] = RecipientStatus(550, "5.1.1 no such user")
    await here.act("reply", by=TESS, text="Hello?")
    number = (await postman.carry(state="failed"))["id"]
    last = (await here.shown())["entries"][-1]
    assert (last["kind"], last["public"], last["author"]) == ("event", False, None)
    assert last["text"] == f"Mail {number} (technician_replied) did not reach {ANN}: 550 5.1.1 no such user"
    assert {event for event, _, _ in here.house.told()[number:]} == {"delivery_failed"}
