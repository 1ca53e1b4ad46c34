"""`POST /api/v1/mails`: mails are handed over in the body, one, or a batch of them in the form of a raw segment.

A batch is mails in order, each behind a line `mailwicket-mail LENGTH SHA256 RECEIVED` and before a line feed. RECEIVED
is RFC 3339, or `-`. Nothing of a request is taken unless all of it arrived as it says.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import anyio
import anyio.to_thread
from aiohttp import StreamReader, web

from mailwicket.flow.importing import EPOCH, NO_UNIT, Became
from mailwicket.model import Fetched, MailRef, SpooledMail
from mailwicket.net.spool import Spool
from mailwicket.web.asked import actor_of
from mailwicket.web.problem import answer, problem

ROUTE: Final = "/api/v1/mails"
ONE: Final = "message/rfc822"
BATCH: Final = "application/vnd.mailwicket.mails"

WHOLE_BYTES: Final = 8 * 1024 * 1024
"""A larger mail is written to a file while it comes."""

BATCH_MAILS: Final = 1000
BATCH_BYTES: Final = 2 * WHOLE_BYTES
"""So much of a batch is in memory at most; whoever sends more is refused."""

PIECE_BYTES: Final = 64 * 1024
SILENCE_S: Final = 60
"""So long a sender may pause."""

SENDERS: Final = 4
"""So many are read from at a time, the others wait: each may have a batch in memory."""


class Takes(Protocol):
    """Who takes the mails over (`flow.importing.Importing`)."""

    def limit_bytes(self, unit: str) -> int: ...  # noqa: D102
    async def take(self, unit: str, mails: Sequence[Fetched]) -> list[Became]: ...  # noqa: D102


class UnreadableError(Exception):
    """The body is not what it says to be."""


class Mails:
    """The handler."""

    def __init__(self, importing: Takes, spool_dir: Path, record: Callable[[str, str, int], Awaitable[None]]) -> None:
        """Hand what comes to *importing*; large mails wait in *spool_dir*.

        *record* is told who handed over how many mails for which unit.
        """
        self._importing = importing
        self._record = record
        self._spool_dir = spool_dir
        self._senders = anyio.CapacityLimiter(SENDERS)

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        return [web.post(ROUTE, self._post)]

    async def _post(self, request: web.Request) -> web.Response:
        """Take mails over as if they had come to the mailbox `unit` (none: to no mailbox); what became of each."""
        unit = request.query.get("unit", NO_UNIT)
        limit_bytes = self._importing.limit_bytes(unit)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._senders)
            body = _Body(request.content, unit, limit_bytes, self._spool_dir, stack)
            try:
                match request.content_type:
                    case "message/rfc822":
                        mails = [await body.one(_moment(request.query.get("received", "-")))]
                    case "application/vnd.mailwicket.mails":
                        mails = await body.batch()
                    case _:
                        return problem(415, "unsupported media type", f"Content-Type is {ONE} or {BATCH}")
            except UnreadableError as error:
                return problem(400, "bad request", str(error))
            told = await self._importing.take(unit, mails)
        if new := sum(not one.known for one in told):
            await self._record(actor_of(request), unit, new)
        return answer({"mails": [_told(mail, one) for mail, one in zip(mails, told, strict=True)]})


def _told(mail: Fetched, became: Became) -> dict[str, object]:
    return {
        "sha256": mail.ref.remote_id,
        "intake": became.intake_id,
        "known": became.known,
        "reason": became.reason,
        "ticket": became.ticket,
    }


class _Body:
    """Reads mails out of a request."""

    def __init__(
        self, stream: StreamReader, unit: str, limit_bytes: int, spool_dir: Path, stack: AsyncExitStack
    ) -> None:
        self._stream = stream
        self._unit = unit
        self._limit_bytes = limit_bytes
        self._spool_dir = spool_dir
        self._stack = stack

    async def one(self, received_at: datetime | None) -> Fetched:
        """Return the mail that the whole body is."""
        async with self._receiver() as receiver:
            while piece := await self._piece(PIECE_BYTES):
                await receiver.take(piece)
            return await receiver.finish(self._unit, received_at, self._stack)

    async def batch(self) -> list[Fetched]:
        """Return the mails of a batch."""
        mails: list[Fetched] = []
        held_bytes = 0
        while (heading := await self._heading()) is not None:
            length, sha256, received_at = heading
            held_bytes += length if length <= WHOLE_BYTES else 0
            if len(mails) == BATCH_MAILS or held_bytes > BATCH_BYTES:
                raise UnreadableError(f"a batch holds {BATCH_MAILS} mails and {BATCH_BYTES} bytes at most")
            async with self._receiver() as receiver:
                while length:
                    piece = await self._piece(min(length, PIECE_BYTES))
                    if not piece:
                        raise UnreadableError("the body ends within a mail")
                    length -= len(piece)
                    await receiver.take(piece)
                mail = await receiver.finish(self._unit, received_at, self._stack)
            mails.append(mail)
            if mail.ref.remote_id != sha256 or await self._piece(1) != b"\n":
                raise UnreadableError(f"mail {len(mails)} of the batch is not as its heading says")
        return mails

    @asynccontextmanager
    async def _receiver(self) -> AsyncIterator[_Receiver]:
        receiver = _Receiver(self._limit_bytes, self._spool_dir)
        try:
            yield receiver
        finally:
            receiver.discard()

    async def _piece(self, size_bytes: int) -> bytes:
        """Return the next bytes; empty at the end."""
        try:
            with anyio.fail_after(SILENCE_S):
                piece: bytes = await self._stream.read(size_bytes)
        except TimeoutError as error:
            raise UnreadableError(f"nothing came for {SILENCE_S} s") from error
        return piece

    async def _heading(self) -> tuple[int, str, datetime | None] | None:
        try:
            with anyio.fail_after(SILENCE_S):
                line = await self._stream.readline()
            if not line:
                return None
            word, length, sha256, received = line.decode("ascii").split()
        except (ValueError, TimeoutError) as error:
            raise UnreadableError("a heading is missing: mailwicket-mail LENGTH SHA256 RECEIVED") from error
        if word != "mailwicket-mail" or not length.isdigit():
            raise UnreadableError("a heading is wrong: mailwicket-mail LENGTH SHA256 RECEIVED")
        return int(length), sha256, _moment(received)


class _Receiver:
    """One mail while it comes: in memory, then in a file; over the limit its header section alone."""

    def __init__(self, limit_bytes: int, spool_dir: Path) -> None:
        self._limit_bytes = limit_bytes
        self._spool_dir = spool_dir
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        self._held = bytearray()
        self._head = b""
        self._spool: Spool | None = None
        self._headers_only = False

    async def take(self, piece: bytes) -> None:
        """Add *piece*."""
        self._digest.update(piece)
        self._size_bytes += len(piece)
        if self._headers_only:
            return
        if self._size_bytes > self._limit_bytes:
            self._headers_only = True
            self._head = self._head or header_section(self._held + piece)
            self._held = bytearray()
            self.discard()
            return
        self._held += piece
        if self._spool is not None or self._size_bytes > WHOLE_BYTES:
            await self._spill()

    async def _spill(self) -> None:
        if self._spool is None:
            self._head = header_section(self._held)
            self._spool = await anyio.to_thread.run_sync(Spool, self._spool_dir, "import")
        if len(self._held) >= WHOLE_BYTES // 8:
            held, self._held = self._held, bytearray()
            await anyio.to_thread.run_sync(self._spool.write, held)

    async def finish(self, unit: str, received_at: datetime | None, stack: AsyncExitStack) -> Fetched:
        """Return the mail; a file that nobody takes over goes with *stack*."""
        ref = MailRef(unit, EPOCH, self._digest.hexdigest(), self._size_bytes, received_at)
        if self._headers_only:
            return Fetched(ref, self._head, headers_only=True)
        if self._spool is None:
            return Fetched(ref, self._held)
        spooled = await anyio.to_thread.run_sync(_finished, self._spool, self._held)
        stack.callback(_unlink, spooled)
        return Fetched(ref, spooled)

    def discard(self) -> None:
        """Remove a file that is not finished."""
        if self._spool is not None and not self._spool.finished:
            self._spool.discard()
            self._spool = None


def header_section(raw: bytes | bytearray) -> bytes:
    """Return what stands before the body of *raw*, with the empty line; all of it where there is none."""
    ends = [place + len(mark) for mark in (b"\r\n\r\n", b"\n\n") if (place := raw.find(mark)) >= 0]
    return bytes(raw[: min(ends, default=len(raw))])


def _finished(spool: Spool, rest: bytearray) -> SpooledMail:
    spool.write(rest)
    return spool.finish()


def _unlink(spooled: SpooledMail) -> None:
    spooled.path.unlink(missing_ok=True)


def _moment(text: str) -> datetime | None:
    """Return RFC 3339's *text* as a moment; `-` is none."""
    if text == "-":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UnreadableError("a time of receipt is RFC 3339, or -") from error
    if moment.tzinfo is None:
        raise UnreadableError("a time of receipt has an offset")
    return moment
