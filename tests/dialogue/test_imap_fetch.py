"""The bytes of mails: never another's, never too many, and what a server may get wrong about them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.dialogue.server import Scripted, body, opened, ref, scripted

from mailwicket.errors import StoreError, TransientError
from mailwicket.model import Fetched, MailRef, SpooledMail
from mailwicket.net import spool
from mailwicket.sources import _imap_bodies

ALL = "(UID BODY.PEEK[])"


TRAP = "* OK\r\n)"
HEADERS = "Subject: x\r\n\r\n"


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of four bytes: a mail of nine is a large one."""
    monkeypatch.setattr(_imap_bodies, "WHOLE_BYTES", 4)
    monkeypatch.setattr(_imap_bodies, "SLICE_BYTES", 4)


async def fetched(server: Scripted, tmp_path: Path, refs: Sequence[MailRef], **changes: object) -> Sequence[Fetched]:
    async with server.source(tmp_path, **changes).connect() as mailbox:
        return [taken_over(one, tmp_path) for one in await mailbox.fetch(refs)]


def taken_over(one: Fetched, directory: Path) -> Fetched:
    """A large mail's file goes with the connection, unless somebody takes it."""
    if not isinstance(one.raw, SpooledMail):
        return one
    path = one.raw.path.rename(directory / one.raw.path.name)
    return replace(one, raw=SpooledMail(path, one.raw.size_bytes))


def contents(found: Sequence[Fetched]) -> dict[str, bytes]:
    return {
        one.ref.remote_id: one.raw.path.read_bytes() if isinstance(one.raw, SpooledMail) else one.raw for one in found
    }


# --- small mails ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece_bytes", [1, 5, 1 << 20])
async def test_mails_come_under_the_uid_that_the_answer_names(tmp_path: Path, piece_bytes: int) -> None:
    script = (
        opened(exists=3)
        + f"""
        C: UID FETCH 3:4,9 {ALL}
        {body(9, "nine!")}
        S: * 2 FETCH (FLAGS (\\Seen) UID 4)
        S: * 5 EXISTS
        {body(3, TRAP)}
        S| * 2 FETCH (FLAGS (\\\\Seen) BODY[] {{4}}\\r\\nfour UID 4)\\r\\n
        S: $ OK
    """
    )
    async with scripted(script, piece_bytes=piece_bytes) as server:
        found = await fetched(server, tmp_path, [ref(9), ref(4), ref(3)])
    assert contents(found) == {"9": b"nine!", "4": b"four", "3": b"* OK\r\n)"}


async def test_a_mail_that_was_not_asked_for_is_ignored(tmp_path: Path) -> None:
    script = (
        opened(exists=3)
        + f"""
        C: UID FETCH 3 {ALL}
        {body(2, "other")}
        {body(3, "three")}
        S: $ OK
    """
    )
    async with scripted(script) as server:
        assert contents(await fetched(server, tmp_path, [ref(3)])) == {"3": b"three"}


async def test_two_bodies_under_one_uid_are_not_trusted(tmp_path: Path) -> None:
    script = opened(exists=3) + f"C: UID FETCH 3 {ALL}\n{body(3, 'three')}{body(3, 'other')}S: $ OK"
    async with scripted(script) as server:
        with pytest.raises(TransientError, match="two different mails under UID 3"):
            await fetched(server, tmp_path, [ref(3)])


async def test_a_mail_is_gone_only_when_the_server_says_so(tmp_path: Path) -> None:
    script = (
        opened(exists=3)
        + f"""
        C: UID FETCH 3:5 {ALL}
        {body(4, "four")}
        S: * 1 EXPUNGE
        S: $ NO some of the messages no longer exist
        C: UID FETCH 3,5 (UID)
        S: * 2 FETCH (UID 5)
        S: $ OK
        C: UID FETCH 5 (UID BODY.PEEK[]<0.*>)
        {body(5, "five!", "BODY[]<0>")}
        S: $ OK
    """
    )
    async with scripted(script) as server:
        assert contents(await fetched(server, tmp_path, [ref(3), ref(4), ref(5)])) == {"4": b"four", "5": b"five!"}


async def test_mails_of_another_epoch_or_folder_are_left_out_without_a_word(tmp_path: Path) -> None:
    async with scripted(opened(exists=3)) as server:
        assert await fetched(server, tmp_path, [ref(3, epoch="6"), MailRef("Other", "7", "3", 5, None)]) == []
    assert not any("FETCH" in line for line in server.lines)


async def test_numbers_that_change_during_a_fetch_give_no_mails(tmp_path: Path) -> None:
    script = opened(exists=3) + f"C: UID FETCH 3 {ALL}\nS: * OK [UIDVALIDITY 8]\n{body(3, 'three')}S: $ OK"
    async with scripted(script) as server:
        with pytest.raises(TransientError, match="new numbers"):
            await fetched(server, tmp_path, [ref(3)])


