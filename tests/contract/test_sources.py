"""What every source promises, whatever its server speaks."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import ValidationError
from tests.contract.sources import HARNESSES, PASSWORD, Bench

from mailwicket.errors import BlockedError, TransientError
from mailwicket.model import Look, MailRef, Settlement, SpooledMail
from mailwicket.ports import CountsUnread, Mailbox

INSTALLED = sorted(entry_points(group="mailwicket.sources"), key=lambda point: point.name)


def mail(number: int, body: bytes = b"Hello.\r\n") -> bytes:
    return b"From: ada@example.org\r\nSubject: mail %d\r\n\r\n" % number + body


@pytest.fixture(params=INSTALLED, ids=lambda point: point.name)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with HARNESSES[request.param.name](tmp_path) as running:
        yield running


async def look_all(mailbox: Mailbox, cursor: str | None = None) -> tuple[list[MailRef], str]:
    """Look until there is no more."""
    refs: list[MailRef] = []
    look = Look((), cursor or "", more=True)
    while look.more:
        look = await mailbox.look(cursor)
        refs += look.refs
        cursor = look.cursor
    return refs, look.cursor


async def look_until_found(mailbox: Mailbox, cursor: str) -> tuple[list[MailRef], str]:
    """Wait and look in turns, as the flow does: a server may tell of a mail only after it said that one came."""
    refs: list[MailRef] = []
    with anyio.fail_after(20):
        while not refs:
            await mailbox.wait()
            refs, cursor = await look_all(mailbox, cursor)
    return refs, cursor


async def raws(mailbox: Mailbox, refs: Sequence[MailRef]) -> list[bytes]:
    """The bytes of *refs*, in order."""
    found = {
        one.ref: one.raw.path.read_bytes() if isinstance(one.raw, SpooledMail) else one.raw
        for one in await mailbox.fetch(refs)
    }
    return [found[ref] for ref in refs if ref in found]


@pytest.mark.parametrize("point", INSTALLED, ids=lambda point: point.name)
def test_every_installed_source_has_a_harness_and_a_config(point: Any) -> None:
    assert point.name in HARNESSES
    assert isinstance(point.load().Config, type)


@pytest.mark.parametrize("point", INSTALLED, ids=lambda point: point.name)
def test_a_config_refuses_unknown_keys_without_showing_their_values(point: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        point.load().Config.model_validate({"pasword": "canary-4711"})
    assert "pasword" in str(caught.value)
    assert "canary-4711" not in str(caught.value)


async def test_looks_tell_every_mail_once_and_the_oldest_first(bench: Bench) -> None:
    await bench.deliver(mail(1), mail(2))
    async with bench.source().connect() as mailbox:
        first, cursor = await look_all(mailbox)
        nothing, cursor = await look_all(mailbox, cursor)
        await bench.deliver(mail(3))
        second, cursor = await look_until_found(mailbox, cursor)
        assert await raws(mailbox, [*first, *second]) == [mail(1), mail(2), mail(3)]
    assert nothing == []
    assert len({(ref.folder, ref.epoch, ref.remote_id) for ref in [*first, *second]}) == 3


async def test_a_look_goes_on_on_another_connection_from_its_cursor(bench: Bench) -> None:
    await bench.deliver(mail(1))
    async with bench.source().connect() as mailbox:
        _, cursor = await look_all(mailbox)
    await bench.deliver(mail(2))
    async with bench.source().connect() as mailbox:
        refs, _ = await look_all(mailbox, cursor)
        assert await raws(mailbox, refs) == [mail(2)]


async def test_the_same_cursor_again_tells_the_same(bench: Bench) -> None:
    await bench.deliver(mail(1), mail(2))
    async with bench.source().connect() as mailbox:
        assert (await look_all(mailbox))[0] == (await look_all(mailbox))[0]


async def test_from_now_on_leaves_alone_what_lies_there(bench: Bench) -> None:
    await bench.deliver(mail(1))
    async with bench.source(start_from="now").connect() as mailbox:
        refs, cursor = await look_all(mailbox)
        await bench.deliver(mail(2))
        later, _ = await look_until_found(mailbox, cursor)
        assert refs == []
        assert await raws(mailbox, later) == [mail(2)]


async def test_refs_tell_size_and_an_aware_time(bench: Bench) -> None:
    await bench.deliver(mail(1))
    async with bench.source().connect() as mailbox:
        refs, _ = await look_all(mailbox)
    assert not bench.tells_sizes or refs[0].size_bytes == len(mail(1))
    assert refs[0].received_at is None or refs[0].received_at.tzinfo is not None


async def test_bytes_come_as_the_server_holds_them(bench: Bench) -> None:
    odd = [
        mail(1, bytes(range(1, 256)).replace(b"\n", b"").replace(b"\r", b"") + b"\r\n"),
        mail(2, b"* OK [CAPABILITY x]\r\n)\r\nA1 OK done\r\n{5}\r\n"),
        mail(3, b"a line of 20,000 " + b"x" * 20_000 + b"\r\n.\r\n..\r\n.x\r\n"),
        mail(4, b""),
    ]
    await bench.deliver(*odd)
    async with bench.source().connect() as mailbox:
        refs, _ = await look_all(mailbox)
        assert await raws(mailbox, refs) == odd
        assert await raws(mailbox, refs[::-2]) == odd[::-2]


async def test_fetching_changes_nothing_on_the_server(bench: Bench) -> None:
    await bench.deliver(mail(1), mail(2))
    async with bench.source().connect() as mailbox:
        refs, _ = await look_all(mailbox)
        await mailbox.fetch(refs)
    assert await bench.untouched() == {ref.remote_id for ref in refs}


async def test_a_large_mail_comes_as_a_file(bench: Bench) -> None:
    large = mail(1, b"0123456789abcde\r\n" * 600_000)
    await bench.deliver(large, mail(2))
    async with bench.source().connect() as mailbox:
        refs, _ = await look_all(mailbox)
        found = {one.ref: one.raw for one in await mailbox.fetch(refs)}
        spooled = found[refs[0]]
        assert isinstance(spooled, SpooledMail)
        assert spooled.size_bytes == len(large)
        assert spooled.path.read_bytes() == large
        assert found[refs[1]] == mail(2)
    assert not spooled.path.exists(), "nobody took it over"


async def test_of_a_mail_over_the_limit_come_the_headers(bench: Bench) -> None:
    await bench.deliver(mail(1, b"x" * 70_000), mail(2))
    async with bench.source(max_mail_bytes=65_536).connect() as mailbox:
        refs, _ = await look_all(mailbox)
        found = {one.ref: one for one in await mailbox.fetch(refs)}
    assert (found[refs[0]].raw, found[refs[0]].headers_only) == (mail(1, b""), True)
    assert (found[refs[1]].raw, found[refs[1]].headers_only) == (mail(2), False)


async def test_a_mail_that_is_gone_is_left_out(bench: Bench) -> None:
    await bench.deliver(mail(1), mail(2), mail(3))
    async with bench.source().connect() as mailbox:
        refs, _ = await look_all(mailbox)
    await bench.remove(refs[1].remote_id)
    async with bench.source().connect() as mailbox:
        assert await raws(mailbox, refs) == [mail(1), mail(3)]


async def test_settling_changes_what_was_settled_and_may_be_repeated(bench: Bench) -> None:
    await bench.deliver(mail(1), mail(2), mail(3))
    async with bench.source().connect() as mailbox:
        refs, _ = await look_all(mailbox)
        await bench.remove(refs[1].remote_id)
        for _ in range(2):
            await mailbox.settle([Settlement(refs[0]), Settlement(refs[1], parked=True)])
    assert await bench.untouched() == {refs[2].remote_id}


@pytest.mark.parametrize("after", ["delete", "move:Done"])
async def test_settled_mails_can_leave_the_mailbox(bench: Bench, after: str) -> None:
    await bench.deliver(mail(1), mail(2))
    try:
        source = bench.source(after=after)
    except ValidationError:
        pytest.skip("this protocol has one folder")
    async with source.connect() as mailbox:
        refs, cursor = await look_all(mailbox)
        for _ in range(2):
            await mailbox.settle([Settlement(refs[0])])
        assert await bench.untouched() == {refs[1].remote_id}
        assert (await look_all(mailbox, cursor))[0] == []


async def test_a_mailbox_that_counts_unread_mail_names_what_was_looked_at_and_is_not_settled(bench: Bench) -> None:
    await bench.deliver(mail(1), mail(2))
    async with bench.source().connect() as mailbox:
        refs, cursor = await look_all(mailbox)
        await mailbox.settle([Settlement(refs[0])])
        if not isinstance(mailbox, CountsUnread):
            pytest.skip("this protocol has no marks")
        found = await mailbox.unread(cursor)
        assert found is not None
        assert (found.folder, found.epoch, found.remote_ids) == (refs[1].folder, refs[1].epoch, [refs[1].remote_id])
        assert await mailbox.unread(cursor) is None, "it was asked a moment ago"


async def test_settled_mails_can_be_left_as_they_are(bench: Bench) -> None:
    await bench.deliver(mail(1))
    async with bench.source(after="leave").connect() as mailbox:
        refs, _ = await look_all(mailbox)
        await mailbox.settle([Settlement(refs[0])])
    assert await bench.untouched() == {refs[0].remote_id}


async def test_the_wait_ends_when_mail_comes(bench: Bench) -> None:
    async with bench.source().connect() as mailbox:
        _, cursor = await look_all(mailbox)
        begun = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.deliver, mail(1))
            await look_until_found(mailbox, cursor)
        assert time.perf_counter() - begun < 10
        assert mailbox.silence_s() < 10


async def test_the_wait_ends_after_the_poll_interval(bench: Bench) -> None:
    async with bench.source(poll_s=1).connect() as mailbox:
        await look_all(mailbox)
        with anyio.fail_after(5):
            await mailbox.wait()


async def test_a_wait_is_cancelled_within_a_second(bench: Bench) -> None:
    begun = time.perf_counter()
    with anyio.move_on_after(0.2):
        async with bench.source().connect() as mailbox:
            await look_all(mailbox)
            await mailbox.wait()
    assert time.perf_counter() - begun < 1.2


async def test_a_wrong_password_blocks_the_unit(bench: Bench) -> None:
    with pytest.raises(BlockedError) as caught:
        async with bench.source(password="wrong-canary").connect():
            pass
    assert caught.value.reason == bench.refusal
    assert "wrong-canary" not in str(caught.value)


async def test_an_unknown_folder_blocks_the_unit(bench: Bench) -> None:
    if "folder" not in type(bench.source()).Config.model_fields:
        pytest.skip("this protocol has one folder")
    with pytest.raises(BlockedError, match="Nowhere") as caught:
        async with bench.source(folder="Nowhere").connect():
            pass
    assert caught.value.reason == "folder_unknown"


async def test_a_server_that_is_away_is_tried_again_later(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TransientError) as caught:
        async with bench.source(port=port).connect():
            pass
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert PASSWORD not in str(caught.value)
