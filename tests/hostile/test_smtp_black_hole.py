"""SMTP where the network swallows everything from a verb on: an error in time, nothing lost, one repeat at most."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest
from tests.dialogue.smtp_server import BRISK, RAW, TO_ADA, Odd, odd
from tests.hostile.proxy import Proxy, proxy

from mailwicket.errors import TransientError, UncertainError
from mailwicket.net.smtp.client import Deadlines

BEFORE = (b"220 odd", b"EHLO", b"250-odd", b"AUTH", b"235", b"MAIL FROM", b"RCPT TO", b"DATA", b"354 go")
"""What is the last that the other end does not get, before a server can have the mail."""

AFTER = (b"\r\n.\r\n", b"250 2.0.0 queued")
"""The mail itself, and the word that it was taken."""

AT_THE_END = (b"QUIT", b"221 2.0.0")


async def send(server: Odd, hole: Proxy, directory: Path, deadlines: Deadlines = BRISK) -> None:
    async with server.sender(directory, port=hole.port, deadlines=deadlines).connect() as submission:
        statuses = await submission.submit(TO_ADA, RAW)
        assert statuses["ada@example.com"].is_taken


@pytest.mark.parametrize("point", [*BEFORE, *AFTER])
async def test_a_black_hole_at_a_verb_ends_in_time_and_the_mail_goes_when_it_is_over(
    point: bytes, tmp_path: Path
) -> None:
    async with odd() as server, proxy(server.port) as hole:
        hole.die(point)
        begun = time.perf_counter()
        with pytest.raises(TransientError if point in BEFORE else UncertainError) as caught:
            await send(server, hole, tmp_path)
        assert time.perf_counter() - begun < 2
        assert caught.value.reason == "timeout"
        had = len(server.mails)
        assert had == (point == AFTER[1])
        hole.revive()
        await send(server, hole, tmp_path)
        assert len(server.mails) == had + 1
        assert len({*server.mails}) == 1, "the repeat has other bytes"


@pytest.mark.parametrize("point", AT_THE_END)
async def test_a_black_hole_at_the_farewell_costs_nothing(point: bytes, tmp_path: Path) -> None:
    async with odd() as server, proxy(server.port) as hole:
        hole.die(point)
        with anyio.fail_after(2):
            await send(server, hole, tmp_path)
        assert len(server.mails) == 1


@pytest.mark.parametrize("point", [*BEFORE, *AFTER, *AT_THE_END])
async def test_a_stop_in_a_black_hole_ends_within_a_second(point: bytes, tmp_path: Path) -> None:
    async with odd() as server, proxy(server.port) as hole:
        hole.die(point)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, server, hole, tmp_path, Deadlines(farewell_s=0.2))
            await hole.died.wait()
            await anyio.sleep(0.05)
            begun = time.perf_counter()
            tasks.cancel_scope.cancel()
        assert time.perf_counter() - begun < 1


def test_the_stated_bounds_of_every_day() -> None:
    """At no verb but the word that a mail was taken is a server waited for longer than three minutes."""
    day = Deadlines()
    assert max(day.connect_s, day.greeting_s, day.command_s, day.path_s, day.data_s, day.piece_s) <= 180
    assert day.taken_s <= 600
    assert day.farewell_s <= 5
