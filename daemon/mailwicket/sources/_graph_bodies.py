"""The bytes of mails at Graph: in memory or in a file, the header alone where a mail is too large or not given."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from mailwicket.errors import PermanentError, TransientError
from mailwicket.model import Fetched, MailRef, SpooledMail
from mailwicket.net.graph.client import GraphMailbox, Value
from mailwicket.net.graph.failure import ItemGoneError, UnsureError
from mailwicket.net.graph.place import message_path, with_query
from mailwicket.net.spool import Spool

WHOLE_BYTES: Final = 8 * 1024 * 1024
"""A mail over this goes to a file and is never in memory as a whole."""

ROOM_BYTES: Final = 16 * 1024 * 1024
"""Nobody announces sizes: of one fetch so much stays in memory, the rest goes to files."""

HEADER_BYTES: Final = 1024 * 1024
"""So much is taken of the header of a mail that is too large."""

REFUSALS_MAX: Final = 3
CUTS_MAX: Final = 8
"""How often a mail may be refused, or break off in the middle, before its header alone is taken: others wait."""

HEADER_FIELDS: Final = (
    "internetMessageHeaders,internetMessageId,receivedDateTime,subject,from,toRecipients,ccRecipients"
)


@dataclass(slots=True)
class Record:
    """What is known of single mails, from one connection to the next."""

    troubles: dict[str, int] = field(default_factory=dict)
    """How often a mail did not come, in hundredths of what is borne."""

    def bears(self, message: str, times: int) -> bool:
        """Note a failure that is borne *times*; False where that is over."""
        self.troubles[message] = self.troubles.get(message, 0) + -(-100 // times)
        return self.troubles[message] < 100

    def gave_up(self, message: str) -> bool:
        """Tell whether the header alone is asked for."""
        return self.troubles.get(message, 0) >= 100


@dataclass(frozen=True, slots=True)
class _Start:
    """A mail over the limit: what was read of it."""

    content: bytes


class Bodies:
    """Fetches mails one after another; changes nothing on the server."""

    def __init__(self, graph: GraphMailbox, spool_dir: Path, label: str, max_mail_bytes: int, record: Record) -> None:
        """Spool large mails to *spool_dir*, their names beginning with *label*; carry *record* on."""
        self._graph = graph
        self._spool_dir = spool_dir
        self._label = label
        self._max_mail_bytes = max_mail_bytes
        self._record = record
        self._room_bytes = 0

    async def fetch(self, refs: Sequence[MailRef]) -> Sequence[Fetched]:
        """Return the mails of *refs*; those that the server no longer has are left out.

        Raises:
            TransientError: the connection ended, or the server does not give what it has.
            BlockedError: a human must act.
            StoreError: our disk does not take a large mail.
        """
        self._room_bytes = ROOM_BYTES
        found: list[Fetched] = []
        for ref in refs:
            try:
                found.append(await self._one(ref))
            except ItemGoneError:
                continue
        return found

    async def _one(self, ref: MailRef) -> Fetched:
        if self._record.gave_up(ref.remote_id):
            return await self._header(ref)
        raw = await self._raw(ref.remote_id)
        received_at = ref.received_at or (await self.received_at(ref.remote_id))
        if raw is None:
            return await self._header(ref)
        self._record.troubles.pop(ref.remote_id, None)
        if isinstance(raw, _Start):
            return Fetched(ref, header_of(raw.content), headers_only=True, received_at=received_at)
        return Fetched(ref, raw, received_at=received_at)

    async def _raw(self, message: str) -> bytes | SpooledMail | _Start | None:
        """Return a mail; None where it was refused too often."""
        begun = False

        async def take(value: Value) -> bytes | SpooledMail | _Start:
            nonlocal begun
            begun = True
            return await self._take(value)

        try:
            return await self._graph.read_value(f"{message_path(message)}/$value", take)
        except ItemGoneError:
            raise
        except PermanentError as error:
            if self._record.bears(message, REFUSALS_MAX):
                raise TransientError(str(error), reason="server_said") from error
        except UnsureError as error:
            if error.reason == "server_said":
                bears = self._record.bears(message, REFUSALS_MAX)
            else:
                bears = not begun or self._record.bears(message, CUTS_MAX)
            if bears:
                raise
        return None

    async def _take(self, value: Value) -> bytes | SpooledMail | _Start:
        if not value.is_marked:
            words = f"{self._graph.place.peer} does not say where a mail ends: whether it is whole cannot be told"
            raise UnsureError(words, reason="server_said")
        content = bytearray()
        limit = min(WHOLE_BYTES, max(0, self._room_bytes))
        async for piece in value.pieces:
            content += piece
            if len(content) > self._max_mail_bytes:
                return _Start(bytes(content[:HEADER_BYTES]))
            if len(content) > limit:
                return await self._spool(value, content)
        if not content:
            raise UnsureError(f"{self._graph.place.peer} gives a mail without a byte", reason="server_said")
        self._room_bytes -= len(content)
        return bytes(content)

    async def _spool(self, value: Value, begun: bytearray) -> SpooledMail | _Start:
        spool = await anyio.to_thread.run_sync(Spool, self._spool_dir, self._label)
        start = bytes(begun[:HEADER_BYTES])
        try:
            await anyio.to_thread.run_sync(spool.write, begun)
            async for piece in value.pieces:
                if spool.size_bytes + len(piece) > self._max_mail_bytes:
                    return _Start(start)
                await anyio.to_thread.run_sync(spool.write, piece)
            return await anyio.to_thread.run_sync(spool.finish)
        finally:
            if not spool.finished:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(spool.discard)

    # --- what the server says of a mail -----------------------------------------------------------------------------

    async def received_at(self, message: str) -> datetime | None:
        """Ask when a mail came.

        Raises:
            ItemGoneError: it is not there.
        """
        path = with_query(message_path(message), {"$select": "receivedDateTime"})
        return moment((await self._graph.call("GET", path)).json)

    async def _header(self, ref: MailRef) -> Fetched:
        """Return the header of a mail whose bytes are not given, as the server tells it."""
        path = with_query(message_path(ref.remote_id), {"$select": HEADER_FIELDS})
        told = (await self._graph.call("GET", path)).json
        return Fetched(ref, told_header(told), headers_only=True, received_at=ref.received_at or moment(told))


def moment(row: Any) -> datetime | None:  # noqa: ANN401 - whatever JSON holds
    """Return when a message was received, aware; None where it does not say."""
    text = row.get("receivedDateTime") if isinstance(row, dict) else None
    try:
        told = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return told if told is not None and told.tzinfo is not None else None


def header_of(start: bytes) -> bytes:
    """Return the header that *start* begins with, and the empty line behind it."""
    end = re.search(rb"\A\r?\n|\r?\n\r?\n", start)
    return start if end is None else start[: end.end()]


def told_header(told: Any) -> bytes:  # noqa: ANN401 - whatever JSON holds
    """Return a header section (RFC 5322) made of what Graph tells of a message."""
    message: Mapping[str, Any] = told if isinstance(told, dict) else {}
    fields = [
        (str(one.get("name", "")), str(one.get("value", "")))
        for one in message.get("internetMessageHeaders") or ()
        if isinstance(one, dict)
    ]
    known = {name.casefold() for name, _ in fields}
    fields += [(name, value) for name, value in _made_fields(message) if value and name.casefold() not in known]
    lines = [
        f"{name}: {' '.join(value.split())}\r\n"
        for name, value in fields
        if re.fullmatch(r"[!-9;-~]+", name) is not None
    ]
    return "".join([*lines, "\r\n"]).encode("utf-8", "replace")


def _made_fields(message: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Return the fields that its properties stand for, where the header itself is not told (RFC 6532: in UTF-8)."""
    lists = {"To": message.get("toRecipients"), "Cc": message.get("ccRecipients")}
    return [
        ("From", _mailbox(message.get("from"))),
        *((name, ", ".join(filter(None, map(_mailbox, many or ())))) for name, many in lists.items()),
        ("Subject", str(message.get("subject") or "")),
        ("Message-ID", str(message.get("internetMessageId") or "")),
    ]


def _mailbox(recipient: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    address = recipient.get("emailAddress") if isinstance(recipient, dict) else None
    if not isinstance(address, dict) or not address.get("address"):
        return ""
    name = str(address.get("name") or "").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}" <{address["address"]}>' if name else str(address["address"])
