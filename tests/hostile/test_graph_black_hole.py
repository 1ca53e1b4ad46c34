"""Graph where the network swallows all from a request or an answer on: an error in time, nothing lost or doubled."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from tests.contract.senders import LabTokens
from tests.contract.sources import USER, GraphBench, graph_bench
from tests.hostile.proxy import Proxy, proxy
from tests.lab.graph import Lab, serving

from mailwicket.errors import TransientError, UncertainError
from mailwicket.model import Settlement
from mailwicket.net.graph.client import Deadlines
from mailwicket.net.machine import Machine
from mailwicket.outgoing import Envelope
from mailwicket.ports import LooksFirst
from mailwicket.senders._graph_submission import GraphSubmission
from mailwicket.senders.graph import GraphSender
from mailwicket.sources.graph import GraphSource

MAILS = [b"Subject: %d\r\n\r\nThe words of mail %d.\r\n" % (number, number) for number in range(3)]
BRISK = Deadlines(answer_s=0.4)
IN = (b"messages/delta", b"deltaLink", b"/$value", b"words of mail 1", b"PATCH ", b'"isRead":true')
"""The last that the other end does not get: of a look, of the bytes of a mail, of its mark."""


def port_of(lab: Lab) -> int:
    return int(lab.origin.rpartition(":")[2])


@asynccontextmanager
async def holed(lab: Lab) -> AsyncIterator[Proxy]:
    """Put a hole before *lab*, links that it gives included."""
    async with proxy(port_of(lab)) as hole:
        lab.origin = f"http://127.0.0.1:{hole.port}"
        yield hole


# --- in ---------------------------------------------------------------------------------------------------------------


async def take(made: GraphSource, taken: dict[str, bytes]) -> None:
    """One round of the flow: look, fetch, and settle what is on our disk."""
    async with made.connect() as mailbox:
        look = await mailbox.look(None)
        refs = list(look.refs)
        while look.more:
            look = await mailbox.look(look.cursor)
            refs += look.refs
        for one in await mailbox.fetch(refs):
            assert isinstance(one.raw, bytes)
            taken[one.ref.remote_id] = one.raw
        await mailbox.settle([Settlement(ref) for ref in refs])


@pytest.mark.parametrize("point", IN)
async def test_a_black_hole_at_a_request_ends_in_time_and_nothing_is_lost(point: bytes, tmp_path: Path) -> None:
    taken: dict[str, bytes] = {}
    async with graph_bench(tmp_path) as bench, holed(bench.lab) as hole:
        await bench.deliver(*MAILS)
        made = source(bench)
        hole.die(point)
        begun = time.perf_counter()
        with pytest.raises(TransientError) as caught:
            await take(made, taken)
        assert time.perf_counter() - begun < 3
        assert caught.value.reason == "timeout", str(caught.value)
        hole.revive()
        await take(made, taken)
        assert await bench.untouched() == set()
    assert sorted(taken.values()) == MAILS


@pytest.mark.parametrize("point", IN)
async def test_a_stop_in_a_black_hole_ends_within_a_second(point: bytes, tmp_path: Path) -> None:
    async with graph_bench(tmp_path) as bench, holed(bench.lab) as hole:
        await bench.deliver(*MAILS)
        hole.die(point)
        made = source(bench, Deadlines())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take, made, {})
            await hole.died.wait()
            await anyio.sleep(0.05)
            begun = time.perf_counter()
            tasks.cancel_scope.cancel()
        assert time.perf_counter() - begun < 1


def source(bench: GraphBench, deadlines: Deadlines = BRISK) -> GraphSource:
    made = bench.source()
    made.deadlines = deadlines  # type: ignore[misc]  # of this one alone
    return made


# --- out --------------------------------------------------------------------------------------------------------------

RAW = b"From: desk@example.org\r\nTo: ada@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nHello.\r\n"
TO_ADA = Envelope(USER, ("ada@example.com",))
OUT = (b"text/plain", b"201 Created", b"/send ", b"202 Accepted")
"""The draft and that it was taken, the order to send it and its answer."""


def sender(lab: Lab, directory: Path, deadlines: Deadlines) -> GraphSender:
    table = {"email": USER, "oauth": "office", "server": "127.0.0.1", "port": port_of(lab), "security": "none"}
    machine = Machine(directory)
    machine.tokens = LabTokens(lab.tokens.accept(audience=lab.origin))
    made = GraphSender("main", GraphSender.Config.model_validate(table), machine)
    made.deadlines = deadlines  # type: ignore[misc]  # of this one alone
    return made


async def hand_over(made: GraphSender, *, again: bool = False) -> bool:
    """Tell whether the server has it."""
    async with made.connect() as submission:
        if again:
            assert isinstance(submission, LooksFirst)
            told = await submission.resume(TO_ADA, RAW)
            return told is not None and all(one.is_taken for one in told.values())
        return all(one.is_taken for one in (await submission.submit(TO_ADA, RAW)).values())


@pytest.mark.parametrize("point", OUT)
async def test_a_mail_whose_sending_is_swallowed_is_sent_once(
    point: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GraphSubmission, "patience_s", 0.3)
    async with serving() as lab, holed(lab) as hole:
        lab.mailbox(USER)
        made = sender(lab, tmp_path, BRISK)
        hole.die(point)
        begun = time.perf_counter()
        with pytest.raises(TransientError) as caught:
            await hand_over(made)
        assert time.perf_counter() - begun < 3
        assert caught.value.reason == "timeout", str(caught.value)
        hole.revive()
        with anyio.fail_after(10):
            while not await hand_over(made, again=isinstance(caught.value, UncertainError)):  # noqa: ASYNC110
                await anyio.sleep(0.1)
        assert len(lab.sending.sent) == 1


@pytest.mark.parametrize("point", OUT)
async def test_a_stop_of_a_sending_that_is_swallowed_takes_less_than_a_second(point: bytes, tmp_path: Path) -> None:
    async with serving() as lab, holed(lab) as hole:
        lab.mailbox(USER)
        made = sender(lab, tmp_path, Deadlines())
        hole.die(point)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hand_over, made)
            await hole.died.wait()
            await anyio.sleep(0.05)
            begun = time.perf_counter()
            tasks.cancel_scope.cancel()
        assert time.perf_counter() - begun < 1