# --- sizes that lie, and mails that are too large -------------------------------------------------------------------


@pytest.mark.usefixtures("small_slices")
async def test_a_mail_that_is_larger_than_announced_is_taken_in_slices(tmp_path: Path) -> None:
    script = (
        opened(exists=3)
        + f"""
        C: UID FETCH 3:4 {ALL}
        {body(3, "012345678")}
        {body(4, "four")}
        S: $ OK
        C: UID FETCH 3 (UID)
        S: * 1 FETCH (UID 3)
        S: $ OK
        C: UID FETCH 3 (UID BODY.PEEK[]<0.4>)
        {body(3, "0123", "BODY[]<0>")}
        S: $ OK
        C: UID FETCH 3 (UID BODY.PEEK[]<4.4>)
        {body(3, "4567", "BODY[]<4>")}
        S: $ OK
        C: UID FETCH 3 (UID BODY.PEEK[]<8.4>)
        {body(3, "8", "BODY[]<8>")}
        S: $ OK
    """
    )
    async with scripted(script) as server:
        found = await fetched(server, tmp_path, [ref(3, 2), ref(4, 4)])
    assert contents(found) == {"3": b"012345678", "4": b"four"}


@pytest.mark.usefixtures("small_slices")
async def test_a_mail_that_ends_with_a_slice_is_known_by_the_empty_one_behind_it(tmp_path: Path) -> None:
    script = (
        opened(exists=3)
        + f"""
        C: UID FETCH 3 (UID BODY.PEEK[]<0.4>)
        {body(3, "0123", "BODY[]<0>")}
        S: $ OK
        C: UID FETCH 3 (UID BODY.PEEK[]<4.4>)
        S: * 1 FETCH (UID 3 BODY[]<4> "")
        S: $ OK
    """
    )
    async with scripted(script) as server:
        found = await fetched(server, tmp_path, [ref(3, 8)])
    assert contents(found) == {"3": b"0123"}
    assert isinstance(found[0].raw, SpooledMail)
    assert found[0].raw.size_bytes == 4
    assert found[0].raw.path.match("office.7.3.*.eml")


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize("announced", [6, 20, 0], ids=["as it is", "too much", "not at all"])
async def test_a_server_that_gives_less_than_a_slice_at_a_time_gives_the_whole_mail(
    tmp_path: Path, announced: int
) -> None:
    refused = f"C: UID FETCH 3 {ALL}\nS: $ OK\nC: UID FETCH 3 (UID)\nS: * 1 FETCH (UID 3)\nS: $ OK\n"
    script = (
        opened(exists=3)
        + f"""
        {"" if announced else refused}
        C: UID FETCH 3 (UID BODY.PEEK[]<0.4>)
        {body(3, "012", "BODY[]<0>")}
        S: $ OK
        C: UID FETCH 3 (UID BODY.PEEK[]<3.4>)
        {body(3, "345", "BODY[]<3>")}
        S: $ OK
    """
    )
    if announced != 6:
        script += 'C: UID FETCH 3 (UID BODY.PEEK[]<6.4>)\nS: * 1 FETCH (UID 3 BODY[]<6> "")\nS: $ OK'
    async with scripted(script) as server:
        assert contents(await fetched(server, tmp_path, [ref(3, announced)])) == {"3": b"012345"}


@pytest.mark.usefixtures("small_slices")
async def test_a_mail_that_goes_away_between_two_slices_leaves_no_file(tmp_path: Path) -> None:
    script = (
        opened(exists=3)
        + f"""
        C: UID FETCH 3 (UID BODY.PEEK[]<0.4>)
        {body(3, "0123", "BODY[]<0>")}
        S: $ OK
        C: UID FETCH 3 (UID BODY.PEEK[]<4.4>)
        S: $ OK
        C: UID FETCH 3 (UID)
        S: $ OK
    """
    )
    async with scripted(script) as server:
        assert await fetched(server, tmp_path, [ref(3, 8)]) == []
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.usefixtures("small_slices")
async def test_a_slice_of_another_place_is_not_taken(tmp_path: Path) -> None:
    script = (
        opened(exists=3)
        + f"""
        C: UID FETCH 3 (UID BODY.PEEK[]<0.4>)
        {body(3, "0123", "BODY[]<0>")}
        S: $ OK
        C: UID FETCH 3 (UID BODY.PEEK[]<4.4>)
        {body(3, "0123", "BODY[]<0>")}
        S: $ OK
        C: UID FETCH 3 (UID)
        S: * 1 FETCH (UID 3)
        S: $ OK
    """
    )
    async with scripted(script) as server:
        with pytest.raises(TransientError, match="does not give the mail with UID 3"):
            await fetched(server, tmp_path, [ref(3, 8)])


