"""The bytes of mails at Graph, whose sizes nobody announces."""

from __future__ import annotations

import email
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from tests.contract.sources import USER, GraphBench, graph_bench
from tests.contract.test_sources import look_all, mail, raws

from mailwicket.errors import StoreError, TransientError
from mailwicket.mail.parse import parse
from mailwicket.model import Fetched, MailRef, SpooledMail
from mailwicket.net.graph.client import Deadlines, Value
from mailwicket.net.graph.failure import UnsureError
from mailwicket.sources import _graph_bodies
from mailwicket.sources._graph_bodies import CUTS_MAX, REFUSALS_MAX, Bodies, Record, header_of, told_header
from mailwicket.sources.graph import GraphSource

MIXED = (
    b"From: Ada <ada@example.org>\r\nTo: desk@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b'Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Gr=C3=BC=C3=9Fe\r\n--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n--b--\r\n"
)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[GraphBench]:
    async with graph_bench(tmp_path) as running:
        yield running


async def fetched(source: GraphSource, times: int = 1) -> list[Fetched]:
    """What comes of everything that is there, connecting anew after each of that many failures."""
    for _ in range(times):
        async with source.connect() as mailbox:
            refs, _ = await look_all(mailbox)
            with pytest.raises(TransientError):
                await mailbox.fetch(refs)
    async with source.connect() as mailbox:
        refs, _ = await look_all(mailbox)
        return list(await mailbox.fetch(refs))


async def test_a_mail_whose_mime_was_made_anew_says_the_same(bench: GraphBench) -> None:
    await bench.deliver(MIXED)
    found = []
    for way in ("verbatim", "exchange", "rebuilt"):
        bench.lab.manners.mime = way
        (one,) = await fetched(bench.source(), 0)
        assert isinstance(one.raw, bytes)
        found.append(parse(one.raw))
    assert len({one.content_digest for one in found}) == 1, "else a second copy would be another mail"
    assert {(one.subject, one.text.strip(), one.attachments[0].sha256) for one in found} == {
        ("Grüße", "Grüße", found[0].attachments[0].sha256)
    }


async def test_a_mail_that_was_moved_before_it_was_fetched_is_fetched(bench: GraphBench) -> None:
    await bench.deliver(mail(1))
    box = bench.lab.mailbox(USER)
    async with bench.source().connect() as mailbox:
        refs, _ = await look_all(mailbox)
        box.move(box.message(refs[0].remote_id), box.folder("archive"))
        assert await raws(mailbox, refs) == [mail(1)]


async def test_the_time_of_a_mail_is_asked_for_where_its_row_did_not_say_it(bench: GraphBench) -> None:
    await bench.deliver(mail(1))
    item = bench.lab.mailbox(USER).messages()[0]
    ref = MailRef("inbox", "", item.immutable_id, 0, None)
    async with bench.source().connect() as mailbox:
        (one,) = await mailbox.fetch([ref])
    assert one.received_at == item.received.replace(microsecond=0)


async def test_what_is_beyond_the_room_of_one_fetch_goes_to_files(
    bench: GraphBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_graph_bodies, "ROOM_BYTES", 500)
    await bench.deliver(*(mail(number, b"x" * 200) for number in range(4)))
    async with bench.source().connect() as mailbox:
        refs, _ = await look_all(mailbox)
        found = await mailbox.fetch(refs)
        assert [type(one.raw) for one in found] == [bytes, bytes, SpooledMail, SpooledMail]
        assert await raws(mailbox, refs) == [mail(number, b"x" * 200) for number in range(4)]


async def test_over_the_limit_no_more_is_read_than_the_limit(bench: GraphBench) -> None:
    await bench.deliver(mail(1, b"x" * 12_000_000))
    async with bench.source(max_mail_bytes=9_000_000).connect() as mailbox:
        refs, _ = await look_all(mailbox)
        (one,) = await mailbox.fetch(refs)
        assert (one.raw, one.headers_only) == (mail(1, b""), True)
        assert list(mailbox._bodies._spool_dir.glob("*")) == []  # type: ignore[attr-defined]
        assert len((await look_all(mailbox))[0]) == 1, "the mailbox goes on"


# --- a mail that does not come


async def test_a_mail_that_breaks_off_is_fetched_anew(bench: GraphBench) -> None:
    await bench.deliver(mail(1, b"x" * 50_000))
    bench.lab.faults.add("GET */$value", cut_after=20_000, times=3)
    (one,) = await fetched(bench.source(), 3)
    assert (one.raw, one.headers_only) == (mail(1, b"x" * 50_000), False)


