"""One session with a maildrop: what lies there, under which id and number, and how it is left."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.to_thread

from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.pop3.answer import Answer, refused
from mailwicket.net.pop3.client import Pop3Client

log = logging.getLogger(__name__)

ID_BYTES: Final = 255
"""RFC 1939 7 allows 70 octets of 0x21 to 0x7E; some servers give longer ones."""

MANY_LINES: Final = 1000
"""A longer listing is read in a thread."""

READ_AT_ONCE: Final = 500
"""So many ids are asked for one by one where the whole listing lacks them."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One mail of the session."""

    number: int
    remote_id: str
    """Its unique id. Of several with one id the second is `ID 2`, and so on: no id holds a space."""
    size_bytes: int
    """As the server announces it: a hint."""
    shared: bool
    """Another mail bears the same id (RFC 1939 7 has that for two copies of one mail)."""


class Session:
    """A client that is logged in, and the listing of its maildrop, which stays as it is until QUIT (RFC 1939 3)."""

    def __init__(self, client: Pop3Client) -> None:
        """Know nothing of the maildrop before `list`."""
        self.client = client
        self.mails: dict[str, Listed] = {}
        """By id, in the order of their numbers."""

    async def list(self) -> None:
        """Learn what lies there. An empty maildrop is asked for nothing more.

        Raises:
            TransientError: the connection ended, or the answers fit nothing.
            BlockedError: the server gives its mails no ids, so that nobody can tell which are new.
        """
        answer = await self.client.run_well("STAT")
        count = _number(answer.text.split(b" ")[0])
        if count is None:
            raise self.client.out_of_step()
        self.mails = {}
        if count == 0:
            return
        answer, lines = await self.client.listing("UIDL")
        if not answer.ok:
            raise self._no_ids(answer)
        ids = await _read(lines)
        await self._ask_for_missing(ids, count)
        answer, lines = await self.client.listing("LIST")
        sizes = await _read(lines) if answer.ok else {}  # hints, all of them
        if len(ids) < MANY_LINES:
            self.mails = _listed(ids, sizes)
        else:
            self.mails = await anyio.to_thread.run_sync(_listed, ids, sizes, abandon_on_cancel=True)
        if any(mail.shared for mail in self.mails.values()):
            log.warning("%s gives several mails one id; they are read and never deleted", self.client.peer)

    def _no_ids(self, answer: Answer) -> TransientError | BlockedError:
        if answer.passes:
            return refused(self.client.peer, "UIDL", answer)
        return BlockedError(
            f'{self.client.peer} does not know UIDL ("{answer.words}"): which mails are new cannot be told; '
            "use IMAP, or have the server updated",
            reason="refused",
        )

    async def _ask_for_missing(self, ids: dict[int, bytes], count: int) -> None:
        """Some servers leave mails out of the listing whose ids they tell one by one."""
        if len(ids) >= count or count > READ_AT_ONCE:
            return  # a mail that is not listed is not there: it is seen as soon as it is
        for number in sorted(set(range(1, count + 1)) - ids.keys()):
            answer = await self.client.run(f"UIDL {number}")
            told, _, one = answer.text.partition(b" ")
            if answer.ok and _number(told) == number and _is_id(one.strip()):
                ids[number] = one.strip()

    async def leave(self, numbers: Sequence[int] = ()) -> None:
        """Delete the mails with these *numbers* and QUIT: only its +OK says that they are gone (RFC 1939 6).

        Raises:
            TransientError: the connection ended before, so that the server took it all back; or it could not do it.
            BlockedError: the server never will.
        """
        client = self.client
        for number in numbers:
            answer = await client.run(f"DELE {number}")
            if not answer.ok:
                client.abort()  # what was marked before is taken back: nothing is half done
                raise refused(client.peer, "DELE", answer)
        if not numbers:
            await client.say_goodbye()
            return
        answer = await client.run("QUIT")
        client.abort()
        if not answer.ok:
            raise refused(client.peer, "QUIT", answer)


async def _read(lines: Sequence[bytes]) -> dict[int, bytes]:
    if len(lines) < MANY_LINES:
        return _read_now(lines)
    return await anyio.to_thread.run_sync(_read_now, lines, abandon_on_cancel=True)


def _read_now(lines: Sequence[bytes]) -> dict[int, bytes]:
    """Return what a listing tells of each number; lines that tell nothing are passed over, the first one counts."""
    found: dict[int, bytes] = {}
    for line in lines:
        told, _, rest = line.partition(b" ")
        number, one = _number(told), rest.strip()
        if number and _is_id(one):
            found.setdefault(number, one)
    return found


def _listed(ids: dict[int, bytes], sizes: dict[int, bytes]) -> dict[str, Listed]:
    copies: dict[bytes, int] = {}
    for one in ids.values():
        copies[one] = copies.get(one, 0) + 1
    seen: dict[bytes, int] = {}
    found: dict[str, Listed] = {}
    for number in sorted(ids):
        one = ids[number]
        seen[one] = seen.get(one, 0) + 1
        name = one.decode("latin-1") + (f" {seen[one]}" if seen[one] > 1 else "")
        size = _number(sizes.get(number, b"").split(b" ")[0]) or 0
        found[name] = Listed(number, name, size, copies[one] > 1)
    return found


def _number(text: bytes) -> int | None:
    return int(text) if text.isdigit() and len(text) <= 12 else None


def _is_id(text: bytes) -> bool:
    return 0 < len(text) <= ID_BYTES and not any(one in text for one in b" \t\0")
