"""What a test of a server does beyond looking, when a person asks for it: send a mail, and see it come back."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final

import anyio

from mailwicket.config.outgoing import Outgoing
from mailwicket.errors import MailwicketError, PermanentError, StageError, TransientError
from mailwicket.mail.compose import compose
from mailwicket.model import Address, MessageId, SpooledMail
from mailwicket.outgoing import Envelope, Event, Letter
from mailwicket.ports import Mailbox, Sender, Source
from mailwicket.rules.identity import Answers, identity
from mailwicket.service.trial import Trial

SEND_S: Final = 60
RETURN_S: Final = 180
"""How long a mail may be on its way back: greylisting takes minutes, and then this is no test of seconds."""

LOOKED_INTO_BYTES: Final = 512 * 1024
"""Our mail is smaller; what is larger is not fetched. Where sizes are not told (Graph), mails count as 256 KiB."""

WORDS: Final = """\
This is a test: "mailwicket test {unit}" sent it, to see that the server takes mail.

Nobody needs to answer.
"""

LOST_FIX: Final = "look into the spam folder of the mailbox and the log of the server; it may also still be on its way"


@dataclass(frozen=True, slots=True)
class TestMail:
    """A mail that says what it is, and a word by which it is known again whatever its id becomes on the way."""

    __test__: ClassVar[bool] = False  # a test runner would take it for a test

    raw: bytes
    mark: bytes


def test_mail(unit: str, config: Outgoing, to: str, now: datetime) -> TestMail:
    """Return a mail from the server *config* to *to*.

    Raises:
        StageError: the addresses are none that a mail can bear.
    """
    mark = secrets.token_hex(8)
    domain = config.email.rpartition("@")[2]
    letter = Letter(
        event=Event.CREATED,  # no header names it
        ticket=None,
        message_id=MessageId(f"test.{mark}@{domain if domain.isascii() else 'test.invalid'}"),
        date=now,
        to=[Address(None, to)],
        cc=[],
        subject=f"Test of {config.title or config.email} ({mark})",
        text=WORDS.format(unit=unit),
        html=None,
    )
    sent_as = identity(config, config.title or "", "Test", stands_in=False, answers=Answers())
    try:
        return TestMail(compose(letter, sent_as), mark.encode())
    except ValueError as error:
        raise StageError(
            f"the test mail cannot be written: {error}", fix="mend email, reply_to or --send-to"
        ) from error


test_mail.__test__ = False  # type: ignore[attr-defined]


async def _send(sender: Sender, config: Outgoing, to: str, mail: TestMail) -> str:
    """Send *mail*; return the server's words.

    Raises:
        MailwicketError: it is refused, or the server is.
    """
    async with sender.connect() as submission:
        statuses = await submission.submit(Envelope(config.email, (to,)), mail.raw)
    status = statuses[to]
    said = " ".join(filter(None, (str(status.code), status.enhanced, status.text)))
    if status.is_taken:
        return said
    if status.is_permanent:
        raise StageError(
            f'{to} is refused ("{said}")', fix="the server takes mail, but not for this address; its words say why"
        )
    raise TransientError(f'{to} is put off ("{said}")', reason="server_said")


class SendTo:
    """Send a test mail to somebody: `--send-to`."""

    stages: Sequence[str] = ("send",)

    def __init__(self, unit: str, sender: Sender, config: Outgoing, to: str) -> None:
        """Send by the server of *unit* to *to*."""
        self._unit = unit
        self._sender = sender
        self._config = config
        self._to = to

    async def run(self, trial: Trial) -> None:
        """See `trial.Errand`."""
        with trial.stage("send", SEND_S) as finding:
            mail = test_mail(self._unit, self._config, self._to, datetime.now(UTC))
            try:
                said = await _send(self._sender, self._config, self._to, mail)
            except PermanentError as error:
                raise StageError(str(error), fix="ask who runs the server what it has against this mail") from error
            finding.detail = f'to {self._to} ("{said}")'


class RoundTrip:
    """Send a test mail to one of our own mailboxes and wait for it there: `--roundtrip`."""

    stages: Sequence[str] = ("mailbox", "roundtrip")

    def __init__(  # noqa: PLR0913, PLR0917 - two servers and their names
        self, unit: str, sender: Sender, config: Outgoing, mailbox: str, source: Source, address: str
    ) -> None:
        """Send by *unit* to *address*, whose mail comes to *mailbox* by *source*, which changes nothing there."""
        self._unit = unit
        self._sender = sender
        self._config = config
        self._mailbox = mailbox
        self._source = source
        self._address = address

    async def run(self, trial: Trial) -> None:
        """See `trial.Errand`."""
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            watch = _Watch(self._source)
            try:
                with trial.stage("mailbox", SEND_S) as finding:
                    tasks.start_soon(watch.run)
                    await watch.opened()
                    finding.detail = f"{self._mailbox} is open for reading"
                with trial.stage("roundtrip", RETURN_S + SEND_S) as finding:
                    finding.detail = await self._there_and_back(watch)
            except Exception as error:  # noqa: BLE001 - a group would wrap it
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _there_and_back(self, watch: _Watch) -> str:
        mail = test_mail(self._unit, self._config, self._address, datetime.now(UTC))
        watch.mark = mail.mark
        begun_at = time.monotonic()
        said = await _send(self._sender, self._config, self._address, mail)
        with anyio.move_on_after(RETURN_S):
            await watch.found()
            took_s = time.monotonic() - begun_at
            return f"{self._address} is back in {self._mailbox} after {took_s:.1f} s"
        raise StageError(
            f'the server took it ("{said}"), and it is not in {self._mailbox} after {RETURN_S} s', fix=LOST_FIX
        )


class _Watch:
    """Looks for the new mail that bears a mark, in a task of its own: a mailbox is closed where it was opened."""

    def __init__(self, source: Source) -> None:
        self.mark: bytes | None = None
        self._source = source
        self._opened = anyio.Event()
        self._found = anyio.Event()
        self._failure: MailwicketError | None = None

    async def run(self) -> None:
        try:
            async with self._source.connect() as mailbox:
                cursor = await self._skip(mailbox)
                self._opened.set()
                await self._look_on(mailbox, cursor)
        except MailwicketError as error:
            self._failure = error
        self._opened.set()
        self._found.set()

    async def _skip(self, mailbox: Mailbox) -> str:
        """Return the cursor behind all that is there."""
        look = await mailbox.look(None)
        while look.more:
            look = await mailbox.look(look.cursor)
        return look.cursor

    async def _look_on(self, mailbox: Mailbox, cursor: str) -> None:
        while True:
            await mailbox.wait()
            look = await mailbox.look(cursor)
            cursor = look.cursor
            small = [ref for ref in look.refs if ref.size_bytes < LOOKED_INTO_BYTES]
            for mail in await mailbox.fetch(small) if small else ():
                if self.mark is not None and not isinstance(mail.raw, SpooledMail) and self.mark in mail.raw:
                    return

    async def opened(self) -> None:
        await self._opened.wait()
        self._check()

    async def found(self) -> None:
        await self._found.wait()
        self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
