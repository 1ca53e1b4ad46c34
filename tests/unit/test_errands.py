"""A test that sends: what is sent, where it comes back, and what is said where it does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio
import pytest

from mailwicket.config.outgoing import Outgoing
from mailwicket.errors import BlockedError, MailwicketError, PermanentError, TransientError
from mailwicket.mail.parse import parse
from mailwicket.model import Address, Fetched, Look, MailRef
from mailwicket.outgoing import Envelope, RecipientStatus
from mailwicket.service import errands
from mailwicket.service.errands import RoundTrip, SendTo, test_mail
from mailwicket.service.trial import Candidate, Errand, try_connection
from mailwicket.stages import ConnectionReport, StageState

CONFIG = Outgoing(
    email="desk@example.org", server="s", sender_name="{technician} ({desk})", title="Büro", reply_to="help@example.org"
)
NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)


class Post:
    """A server that takes mail and puts it into a mailbox."""

    def __init__(self, answer: RecipientStatus | MailwicketError, *, loses: bool = False) -> None:
        self.answer = answer
        self.loses = loses
        self.sent: list[tuple[Envelope, bytes]] = []
        self.came = anyio.Event()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Post]:
        yield self

    async def submit(self, envelope: Envelope, raw: bytes) -> Mapping[str, RecipientStatus]:
        if isinstance(self.answer, MailwicketError):
            raise self.answer
        self.sent.append((envelope, raw))
        self.came.set()
        return dict.fromkeys(envelope.forward_paths, self.answer)


class Box:
    """The mailbox, with a mail of somebody else before and behind ours."""

    def __init__(self, post: Post, failure: MailwicketError | None = None) -> None:
        self.post = post
        self.failure = failure
        self.closed = False

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Box]:
        if self.failure:
            raise self.failure
        try:
            yield self
        finally:
            self.closed = True

    async def look(self, cursor: str | None) -> Look:
        if cursor is None:
            return Look((), "1", more=True)
        refs = [MailRef("INBOX", "1", "7", 10**6, None), MailRef("INBOX", "1", "8", 500, None)]
        return Look(refs if cursor == "2" and not self.post.loses else (), "2", more=False)

    async def wait(self) -> None:
        await self.post.came.wait()
        await anyio.sleep(0.01)

    async def fetch(self, refs: Sequence[MailRef]) -> Sequence[Fetched]:
        assert [ref.remote_id for ref in refs] == ["8"]
        return [Fetched(ref, self.post.sent[0][1]) for ref in refs]


class Tested:
    stages: Sequence[str] = ()

    async def prove(self, probe: object) -> None:
        pass


GOOD = RecipientStatus(250, "queued", "2.0.0")


async def run(errand: Errand) -> ConnectionReport:
    return await try_connection(Candidate("outgoing/main", "s:1", Tested(), [errand]))


def test_the_mail_says_what_it_is() -> None:
    mail = test_mail("outgoing/main", CONFIG, "ada@example.com", NOW)
    read = parse(mail.raw)
    assert read.author == Address("Test (Büro)", "desk@example.org")
    assert [one.address for one in read.to] == ["ada@example.com"]
    assert b"Auto-Submitted: auto-generated" in mail.raw
    assert b"Reply-To: help@example.org" in mail.raw
    assert mail.mark in mail.raw
    assert b'"mailwicket test outgoing/main" sent it' in mail.raw


async def test_a_mail_is_sent_to_whom_a_person_names() -> None:
    post = Post(GOOD)
    report = await run(SendTo("outgoing/main", post, CONFIG, "ada@example.com"))  # type: ignore[arg-type]
    assert report.ok
    assert report.stages[0].detail == 'to ada@example.com ("250 2.0.0 queued")'
    assert [one for one, _ in post.sent] == [Envelope("desk@example.org", ("ada@example.com",))]


@pytest.mark.parametrize(
    ("answer", "detail", "fix"),
    [
        (RecipientStatus(550, "unknown", "5.1.1"), 'is refused ("550 5.1.1 unknown")', "not for this address"),
        (RecipientStatus(450, "greylisted"), 'is put off ("450 greylisted")', "time may mend it"),
        (PermanentError("content"), "content", "what it has against this mail"),
        (BlockedError("not you", reason="sender_refused"), "not you", "its words say what it wants"),
        (TransientError("gone", reason="connection_lost"), "gone", "try again"),
    ],
)
async def test_a_refusal_is_told_with_what_to_do(
    answer: RecipientStatus | MailwicketError, detail: str, fix: str
) -> None:
    report = await run(SendTo("outgoing/main", Post(answer), CONFIG, "ada@example.com"))  # type: ignore[arg-type]
    assert not report.ok
    assert detail in report.stages[0].detail
    assert fix in (report.stages[0].fix or "")


def roundtrip(post: Post, box: Box) -> RoundTrip:
    return RoundTrip("outgoing/main", post, CONFIG, "incoming/box", box, "help@example.org")  # type: ignore[arg-type]


async def test_a_mail_is_waited_for_where_it_comes_back_and_its_time_is_told() -> None:
    post = Post(GOOD)
    box = Box(post)
    report = await run(roundtrip(post, box))
    assert report.ok, report
    assert [stage.name for stage in report.stages] == ["mailbox", "roundtrip"]
    assert report.stages[1].detail.startswith("help@example.org is back in incoming/box after 0.")
    assert box.closed


async def test_a_mail_that_does_not_come_back_is_told_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "RETURN_S", 0.1)
    post = Post(GOOD, loses=True)
    box = Box(post)
    report = await run(roundtrip(post, box))
    assert report.stages[1].state is StageState.FAILED
    assert "it is not in incoming/box after 0.1 s" in report.stages[1].detail
    assert "spam folder" in (report.stages[1].fix or "")
    assert box.closed


async def test_a_mailbox_that_does_not_open_fails_first_and_nothing_is_sent() -> None:
    post = Post(GOOD)
    report = await run(roundtrip(post, Box(post, BlockedError("wrong password", reason="login_refused"))))
    assert [stage.state for stage in report.stages] == [StageState.FAILED, StageState.SKIPPED]
    assert post.sent == []


async def test_a_mail_that_is_refused_is_not_waited_for() -> None:
    post = Post(RecipientStatus(550, "unknown", "5.1.1"))
    report = await run(roundtrip(post, Box(post)))
    assert [stage.state for stage in report.stages] == [StageState.OK, StageState.FAILED]


async def test_errands_are_not_begun_where_the_connection_is_not_good() -> None:
    class Broken(Tested):
        stages = ("one",)

        async def prove(self, probe: object) -> None:
            with probe.stage("one"):  # type: ignore[attr-defined]
                raise BlockedError("no")

    post = Post(GOOD)
    errand = SendTo("outgoing/main", post, CONFIG, "ada@example.com")  # type: ignore[arg-type]
    report = await try_connection(Candidate("outgoing/main", "s:1", Broken(), [errand]))
    assert [(stage.name, stage.state) for stage in report.stages] == [
        ("one", StageState.FAILED),
        ("send", StageState.SKIPPED),
    ]
    assert post.sent == []
