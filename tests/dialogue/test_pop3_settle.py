"""What leaves the maildrop, and when that is true: DELE is a wish, the answer to QUIT is the deed."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest
from tests.dialogue.pop3 import bye, opened, ref, source
from tests.dialogue.server import scripted

from mailwicket.errors import BlockedError, TransientError
from mailwicket.model import Settlement


async def test_what_is_done_is_deleted_by_its_number_of_this_session(tmp_path: Path) -> None:
    script = opened("a", "b", "c") + "C| DELE 1\nS: +OK\nC| DELE 3\nS: +OK\n" + bye()
    async with scripted(script) as server, source(server, tmp_path, after="delete").connect() as mailbox:
        await mailbox.settle([Settlement(ref("a")), Settlement(ref("c"), parked=True), Settlement(ref("gone"))])
    assert server.lines[-3:] == ["DELE 1", "DELE 3", "QUIT"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("X: close", "connection_lost"),
        ("X: hang", "timeout"),
        ("S: +OK\nC| QUIT\nX: close", "connection_lost"),
        ("S: +OK\nC| QUIT\nX: hang", "timeout"),
        ("S: +OK\nC| QUIT\nS: -ERR some deleted messages not removed\nX: close", "server_said"),
        ("S: -ERR [SYS/TEMP] index", "server_said"),
        ("S: what", "server_said"),
    ],
)
async def test_nothing_is_gone_before_quit_is_answered_well(script: str, reason: str, tmp_path: Path) -> None:
    async with scripted(opened("a") + "C| DELE 1\n" + script) as server:
        with pytest.raises(TransientError) as caught:
            async with source(server, tmp_path, after="delete").connect() as mailbox:
                await mailbox.settle([Settlement(ref("a"))])
    assert caught.value.reason == reason


async def test_after_a_refused_dele_no_quit_makes_the_others_true(tmp_path: Path) -> None:
    script = opened("a", "b") + "C| DELE 1\nS: +OK\nC| DELE 2\nS: -ERR [SYS/PERM] read only"
    async with scripted(script) as server:
        with pytest.raises(BlockedError) as caught:
            async with source(server, tmp_path, after="delete").connect() as mailbox:
                await mailbox.settle([Settlement(ref("a")), Settlement(ref("b"))])
        assert caught.value.reason == "refused"
        assert "QUIT" not in server.lines


async def test_what_was_deleted_may_be_settled_again(tmp_path: Path) -> None:
    first = opened("a", "b") + "C| DELE 1\nS: +OK\n" + bye()
    async with (
        scripted(first, opened("b") + bye()) as server,
        source(server, tmp_path, after="delete").connect() as mailbox,
    ):
        await mailbox.settle([Settlement(ref("a"))])
        await mailbox.settle([Settlement(ref("a"))])
    assert server.lines.count("DELE 1") == 1


async def test_a_mail_of_which_we_hold_the_header_alone_stays(tmp_path: Path) -> None:
    async with (
        scripted(opened("a") + bye()) as server,
        source(server, tmp_path, after="delete").connect() as mailbox,
    ):
        await mailbox.settle([Settlement(ref("a"), headers_only=True)])
    assert server.lines[-1] == "QUIT"


async def test_mails_that_share_an_id_stay(tmp_path: Path) -> None:
    script = opened("x", "x", "b") + "C| DELE 3\nS: +OK\n" + bye()
    async with scripted(script) as server, source(server, tmp_path, after="delete").connect() as mailbox:
        await mailbox.settle([Settlement(ref("x")), Settlement(ref("x 2")), Settlement(ref("b"))])


async def test_left_as_it_is_means_no_word_to_the_server(tmp_path: Path) -> None:
    async with scripted(opened("a") + bye()) as server, source(server, tmp_path).connect() as mailbox:
        await mailbox.settle([Settlement(ref("a"))])
    assert server.lines[-2:] == ["LIST", "QUIT"]


# --- one session at a time


async def test_while_it_waits_the_maildrop_is_nobody_s(tmp_path: Path) -> None:
    async with (
        scripted(opened("a") + bye(), opened("a", "b") + bye()) as server,
        source(server, tmp_path, poll_s=1).connect() as mailbox,
    ):
        first = await mailbox.look(None)
        begun = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(mailbox.wait)
            await anyio.sleep(0.2)
            assert server.lines[-1] == "QUIT"
        assert 0.9 < time.perf_counter() - begun < 2
        second = await mailbox.look(first.cursor)
    assert [one.remote_id for one in second.refs] == ["b"]
    assert server.connections == 2


async def test_a_wait_can_be_ended(tmp_path: Path) -> None:
    async with scripted(opened() + bye()) as server, source(server, tmp_path, poll_s=3600).connect() as mailbox:
        with anyio.fail_after(1):
            mailbox.wake()
            await mailbox.wait()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(mailbox.wait)
                await anyio.sleep(0.1)
                mailbox.wake()


async def test_a_server_s_delay_between_logins_is_kept(tmp_path: Path) -> None:
    slow = opened().replace("S: UIDL", "S: LOGIN-DELAY 1")
    async with scripted(slow + bye()) as server:
        made = source(server, tmp_path, poll_s=1)
        made.chance = lambda: 0.99
        async with made.connect() as mailbox:
            begun = time.perf_counter()
            await mailbox.wait()
    assert time.perf_counter() - begun > 0.9


async def test_a_session_that_ended_between_two_steps_is_begun_anew(tmp_path: Path) -> None:
    async with (
        scripted(opened("a") + "X: close", opened("a", "b") + bye()) as server,
        source(server, tmp_path).connect() as mailbox,
    ):
        await anyio.sleep(0.1)
        look = await mailbox.look(None)
    assert [one.remote_id for one in look.refs] == ["a", "b"]


async def test_a_maildrop_that_somebody_else_has_meanwhile_is_tried_later(tmp_path: Path) -> None:
    busy = opened().partition("C| PASS")[0] + "C| PASS *\nS: -ERR [IN-USE] locked"
    async with scripted(opened() + bye(), busy) as server, source(server, tmp_path, poll_s=1).connect() as mailbox:
        look = await mailbox.look(None)
        await mailbox.wait()
        with pytest.raises(TransientError) as caught:
            await mailbox.look(look.cursor)
    assert caught.value.reason == "in_use"


async def test_silence_is_counted_from_the_last_byte(tmp_path: Path) -> None:
    async with scripted(opened() + bye()) as server, source(server, tmp_path).connect() as mailbox:
        await anyio.sleep(0.2)
        assert 0.1 < mailbox.silence_s() < 2
        await mailbox.close()
        await anyio.sleep(0.2)
        assert 0.1 < mailbox.silence_s() < 2
