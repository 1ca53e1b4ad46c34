"""What ends a wait for mail, and what does not."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest
from tests.dialogue.server import meta, opened, scripted

from mailwicket.errors import TransientError
from mailwicket.net.imap.client import ImapClient
from mailwicket.sources import imap

IDLING = "C: IDLE\nS: + idling\n"


async def test_a_push_ends_the_wait(tmp_path: Path) -> None:
    script = opened() + IDLING + "X: pause\nS: * 1 EXISTS\nC| DONE\nS: $ OK"
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        begun = time.perf_counter()
        await mailbox.wait()
        assert time.perf_counter() - begun < 1


async def test_a_push_in_the_segment_that_ends_the_idle_is_not_lost(tmp_path: Path) -> None:
    again = f"C: UID FETCH *\n{meta(1)}S: $ OK\n"
    script = opened() + again + IDLING + "C| DONE\nS: * 1 EXISTS\nS: $ OK"
    async with scripted(script) as server, server.source(tmp_path, poll_s=1).connect() as mailbox:
        await mailbox.look(None)
        await mailbox.wait()
        begun = time.perf_counter()
        await mailbox.wait()
        assert time.perf_counter() - begun < 0.1


@pytest.mark.parametrize(("poll_s", "longest_s"), [(3600, 9 * 60), (60, 60)])
async def test_an_idle_is_renewed_before_boxes_in_between_forget_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, poll_s: int, longest_s: int
) -> None:
    asked: list[float] = []

    async def idle(_: ImapClient, longest_s: float) -> bool:
        asked.append(longest_s)
        return True

    monkeypatch.setattr(ImapClient, "idle", idle)
    async with scripted(opened()) as server, server.source(tmp_path, poll_s=poll_s).connect() as mailbox:
        await mailbox.wait()
    assert asked == [longest_s]


async def test_an_idle_ends_after_its_time_and_not_after_the_poll(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "IDLE_S", 0.1)
    script = opened() + IDLING + "C| DONE\nS: $ OK"
    async with scripted(script) as server, server.source(tmp_path, poll_s=3600).connect() as mailbox:
        with anyio.fail_after(2):
            await mailbox.wait()
    assert "DONE" in server.lines


async def test_a_push_before_the_wait_ends_it_at_once(tmp_path: Path) -> None:
    script = opened(exists=1, uidnext=2) + f"C: UID FETCH *\n{meta(1)}S: * 2 EXISTS\nS: $ OK\n"
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        await mailbox.look(None)
        await mailbox.wait()
    assert not any("IDLE" in line for line in server.lines)


async def test_what_is_no_arrival_does_not_wake(tmp_path: Path) -> None:
    noise = "S: * OK Still here\nS: * 1 FETCH (FLAGS (\\Seen))\nS: * 2 EXPUNGE\nS: * 1 EXISTS\nS: * 1 RECENT\n"
    look = f"C: UID FETCH *\n{meta(1)}{meta(2)}S: $ OK\n"
    script = opened(exists=2, uidnext=3) + look + IDLING + noise + "C| DONE\nS: $ OK"
    async with scripted(script) as server, server.source(tmp_path, poll_s=1).connect() as mailbox:
        await mailbox.look(None)
        begun = time.perf_counter()
        await mailbox.wait()
        assert time.perf_counter() - begun > 0.9


@pytest.mark.parametrize("farewell", ["X: close", "S: * BYE restarting\nX: close", "S: * BYE restarting"])
async def test_a_connection_that_ends_ends_the_idle_at_once(tmp_path: Path, farewell: str) -> None:
    script = opened() + IDLING + "X: pause\n" + farewell
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        begun = time.perf_counter()
        with pytest.raises(TransientError):
            await mailbox.wait()
        assert time.perf_counter() - begun < 1


async def test_a_server_that_refuses_to_idle_is_polled(tmp_path: Path) -> None:
    script = opened() + "C: IDLE\nS: $ BAD no\nC: NOOP\nS: * 1 EXISTS\nS: $ OK\n"
    async with scripted(script) as server, server.source(tmp_path, poll_s=1).connect() as mailbox:
        await mailbox.wait()


async def test_without_idle_the_poll_ends_with_a_noop_and_a_lost_connection_at_once(tmp_path: Path) -> None:
    script = opened("IMAP4rev1") + "C: NOOP\nS: $ OK\nX: pause\nX: close"
    async with scripted(script) as server, server.source(tmp_path, poll_s=1).connect() as mailbox:
        begun = time.perf_counter()
        await mailbox.wait()
        assert time.perf_counter() - begun > 0.9
        begun = time.perf_counter()
        with pytest.raises(TransientError, match="closed the connection"):
            await mailbox.wait()
        assert time.perf_counter() - begun < 0.5


async def test_an_idle_that_is_not_ended_in_time_is_a_dead_connection(tmp_path: Path) -> None:
    script = opened() + IDLING + "S: * 1 EXISTS\nC| DONE\nX: hang"
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        with anyio.fail_after(2), pytest.raises(TransientError) as caught:
            await mailbox.wait()
    assert caught.value.reason == "timeout"


async def test_an_idle_that_the_server_ends_by_itself_is_waited_out_and_not_ended_again(tmp_path: Path) -> None:
    script = opened() + IDLING + "X: pause\nS: $ OK enough\nC: IDLE\nS: + idling\nS: * 1 EXISTS\nC| DONE\nS: $ OK"
    async with scripted(script) as server, server.source(tmp_path, poll_s=1).connect() as mailbox:
        begun = time.perf_counter()
        await mailbox.wait()
        assert time.perf_counter() - begun > 0.9
        await mailbox.wait()
    assert server.lines.count("DONE") == 1
