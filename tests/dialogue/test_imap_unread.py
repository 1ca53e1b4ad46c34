"""How a server is asked which mails are unread, and what its answer is worth."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import anyio
import pytest
from tests.dialogue.server import meta, opened, scripted

from mailwicket.errors import TransientError
from mailwicket.model import Unread
from mailwicket.sources._imap_cursor import Cursor

ALL = "C: UID SEARCH UNSEEN UNDELETED UID 1:4294967295"


def cursor(uidnext: int, **changes: object) -> str:
    return Cursor("INBOX", 7, uidnext, **changes).write()  # type: ignore[arg-type]  # of its fields


async def test_the_unread_mails_are_told_by_their_numbers(tmp_path: Path) -> None:
    script = opened(exists=9) + f"{ALL}\nS: * SEARCH 3 5 8\nS: $ OK"
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        assert await mailbox.unread(cursor(10)) == Unread("INBOX", "7", ["3", "5", "8"])


async def test_a_server_is_asked_once_in_a_poll(tmp_path: Path) -> None:
    script = opened(exists=9) + f"{ALL}\nS: * SEARCH\nS: $ OK\n{ALL}\nS: * SEARCH 4\nS: $ OK"
    async with scripted(script) as server, server.source(tmp_path, poll_s=1).connect() as mailbox:
        assert await mailbox.unread(cursor(10)) == Unread("INBOX", "7", [])
        assert await mailbox.unread(cursor(10)) is None
        await anyio.sleep(1.05)
        assert await mailbox.unread(cursor(10)) == Unread("INBOX", "7", ["4"])
    assert sum("SEARCH" in line for line in server.lines) == 2


async def test_mail_that_comes_meanwhile_is_for_the_next_look(tmp_path: Path) -> None:
    script = opened(exists=9, uidnext=10) + f"C: UID FETCH *\nS: $ OK\n{ALL}\nS: * 10 EXISTS\nS: * SEARCH 3 10\nS: $ OK"
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        await mailbox.look(cursor(10))
        assert await mailbox.unread(cursor(10)) == Unread("INBOX", "7", ["3"])


async def test_mail_that_a_search_names_and_a_look_does_not_is_counted(tmp_path: Path) -> None:
    script = opened(exists=9, uidnext=10) + f"C: UID FETCH *\nS: $ OK\n{ALL}\nS: * SEARCH 10\nS: $ OK"
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        await mailbox.look(cursor(10))
        assert await mailbox.unread(cursor(10)) == Unread("INBOX", "7", ["10"])


async def test_mail_from_before_the_beginning_is_none_of_ours(tmp_path: Path) -> None:
    script = opened(exists=9, uidnext=10) + (
        f"C: UID FETCH 10:* *\n{meta(9)}S: $ OK\n"
        "C: UID SEARCH UNSEEN UNDELETED UID 10:4294967295\nS: * SEARCH 9\nS: $ OK"
    )
    async with scripted(script) as server, server.source(tmp_path, start_from="now").connect() as mailbox:
        look = await mailbox.look(None)
        assert await mailbox.unread(look.cursor) == Unread("INBOX", "7", [])


async def test_from_a_day_on_the_search_asks_for_what_lay_there_by_its_day(tmp_path: Path) -> None:
    search = "C: UID SEARCH UNSEEN UNDELETED OR UID 10:4294967295 SINCE 2-Jan-2026\nS: * SEARCH 4\nS: $ OK"
    script = opened(exists=9, uidnext=10) + f"C: UID FETCH 1:* *\n{meta(4)}S: $ OK\n{search}"
    async with scripted(script) as server, server.source(tmp_path, start_from=date(2026, 1, 2)).connect() as mailbox:
        look = await mailbox.look(None)
        assert await mailbox.unread(look.cursor) == Unread("INBOX", "7", ["4"])


async def test_a_mailbox_that_is_left_as_it_is_is_not_asked(tmp_path: Path) -> None:
    async with scripted(opened(exists=9)) as server, server.source(tmp_path, after="leave").connect() as mailbox:
        assert await mailbox.unread(cursor(10)) is None
    assert not any("SEARCH" in line for line in server.lines)


@pytest.mark.parametrize("answer", ["S: $ BAD what", "S: $ NO not here", "S: * SEARCH 5 x\nS: $ OK"])
async def test_a_server_that_cannot_tell_is_left_in_peace_and_goes_on_as_before(tmp_path: Path, answer: str) -> None:
    script = opened(exists=9, uidnext=10) + f"{ALL}\n{answer}\nC: UID FETCH *\nS: $ OK"
    async with scripted(script) as server, server.source(tmp_path, poll_s=1).connect() as mailbox:
        assert await mailbox.unread(cursor(10)) is None
        await anyio.sleep(1.05)
        assert await mailbox.unread(cursor(10)) is None
        assert (await mailbox.look(cursor(10))).refs == []
    assert sum("SEARCH" in line for line in server.lines) == 1


async def test_a_connection_that_ends_meanwhile_is_lost(tmp_path: Path) -> None:
    script = opened(exists=9) + f"{ALL}\nX: close"
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        with pytest.raises(TransientError):
            await mailbox.unread(cursor(10))


async def test_a_cursor_of_other_numbers_is_compared_with_nothing(tmp_path: Path) -> None:
    async with scripted(opened(exists=9)) as server, server.source(tmp_path).connect() as mailbox:
        assert await mailbox.unread(Cursor("INBOX", 8, 10).write()) is None
