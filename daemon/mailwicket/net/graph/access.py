"""From a table of conf.d to its mailbox at Graph: the same for what comes in and for what goes out."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from mailwicket.admission import Bearer, Lane
from mailwicket.config.proxy import Via
from mailwicket.errors import BlockedError
from mailwicket.model import Use
from mailwicket.net.graph.client import Deadlines, GraphMailbox
from mailwicket.net.graph.place import SIGNED_IN, Place
from mailwicket.net.proxy import way_of
from mailwicket.ports import Net


class AtGraph(Protocol):
    """A table whose mailbox is at Graph."""

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
    def oauth(self) -> str | None: ...  # noqa: D102
    @property
    def enabled(self) -> bool: ...  # noqa: D102
    @property
    def proxy(self) -> str | None: ...  # noqa: D102
    @property
    def via(self) -> Via | None: ...  # noqa: D102


class Access:
    """The way of one unit to its mailbox; kept as long as the unit, as a pause of the server outlasts a connection."""

    def __init__(self, config: AtGraph, net: Net, use: Use) -> None:
        """Lead to the mailbox of *config*, with tokens for *use*. Does nothing yet."""
        self._config = config
        self._net = net
        self._use: Use = use
        self._lane: Lane | None = None
        self._bearer: Bearer | None = None

    @property
    def bearer(self) -> Bearer:
        """Who brings its tokens.

        Raises:
            BlockedError: no application is named.
        """
        config = self._config
        if config.oauth is None:
            raise BlockedError(f"{config.server}: no oauth is configured", reason="oauth_settings")
        if self._bearer is None:
            self._bearer = self._net.bearer(config.oauth, self._use, config.username, config.proxy)
        return self._bearer

    async def mailbox(self, deadlines: Deadlines) -> GraphMailbox:
        """Return the mailbox, of which nothing is asked yet; whoever called closes it.

        Raises:
            BlockedError: trust or proxy cannot be had.
        """
        config, bearer = self._config, self.bearer
        place = Place.at(config.server, config.port, config.username, encrypted=config.security != "none")
        oauth = str(config.oauth)
        if self._lane is None:
            whose = f"{SIGNED_IN} of {oauth}" if config.username == SIGNED_IN else config.username
            self._lane = self._net.lane(place.base, oauth, whose)
        tls, way = await self._net.trust(config.ca_file), await way_of(config)
        return GraphMailbox(place, oauth, bearer, self._lane, tls, way, deadlines)
