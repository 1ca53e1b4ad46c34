"""The staged test of a mailbox at Graph: from its configuration to one mail that is read, and nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import anyio

from mailwicket.config.incoming import Incoming
from mailwicket.errors import BlockedError, MailwicketError, PermanentError, StageError
from mailwicket.net.graph.access import Access
from mailwicket.net.graph.client import Deadlines, GraphMailbox, Value
from mailwicket.net.graph.place import folder_path, message_path, with_query
from mailwicket.net.graph.proving import ANSWER_S, Proving, first_stages, stage_error
from mailwicket.net.graph.ticket import Ticket
from mailwicket.ports import Net
from mailwicket.sources._graph_bodies import header_of
from mailwicket.sources._graph_folders import Folders
from mailwicket.stages import Probe

HEADER_BYTES: Final = 64 * 1024


def stages(config: Incoming) -> Sequence[str]:
    """Return the stages that *config* takes, in order."""
    return (*first_stages(config), "folder", "after", "read")


class Proof:
    """One run through the stages."""

    def __init__(self, config: Incoming, net: Net, deadlines: Deadlines, probe: Probe) -> None:
        """Test what *config* says."""
        self._config = config
        self._access = Access(config, net, "graph")
        self._proving = Proving(config, net, probe)
        self._deadlines = replace(deadlines, answer_s=min(deadlines.answer_s, ANSWER_S))
        self._probe = probe

    async def run(self) -> None:
        """Take every stage; see `stages.ProvesConnection`."""
        await self._proving.approach()
        ticket = await self._proving.token(self._access.bearer)
        graph = await self._access.mailbox(self._deadlines)
        try:
            folder = await self._folder(graph, ticket)
            await self._after(graph)
            await self._read(graph, folder)
        finally:
            with anyio.CancelScope(shield=True):  # closes sockets, waits for nobody
                await graph.close()

    # --- what lies there --------------------------------------------------------------------------------------------

    async def _folder(self, graph: GraphMailbox, ticket: Ticket | None) -> str:
        config = self._config
        with self._probe.stage("folder") as finding:
            if ticket is not None:
                self._check(ticket)
            try:
                found = await Folders(graph).open(config.folder)
            except BlockedError as error:
                raise await self._folder_error(graph, error, "folder") from error
            mails = found.get("totalItemCount")
            finding.detail = f"the mailbox opens; {found.get('displayName', config.folder)}: {mails} mails"
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

    async def _after(self, graph: GraphMailbox) -> None:
        after = self._config.after
        with self._probe.stage("after") as finding:
            if after.startswith("move:"):
                try:
                    found = await Folders(graph).open(after.removeprefix("move:"))
                except BlockedError as error:
                    raise await self._folder_error(graph, error, "after") from error
                finding.detail = f"mails are moved to {found.get('displayName', after)}"
            else:
                words = {"seen": "marked as seen", "leave": "left as they are", "delete": "moved to Deleted Items"}
                finding.detail = f"mails are {words[after]}"

    async def _read(self, graph: GraphMailbox, folder: str) -> None:
        with self._probe.stage("read") as finding:
            newest = {"$select": "id", "$top": "1", "$orderby": "receivedDateTime desc"}
            try:
                page = (await graph.call("GET", with_query(f"{folder_path(folder)}/messages", newest))).json
                rows = page.get("value") if isinstance(page, dict) else None
                if not rows:
                    finding.detail = "the folder is empty: nothing to read, and nothing wrong"
                    return
                header = await graph.read_value(f"{message_path(str(rows[0]['id']))}/$value", _header)
            except BlockedError as error:
                raise stage_error(self._config, error) from error
            except PermanentError as error:
                raise StageError(
                    str(error), fix="try again; if it lasts, the mail is one that Graph does not give"
                ) from error
            finding.detail = f"the last mail: the {len(header)} bytes of its header read"

    async def _folder_error(self, graph: GraphMailbox, error: BlockedError, key: str) -> StageError:
        if error.reason != "folder_unknown":
            return stage_error(self._config, error)
        try:
            there = ", ".join(await Folders(graph).names())
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
