"""The bytes of mails, by UID: small ones many at a time, large ones in slices, and what a server may get wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
import anyio.lowlevel
import anyio.to_thread

from mailwicket.errors import TransientError
from mailwicket.model import Fetched, MailRef, SpooledMail
from mailwicket.net.imap.client import ImapClient
from mailwicket.net.imap.login import PASSING_CODES
from mailwicket.net.imap.protocol import Exchange
from mailwicket.net.imap.reader import Room, Skipped
from mailwicket.net.imap.tokens import FetchAnswer, hides_a_mail, read_fetch, write_sets
from mailwicket.net.spool import Spool

WHOLE_BYTES: Final = 8 * 1024 * 1024
"""A mail over this is a file from the start, and never in memory as a whole. Measured in docs/decisions.md."""

SLICE_BYTES: Final = 1024 * 1024
"""What is in memory of such a mail."""

REFUSALS_MAX: Final = 3
"""How often a server may refuse the body of one mail before its headers alone are taken: the mails behind it wait."""

RESPONSES_AT_ONCE: Final = 200
"""Read in about 2 ms."""

Body = bytes | bytearray


class RefusedBodyError(TransientError):
    """The server has the mail and does not give its body."""


class Answers:
    """The FETCH answers of a command that name a UID, for `async for`; others are about flags, or about nothing asked.

    It gives way now and then: a flood of answers must not hold up the other mailboxes.
    """

    def __init__(self, exchange: Exchange) -> None:
        """Read what came in answer to *exchange*."""
        self._responses = enumerate(exchange.responses, 1)
        self.clear = True
        """So far no mail was described of which cannot be told which one it is."""

    def __aiter__(self) -> Answers:
        """Itself."""
        return self

    async def __anext__(self) -> FetchAnswer:
        """Return the next one."""
        for number, response in self._responses:
            if number % RESPONSES_AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
            answer = read_fetch(response)
            if answer is not None and answer.uid is not None:
                return answer
            self.clear = self.clear and not hides_a_mail(response, answer)
        raise StopAsyncIteration


@dataclass(slots=True)
class Record:
    """What is known of single mails of one epoch, from one connection to the next."""

    refusals: dict[int, int] = field(default_factory=dict)
    """How often the server refused the body of a UID, or sent more of it than was asked for."""
    alone: set[int] = field(default_factory=set)
    """One of these ended a connection by a size beyond what was announced: they come in slices from then on."""


def _is_last(piece: Body, received_bytes: int, announced_bytes: int) -> bool:
    """Tell whether nothing follows: sizes are hints, and a server may give less than a slice at a time."""
    return not piece or (len(piece) < SLICE_BYTES and received_bytes >= announced_bytes > 0)


class Bodies:
    """Fetches from the open folder of one connection. One FETCH is in flight at a time.

    With two, some servers mix the answers; and bytes are attributed by the UID in the response alone.
    """

    def __init__(self, client: ImapClient, spool_dir: Path, label: str, max_mail_bytes: int, record: Record) -> None:
        """Spool large mails to *spool_dir*, their names beginning with *label*; carry *record* on."""
        self._client = client
        self._spool_dir = spool_dir
        self._label = label
        self._max_mail_bytes = max_mail_bytes
        self._record = record

    async def fetch(self, refs: Mapping[int, MailRef]) -> Sequence[Fetched]:
        """Return the mails of *refs*, a UID to each; those that the server no longer has are left out.

        Raises:
            TransientError: the connection ended, or the server does not give what it has.
            StoreError: our disk does not take a large mail.
        """
        whole_bytes = min(WHOLE_BYTES, self._max_mail_bytes)
        at_once = [uid for uid, ref in refs.items() if ref.size_bytes <= whole_bytes and uid not in self._record.alone]
        whole = await self._fetch_whole(at_once, sum(refs[uid].size_bytes for uid in at_once))
        missing = [uid for uid in at_once if uid not in whole]
        gone = set(missing) - await self.existing(missing) if missing else set()
        found: list[Fetched] = []
        for uid, ref in refs.items():
            if (raw := whole.get(uid)) is not None:
                found.append(Fetched(ref, raw))
            elif uid not in gone and (alone := await self._fetch_alone(uid, ref)) is not None:
                found.append(alone)
        return found

    async def existing(self, uids: Iterable[int]) -> set[int]:
        """Tell which of *uids* the folder still has: only the server's word makes a mail gone.

        Raises:
            TransientError: the server does not say, or not so that it can be read.
        """
        asked = set(uids)
        found: set[int] = set()
        unclear = False
        for chosen in write_sets(asked):
            exchange = await self._client.run_well("FETCH", chosen, "(UID)", by_uid=True)
            told = Answers(exchange)
            async for answer in told:
                if answer.uid in asked:
                    found.add(answer.uid)
            unclear = unclear or not told.clear
        if unclear and found != asked:
            raise TransientError(
                f"{self._client.peer} sent an answer to FETCH that cannot be read", reason="server_said"
            )
        return found

    async def _fetch_whole(self, uids: Sequence[int], announced_bytes: int) -> dict[int, Body]:
        """Fetch mails in one piece each. What is missing was not answered, or not as announced."""
        asked = set(uids)
        found: dict[int, Body] = {}
        room = Room(
            keep_bytes=min(WHOLE_BYTES, self._max_mail_bytes),
            literal_bytes=self._max_mail_bytes + SLICE_BYTES,
            kept_bytes=2 * announced_bytes + 4 * SLICE_BYTES,  # sizes are hints: what does not fit comes alone
            literals_bytes=2 * announced_bytes + 2 * self._max_mail_bytes,  # and so does all of it if that is far off
        )
        for chosen in write_sets(asked):
            try:
                exchange = await self._client.run(
                    "FETCH", chosen, "(UID BODY.PEEK[])", by_uid=True, room=room, bulk_bytes=announced_bytes
                )
            except TransientError:
                if self._client.protocol.overwhelmed:
                    self._record.alone |= asked
                raise
            async for answer in Answers(exchange):
                uid, body = answer.uid, answer.items.get(b"BODY[]")
                if uid not in asked or not isinstance(body, Body):
                    continue
                if found.setdefault(uid, body) != body:
                    raise TransientError(
                        f"{self._client.peer} gave two different mails under UID {uid}", reason="server_said"
                    )
        return found

    async def _fetch_alone(self, uid: int, ref: MailRef) -> Fetched | None:
        refusals = self._record.refusals
        if ref.size_bytes > self._max_mail_bytes or refusals.get(uid, 0) >= REFUSALS_MAX:
            return await self._fetch_headers(uid, ref)
        try:
            raw = await self._fetch_sliced(uid, ref.size_bytes)
        except TransientError as error:
            overwhelmed = self._client.protocol.overwhelmed  # it ignores which slice was asked for
            if overwhelmed or isinstance(error, RefusedBodyError):
                refusals[uid] = refusals.get(uid, 0) + 1
            if overwhelmed or refusals.get(uid, 0) < REFUSALS_MAX:
                raise
            return await self._fetch_headers(uid, ref)
        if raw is None:
            return None
        return await self._fetch_headers(uid, ref) if isinstance(raw, Skipped) else Fetched(ref, raw)

    async def _fetch_sliced(self, uid: int, announced_bytes: int) -> bytes | SpooledMail | Skipped | None:
        """Return a mail of any size; None if it is gone, Skipped if it is over `max_mail_bytes`."""
        first = await self._fetch_part(uid, "", 0)
        if first is None or not _is_last(first, len(first), announced_bytes):
            return None if first is None else await self._spool(uid, first, announced_bytes)
        return bytes(first) if len(first) <= self._max_mail_bytes else Skipped(len(first))

    async def _fetch_headers(self, uid: int, ref: MailRef) -> Fetched | None:
        headers = await self._fetch_part(uid, "HEADER", 0)
        return None if headers is None else Fetched(ref, bytes(headers), headers_only=True)

    async def _fetch_part(self, uid: int, section: str, offset: int) -> Body | None:
        """Return up to a slice of one mail's *section* from *offset*; None if the mail is gone.

        Raises:
            RefusedBodyError: the mail is there, and this part of it is not given.
        """
        client = self._client
        item = f"BODY.PEEK[{section}]<{offset}.{SLICE_BYTES}>"
        room = Room(keep_bytes=SLICE_BYTES, literal_bytes=SLICE_BYTES)
        exchange = await client.run("FETCH", str(uid), f"(UID {item})", by_uid=True, room=room, bulk_bytes=SLICE_BYTES)
        names = [f"BODY[{section}]<{offset}>".encode()]
        if not offset:
            names.append(f"BODY[{section}]".encode())  # some servers name no origin where nothing was cut off
        async for answer in Answers(exchange):
            for body in map(answer.items.get, names):
                if answer.uid == uid and isinstance(body, Body):
                    return body
        if exchange.code in PASSING_CODES:
            raise client.refusal(exchange)
        if uid not in await self.existing([uid]):
            return None
        raise RefusedBodyError(
            f'{client.peer} does not give the mail with UID {uid} ("{exchange.words}")', reason="server_said"
        )

    def _expect_pace(self, uid: int, received_bytes: int, spent_s: float) -> None:
        """Each slice has its deadline, but a server may give a mail byte by byte: it is the whole that must end."""
        limits = self._client.deadlines
        if spent_s > limits.batch_of_s(received_bytes):
            words = f"{self._client.peer} took {spent_s:.0f} s for {received_bytes} bytes of the mail with UID {uid}"
            raise RefusedBodyError(words, reason="timeout")

    async def _spool(self, uid: int, first: Body, announced_bytes: int) -> SpooledMail | Skipped | None:
        """Write a large mail to a file, asking for the next slice while one is written."""
        loop = asyncio.get_running_loop()
        begun_at = loop.time()
        spool = await anyio.to_thread.run_sync(Spool, self._spool_dir, f"{self._label}.{uid}")
        try:
            piece: Body | None = first
            received_bytes = 0
            while piece:
                received_bytes += len(piece)
                if received_bytes > self._max_mail_bytes:
                    return Skipped(received_bytes)
                self._expect_pace(uid, received_bytes, loop.time() - begun_at)
                writing = loop.run_in_executor(None, spool.write, piece)
                try:
                    last = _is_last(piece, received_bytes, announced_bytes)
                    piece = b"" if last else await self._fetch_part(uid, "", received_bytes)
                finally:
                    with anyio.CancelScope(shield=True):
                        await writing
            return None if piece is None else await anyio.to_thread.run_sync(spool.finish)
        finally:
            if not spool.finished:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(spool.discard)
