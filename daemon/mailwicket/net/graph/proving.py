"""The first stages of a test at Graph, of what comes in and of what goes out: the way there, and the token."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio

from mailwicket.admission import Bearer
from mailwicket.config.graph import TLS_PORT
from mailwicket.errors import BlockedError, MailwicketError, StageError
from mailwicket.model import Use
from mailwicket.net.approach import Approach, approach_stages
from mailwicket.net.deadlines import impatient
from mailwicket.net.door import Door, tell_tls
from mailwicket.net.graph.access import Access, AtGraph
from mailwicket.net.graph.client import Deadlines, GraphMailbox
from mailwicket.net.graph.place import SIGNED_IN
from mailwicket.net.graph.ticket import Ticket, read_ticket
from mailwicket.net.line import tls_of, trouble
from mailwicket.net.proxy import Way, way_of
from mailwicket.ports import Net
from mailwicket.stages import Probe

USUAL: Final = f"{TLS_PORT} is usual"
CONNECT_S: Final = 15.0
GREETING_S: Final = 5.0

FIXES: Final[Mapping[str, str]] = {
    "needs_sign_in": '"mailwicket oauth login {oauth}"',
    "needs_admin": '"mailwicket oauth admin-consent {oauth}", and have an administrator follow the link',
    "oauth_settings": "mend [oauth.{oauth}], as it says",
    "mailbox_refused": 'look at the permissions ("mailwicket oauth status"), at the right to this mailbox in Exchange, '
    "and at the scope of the application's role there",
    "mailbox_unknown": "mend username: the sign-in name (UPN) of a mailbox with a licence",
    "sender_refused": "have the right Send As given to the mailbox in Exchange, or set email to its own address",
    "secret_missing": "mend client_secret, certificate or key in [oauth.{oauth}]: it cannot be had from there",
    "mailbox_full": "make room in the mailbox, or have its quota raised",
    "certificate": "mend ca_file: the path of certificates in PEM form",
}
"""By reason code."""


def first_stages(config: AtGraph) -> Sequence[str]:
    """Return the stages that `admitted` takes, in order."""
    channel = () if config.security == "none" else ("tls",)
    return ("configuration", *approach_stages(proxied=config.proxy is not None), *channel, "token")


def stage_error(config: AtGraph, error: BlockedError) -> StageError:
    """Return *error* with what a person does about it."""
    fix = error.fix or FIXES.get(error.reason, "mend what it says").format(oauth=config.oauth)
    return StageError(str(error), fix=fix)


@asynccontextmanager
async def admitted(
    config: AtGraph, net: Net, use: Use, deadlines: Deadlines, probe: Probe
) -> AsyncIterator[tuple[GraphMailbox, Ticket | None]]:
    """Take the first stages; give the mailbox, of which nothing is asked yet, and what its token says of itself.

    Raises:
        StageError: it leads nowhere.
    """
    access, proving = Access(config, net, use), _Proving(config, net, probe)
    await proving.approach()
    ticket = await proving.token(access.bearer)
    mailbox = await access.mailbox(impatient(deadlines))
    try:
        yield mailbox, ticket
    finally:
        with anyio.CancelScope(shield=True):  # closes sockets, waits for nobody
            await mailbox.close()


class _Proving:
    """One run through the first stages."""

    def __init__(self, config: AtGraph, net: Net, probe: Probe) -> None:
        self._config = config
        self._net = net
        self._probe = probe

    async def approach(self) -> None:
        """Take the stages up to TLS; the requests behind make connections of their own.

        Raises:
            StageError: the way is not open.
        """
        way = await self._configuration()
        config = self._config
        sock = await Approach(config.server, config.port, CONNECT_S, USUAL, self._probe, way).run()
        await self._tls(sock, way)

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

    async def token(self, bearer: Bearer) -> Ticket | None:
        """Take the stage of the token; return what it says of itself, None where only the server can read it.

        Raises:
            StageError: there is none, or it is for somebody else.
        """
        config = self._config
        with self._probe.stage("token") as finding:
            try:
                ticket = read_ticket(await bearer.token())
            except BlockedError as error:
                raise stage_error(config, error) from error
            minutes = f"{bearer.left_s / 60:.0f} minutes left"
            if ticket is None:
                finding.detail = f"a token that only the server can read, {minutes}"
                return None
            self._check(ticket)
            audience = ticket.audience or "whom it does not say"
            finding.detail = f"for {audience}, {ticket.who}, {ticket.permissions_shown}, {minutes}"
            if ticket.is_of_application and ticket.opens_every_mailbox:
                finding.detail += (
                    f"; {ticket.permissions_shown} is good for EVERY mailbox of the tenant, unless Exchange limits the "
                    "application (RBAC for Applications; docs/graph.md)"
                )
            return ticket

    def _check(self, ticket: Ticket) -> None:
        config = self._config
        if ticket.audience and not ticket.is_for(config.server):
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
