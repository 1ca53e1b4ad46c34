"""Which mails a look tells, and where the next one starts."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from tests.dialogue.server import meta, opened, scripted

from mailwicket.errors import BlockedError, TransientError
from mailwicket.model import Look, Renumbered
from mailwicket.net.deadlines import Deadlines
from mailwicket.sources import imap
from mailwicket.sources._imap_cursor import Cursor

DESCRIBE = "(UID RFC822.SIZE INTERNALDATE)"


def cursor(uidnext: int, uidvalidity: int = 7, since: str | None = None, old_below: int = 0) -> str:
    return Cursor("INBOX", uidvalidity, uidnext, since, old_below).write()


# --- the first look ---------------------------------------------------------------------------------------------------


async def test_a_first_look_from_now_tells_nothing_that_lay_there_and_all_that_comes(tmp_path: Path) -> None:
    script = (
        opened(exists=3, uidnext=10)
        + f"""
        C: UID FETCH 10:* {DESCRIBE}
        {meta(9)}
        S: $ OK
        C: UID FETCH 10:* {DESCRIBE}
        {meta(10, day=" 1-Jan-2001")}
        S: $ OK
    """
    )
    async with scripted(script) as server, server.source(tmp_path, start_from="now").connect() as mailbox:
        first = await mailbox.look(None)
        second = await mailbox.look(first.cursor)
    assert first.refs == []
    assert [ref.remote_id for ref in second.refs] == ["10"]
    assert Cursor.read(second.cursor).uidnext == 11


async def test_a_first_look_from_all_tells_the_mails_in_the_order_of_their_uids(tmp_path: Path) -> None:
    script = (
        opened(exists=3, uidnext=10)
        + f"""
        C: UID FETCH 1:* {DESCRIBE}
        {meta(9, size=300, sequence=3)}
        {meta(4, sequence=1)}
        S: $ OK
    """
    )
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        look = await mailbox.look(None)
    assert [ref.remote_id for ref in look.refs] == ["4", "9"]
    ref = look.refs[1]
    assert (ref.folder, ref.epoch, ref.size_bytes) == ("INBOX", "7", 300)
    assert ref.received_at == datetime(2026, 1, 2, 10, tzinfo=UTC)
    assert not look.more


async def test_a_first_look_from_a_day_leaves_older_mails_alone_but_not_those_that_come_later(tmp_path: Path) -> None:
    script = (
        opened(exists=3, uidnext=4)
        + f"""
        C: UID FETCH 1:* {DESCRIBE}
        {meta(1, day="31-Dec-2025")}
        {meta(2, day=" 1-Jan-2026")}
        S: * 3 FETCH (UID 3 RFC822.SIZE 10)
        S: $ OK
        C: UID FETCH 4:* {DESCRIBE}
        {meta(4, day="31-Dec-2025")}
        S: $ OK
    """
    )
    async with scripted(script) as server, server.source(tmp_path, start_from=date(2026, 1, 1)).connect() as mailbox:
        first = await mailbox.look(None)
        second = await mailbox.look(first.cursor)
    assert [ref.remote_id for ref in first.refs] == ["2", "3"]
    assert [ref.remote_id for ref in second.refs] == ["4"]


async def test_without_uidnext_the_last_mail_tells_where_to_start(tmp_path: Path) -> None:
    script = (
        opened(exists=3, uidnext=None)
        + f"""
        C: UID FETCH [*] (UID)
        S: * 3 FETCH (UID 12)
        S: $ OK
        C: UID FETCH 13:* {DESCRIBE}
        S: $ OK
    """.replace("[*]", "*")
    )
    async with scripted(script) as server, server.source(tmp_path, start_from="now").connect() as mailbox:
        assert Cursor.read((await mailbox.look(None)).cursor).uidnext == 13


async def test_another_folder_is_looked_into_for_the_first_time(tmp_path: Path) -> None:
    script = opened(exists=0, uidnext=3) + f"C: UID FETCH 3:* {DESCRIBE}\nS: $ OK"
    elsewhere = Cursor("Archive", 7, 900).write()
    async with scripted(script) as server, server.source(tmp_path, start_from="now").connect() as mailbox:
        assert Cursor.read((await mailbox.look(elsewhere)).cursor).uidnext == 3


# --- later looks ------------------------------------------------------------------------------------------------------


async def test_the_last_mail_which_a_server_always_names_is_not_told_again(tmp_path: Path) -> None:
    script = opened(exists=3, uidnext=10) + f"C: UID FETCH 10:* {DESCRIBE}\n{meta(9)}S: $ OK"
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        look = await mailbox.look(cursor(10))
    assert look.refs == []
    assert look.cursor == cursor(10)


async def test_a_large_backlog_is_searched_once_and_told_in_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "LOOK_MAILS", 2)
    script = (
        opened(exists=4, uidnext=10)
        + f"""
        C: UID SEARCH UID 1:*
        S: * SEARCH 9 3 7 4
        S: $ OK
        C: UID FETCH 3:4 {DESCRIBE}
        {meta(3)}
        S: $ OK
        C: UID FETCH 4 (UID)
        S: $ OK
        C: UID FETCH 7,9 {DESCRIBE}
        {meta(7)}
        {meta(9)}
        S: $ OK
    """
    )
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        first = await mailbox.look(None)
        second = await mailbox.look(first.cursor)
    assert ([ref.remote_id for ref in first.refs], first.more) == (["3"], True)
    assert ([ref.remote_id for ref in second.refs], second.more) == (["7", "9"], True)


async def test_a_page_that_could_not_be_noted_is_told_again_and_no_mail_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "LOOK_MAILS", 2)
    page = """
        C: UID FETCH {0}:{1} (UID RFC822.SIZE INTERNALDATE)
        {2}
        {3}
        S: $ OK
    """
    pages = {first: page.format(first, first + 1, meta(first), meta(first + 1)) for first in (1, 3, 5)}
    search = """
        C: UID SEARCH UID {0}:*
        S: * SEARCH {1}
        S: $ OK
    """
    script = opened(exists=6, uidnext=7)
    script += search.format(1, "1 2 3 4 5 6") + pages[1] + pages[3]
    script += search.format(3, "3 4 5 6") + pages[3] + pages[5]
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        first = await mailbox.look(None)
        lost = await mailbox.look(first.cursor)
        again = await mailbox.look(first.cursor)
        last = await mailbox.look(again.cursor)
    assert [ref.remote_id for ref in lost.refs] == ["3", "4"]
    assert again == lost
    assert [ref.remote_id for ref in last.refs] == ["5", "6"]


async def test_mail_that_comes_while_a_backlog_is_told_does_not_wait_for_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "LOOK_MAILS", 2)
    script = (
        opened(exists=4, uidnext=5)
        + f"""
        C: UID SEARCH UID 1:*
        S: * SEARCH 1 2 3 4
        S: $ OK
        C: UID FETCH 1:2 {DESCRIBE}
        {meta(1)}
        {meta(2)}
        S: * 5 EXISTS
        S: $ OK
        C: UID FETCH 3:4 {DESCRIBE}
        {meta(3)}
        {meta(4)}
        S: $ OK
        C: UID FETCH 5:* {DESCRIBE}
        {meta(5)}
        S: $ OK
    """
    )
    found: list[str] = []
    look = Look((), "", more=True)
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        while look.more:
            look = await mailbox.look(look.cursor or None)
            found += [ref.remote_id for ref in look.refs]
    assert found == ["1", "2", "3", "4", "5"]


async def test_a_hundred_thousand_uids_on_one_line_are_read(tmp_path: Path) -> None:
    uids = " ".join(map(str, range(1, 100_001)))
    script = (
        opened(exists=100_000, uidnext=100_001)
        + f"""
        C: UID SEARCH UID 99501:*
        S: * SEARCH {uids}
        S: $ OK
        C: UID FETCH 99501:100000 {DESCRIBE}
        {meta(99501)}
        S: $ OK
        C: UID FETCH 99502:100000 (UID)
        S: $ OK
    """
    )
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        look = await mailbox.look(cursor(99501))
    assert ([ref.remote_id for ref in look.refs], look.more) == (["99501"], True)
    assert Cursor.read(look.cursor).uidnext == 100_001


# --- mails that the server cannot describe: there all the same --------------------------------------------------------


@pytest.mark.parametrize(
    "described",
    [
        'UID 3 RFC822.SIZE NIL INTERNALDATE "01-Jan-0001 00:00:00 +0100"',
        "UID 3 RFC822.SIZE 18446744073709551615 INTERNALDATE NIL",
        'UID 3 INTERNALDATE "yesterday"',
    ],
)
async def test_a_mail_without_a_usable_size_or_date_is_told(tmp_path: Path, described: str) -> None:
    script = (
        opened(exists=2, uidnext=5)
        + f"""
        C: UID FETCH 1:* {DESCRIBE}
        S: * 1 FETCH ({described})
        {meta(4)}
        S: $ OK
    """
    )
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        refs = (await mailbox.look(None)).refs
    assert [ref.remote_id for ref in refs] == ["3", "4"]
    assert (refs[0].size_bytes, refs[0].received_at) == (0, None)


@pytest.mark.parametrize(
    "answer",
    [
        "S: * 1 FETCH (UID 3 RFC822.SIZE",
        "S: * 1 FETCH (UID three RFC822.SIZE 100)",
        "S: * 1 FETCH (RFC822.SIZE 100)",
        "S: * 1 FETCH (UID 3)",
    ],
)
async def test_an_answer_that_cannot_be_read_costs_no_mail(tmp_path: Path, answer: str) -> None:
    script = (
        opened(exists=2, uidnext=5)
        + f"""
        C: UID FETCH 1:* {DESCRIBE}
        {answer}
        {meta(4)}
        S: $ OK
        C: UID SEARCH UID 1:*
        S: * SEARCH 3 4
        S: $ OK
        C: UID FETCH 3 (UID)
        S: * 1 FETCH (UID 3)
        S: $ OK
    """
    )
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        look = await mailbox.look(None)
    assert [(ref.remote_id, ref.size_bytes) for ref in look.refs] == [("3", 0), ("4", 100)]


async def test_a_mail_of_which_no_answer_can_be_read_is_not_passed_over(tmp_path: Path) -> None:
    unreadable = "S: * 1 FETCH (UID 3\n"
    script = opened(exists=1, uidnext=5) + f"C: *\n{unreadable}S: $ OK\nC: UID SEARCH *\nS: * SEARCH 3\nS: $ OK\n"
    script += f"C: UID FETCH 3 (UID)\n{unreadable}S: $ OK"
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        with pytest.raises(TransientError, match="cannot be read") as caught:
            await mailbox.look(None)
    assert caught.value.reason == "server_said"


async def test_a_mail_that_a_search_named_and_no_answer_described_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "LOOK_MAILS", 2)
    script = (
        opened(exists=4, uidnext=10)
        + f"""
        C: UID SEARCH UID 1:*
        S: * SEARCH 3 4 7
        S: $ OK
        C: UID FETCH 3:4 {DESCRIBE}
        {meta(4)}
        S: $ OK
        C: UID FETCH 3 (UID)
        S: * 1 FETCH (UID 3)
        S: $ OK
    """
    )
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        look = await mailbox.look(None)
    assert [(ref.remote_id, ref.size_bytes) for ref in look.refs] == [("3", 0), ("4", 100)]


# --- numbers that change ----------------------------------------------------------------------------------------------


async def test_new_numbers_are_told_and_old_mail_stays_old(tmp_path: Path) -> None:
    script = (
        opened(exists=2, uidvalidity=8, uidnext=3)
        + f"""
        C: UID FETCH 1:* {DESCRIBE}
        {meta(1, day=" 1-Jan-2026")}
        {meta(2, day=" 3-Jan-2026")}
        S: $ OK
    """
    )
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        look = await mailbox.look(cursor(500, since="2026-01-02T00:00:00+00:00", old_below=400))
    assert look.renumbered == Renumbered("INBOX", "7", "8")
    assert [(ref.epoch, ref.remote_id) for ref in look.refs] == [("8", "2")]


async def test_numbers_that_go_down_are_not_trusted(tmp_path: Path) -> None:
    async with scripted(opened(exists=1, uidnext=5)) as server, server.source(tmp_path).connect() as mailbox:
        fallen = await mailbox.look(cursor(10))
        assert (fallen.refs, fallen.more) == ((), True)
        with pytest.raises(BlockedError, match="UIDNEXT of INBOX went down from 10 to 5") as caught:
            await mailbox.look(fallen.cursor)
    assert caught.value.reason == "refused"


async def test_numbers_that_went_down_are_not_trusted_when_they_are_up_again(tmp_path: Path) -> None:
    """The mails that came in between have numbers that were looked at before: they would never be taken."""
    async with scripted(opened(exists=3, uidnext=8), opened(exists=6, uidnext=11)) as server:
        async with server.source(tmp_path).connect() as mailbox:
            fallen = await mailbox.look(cursor(10))
        async with server.source(tmp_path).connect() as mailbox:
            with pytest.raises(BlockedError, match="new UIDVALIDITY"):
                await mailbox.look(fallen.cursor)


async def test_new_numbers_mend_what_numbers_that_went_down_have_broken(tmp_path: Path) -> None:
    again = opened(exists=1, uidvalidity=8, uidnext=2) + f"C: UID FETCH 1:* {DESCRIBE}\n{meta(1)}S: $ OK"
    async with scripted(opened(exists=3, uidnext=8), again) as server:
        async with server.source(tmp_path).connect() as mailbox:
            fallen = await mailbox.look(cursor(10))
        async with server.source(tmp_path).connect() as mailbox:
            look = await mailbox.look(fallen.cursor)
            assert look.renumbered == Renumbered("INBOX", "7", "8")
            assert [ref.remote_id for ref in look.refs] == ["1"]
            assert Cursor.read(look.cursor).fallen_to is None


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (meta(0), "UID 0"),
        (meta(2**32), "UID 4294967296"),
        (meta(5, size=1) + meta(5, size=2, sequence=2), "two mails with UID 5"),
        ("S: * OK [UIDVALIDITY 8] surprise\n" + meta(5), "new numbers while it was open"),
    ],
)
async def test_a_lie_about_numbers_ends_the_session(tmp_path: Path, answers: str, words: str) -> None:
    script = opened(exists=1, uidnext=9) + f"C: UID FETCH *\n{answers}S: $ OK"
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        with pytest.raises(TransientError, match=words) as caught:
            await mailbox.look(None)
    assert caught.value.reason == "server_said"


async def test_a_search_with_uid_0_ends_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap, "LOOK_MAILS", 2)
    script = opened(exists=4, uidnext=10) + "C: UID SEARCH *\nS: * SEARCH 0 4\nS: $ OK"
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        with pytest.raises(TransientError, match="UID out of range"):
            await mailbox.look(None)


async def test_fifty_thousand_flag_lines_are_read_in_passing(tmp_path: Path) -> None:
    flags = "".join(f"* {n} FETCH (UID {n} FLAGS (Junk))\\r\\n" for n in range(1, 50_001))
    script = opened(exists=1, uidnext=9) + f"C: UID FETCH *\nS| {flags}\n{meta(8)}S: $ OK"
    script += "\nC: UID SEARCH UID 1:[*]\nS: * SEARCH 8\nS: $ OK".replace("[*]", "*")
    async with scripted(script) as server, server.source(tmp_path, Deadlines()).connect() as mailbox:
        assert [ref.remote_id for ref in (await mailbox.look(None)).refs] == ["8"]
