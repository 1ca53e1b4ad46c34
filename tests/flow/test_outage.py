"""An hour without the desk, in seconds: many mailboxes, one door, a receiver that refuses, hangs, errs, forgets.

Rows 19 to 21 of the fault list; `make torture` runs them with 10,000 mails.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from tests.fakes import DeskWatcher, FakeServer, FakeSource, Watcher, mail, rulebook
from tests.receiver import Hook, Receiver, answers, hangs, nothing_special, receiving

from mailwicket.backends.webhook import WebhookDesk
from mailwicket.backends.webhook.config import WebhookConfig
from mailwicket.flow.backend import Door
from mailwicket.flow.intake import Intake
from mailwicket.flow.judge import Judge
from mailwicket.flow.reading import Reading
from mailwicket.net.machine import Machine
from mailwicket.rules.schedule import pause_s
from mailwicket.store import journal
from mailwicket.store.store import Store

BOXES = 10
HASTE = 600
"""An hour passes in six seconds."""

MANY = pytest.mark.parametrize(
    "mails", [150, pytest.param(10_000, marks=[pytest.mark.torture, pytest.mark.timeout(2000)])]
)


def hasty(failures: int, jitter: float, retry_after_s: float | None) -> float:
    """The daemon's own schedule, sped up; what a receiver asks for is obeyed as it stands."""
    return max(pause_s(failures, jitter) / HASTE, retry_after_s or 0)


