"""What becomes of the server's copy of a mail whose work is committed: `after` of the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Final

from mailwicket.errors import BlockedError
from mailwicket.net.imap.client import ImapClient
from mailwicket.net.imap.protocol import Exchange
from mailwicket.net.imap.tokens import read_list, read_set, write_sets
from mailwicket.net.imap.utf7 import decode_utf7, mailbox_argument

SETTLE_MAILS: Final = 200
"""How many mails one command changes: servers that copy each are slow, and a command has a deadline."""

LASTING_CODES: Final = frozenset({b"NOPERM", b"CANNOT", b"CONTACTADMIN", b"READ-ONLY"})  # RFC 5530 3
FOLDERS_ARE_LABELS: Final = "X-GM-EXT-1"
"""Gmail's extensions."""

MISSING_CODES: Final = frozenset({b"TRYCREATE", b"NONEXISTENT"})  # RFC 9051 7.1


class Settling:
    """Changes mails of the open folder. All of it is repeatable; a UID that is gone is passed over (RFC 9051 6.4.9)."""

    def __init__(self, client: ImapClient, after: str) -> None:
        """Do *after*."""
        self._client = client
        self._after = after

    async def settle(self, uids: AbstractSet[int], headers_only: AbstractSet[int]) -> None:
        """Change the mails *uids*; those of which we hold *headers_only* are never deleted.

        Raises:
            TransientError: the connection ended, or the server says "later".
            BlockedError: it never will: no right, no such folder.
        """
        match self._after:
            case "leave":
                return
            case "seen":
                await self._flag(uids, r"\Seen")
            case "delete":
                await self._flag(uids & headers_only, r"\Seen")
                await self._discard(uids - headers_only)
            case _:
                await self._move(uids, self._after.removeprefix("move:"))

    async def _flag(self, uids: Iterable[int], flag: str) -> None:
        for chosen in _sets(uids):
            self._expect_ok(await self._client.run("STORE", chosen, f"+FLAGS.SILENT ({flag})", by_uid=True))

    async def _discard(self, uids: AbstractSet[int]) -> None:
        """Delete, for good or into the trash.

        Where folders are labels, expunging takes the label alone: such a server deletes what is moved to its trash.
        """
        trash = await self._trash() if uids and self._client.has_capability(FOLDERS_ARE_LABELS) else None
        if trash is None:
            await self._delete(uids)
        else:
            await self._move(uids, trash)

    async def _trash(self) -> str | None:
        """Return the folder for what was deleted (RFC 6154), whatever its name is in the user's language."""
        answer = await self._client.run_well("LIST", '""', '"*"')
        for folder in filter(None, map(read_list, answer.responses)):
            if rb"\trash" in folder.attributes:
                return decode_utf7(folder.name.decode("ascii", "replace"))
        return None

    async def _delete(self, uids: Iterable[int]) -> None:
        r"""Flag as \Deleted and, with UIDPLUS (RFC 4315), expunge just these.

        Without it they stay flagged: a plain EXPUNGE would also take what other people flagged.
        """
        chosen_uids = list(uids)
        await self._flag(chosen_uids, r"\Deleted")
        if self._client.has_capability("UIDPLUS"):
            for chosen in _sets(chosen_uids):
                self._expect_ok(await self._client.run("EXPUNGE", chosen, by_uid=True))

    async def _move(self, uids: Iterable[int], folder: str) -> None:
        """MOVE (RFC 6851), or what it stands for: copy, flag, expunge."""
        if self._client.has_capability("MOVE"):
            for chosen in _sets(uids):
                await self._transfer("MOVE", chosen, folder)
            return
        for chosen in _sets(uids):
            # Where nothing can be expunged, what was copied before is still there, flagged: not copied again.
            left = await self._undeleted(chosen)
            for part in _sets(left):
                await self._transfer("COPY", part, folder)
            await self._delete(left)

    async def _undeleted(self, chosen: str) -> AbstractSet[int]:
        """Return those of *chosen* that are not flagged: never others, whatever else the server names."""
        found = await self._client.search(f"UID {chosen} UNDELETED")
        return set(found).intersection(read_set(chosen.encode("ascii")))

    async def _transfer(self, verb: str, chosen: str, folder: str) -> None:
        """Move or copy; a folder that is missing is created, once."""
        target = mailbox_argument(folder)
        answer = await self._client.run(verb, chosen, target, by_uid=True)
        if answer.result == "NO" and answer.code in MISSING_CODES:
            created = await self._client.run("CREATE", target)
            if created.result != "OK":
                raise BlockedError(
                    f'{self._client.peer} has no folder {folder} and does not create it ("{created.words}")',
                    reason="folder_unknown",
                )
            answer = await self._client.run(verb, chosen, target, by_uid=True)
        self._expect_ok(answer, f"{verb} to {folder}")

    def _expect_ok(self, answer: Exchange, what: str | None = None) -> None:
        if answer.result == "OK":
            return
        if answer.code in LASTING_CODES:
            words = f'{self._client.peer} does not allow {what or answer.name} ("{answer.words}")'
            raise BlockedError(words, reason="refused")
        raise self._client.refusal(answer)


def _sets(uids: Iterable[int]) -> Iterator[str]:
    ordered = iter(sorted(uids))
    while some := list(islice(ordered, SETTLE_MAILS)):
        yield from write_sets(some)
