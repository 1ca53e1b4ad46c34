"""POP3 where the network swallows everything from a verb on: an error in time, and afterwards each mail once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.hostile.proxy import proxy
from tests.lab.pop3_server import maildrop

from mailwicket.errors import TransientError
from mailwicket.model import Settlement
from mailwicket.net.deadlines import Deadlines
from mailwicket.net.machine import Machine
from mailwicket.sources.pop3 import Pop3Source

USER, PASSWORD = "desk@example.org", "canary-4711"
MAILS = [b"Subject: %d\r\n\r\nHello.\r\n" % number for number in range(3)]
VERBS = (b"CAPA", b"USER", b"PASS", b"STAT", b"UIDL", b"LIST", b"RETR 2", b"DELE 2", b"QUIT", b"+OK ready", b"+OK bye")
BRISK = Deadlines(connect_s=1, greeting_s=0.3, command_s=0.3, silence_s=0.3, farewell_s=0.2)


def source(port: int, directory: Path) -> Pop3Source:
    table = {
        "email": USER,
        "password": PASSWORD,
        "server": "127.0.0.1",
        "port": port,
        "security": "none",
        "start_from": "all",
        "after": "delete",
    }
    config: Any = Pop3Source.Config.model_validate(table)
    return Pop3Source("office", config, Machine(directory))


async def take(made: Pop3Source, cursor: str | None, taken: dict[str, bytes]) -> str:
    """One round of the flow: look, fetch, and settle what is on our disk."""
    async with made.connect() as mailbox:
        look = await mailbox.look(cursor)
        for one in await mailbox.fetch(look.refs):
            assert isinstance(one.raw, bytes)
            taken[one.ref.remote_id] = one.raw
        await mailbox.settle([Settlement(ref) for ref in look.refs])
        return look.cursor


@pytest.mark.parametrize("verb", VERBS)
async def test_a_black_hole_at_a_verb_ends_in_time_and_nothing_is_lost(verb: bytes, tmp_path: Path) -> None:
    taken: dict[str, bytes] = {}
    async with maildrop(USER, PASSWORD) as drop, proxy(drop.port) as between:
        drop.put(*MAILS)
        made = source(between.port, tmp_path)
        made.deadlines = BRISK  # type: ignore[misc]  # of this one alone
        between.die(verb)
        begun = time.perf_counter()
        with pytest.raises(TransientError) as caught:
            await take(made, None, taken)
        assert time.perf_counter() - begun < 2
        assert caught.value.reason == "timeout"
        # When the answer to QUIT was swallowed, the mails are gone and we do not know it: it is asked again.
        assert len(drop.mails) == (0 if verb == b"+OK bye" else len(MAILS))
        between.revive()
        drop.busy = False  # a server ends the dead session sooner or later
        await take(made, None, taken)
        assert drop.mails == {}
    assert sorted(taken.values()) == MAILS


@pytest.mark.parametrize("verb", VERBS)
async def test_a_stop_in_a_black_hole_ends_within_a_second(verb: bytes, tmp_path: Path) -> None:
    async with maildrop(USER, PASSWORD) as drop, proxy(drop.port) as between:
        drop.put(*MAILS)
        between.die(verb)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(take, source(between.port, tmp_path), None, {})
                await between.died.wait()
                await anyio.sleep(0.05)
                begun = time.perf_counter()
                scope.cancel()
        assert time.perf_counter() - begun < 1
