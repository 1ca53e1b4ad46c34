"""Which mails are told: by ids that the cursor remembers, whatever a server does with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from tests.dialogue.pop3 import bye, inside, lines, listed, opened, source
from tests.dialogue.server import scripted

from mailwicket.errors import TransientError
from mailwicket.model import Look, Renumbered

IMAP_CURSOR = '{"folder":"INBOX","uidvalidity":7,"uidnext":3}'


def names(look: Look) -> list[str]:
    return [ref.remote_id for ref in look.refs]


async def looks(tmp_path: Path, *scripts: str, cursor: str | None = None, **changes: object) -> list[Look]:
    """One look in each session."""
    found: list[Look] = []
    async with scripted(*scripts) as server:
        for _ in scripts:
            async with source(server, tmp_path, **changes).connect() as mailbox:
                found.append(await mailbox.look(cursor))
            cursor = found[-1].cursor
    return found


async def test_ids_that_were_told_are_not_told_again_whatever_their_number(tmp_path: Path) -> None:
    first, second, third = await looks(
        tmp_path, opened("a", "b"), opened("b", "c"), opened("d", "c", "b"), start_from="all"
    )
    assert [names(one) for one in (first, second, third)] == [["a", "b"], ["c"], ["d"]]


async def test_an_id_that_vanished_and_is_there_again_is_told_again_for_the_journal_to_know(tmp_path: Path) -> None:
    told = await looks(tmp_path, opened("a", "b"), opened("b", "c"), opened("a", "b", "c"))
    assert [names(one) for one in told] == [["a", "b"], ["c"], ["a"]]


async def test_what_lay_there_at_the_first_look_stays_left_alone_for_ever(tmp_path: Path) -> None:
    told = await looks(tmp_path, opened("a", "b"), opened(), opened("n"), opened("a", "b", "n", "o"), start_from="now")
    assert [names(one) for one in told] == [[], [], ["n"], ["o"]]


async def test_nothing_new_leaves_the_cursor_as_it_is(tmp_path: Path) -> None:
    first, second, third = await looks(tmp_path, opened("a", "b"), opened("a", "b"), opened("b"))
    assert first.cursor == second.cursor == third.cursor


def top(number: int, *header: str) -> str:
    return f"C| TOP {number} 0\n" + lines(*header, "")


def received(moment: datetime) -> str:
    return f"Received: from a.example by b.example; {format_datetime(moment)}"


async def test_from_a_day_on_counts_what_the_last_server_wrote(tmp_path: Path) -> None:
    old, new = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 3, 12, tzinfo=UTC)
    script = (
        opened("old", "new", "undated", "silent")
        + top(1, received(old), received(new))
        + top(2, received(new), received(old), f"Date: {format_datetime(old)}")
        + top(3, "Subject: x")
        + "C| TOP 4 0\nS: -ERR no\n"
    )
    later = opened("old", "new", "undated", "silent", "late")  # no date is asked for any more
    first, second = await looks(tmp_path, script, later, start_from="2026-01-02")
    assert names(first) == ["new", "undated", "silent"], "a mail too many is noticed, one too few is not"
    assert first.refs[0].received_at == new
    assert names(second) == ["late"]


async def test_a_page_has_a_bound_and_the_next_look_goes_on(tmp_path: Path) -> None:
    every = [f"id{number}" for number in range(4800)]
    async with scripted(opened(*every)) as server, source(server, tmp_path).connect() as mailbox:
        pages = [await mailbox.look(None)]
        while pages[-1].more:
            pages.append(await mailbox.look(pages[-1].cursor))
    assert [len(page.refs) for page in pages] == [2000, 2000, 800]
    assert [name for page in pages for name in names(page)] == every


async def test_a_cursor_of_another_protocol_counts_for_nothing(tmp_path: Path) -> None:
    (look,) = await looks(tmp_path, opened("a"), cursor=IMAP_CURSOR, start_from="now")
    assert look.refs == []


# --- ids


async def test_mails_that_share_an_id_are_told_apart(tmp_path: Path) -> None:
    first, second = await looks(tmp_path, opened("a", "x", "x", "x"), opened("a", "x", "x", "x", "b"))
    assert names(first) == ["a", "x", "x 2", "x 3"]
    assert names(second) == ["b"]


async def test_ids_that_the_listing_lacks_are_asked_for_one_by_one(tmp_path: Path) -> None:
    script = inside() + "C| STAT\nS: +OK 3 300\nC| UIDL\n" + lines("1 a", "3 c")
    script += "C| UIDL 2\nS: +OK 2 b\nC| LIST\n" + lines("1 10", "2 20", "3 30")
    (look,) = await looks(tmp_path, script)
    assert [(ref.remote_id, ref.size_bytes) for ref in look.refs] == [("a", 10), ("b", 20), ("c", 30)]


async def test_what_no_id_can_be_had_for_is_not_told_and_hurts_no_other(tmp_path: Path) -> None:
    script = inside() + "C| STAT\nS: +OK 3 300\nC| UIDL\n" + lines("1 a", "x", "2", "0 z", "-1 q", "3  ")
    script += "C| UIDL 2\nS: -ERR no\nC| UIDL 3\nS: +OK 9 nonsense\nC| LIST\nS: -ERR no\n"
    (look,) = await looks(tmp_path, script)
    assert [(ref.remote_id, ref.size_bytes) for ref in look.refs] == [("a", 0)]


async def test_a_listing_without_end_ends_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailwicket.net.pop3.client.LISTING_BYTES", 100_000)
    flood = "S| " + "1 x\\r\\n" * 40_000 + "\n"
    script = inside() + "C| STAT\nS: +OK 1 1\nC| UIDL\nS: +OK\n" + flood * 3 + "X: hang"
    async with scripted(script) as server:
        with pytest.raises(TransientError):
            async with source(server, tmp_path).connect():
                pass


# --- a maildrop that is another one


async def test_new_ids_for_everything_are_a_renumbering_and_old_mail_stays_left_alone(tmp_path: Path) -> None:
    old = datetime.now(UTC) - timedelta(days=30)
    before = [f"a{number}" for number in range(6)]
    after = [f"b{number}" for number in range(6)]
    dates = "".join(top(number + 1, received(old if number < 5 else datetime.now(UTC))) for number in range(6))
    first, second, third = await looks(
        tmp_path, opened(*before), opened(*after) + dates, opened(*after), start_from="now"
    )
    assert first.refs == []
    assert second.renumbered == Renumbered("INBOX", "", "1")
    assert [(ref.remote_id, ref.epoch) for ref in second.refs] == [("b5", "1")]
    assert (third.refs, third.renumbered) == ([], None)


async def test_a_maildrop_that_is_emptied_by_us_is_not_renumbered(tmp_path: Path) -> None:
    before = [f"a{number}" for number in range(6)]
    after = [f"b{number}" for number in range(6)]
    _, second = await looks(tmp_path, opened(*before), opened(*after), after="delete")
    assert second.renumbered is None
    assert names(second) == after


async def test_another_maildrop_under_the_same_name_is_a_renumbering(tmp_path: Path) -> None:
    (first,) = await looks(tmp_path, opened("a"))
    login = inside().replace("USER desk@example.org", "USER other@example.org")
    changed = login + listed("b")
    (second,) = await looks(tmp_path, changed, cursor=first.cursor, username="other@example.org")
    assert second.renumbered is not None
    assert names(second) == ["b"]


async def test_another_name_for_the_same_maildrop_changes_nothing(tmp_path: Path) -> None:
    (first,) = await looks(tmp_path, opened("a"))
    same = inside().replace("USER desk@example.org", "USER other@example.org") + listed("a", "b") + bye()
    (second,) = await looks(tmp_path, same, cursor=first.cursor, username="other@example.org")
    assert (second.renumbered, names(second)) == (None, ["b"])
