"""Packets vanish: no end of the connection, no error, nothing. Noticed within the stated deadlines, mail resumes, stops
take no longer than ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.fakes import mail
from tests.hostile.house import BRISK, House, Tenant, house
from tests.hostile.proxy import Proxy, proxy
from tests.hostile.server import MailServer, mail_server
from tests.waiting import becomes

from mailwicket.net.deadlines import Deadlines
from mailwicket.sources import imap

SLACK_S = 4
POLL_S = 1
POINTS: Mapping[str, tuple[bytes, float]] = {
    "connect": (b"", BRISK.greeting_s),
    "greeting": (b"* OK ready", BRISK.greeting_s),
    "login": (b" LOGIN ", BRISK.command_s),
    "the answer to the login": (b" in\r\n", BRISK.command_s),
    "FETCH": (b"BODY.PEEK[]", BRISK.silence_s),
    "inside a mail": (b"in the middle", BRISK.silence_s),
    "STORE": (b" STORE ", BRISK.command_s),
    "IDLE": (b" IDLE\r\n", BRISK.command_s),
    "while idling": (b"nothing that passes", POLL_S + BRISK.command_s),
    "the news of a mail": (b"nothing that passes", POLL_S + BRISK.command_s),
    "DONE": (b"DONE", POLL_S + BRISK.command_s),
}
"""What is the last that the other end does not get, and the longest time until that is noticed."""


def idling(server: MailServer) -> bool:
    return "IDLE" in " ".join(server.lines[-1:])


async def _reach(server: MailServer, hole: Proxy, tenant: Tenant, point: str) -> None:
    """Start the unit; return when the packets vanish at *point*."""
    sign = POINTS[point][0]
    hole.die(sign)
    server.lines.clear()
    tenant.start()
    if point in {"while idling", "the news of a mail"}:
        await becomes(lambda: idling(server), 10, f"{point}: IDLE")
        await asyncio.sleep(0.05)
        hole.die(b"" if point == "while idling" else b"* %d EXISTS" % (len(server.mails) + 1))
        server.deliver(mail("more", "more\r\n", message_id=f"{len(server.delivered)}.{hole.port}@example.org"))
    await becomes(hole.died.is_set, 10, f"{point}: the hole")


async def _fall(one: House, number: int, point: str) -> None:
    async with mail_server() as server, proxy(server.port) as hole:
        server.deliver(mail("one", "in the middle\r\n", message_id=f"{number}@example.org"))
        tenant = one.add(f"box{number}", hole.port, poll_s=POLL_S)
        await _reach(server, hole, tenant, point)
        assert (spent_s := await tenant.stop()) < 1, f"{point}: stopped only after {spent_s:.2f} s"
        hole.revive()
        await _reach(server, hole, tenant, point)
        noticed_s = await becomes(lambda: tenant.halted, POINTS[point][1] + SLACK_S, f"{point}: noticing")
        assert tenant.unit.reason == "timeout", (point, tenant.unit.said)
        print(f"{point:25} noticed after {noticed_s:.2f} s: {tenant.unit.said}")
        hole.revive()
        server.deliver(mail("last", "afterwards\r\n", message_id=f"{number}.last@example.org"))
        await becomes(lambda: all(map(one.holds, server.delivered)), 10, f"{point}: its mails")
        assert sum(one.effects().values()) == one.count()
        await becomes(server.settled, 10, f"{point}: settling")
        await tenant.stop()


async def test_packets_that_vanish_are_noticed_in_time_and_mail_resumes(tmp_path: Path) -> None:
    async with house(tmp_path / "state") as one:
        fallen = await asyncio.gather(*(_fall(one, n, point) for n, point in enumerate(POINTS)), return_exceptions=True)
        assert set(one.effects().values()) == {1}
    if problems := [problem for problem in fallen if problem is not None]:
        raise BaseExceptionGroup("black hole", problems)


def test_the_stated_bounds_of_every_day() -> None:
    """A connection that died in IDLE: the IDLE's end, the deadline of its DONE, the first pause, a new connection."""
    day = Deadlines()
    assert imap.IDLE_S + day.command_s + 1.5 + day.connect_s < 11 * 60
    assert imap.Incoming.model_fields["poll_s"].default + day.command_s + 1.5 + day.connect_s < 150
    assert day.farewell_s < 2.5


@pytest.mark.torture
@pytest.mark.timeout(600)
async def test_packets_that_vanish_forty_times_at_random_cost_nothing(tmp_path: Path) -> None:
    async with house(tmp_path / "state") as one, mail_server() as server, proxy(server.port) as hole:
        tenant = one.add("box", hole.port, poll_s=POLL_S)
        tenant.start()
        for number in range(40):
            server.deliver(mail(f"{number}", message_id=f"{number}@example.org"))
            await asyncio.sleep(number * 37 % 100 / 1000)
            hole.die()
            await becomes(lambda: tenant.halted, POLL_S + 2 + SLACK_S, "noticing")
            hole.revive()
            tenant.unit.failures = 0
            await becomes(lambda: one.holds(server.delivered[-1]), 10, "the mail")
        assert set(one.effects().values()) == {1}
        assert len(one.effects()) == 40
