"""The staged test of a mailbox at Graph: from its configuration to one mail that is read, and nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mailwicket.config.incoming import Incoming
from mailwicket.errors import BlockedError, MailwicketError, PermanentError, StageError
from mailwicket.net.graph.client import Deadlines, GraphMailbox, Value
from mailwicket.net.graph.place import folder_path, message_path, with_query
from mailwicket.net.graph.proving import admitted, first_stages, stage_error
from mailwicket.net.graph.ticket import Ticket
from mailwicket.ports import Net
from mailwicket.sources._graph_bodies import header_of
from mailwicket.sources._graph_folders import Folders
from mailwicket.stages import Probe

HEADER_BYTES: Final = 64 * 1024


def stages(config: Incoming) -> Sequence[str]:
    """Return the stages that *config* takes, in order."""
    return (*first_stages(config), "folder", "after", "read")


async def prove(config: Incoming, net: Net, deadlines: Deadlines, probe: Probe) -> None:
    """Take every stage; see `stages.ProvesConnection`."""
    async with admitted(config, net, "graph", deadlines, probe) as (mailbox, ticket):
        await FolderProof(mailbox, ticket, config, probe).run()


class FolderProof:
    """The stages `folder`, `after` and `read`, on a mailbox whose *ticket* (None: unreadable) was looked at."""

    def __init__(self, mailbox: GraphMailbox, ticket: Ticket | None, config: Incoming, probe: Probe) -> None:
        """Test the folder that *config* names."""
        self._mailbox = mailbox
        self._ticket = ticket
        self._config = config
        self._probe = probe

    async def run(self) -> None:
        """Take the three stages."""
        folder = await self._folder()
        await self._after()
        await self._read(folder)

    async def _folder(self) -> str:
        config = self._config
        with self._probe.stage("folder") as finding:
            if self._ticket is not None:
                self._check(self._ticket)
            try:
                found = await Folders(self._mailbox).open(config.folder)
            except BlockedError as error:
                raise await self._folder_error(error, "folder") from error
            mails = found.get("totalItemCount")
            count = "" if mails is None else f": {mails} mails"
            finding.detail = f"the mailbox opens; {found.get('displayName', config.folder)}{count}"
            if mails and config.start_from == "now":
                finding.detail += '; start_from = "now" leaves what lies there before the first run'
            return str(found["id"])

    def _check(self, ticket: Ticket) -> None:
        """A permission that the token lacks would be told by the first mail that is settled, else."""
        config = self._config
        lacks = ticket.missing(config.username, changes=config.after != "leave")
        if lacks is not None:
            raise StageError(
                f"the sign-in of {ticket.who} lacks the permission {lacks}",
                fix=f"add https://{config.server}/{lacks} to scope in [oauth.{config.oauth}] (and offline_access), "
                f'then "mailwicket oauth login {config.oauth}"',
            )

    async def _after(self) -> None:
        after = self._config.after
        with self._probe.stage("after") as finding:
            if after.startswith("move:"):
                try:
                    found = await Folders(self._mailbox).open(after.removeprefix("move:"))
                except BlockedError as error:
                    raise await self._folder_error(error, "after") from error
                finding.detail = f"mails are moved to {found.get('displayName', after)}"
            else:
                words = {"seen": "marked as seen", "leave": "left as they are", "delete": "moved to Deleted Items"}
                finding.detail = f"mails are {words[after]}"

    async def _read(self, folder: str) -> None:
        with self._probe.stage("read") as finding:
            newest = {"$select": "id", "$top": "1", "$orderby": "receivedDateTime desc"}
            try:
                page = (await self._mailbox.call("GET", with_query(f"{folder_path(folder)}/messages", newest))).json
                rows = page.get("value") if isinstance(page, dict) else None
                if not rows:
                    finding.detail = "the folder is empty: nothing to read, and nothing wrong"
                    return
                header = await self._mailbox.read_value(f"{message_path(str(rows[0]['id']))}/$value", _header)
            except BlockedError as error:
                raise stage_error(self._config, error) from error
            except PermanentError as error:
                raise StageError(
                    str(error), fix="try again; if it lasts, the mail is one that Graph does not give"
                ) from error
            finding.detail = f"the last mail: the {len(header)} bytes of its header read"

    async def _folder_error(self, error: BlockedError, key: str) -> StageError:
        if error.reason != "folder_unknown":
            return stage_error(self._config, error)
        try:
            there = ", ".join(await Folders(self._mailbox).names())
        except MailwicketError:
            there = ""
        return StageError(str(error), fix=f"mend {key}: there are {there}" if there else f"mend {key}, or make it")


async def _header(value: Value) -> bytes:
    """Read no more than the header."""
    content = bytearray()
    async for piece in value.pieces:
        content += piece
        header = header_of(bytes(content))
        if len(header) < len(content) or len(content) > HEADER_BYTES:
            return header
    return header_of(bytes(content))
