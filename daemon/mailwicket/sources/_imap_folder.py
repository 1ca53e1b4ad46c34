"""The last stages of the test of an IMAP mailbox: its folder, what is to become of its mails, and one that is read."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mailwicket.config.incoming import Incoming
from mailwicket.errors import StageError
from mailwicket.net.imap.client import ImapClient
from mailwicket.net.imap.login import PASSING_CODES
from mailwicket.net.imap.protocol import Exchange
from mailwicket.net.imap.tokens import ListedFolder, read_fetch, read_list
from mailwicket.net.imap.utf7 import decode_utf7, encode_utf7, mailbox_argument
from mailwicket.net.oauth.session import GIVE_RIGHT, NO_RIGHT, lacks_right
from mailwicket.oneline import printable
from mailwicket.stages import Probe

READ_BYTES: Final = 1024
"""So much of a mail is read: enough to know that it can be."""

NEAREST: Final = 3
COMPARED_MAX: Final = 2000
"""Comparing takes its time with each name."""
NAME_CHARS: Final = 200
"""So much of a name is shown."""

# RFC 4314 2.1, and `d` of RFC 2086, which stands for several
NEEDED: Final = {"seen": "s", "delete": "te", "move": "te"}
RIGHTS: Final = {
    "s": "mark mails as seen",
    "t": "flag mails as deleted",
    "e": "delete mails for good",
    "i": "put mails into it",
}


@dataclass(frozen=True, slots=True)
class _Folder:
    name: str
    separator: str
    holds_mails: bool


class FolderProof:
    """The stages `folder`, `after` and `read`, on a client that is logged in. Only EXAMINE: nothing can be changed."""

    def __init__(self, client: ImapClient, config: Incoming, probe: Probe) -> None:
        """Test the folder that *config* names."""
        self._client = client
        self._config = config
        self._probe = probe

    async def run(self) -> None:
        """Take the three stages."""
        await self._folder()
        await self._after()
        await self._read()

    async def _folder(self) -> None:
        config, client = self._config, self._client
        with self._probe.stage("folder") as finding:
            opened = await client.run("EXAMINE", mailbox_argument(config.folder))
            if opened.result != "OK":
                raise await self._not_opened(opened)
            if client.protocol.uidvalidity is None:
                raise StageError(
                    f"{client.peer} gives the mails of {config.folder} no lasting numbers (UIDVALIDITY)",
                    fix="take another folder, or have the server updated",
                )
            mails = client.protocol.exists
            unseen = f", {len(await client.search('UNSEEN'))} unseen" if mails else ""
            finding.detail = f"{config.folder}: {mails} mail{'s' * (mails != 1)}{unseen}"
            if mails and config.start_from == "now":
                finding.detail += '; start_from = "now" leaves what lies there before the first run'

    async def _not_opened(self, answer: Exchange) -> StageError:
        words = f'{self._client.peer} does not open the folder {self._config.folder} ("{answer.words}")'
        if answer.code in PASSING_CODES:
            return StageError(words, fix="nothing: the server says that it passes; try again later")
        if lacks_right(answer.words):
            return StageError(f"{words}: {NO_RIGHT}", fix=GIVE_RIGHT)
        return StageError(words, fix=f"mend folder; {_nearest(self._config.folder, await self._folders())}")

    async def _folders(self) -> Sequence[_Folder]:
        """Return the folders that there are; none where the server does not tell."""
        answer = await self._client.run("LIST", '""', '"*"')
        return [_folder(one) for one in map(read_list, answer.responses) if one is not None]

    # --- what becomes of a mail -------------------------------------------------------------------------------------

    async def _after(self) -> None:
        after = self._config.after
        with self._probe.stage("after") as finding:
            if after == "leave":
                finding.detail = "mails are left as they are"
                return
            deed, _, target = after.partition(":")
            known = await self._expect_rights(self._config.folder, NEEDED[deed])
            if target:
                await self._expect_target(target)
                known = known and await self._expect_rights(target, "i")
            what = {"seen": "mails are marked as seen", "delete": "mails are deleted"}.get(deed, f"moved to {target}")
            finding.detail = f"{what}; " + ("allowed here" if known else "whether that is allowed shows with the first")

    async def _expect_rights(self, folder: str, needed: str) -> bool:
        """Tell whether the server says that we may; False where it says nothing (no RFC 4314)."""
        if not self._client.has_capability("ACL"):
            return False
        answer = await self._client.run("MYRIGHTS", mailbox_argument(folder))
        said = [one[-1] for one in answer.responses if isinstance(one[0], bytes) and b" MYRIGHTS " in one[0].upper()]
        if answer.result != "OK" or not said or not isinstance(said[0], bytes):
            return False
        rights = said[0].split()[-1].strip(b'"').decode("ascii", "replace")
        granted = set(rights) | (set("te") if "d" in rights else set())
        missing = [RIGHTS[one] for one in needed if one not in granted]
        if missing:
            raise StageError(
                f"{self._client.peer}: {self._config.username} may not {' or '.join(missing)} in {folder}",
                fix=f'have the rights given (MYRIGHTS tells "{rights}"), or choose another after; "leave" needs none',
            )
        return True

    async def _expect_target(self, target: str) -> None:
        """The target must be there already: whether it could be created cannot be tried without doing it."""
        answer = await self._client.run("LIST", '""', mailbox_argument(target))
        found = [_folder(one) for one in map(read_list, answer.responses) if one is not None]
        if any(one.holds_mails and _same(one.name, target) for one in found):
            return
        if answer.result != "OK":
            raise self._client.refusal(answer)
        raise StageError(
            f"{self._client.peer} has no folder {target} to move to",
            fix=f"create it, or mend after; {_nearest(target, await self._folders())}. With the first mail mailwicket "
            "would try to create it, which a server may refuse",
        )

    # --- one mail ---------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        client = self._client
        with self._probe.stage("read") as finding:
            last = client.protocol.exists
            if not last:
                finding.detail = "the folder is empty: nothing to read, and nothing wrong"
                return
            items = f"(UID RFC822.SIZE BODY.PEEK[]<0.{READ_BYTES}>)"  # PEEK, though EXAMINE alone leaves flags alone
            answer = await client.run_well("FETCH", str(last), items)
            for one in filter(None, map(read_fetch, answer.responses)):
                begun = next((value for name, value in one.items.items() if name.startswith(b"BODY[]")), None)
                if one.uid and isinstance(begun, bytes | bytearray) and begun:
                    size = one.number(b"RFC822.SIZE")
                    finding.detail = f"the last mail: {size} bytes, the first {len(begun)} of them read"
                    return
            raise StageError(
                f"{client.peer} has {last} mails and gives nothing of the last one",
                fix="look at that mail with another program; try again, it may just have been deleted",
            )


def _folder(listed: ListedFolder) -> _Folder:
    holds_mails = listed.attributes.isdisjoint({rb"\noselect", rb"\nonexistent"})
    name = decode_utf7(listed.name.decode("utf-8", "replace"))
    return _Folder(printable(name[:NAME_CHARS], "?"), listed.separator.decode("ascii", "replace"), holds_mails)


def _same(one: str, other: str) -> bool:
    return encode_utf7(one) == encode_utf7(other) or one.upper() == other.upper() == "INBOX"


def _nearest(wanted: str, folders: Sequence[_Folder]) -> str:
    """Name the folders that may be meant: those that end like it, then those that look like it, else some."""
    there = [one for one in folders if one.holds_mails][:COMPARED_MAX]
    if not there:
        return "the server tells of no folder at all"
    folded = wanted.casefold()
    ends = [one.name for one in there if one.separator and one.name.casefold().endswith(one.separator + folded)]
    names = {one.name.casefold(): one.name for one in there}
    alike = [names[match] for match in difflib.get_close_matches(folded, names, NEAREST)]
    found = list(dict.fromkeys([*ends, *alike]))[:NEAREST]
    if found:
        return f"nearest there: {', '.join(found)}"
    return f"there are: {', '.join([one.name for one in there][:NEAREST])}" + ", ..." * (len(there) > NEAREST)
