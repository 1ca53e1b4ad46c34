"""The bytes of mails, from servers that lie about them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.dialogue.pop3 import bye, inside, lines, listed, opened, ref, source
from tests.dialogue.server import scripted

from mailwicket.errors import TransientError
from mailwicket.model import Fetched, MailRef, SpooledMail
from mailwicket.net import receiver
from mailwicket.sources import _pop3_bodies

HEAD = ("Subject: hello", "")


async def fetch(tmp_path: Path, *scripts: str, refs: list[MailRef] | None = None, **changes: Any) -> list[Fetched]:
    """What comes of a fetch in one connection; files are read."""
    async with scripted(*scripts) as server, source(server, tmp_path, **changes).connect() as mailbox:
        return [
            Fetched(one.ref, one.raw.path.read_bytes(), one.headers_only, one.received_at)
            if isinstance(one.raw, SpooledMail)
            else one
            for one in await mailbox.fetch(refs or [ref("a")])
        ]


def retr(number: int, *content: str) -> str:
    return f"C| RETR {number}\n" + lines(*content)


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 5, 1 << 20])
async def test_dots_are_undone_wherever_the_network_cuts(piece_bytes: int, tmp_path: Path) -> None:
    script = opened("a", "b") + retr(1, *HEAD, "..", "..x", "x.", "...", ". y", "", "..") + retr(2) + bye()
    async with scripted(script, piece_bytes=piece_bytes) as server, source(server, tmp_path).connect() as mailbox:
        found = await mailbox.fetch([ref("a"), ref("b")])
    assert found[0].raw == b"Subject: hello\r\n\r\n.\r\n.x\r\nx.\r\n..\r\n y\r\n\r\n.\r\n"
    assert found[1].raw == b""


async def test_only_a_dot_between_crlfs_ends_a_mail(tmp_path: Path) -> None:
    body = "C| RETR 1\nS: +OK\nS| a\\n.\\nb\\r.\\rc\\n.\\r\\nd\\r\\n.\\r\\n\n"
    (found,) = await fetch(tmp_path, opened("a") + body + bye())
    assert found.raw == b"a\n.\nb\r.\rc\n.\r\nd\r\n"


async def test_a_line_of_two_megabytes_is_a_line(tmp_path: Path) -> None:
    (found,) = await fetch(tmp_path, opened("a") + retr(1, *HEAD, "x" * 2_000_000) + bye())
    assert len(found.raw) == 2_000_020 if isinstance(found.raw, bytes) else False


async def test_a_mail_that_is_not_listed_is_left_out(tmp_path: Path) -> None:
    found = await fetch(tmp_path, opened("b") + retr(1, *HEAD) + bye(), refs=[ref("a"), ref("b")])
    assert [one.ref.remote_id for one in found] == ["b"]


async def test_when_it_was_received_is_what_the_last_server_wrote(tmp_path: Path) -> None:
    content = (
        "Received: x",
        " ; Fri, 2 Jan 2026 10:00:00 +0100",
        "Received: y; Thu, 1 Jan 2026 10:00:00 +0000",
        "",
        "",
    )
    (found,) = await fetch(tmp_path, opened("a") + retr(1, *content, "") + bye())
    assert found.received_at == datetime(2026, 1, 2, 9, tzinfo=UTC)
    assert found.ref == ref("a"), "its row is found by that"


@pytest.mark.parametrize(
    "field", ["Date: Fri, 2 Jan 2026 10:00:00 +0100", "Received: x", "Received: x; soon", "Received: x; 1 Jan 2199"]
)
async def test_without_such_a_time_it_is_not_known(field: str, tmp_path: Path) -> None:
    (found,) = await fetch(tmp_path, opened("a") + retr(1, field, "", "") + bye())
    assert found.received_at is None


# --- sizes


async def test_a_mail_announced_as_too_large_comes_as_its_header(tmp_path: Path) -> None:
    script = opened("a", sizes=[70_000]) + "C| TOP 1 0\n" + lines("Received: x; Fri, 2 Jan 2026 10:00:00 +0000", "")
    (found,) = await fetch(tmp_path, script + bye(), max_mail_bytes=1000)
    assert found.headers_only
    assert found.received_at == datetime(2026, 1, 2, 10, tzinfo=UTC)


async def test_a_mail_that_turns_out_too_large_is_broken_off_and_comes_as_its_header(tmp_path: Path) -> None:
    first = opened("a", sizes=[5]) + "C| RETR 1\nS: +OK\n" + "S: 0123456789abcdef\n" * 100 + "X: hang"
    second = opened("a", sizes=[5]) + "C| TOP 1 0\n" + lines(*HEAD) + bye()
    (found,) = await fetch(tmp_path, first, second, max_mail_bytes=1000)
    assert (found.raw, found.headers_only) == (b"Subject: hello\r\n\r\n", True)


async def test_without_top_the_header_is_the_beginning_of_the_whole(tmp_path: Path) -> None:
    script = opened("a", "b", sizes=[70_000, 5]) + "C| TOP 1 0\nS: -ERR what\nC| RETR 1\nS: +OK\n"
    script += "S: Subject: hello\nS:\nS: body\nX: hang"
    second = opened("a", "b") + retr(2, "x") + bye()
    found = await fetch(tmp_path, script, second, refs=[ref("a"), ref("b")], max_mail_bytes=1000)
    assert [one.raw for one in found] == [b"Subject: hello\r\n\r\n", b"x\r\n"]


async def test_a_server_that_gives_lines_nobody_asked_for_gives_a_header_all_the_same(tmp_path: Path) -> None:
    script = opened("a", sizes=[70_000]) + "C| TOP 1 0\n" + lines(*HEAD, "body", "body") + bye()
    (found,) = await fetch(tmp_path, script, max_mail_bytes=1000)
    assert found.raw == b"Subject: hello\r\n\r\n"


async def test_a_header_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pop3_bodies, "HEADER_BYTES", 2000)
    script = opened("a", sizes=[70_000]) + "C| TOP 1 0\nS: +OK\n" + "S: X: 0123456789abcdef\n" * 200 + "X: hang"
    (found,) = await fetch(tmp_path, script, max_mail_bytes=1000)
    assert isinstance(found.raw, bytes)
    assert 2000 < len(found.raw) < 10_000


async def test_mails_larger_than_announced_go_to_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pop3_bodies, "SPARE_BYTES", 100)
    content = [*HEAD, "x" * 500]
    script = opened("a", "b", sizes=[1, 1]) + retr(1, *content) + retr(2, *content) + bye()
    async with scripted(script) as server, source(server, tmp_path).connect() as mailbox:
        found = await mailbox.fetch([ref("a", 1), ref("b", 1)])
        assert all(isinstance(one.raw, SpooledMail) for one in found)
        spooled = [one.raw.path for one in found if isinstance(one.raw, SpooledMail)]
        assert {path.read_bytes() for path in spooled} == {b"Subject: hello\r\n\r\n" + b"x" * 500 + b"\r\n"}
    assert not any(path.exists() for path in spooled), "nobody took them over"


async def test_a_file_that_grows_too_large_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "WHOLE_BYTES", 100)
    first = opened("a", sizes=[5]) + "C| RETR 1\nS: +OK\nS: x\nX: pause\n" + "S: 0123456789abcdef\n" * 300 + "X: hang"
    second = opened("a", sizes=[5]) + "C| TOP 1 0\n" + lines(*HEAD) + bye()
    (found,) = await fetch(tmp_path, first, second, max_mail_bytes=1000)
    assert found.headers_only
    assert list((tmp_path / "spool").glob("*")) == []


# --- refusals


async def test_a_mail_that_is_refused_again_and_again_comes_as_its_header(tmp_path: Path) -> None:
    refused = opened("a") + "C| RETR 1\nS: -ERR [SYS/TEMP] damaged"
    good = opened("a") + "C| TOP 1 0\n" + lines(*HEAD) + bye()
    async with scripted(refused, refused, refused, good) as server:
        made = source(server, tmp_path)
        for _ in range(3):
            with pytest.raises(TransientError) as caught:
                async with made.connect() as mailbox:
                    await mailbox.fetch([ref("a")])
            assert caught.value.reason == "server_said"
        async with made.connect() as mailbox:
            (found,) = await mailbox.fetch([ref("a")])
    assert found.headers_only


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("X: hang", "timeout"),
        ("X: close", "connection_lost"),
        ("S: +OK\nX: hang", "timeout"),
        ("S: +OK\nS: no final dot\nX: close", "connection_lost"),
        ("S: +OK\nS: no final dot\nX: hang", "timeout"),
        ("S: +OK\nS: a\nS: .\nS: b\nC| RETR 2\nX: hang", "server_said"),
    ],
)
async def test_half_a_mail_is_none(script: str, reason: str, tmp_path: Path) -> None:
    async with scripted(opened("a", "b") + "C| RETR 1\n" + script) as server:
        with pytest.raises(TransientError) as caught:
            async with source(server, tmp_path).connect() as mailbox:
                await mailbox.fetch([ref("a"), ref("b")])
    assert caught.value.reason == reason


async def test_a_mail_given_byte_by_byte_ends(tmp_path: Path) -> None:
    drip = "S| x\nX: pause\n" * 100
    async with scripted(opened("a") + "C| RETR 1\nS: +OK\n" + drip + "X: hang") as server:
        begun = time.perf_counter()
        with pytest.raises(TransientError) as caught:
            async with source(server, tmp_path).connect() as mailbox:
                await mailbox.fetch([ref("a")])
    assert caught.value.reason == "timeout"
    assert time.perf_counter() - begun < 4


@pytest.mark.parametrize("script", ["X: hang", "S: +OK\nS: x\nX: hang"])
async def test_a_stop_amid_a_mail_ends_within_a_second(script: str, tmp_path: Path) -> None:
    async with scripted(opened("a") + "C| RETR 1\n" + script) as server:
        made = source(server, tmp_path)
        made.deadlines = type(made).deadlines  # type: ignore[misc]  # those of every day
        with anyio.move_on_after(0.3):
            async with made.connect() as mailbox:
                begun = time.perf_counter()
                await mailbox.fetch([ref("a")])
        assert time.perf_counter() - begun < 1.3


async def test_a_listing_that_lies_about_numbers_gives_no_mail_under_another_s_name(tmp_path: Path) -> None:
    script = (
        inside() + "C| STAT\nS: +OK 2 2\nC| UIDL\n" + lines("1 a", "1 b", "2 c") + "C| LIST\n" + lines("1 1", "2 1")
    )
    found = await fetch(tmp_path, script + retr(1, "x") + retr(2, "y") + bye(), refs=[ref("a"), ref("b"), ref("c")])
    assert [(one.ref.remote_id, one.raw) for one in found] == [("a", b"x\r\n"), ("c", b"y\r\n")]


async def test_a_session_that_is_begun_anew_looks_numbers_up_again(tmp_path: Path) -> None:
    second = inside() + listed("b", "a") + retr(2, "mail a") + bye()
    async with (
        scripted(opened("a", "b") + "X: close", second) as server,
        source(server, tmp_path).connect() as mailbox,
    ):
        await anyio.sleep(0.1)
        (found,) = await mailbox.fetch([ref("a")])
    assert found.raw == b"mail a\r\n"