@pytest.mark.usefixtures("small_slices")
async def test_a_slice_larger_than_asked_for_ends_the_connection(tmp_path: Path) -> None:
    script = opened(exists=3) + f"C: UID FETCH 3 (UID BODY.PEEK[]<0.4>)\n{body(3, '01234', 'BODY[]<0>')}S: $ OK"
    async with scripted(script) as server:
        with pytest.raises(TransientError, match="a literal of 5 bytes where at most 4 were asked for"):
            await fetched(server, tmp_path, [ref(3, 8)])


async def test_of_a_mail_over_the_limit_only_the_headers_are_fetched(tmp_path: Path) -> None:
    script = (
        opened(exists=3)
        + f"""
        C: UID FETCH 3 (UID BODY.PEEK[HEADER]<0.*>)
        {body(3, HEADERS, "BODY[HEADER]<0>")}
        S: $ OK
    """
    )
    async with scripted(script) as server:
        found = await fetched(server, tmp_path, [ref(3, 2001)], max_mail_bytes=2000)
    assert found == [Fetched(ref(3, 2001), b"Subject: x\r\n\r\n", headers_only=True)]


@pytest.mark.usefixtures("small_slices")
async def test_a_mail_that_turns_out_over_the_limit_leaves_its_headers_and_no_file(tmp_path: Path) -> None:
    script = (
        opened(exists=3)
        + f"""
        C: UID FETCH 3 (UID BODY.PEEK[]<0.4>)
        {body(3, "0123", "BODY[]<0>")}
        S: $ OK
        C: UID FETCH 3 (UID BODY.PEEK[]<4.4>)
        {body(3, "4567", "BODY[]<4>")}
        S: $ OK
        C: UID FETCH 3 (UID BODY.PEEK[HEADER]<0.4>)
        {body(3, "A:", "BODY[HEADER]<0>")}
        S: $ OK
    """
    )
    async with scripted(script) as server:
        found = await fetched(server, tmp_path, [ref(3, 5)], max_mail_bytes=7)
    assert found == [Fetched(ref(3, 5), b"A:", headers_only=True)]
    assert list((tmp_path / "spool").iterdir()) == []


# --- our own disk ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["spool.write", "spool.sync", "spool.rename"])
def full_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fail(name: str) -> None:
        if name == request.param:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(spool, "failpoint", fail)
    return iter(())


@pytest.mark.usefixtures("small_slices", "full_disk")
async def test_a_full_disk_is_an_outage_of_ours_and_leaves_no_file(tmp_path: Path) -> None:
    script = (
        opened(exists=3)
        + f"""
        C: UID FETCH 3 (UID BODY.PEEK[]<0.4>)
        {body(3, "0123", "BODY[]<0>")}
        S: $ OK
        C: UID FETCH 3 (UID BODY.PEEK[]<4.4>)
        {body(3, "4", "BODY[]<4>")}
        S: $ OK
    """
    )
    async with scripted(script) as server:
        with pytest.raises(StoreError, match="No space left") as caught:
            await fetched(server, tmp_path, [ref(3, 5)])
    assert caught.value.reason == "disk_full"
    assert list((tmp_path / "spool").iterdir()) == []


async def test_a_spool_that_cannot_be_made_is_an_outage_of_ours(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    large = "x" * _imap_bodies.SLICE_BYTES
    script = opened(exists=3) + f"C: UID FETCH 3 (UID BODY.PEEK[]<0.*>)\n{body(3, large, 'BODY[]<0>')}S: $ OK"
    async with scripted(script) as server:
        with pytest.raises(StoreError) as caught:
            await fetched(server, tmp_path, [ref(3, 9 << 20)])
    assert caught.value.reason == "disk_error"


@pytest.mark.usefixtures("small_slices")
async def test_a_large_mail_that_nobody_took_over_leaves_the_disk_with_its_connection(tmp_path: Path) -> None:
    script = opened(exists=3) + f"C: UID FETCH 3 (UID BODY.PEEK[]<0.4>)\n{body(3, '0123', 'BODY[]<0>')}S: $ OK\n"
    script += 'C: UID FETCH 3 (UID BODY.PEEK[]<4.4>)\nS: * 1 FETCH (UID 3 BODY[]<4> "")\nS: $ OK'
    others = tmp_path / "spool" / "office-2.7.3.abc.eml"
    async with scripted(script) as server:
        async with server.source(tmp_path).connect() as mailbox:
            await mailbox.fetch([ref(3, 8)])
            others.write_bytes(b"of another unit")
            assert len(list((tmp_path / "spool").iterdir())) == 2
        assert list((tmp_path / "spool").iterdir()) == [others]