class Fleet:
    """Mailboxes that share a door, and the receiver behind it."""

    def __init__(self, directory: Path, receiver: Receiver, boxes: int, **keys: Any) -> None:
        self.receiver = receiver
        self.store = Store(directory / "state")
        self.reading = Reading(self.store)
        config = WebhookConfig.model_validate(receiver.keys(**keys))
        self.desk = WebhookDesk("webhook", config, Machine(directory / "state"))
        self.watcher = DeskWatcher()
        self.door = Door(self.desk, self.watcher, pause=hasty, chance=random.Random(1).random)
        self.servers = [FakeServer() for _ in range(boxes)]
        self.sources = [FakeSource(server) for server in self.servers]
        self.observers = [Watcher() for _ in range(boxes)]
        self.judges: list[Judge] = []
        self.intakes: list[Intake] = []
        for number, (source, observer) in enumerate(zip(self.sources, self.observers, strict=True)):
            home = rulebook(f"box{number}", "desk@example.net")
            self.judges.append(Judge(self.store, self.door, home, observer))
            self.intakes.append(Intake(f"box{number}", source, self.store, self.reading, self.judges[-1], observer))
        self.made = 0

    def deliver(self, count: int) -> None:
        """Bring *count* more mails, in turn to each box; each third opens a ticket, the others answer it."""
        for _ in range(count):
            box, number = self.made % len(self.servers), self.made // len(self.servers)
            first = number - number % 3
            answer = {} if number == first else {"in_reply_to": f"{box}.{first}@example.org"}
            subject = f"matter {box}.{first}"
            text = f"mail {box}.{number}\r\n"
            self.servers[box].deliver(mail(subject, text, message_id=f"{box}.{number}@example.org", **answer))
            self.made += 1

    async def wait_for(self, holds: Callable[[], bool], limit_s: float = 30) -> None:
        with anyio.fail_after(limit_s):
            while not holds():  # noqa: ASYNC110 - several things change it
                await anyio.sleep(0.005)

    def done(self) -> int:
        return sum(len(observer.reasons) for observer in self.observers)

    async def finish(self, limit_s: float = 60) -> None:
        await self.wait_for(lambda: self.done() >= self.made, limit_s)
        await self.wait_for(lambda: sum(len(one.settled) for one in self.servers) >= self.made, 60)

    async def sweep(self) -> None:
        """Let each mailbox look again now and then, as `poll_s` does."""
        while True:
            await anyio.sleep(0.05)
            for server in self.servers:
                server.deliver()

    async def close(self) -> None:
        self.reading.close()
        await self.desk.close()
        await self.store.close()

    # --- the books

    def assert_all_is_well(self) -> None:
        """Nothing lost, nothing doubled, every ticket in the order of its mails, nothing parked, nobody reconnected."""
        entries = [
            [re.findall(r"mail (\d+)\.(\d+)", entry["text"])[0] for entry in ticket["entries"]]
            for ticket in self.receiver.tickets.values()
        ]
        found = Counter(one for ticket in entries for one in ticket)
        wanted = {(str(n % len(self.servers)), str(n // len(self.servers))) for n in range(self.made)}
        assert wanted - found.keys() == set(), "lost"
        assert found.keys() - wanted == set(), "ghosts"
        assert [one for one, count in found.items() if count > 1] == [], "doubled"
        for ticket in entries:
            numbers = [int(number) for _, number in ticket]
            assert numbers == sorted(numbers), "out of order"
            assert len({(box, int(number) // 3) for box, number in ticket}) == 1, "in the wrong ticket"
        assert len(entries) == len({(box, int(number) // 3) for box, number in wanted}), "a ticket was torn apart"
        assert self.store.read(journal.count_parked) == 0
        assert self.store.read(lambda tx: tx.execute("SELECT sum(attempts) FROM intake").fetchone()[0]) == 0
        assert [source.connections for source in self.sources] == [1] * len(self.sources)
        assert [server.parked for server in self.servers] == [[]] * len(self.servers)


@asynccontextmanager
async def fleet(directory: Path, boxes: int = BOXES, **keys: Any) -> AsyncIterator[Fleet]:
    """Run mailboxes until the test is through."""
    async with receiving(directory) as receiver:
        one = Fleet(directory, receiver, boxes, **keys)
        try:
            async with anyio.create_task_group() as tasks:
                for intake in one.intakes:
                    tasks.start_soon(intake.run)
                tasks.start_soon(one.sweep)
                yield one
                tasks.cancel_scope.cancel()
        finally:
            await one.close()


@MANY
async def test_an_hour_without_the_desk_costs_nothing_and_the_backlog_comes_at_the_rate_that_is_set(
    mails: int, tmp_path: Path
) -> None:
    rate = 1500
    async with fleet(tmp_path, timeout_s=1, rate_per_minute=rate) as one:
        one.deliver(mails // 10)
        await one.finish(1500)
        phases: list[Callable[[], Awaitable[None]]] = [one.receiver.hang_up, one.receiver.listen]
        for phase, hook in (("refuses", nothing_special), ("hangs", hangs), ("errs", answers(500))):
            if phase != "errs":
                await phases.pop(0)()
            one.receiver.before = hook
            one.receiver.asked.clear()
            tries = one.watcher.told.count("tries")
            until = time.monotonic() + 3600 / HASTE / 3
            while time.monotonic() < until:
                one.deliver(mails // 10)
                await anyio.sleep(3600 / HASTE / 9)
            tried = one.watcher.told.count("tries") - tries
            print(f"{phase}: {tried} trials, {len(one.receiver.asked)} requests, {one.made} mails so far")
            assert len(one.receiver.asked) <= tried + 1  # that which was under way when it began
            assert tried <= 30, "the door was no door"
        waiting = one.made - one.done()
        assert waiting >= mails * 0.8
        one.receiver.before = nothing_special
        one.receiver.asked.clear()
        await one.finish(1500)
        times = [asked.at for asked in one.receiver.asked]
        measured = 60 * (len(times) - 1) / (times[-1] - times[0])
        print(f"drained {waiting} mails at {measured:.0f} a minute, set: {rate}")
        assert measured <= rate * 1.1, "a recovery without a burst"
        assert measured >= rate * (0.9 if mails > 1000 else 0.5), "a busy machine may be slower"
        one.assert_all_is_well()
        assert one.watcher.told[0] == "works"
        assert one.watcher.told[-2:] == ["tries", "works"]


@MANY
async def test_effects_whose_answers_are_lost_happen_once(mails: int, tmp_path: Path) -> None:
    chance = random.Random(20)
    lost = 0

    async def forgets(_body: dict[str, Any]) -> web.StreamResponse | None:
        nonlocal lost
        if chance.random() >= 0.2:
            return None
        lost += 1
        if lost % 50 == 0:
            await hangs({})
        return web.json_response({"error": "I did it, and then I fell"}, status=chance.choice((500, 502, 504)))

    async with fleet(tmp_path, timeout_s=1) as one:
        one.receiver.after = forgets
        one.deliver(mails)
        await one.finish(1500)
        one.assert_all_is_well()
        assert lost > mails / 10
        assert len(one.receiver.asked) == len(one.receiver.effects) + lost
        print(f"{mails} mails, {lost} answers lost, doubled 0")


async def test_an_effect_whose_answers_are_all_lost_is_found_by_its_key_and_no_mail_is_blamed(tmp_path: Path) -> None:
    async def forgets(body: dict[str, Any]) -> web.StreamResponse | None:
        forgotten = "entry" in body and body["entry"]["text"].startswith("mail 3.1\n")
        return web.Response(status=500) if forgotten else None

    async with fleet(tmp_path, boxes=5) as one:
        one.receiver.after = forgets
        one.deliver(25)
        while len(one.servers[3].settled) < 3:
            one.deliver(5)
            await anyio.sleep(0.05)
        await one.finish()
        one.assert_all_is_well()
        assert [asked.body["type"] for asked in one.receiver.asked].count("effect.find") == 1


@pytest.mark.parametrize("connections", [1, 4])
async def test_no_request_begins_before_a_retry_after_has_passed(connections: int, tmp_path: Path) -> None:
    refusals: list[float] = []

    async def busy(_body: dict[str, Any]) -> web.StreamResponse | None:
        if len(refusals) < 3 and len(one.receiver.asked) % 20 == 19:
            refusals.append(time.monotonic())
            return web.Response(status=429, headers={"Retry-After": "1"})
        return None

    async with fleet(tmp_path, connections=connections) as one:
        one.receiver.before = busy
        one.deliver(100)
        await one.finish()
        one.assert_all_is_well()
        times = [asked.at for asked in one.receiver.asked]
        early = [at for at in times for refused in refusals if refused < at < refused + 1]
        print(f"{connections} connections: {len(refusals)} refusals, {len(early)} requests before the time")
        assert len(refusals) == 3
        assert len(early) <= len(refusals) * (connections - 1)  # those that were on their way


async def test_a_refused_signature_costs_one_request_and_then_none_until_somebody_unblocks(tmp_path: Path) -> None:
    async with fleet(tmp_path, boxes=20) as one:
        one.receiver.before = answers(401)
        one.deliver(200)
        await one.wait_for(lambda: "blocked" in one.watcher.told)
        await anyio.sleep(1)
        assert len(one.receiver.asked) == 1
        assert one.watcher.told == ["blocked"]
        one.receiver.before = nothing_special
        one.door.unblock()
        await one.finish()
        one.assert_all_is_well()


async def test_a_mail_that_breaks_the_receiver_each_time_is_parked_and_all_others_arrive(tmp_path: Path) -> None:
    async def breaks(body: dict[str, Any]) -> web.StreamResponse | None:
        poison = "mail 3.1\r\n" in body["entry"]["text"].replace("\n", "\r\n") + "\r\n"
        return web.Response(status=500) if poison else None

    async with fleet(tmp_path, boxes=5) as one:
        one.receiver.before = breaks
        one.deliver(25)
        while not one.servers[3].parked:
            one.deliver(5)
            await anyio.sleep(0.05)
        await one.wait_for(lambda: sum(len(server.settled) + len(server.parked) for server in one.servers) >= one.made)
        assert one.store.read(journal.count_parked) == 1
        row = "SELECT reason, attempts FROM intake WHERE parked = 1"
        assert [tuple(found) for found in one.store.read(lambda tx: tx.execute(row).fetchall())] == [
            ("failed_repeatedly", 2)
        ]
        texts = [entry["text"] for ticket in one.receiver.tickets.values() for entry in ticket["entries"]]
        assert len(texts) == len(set(texts)) == one.made - 1


async def test_a_stop_does_not_wait_for_a_desk_that_is_out(tmp_path: Path) -> None:
    async with fleet(tmp_path, timeout_s=60) as one:
        one.receiver.before = hangs
        one.deliver(50)
        await one.wait_for(lambda: bool(one.receiver.asked))
        begun = time.monotonic()
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("finds", "tickets"),
    [
        (nothing_special, [2]),
        (answers(400, {"error": "what is effect.find?"}), [1, 1]),  # it might have happened: asked for again as it was
    ],
)
async def test_a_mail_that_waited_joins_the_ticket_that_another_mailbox_opened_meanwhile(
    finds: Hook, tickets: list[int], tmp_path: Path
) -> None:
    async with fleet(tmp_path, boxes=2) as one:
        one.receiver.before = answers(503)
        one.servers[0].deliver(mail("question", "mail 0.0\r\n", message_id="q@example.org"))
        await one.wait_for(lambda: bool(one.receiver.asked))
        answer = mail("Re: question", "mail 1.0\r\n", message_id="a@example.org", in_reply_to="q@example.org")
        one.servers[1].deliver(answer)
        waiting = "SELECT count(*) FROM intake WHERE state = 'fetched'"
        await one.wait_for(lambda: one.store.read(lambda tx: tx.execute(waiting).fetchone()[0]) == 2)
        await one.wait_for(lambda: len({asked.body["key"] for asked in one.receiver.asked}) == 2)

        async def answered(body: dict[str, Any]) -> web.StreamResponse | None:
            return await finds(body) if body["type"] == "effect.find" else None

        one.receiver.before = answered
        await one.wait_for(lambda: one.done() == 2)
        assert [len(ticket["entries"]) for ticket in one.receiver.tickets.values()] == tickets


async def test_a_judge_takes_a_new_home_and_a_new_door_without_reconnecting(tmp_path: Path) -> None:
    async with fleet(tmp_path, boxes=1) as one:
        one.deliver(1)
        await one.finish()
        one.receiver.before = answers(401)
        one.deliver(3)
        await one.wait_for(lambda: "blocked" in one.watcher.told)
        one.receiver.before = nothing_special
        home = rulebook("box0", "desk@example.net", group="second level")
        watcher = DeskWatcher()
        one.judges[0].adopt(home, Door(one.desk, watcher))
        one.door.retire()
        one.deliver(3)
        await one.finish()
        one.assert_all_is_well()
        assert watcher.told == ["works"]
        assert [ticket["group"] for ticket in one.receiver.tickets.values()] == [None, "second level", "second level"]
