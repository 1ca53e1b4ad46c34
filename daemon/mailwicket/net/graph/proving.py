"""The first stages of a test at Graph, of what comes in and of what goes out: the way there, and the token."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import anyio

from mailwicket.config.proxy import Via
from mailwicket.errors import BlockedError, StageError, TransientError
from mailwicket.model import Use
from mailwicket.net.approach import Approach, approach_stages
from mailwicket.net.door import Door, tell_tls
from mailwicket.net.graph.claims import Claims, claims_of
from mailwicket.net.graph.client import Deadlines, GraphMailbox
from mailwicket.net.graph.place import Place
from mailwicket.net.proxy import Way, way_of
from mailwicket.ports import Net, Probe

USUAL: Final = "443"
CONNECT_S: Final = 15
ANSWER_S: Final = 20
"""A person waits."""


class AtGraph(Protocol):
    """A table of conf.d whose mailbox is at Graph."""

    @property
    def server(self) -> str: ...  # noqa: D102
    @property
    def port(self) -> int: ...  # noqa: D102
    @property
    def security(self) -> str: ...  # noqa: D102
    @property
    def ca_file(self) -> Path | None: ...  # noqa: D102
    @property
    def username(self) -> str: ...  # noqa: D102
    @property
    def enabled(self) -> bool: ...  # noqa: D102
    @property
    def proxy(self) -> str | None: ...  # noqa: D102
    @property
    def via(self) -> Via | None: ...  # noqa: D102


def first_stages(config: AtGraph) -> Sequence[str]:
    """Return the stages that `Proving` takes."""
    channel = ("tls",) if config.security == "ssl" else ()
    return ("configuration", *approach_stages(proxied=config.proxy is not None), *channel, "token")


class Proving:
    """One run through the first stages."""

    def __init__(self, config: AtGraph, oauth: str, use: Use, net: Net, probe: Probe) -> None:
        """Test what *config* says, with a token of `[oauth.NAME]` for *use*."""
        self._config = config
        self._oauth = oauth
        self._bearer = net.bearer(oauth, use, config.username)
        self._net = net
        self._probe = probe

    @asynccontextmanager
    async def passed(self, deadlines: Deadlines) -> AsyncIterator[tuple[GraphMailbox, Claims]]:
        """Go through the stages; yield the mailbox, of which nothing was asked yet, and what the token says."""
        tls, way = await self._configuration()
        config = self._config
        sock = await Approach(config.server, config.port, CONNECT_S, USUAL, self._probe, way).run()
        try:
            await self._channel(sock, tls, way)
        finally:
            sock.close()
        claims = await self._token()
        place = Place.at(config.server, config.port, config.username, encrypted=config.security == "ssl")
        lane = self._net.lane(config.server, self._oauth, config.username)
        limits = replace(deadlines, answer_s=min(deadlines.answer_s, ANSWER_S))
        mailbox = GraphMailbox(place, self._oauth, self._bearer, lane, tls, way, limits)
        try:
            yield mailbox, claims
        finally:
            with anyio.CancelScope(shield=True):  # closes sockets, waits for nobody
                await mailbox.close()

    async def _configuration(self) -> tuple[ssl.SSLContext, Way | None]:
        config = self._config
        with self._probe.stage("configuration") as finding:
            try:
                tls = await self._net.trust(config.ca_file)
            except BlockedError as error:
                raise StageError(str(error), fix="mend ca_file: the path of certificates in PEM form") from error
            try:
                way = await way_of(config)
            except BlockedError as error:
                raise StageError(str(error), fix=f"mend [proxy.{config.proxy}]") from error
            trust = f", trust from the system and {config.ca_file}" if config.ca_file else ""
            by = "" if way is None else f", by {way}"
            finding.detail = f"mailbox {config.username}, token of oauth.{self._oauth}{trust}{by}"
            finding.detail += "" if config.enabled else "; the unit is not enabled"
        return tls, way

    async def _channel(self, sock: socket.socket, tls: ssl.SSLContext, way: Way | None) -> None:
        config = self._config
        if config.security != "ssl":
            return
        with self._probe.stage("tls") as finding:
            door = Door(config.server, config.port, "HTTP", 443, USUAL, "TLS", CONNECT_S, way)
            try:
                transport, _ = await asyncio.get_running_loop().create_connection(
                    asyncio.Protocol, sock=sock, ssl=tls, server_hostname=config.server, ssl_handshake_timeout=CONNECT_S
                )
            except OSError as error:
                words = f"{door.peer}: TLS fails: {error}"
                failure = TransientError(words, reason="unreachable")
                failure.__cause__ = error
                raise await door.tls_failed(failure) from error
            finding.detail = tell_tls(transport.get_extra_info("ssl_object"))
            transport.abort()

    async def _token(self) -> Claims:
        """Get a token, and read what it says: Graph itself does not name an audience that is wrong."""
        with self._probe.stage("token") as finding:
            claims = claims_of(await self._bearer.token())
            now = datetime.now(UTC)
            finding.detail = claims.told(now)
            if not claims.is_for(self._config.server):
                fix = f"scope in [oauth.{self._oauth}] must be of this server, or be left out"
                words = f"the token is {claims.told(now)}, and not for {self._config.server}"
                raise StageError(words, fix=fix)
            if claims.expires is not None and claims.expires <= now:
                raise StageError(
                    f"the token ended at {claims.expires:%Y-%m-%dT%H:%M:%SZ}", fix="set this machine's clock right"
                )
        return claims
