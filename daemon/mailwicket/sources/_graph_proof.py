"""The staged test of a mailbox at Graph: from its configuration to one mail that is read, and nothing is changed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import anyio

from mailwicket.config.graph import TLS_PORT
from mailwicket.config.incoming import Incoming
from mailwicket.errors import BlockedError, MailwicketError, PermanentError, StageError
from mailwicket.net.approach import Approach, approach_stages
from mailwicket.net.door import Door, tell_tls
from mailwicket.net.graph.client import Deadlines, GraphMailbox, Value
from mailwicket.net.graph.place import SIGNED_IN, folder_path, message_path, with_query
from mailwicket.net.graph.ticket import Ticket, read_ticket
from mailwicket.net.line import tls_of, trouble
from mailwicket.net.proxy import Way, way_of
from mailwicket.ports import Net, Probe
from mailwicket.sources._graph_bodies import header_of
from mailwicket.sources._graph_folders import Folders

USUAL: Final = f"{TLS_PORT} is usual"
CONNECT_S: Final = 15.0
GREETING_S: Final = 5.0
HEADER_BYTES: Final = 64 * 1024

FIXES: Final = {
    "needs_sign_in": '"mailwicket oauth login {oauth}"',
    "needs_admin": '"mailwicket oauth admin-consent {oauth}", and have an administrator follow the link',
    "oauth_settings": "mend [oauth.{oauth}], as it says",
    "mailbox_refused": 'look at the permissions ("mailwicket oauth status"), at the right to this mailbox in Exchange, '
    "and at the scope of the application's role there",
    "mailbox_unknown": "mend username: the sign-in name (UPN) of a mailbox with a licence",
    "certificate": "mend ca_file: the path of certificates in PEM form",
}


def stages(config: Incoming) -> Sequence[str]:
    """Return the stages that *config* takes, in order."""
    channel = () if config.security == "none" else ("tls",)
    approach = approach_stages(proxied=config.proxy is not None)
    return ("configuration", *approach, *channel, "token", "folder", "after", "read")


class Proof:
    """One run through the stages."""

    def __init__(
        self,
        config: Incoming,
        net: Net,
        deadlines: Deadlines,
        probe: Probe,
        client: Callable[[], Awaitable[GraphMailbox]],
    ) -> None:
        """Test what *config* says; *client* makes one that asks as the unit would."""
        self._config = config
        self._net = net
        self._deadlines = replace(deadlines, answer_s=min(deadlines.answer_s, 20))
        self._probe = probe
        self._client = client

    async def run(self) -> None:
        """Take every stage; see `ports.ProvesConnection`."""
        way = await self._configuration()
        config = self._config
        sock = await Approach(config.server, config.port, CONNECT_S, USUAL, self._probe, way).run()
        await self._tls(sock, way)
        graph = await self._client()
        graph.deadlines = self._deadlines
        try:
            await self._token()
            folder = await self._folder(graph)
            await self._after(graph)
            await self._read(graph, folder)
        finally:
            with anyio.CancelScope(shield=True):
                await graph.close()

    async def _configuration(self) -> Way | None:
        config = self._config
        with self._probe.stage("configuration") as finding:
            try:
                await self._net.trust(config.ca_file)
                way = await way_of(config)
            except BlockedError as error:
                fix = FIXES["certificate"] if error.reason == "certificate" else f"mend [proxy.{config.proxy}]"
                raise StageError(str(error), fix=fix) from error
            by = "" if way is None else f", by {way}"
            clear = ", in the clear on this machine" if config.security == "none" else ""
            finding.detail = f"mailbox {config.username} with tokens of oauth.{config.oauth}{by}{clear}"
            finding.detail += "" if config.enabled else "; the unit is not enabled"
        return way

    async def _tls(self, sock: socket.socket, way: Way | None) -> None:
        """Shake hands on the way that was found; the requests make connections of their own."""
        config, peer = self._config, f"{self._config.server}:{self._config.port}"
        if config.security == "none":
            sock.close()
            return
        with self._probe.stage("tls") as finding:
            tls = await self._net.trust(config.ca_file)
            try:
                with trouble(peer, "shake hands", sock.close):
                    transport, _ = await asyncio.get_running_loop().create_connection(
                        asyncio.Protocol, sock=sock, ssl=tls, server_hostname=config.server
                    )
            except MailwicketError as error:
                door = Door(config.server, config.port, "HTTPS", TLS_PORT, USUAL, "", GREETING_S, way)
                raise await door.tls_failed(error) from error
            finding.detail = tell_tls(tls_of(transport))
            transport.abort()

    async def _token(self) -> None:
        config = self._config
        with self._probe.stage("token") as finding:
            bearer = self._net.bearer(str(config.oauth), "graph", config.username, config.proxy)
            try:
                ticket = read_ticket(await bearer.token())
            except BlockedError as error:
                raise self._stage_error(error) from error
            minutes = f"{bearer.left_s / 60:.0f} minutes left"
            if ticket is None:
                finding.detail = f"a token that only the server can read, {minutes}"
                return
            self._check(ticket)
            finding.detail = f"for {ticket.audience}, {ticket.who}, {minutes}"
            if ticket.is_of_application and ticket.opens_every_mailbox:
                finding.detail += (
                    f"; {ticket.permissions_shown} opens EVERY mailbox of the tenant, unless Exchange limits the "
                    "application (RBAC for Applications; docs/graph.md)"
                )

    def _check(self, ticket: Ticket) -> None:
        config = self._config
        if not ticket.is_for(config.server):
            scope = f"https://{config.server}/"
            raise StageError(
                f"the token is for {ticket.audience}, not for {config.server}",
                fix=f"mend scope in [oauth.{config.oauth}]: of this server's alone, {scope}Mail.ReadWrite or "
                f"{scope}.default",
            )
        if ticket.is_of_application and config.username == SIGNED_IN:
            raise StageError(
                "an application's own token has no mailbox of its own, and username is me",
                fix="set username to the mailbox's address",
            )
        needed = ticket.missing(config.username, changes=config.after != "leave")
        if needed:
            raise StageError(
                f"the sign-in of {ticket.who} lacks the permission {needed}",
                fix=f"add https://{config.server}/{needed} to scope in [oauth.{config.oauth}] (and offline_access), "
                f'then "mailwicket oauth login {config.oauth}"',
            )

    # --- what lies there --------------------------------------------------------------------------------------------

    async def _folder(self, graph: GraphMailbox) -> str:
        config = self._config
        with self._probe.stage("folder") as finding:
            try:
                found = await Folders(graph).open(config.folder)
            except BlockedError as error:
                raise await self._folder_error(graph, error, "folder") from error
            mails = found.get("totalItemCount")
            finding.detail = f"the mailbox opens; {found.get('displayName', config.folder)}: {mails} mails"
            if mails and config.start_from == "now":
                finding.detail += '; start_from = "now" leaves what lies there before the first run'
            return str(found["id"])

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
            except PermanentError as error:
                raise StageError(
                    str(error), fix="try again; if it lasts, the mail is one that Graph does not give"
                ) from error
            finding.detail = f"the last mail: the {len(header)} bytes of its header read"

    async def _folder_error(self, graph: GraphMailbox, error: BlockedError, key: str) -> StageError:
        if error.reason != "folder_unknown":
            return self._stage_error(error)
        try:
            there = ", ".join(await Folders(graph).names())
        except MailwicketError:
            there = ""
        return StageError(str(error), fix=f"mend {key}: {f'there are {there}' if there else 'or make it'}")

    def _stage_error(self, error: BlockedError) -> StageError:
        fix = FIXES.get(error.reason, "mend what it says")
        return StageError(str(error), fix=fix.format(oauth=self._config.oauth))


async def _header(value: Value) -> bytes:
    """Read no more than the header."""
    content = bytearray()
    async for piece in value.pieces:
        content += piece
        header = header_of(bytes(content))
        if len(header) < len(content) or len(content) > HEADER_BYTES:
            return header
    return header_of(bytes(content))
