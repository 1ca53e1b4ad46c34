"""The bytes of mails over POP3: in memory or in a file, the header alone where a mail is too large."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import anyio.to_thread

from mailwicket.errors import TransientError
from mailwicket.mail.date import moment
from mailwicket.mail.trace import fields
from mailwicket.model import Fetched, MailRef, SpooledMail
from mailwicket.net.pop3.answer import Answer, refused
from mailwicket.net.pop3.client import Lines
from mailwicket.net.receiver import Receiver, TooLarge
from mailwicket.sources._pop3_session import Listed, Session

HEADER_BYTES: Final = 1024 * 1024
"""So much is taken of a header."""

DATED_BYTES: Final = 64 * 1024
"""The topmost fields of a header are in these."""

REFUSALS_MAX: Final = 3
"""How often a server may refuse a mail before its header alone is taken: the mails behind it wait."""

SPARE_BYTES: Final = 4 * 1024 * 1024
"""Sizes are hints: of a batch so much more than was announced stays in memory, the rest goes to files."""

FUTURE: Final = timedelta(days=1)


@dataclass(slots=True)
class Record:
    """What is known of single mails, by id, from one session to the next."""

    refusals: dict[str, int] = field(default_factory=dict)
    oversize: set[str] = field(default_factory=set)
    """Turned out larger than `max_mail_bytes`, whatever was announced."""


class Bodies:
    """Fetches mails one by one, in the session of the moment."""

    def __init__(
        self,
        session: Callable[[], Awaitable[Session]],
        spool_dir: Path,
        label: str,
        max_mail_bytes: int,
        record: Record,
    ) -> None:
        """Ask *session* for it before each mail; spool to *spool_dir*, names beginning with *label*."""
        self._session = session
        self._receiver = Receiver(spool_dir, label, max_mail_bytes)
        self._max_mail_bytes = max_mail_bytes
        self._record = record

    async def fetch(self, refs: Sequence[MailRef]) -> Sequence[Fetched]:
        """Return the mails of *refs*; those that the maildrop no longer holds are left out.

        Raises:
            TransientError: the connection ended, or the server does not give what it has.
            StoreError: our disk does not take a large mail.
        """
        self._receiver.room_bytes = 2 * sum(ref.size_bytes for ref in refs) + SPARE_BYTES
        return [one for ref in refs if (one := await self._fetch(ref)) is not None]

    async def _fetch(self, ref: MailRef) -> Fetched | None:
        session = await self._session()
        mail = session.mails.get(ref.remote_id)
        if mail is None:
            return None
        record, name = self._record, ref.remote_id
        too_large = mail.size_bytes > self._max_mail_bytes or name in record.oversize
        if not too_large and record.refusals.get(name, 0) < REFUSALS_MAX:
            answer, lines = await session.client.begin(f"RETR {mail.number}")
            if not answer.ok:
                raise self._refused(session, name, answer)
            raw = await self._receiver.receive(lines.piece)
            if not isinstance(raw, TooLarge):
                start = await anyio.to_thread.run_sync(_start, raw.path) if isinstance(raw, SpooledMail) else raw
                return Fetched(ref, raw, received_at=received_at(start))
            record.oversize.add(name)
            session.client.abort()  # only the end of the mail ends the answer
            session = await self._session()
            mail = session.mails.get(name)
        return None if mail is None else await self._headers(session, mail, ref)

    def _refused(self, session: Session, name: str, answer: Answer) -> TransientError:
        """Return what to say of a refused mail; whether it is gone shows in the next session alone."""
        session.client.abort()
        self._record.refusals[name] = self._record.refusals.get(name, 0) + 1
        error = refused(session.client.peer, "RETR", answer)
        return TransientError(str(error), reason="server_said")

    async def _headers(self, session: Session, mail: Listed, ref: MailRef) -> Fetched:
        header = await header_of(session, mail)
        return Fetched(ref, header, headers_only=True, received_at=received_at(header))


async def header_of(session: Session, mail: Listed) -> bytes:
    """Return a mail's header with the empty line behind it: by TOP, or as the beginning of the whole.

    A connection that was in the middle of more is dropped.

    Raises:
        TransientError: the connection ended, or the server gives neither.
    """
    if (header := await top_of(session, mail)) is not None:
        return header
    answer, lines = await session.client.begin(f"RETR {mail.number}")
    if not answer.ok:
        session.client.abort()
        raise TransientError(str(refused(session.client.peer, "TOP and RETR", answer)), reason="server_said")
    return await _header(session, lines, within_bytes=0)


async def top_of(session: Session, mail: Listed) -> bytes | None:
    """Return a mail's header by TOP, which a server need not know (RFC 1939 7): then None.

    Raises:
        TransientError: the connection ended.
    """
    answer, lines = await session.client.begin(f"TOP {mail.number} 0")
    return await _header(session, lines, within_bytes=HEADER_BYTES) if answer.ok else None


async def _header(session: Session, lines: Lines, within_bytes: int) -> bytes:
    """Return the header that *lines* begin with. What follows it within *within_bytes* is read, else the line cut."""
    content = bytearray()
    while piece := await lines.piece():
        content += piece
        if len(content) > HEADER_BYTES or (len(content) > within_bytes and _end_of(content) is not None):
            session.client.abort()
            break
    return bytes(content[: _end_of(content)])


def _end_of(content: bytearray) -> int | None:
    """Return where the header ends, with the empty line behind it; None where it does not."""
    if content.startswith(b"\r\n"):
        return 2
    at = content.find(b"\r\n\r\n")
    return None if at < 0 else at + 4


def received_at(start: bytes | bytearray) -> datetime | None:
    """Return when the last server received a mail, by its topmost Received field (RFC 5321 4.4); None where unknown."""
    received = fields(bytes(start[:DATED_BYTES]).partition(b"\r\n\r\n")[0].replace(b"\r\n", b"\n"), {"received"})
    told = moment(received[0][1].rpartition(";")[2].strip()) if received else None
    if told is None or told.tzinfo is None or told > datetime.now(UTC) + FUTURE:
        return None
    return min(told, datetime.now(UTC))


def _start(path: Path) -> bytes:
    with path.open("rb") as opened:
        return opened.read(DATED_BYTES)