async def test_a_mail_that_breaks_off_again_and_again_becomes_its_header(bench: GraphBench) -> None:
    await bench.deliver(mail(1, b"x" * 50_000), mail(2))
    bench.lab.faults.add("GET */$value", cut_after=20_000, times=CUTS_MAX)
    first, second = await fetched(bench.source(), CUTS_MAX - 1)
    assert first.headers_only
    assert isinstance(first.raw, bytes)
    assert email.message_from_bytes(first.raw)["Subject"] == "mail 1"
    assert (second.raw, second.headers_only) == (mail(2), False)


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 400, "code": "ErrorInternalServerTransientError"}])
async def test_a_mail_that_is_refused_becomes_its_header_and_holds_the_others_up_for_a_while_alone(
    bench: GraphBench, fault: dict[str, Any]
) -> None:
    await bench.deliver(mail(1), mail(2))
    bench.lab.faults.add("GET */$value", times=REFUSALS_MAX, **fault)
    first, second = await fetched(bench.source(), REFUSALS_MAX - 1)
    assert first.headers_only
    assert (second.raw, second.headers_only) == (mail(2), False)


async def test_a_mail_that_came_at_last_is_blamed_for_nothing(bench: GraphBench) -> None:
    await bench.deliver(mail(1))
    source = bench.source()
    for _ in range(REFUSALS_MAX):
        bench.lab.faults.add("GET */$value", status=500)
        (one,) = await fetched(source, 1)
        assert not one.headers_only


async def test_a_mail_whose_end_nobody_marks_may_be_cut_off_and_is_not_taken_as_whole() -> None:
    async def nothing() -> AsyncIterator[bytes]:
        yield b"Subject: x\r\n\r\n"

    graph: Any = SimpleNamespace(place=SimpleNamespace(peer="graph.example.org:443"))
    with pytest.raises(UnsureError, match="where a mail ends"):
        await Bodies(graph, Path(), "", 100, Record())._take(Value(nothing(), is_marked=False))


async def test_no_byte_is_no_mail(bench: GraphBench) -> None:
    await bench.deliver(mail(1))
    bench.lab.faults.add("GET */$value", lies=200)
    (one,) = await fetched(bench.source(), 1)
    assert (one.raw, one.headers_only) == (mail(1), False)


async def test_an_outage_blames_no_mail(bench: GraphBench) -> None:
    await bench.deliver(mail(1))
    bench.lab.faults.add("GET */$value", drop="before", times=20)
    (one,) = await fetched(bench.source(), 20 // 2)  # a GET over a resting connection is tried once more
    assert not one.headers_only


async def test_a_mail_that_drips_is_given_up_in_time(bench: GraphBench) -> None:
    await bench.deliver(mail(1, b"x" * 5_000))
    bench.lab.faults.add("GET */$value", pace_s=0.05, piece=50)
    source = bench.source()
    source.deadlines = replace(Deadlines(), answer_s=0.3)  # type: ignore[misc]  # of this one alone
    with anyio.fail_after(5):
        (one,) = await fetched(source, 1)
    assert one.raw == mail(1, b"x" * 5_000)


async def test_a_disk_that_is_full_is_no_mails_fault(bench: GraphBench, tmp_path: Path) -> None:
    await bench.deliver(mail(1, b"x" * 9_000_000))
    source = bench.source()
    async with source.connect() as mailbox:
        refs, _ = await look_all(mailbox)
        (tmp_path / "spool").write_bytes(b"no directory")
        with pytest.raises(StoreError):
            await mailbox.fetch(refs)
        (tmp_path / "spool").unlink()
        (one,) = await mailbox.fetch(refs)
        assert isinstance(one.raw, SpooledMail)


# --- headers


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"A: 1\r\nB: 2\r\n\r\nbody\r\n\r\n", b"A: 1\r\nB: 2\r\n\r\n"),
        (b"A: 1\n\nbody", b"A: 1\n\n"),
        (b"\r\nbody", b"\r\n"),
        (b"A: 1\r\nB: 2", b"A: 1\r\nB: 2"),
        (b"", b""),
    ],
)
def test_a_header_ends_at_the_first_empty_line(start: bytes, expected: bytes) -> None:
    assert header_of(start) == expected


def test_a_header_is_made_of_what_graph_tells() -> None:
    told = {
        "internetMessageHeaders": [
            {"name": "Subject", "value": "a\r\nX-Evil: 1"},
            {"name": "X bad", "value": "1"},
            {"name": "", "value": "1"},
            None,
        ],
        "subject": "not this one",
        "from": {"emailAddress": {"name": 'A "B"', "address": "ada@example.org"}},
        "toRecipients": [{"emailAddress": {"address": "desk@example.org"}}, {}, None],
        "internetMessageId": "<1@example.org>",
    }
    assert told_header(told) == (
        b'Subject: a X-Evil: 1\r\nFrom: "A \\"B\\"" <ada@example.org>\r\nTo: desk@example.org\r\n'
        b"Message-ID: <1@example.org>\r\n\r\n"
    )


@pytest.mark.parametrize("told", [None, [], {}, {"from": 1, "toRecipients": None, "internetMessageHeaders": None}])
def test_of_nothing_an_empty_header_is_made(told: Any) -> None:
    assert told_header(told) == b"\r\n"
