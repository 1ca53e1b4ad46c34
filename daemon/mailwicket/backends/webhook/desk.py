"""The desk that is told by webhook: each call is one signed POST."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, Final

import anyio
import anyio.to_thread
from aiohttp.abc import AbstractResolver
from pydantic import BaseModel
from yarl import URL

from mailwicket.backends.webhook import wire
from mailwicket.backends.webhook.answer import ticket_of
from mailwicket.backends.webhook.channel import Channel
from mailwicket.backends.webhook.config import WebhookConfig
from mailwicket.errors import BlockedError, MailwicketError
from mailwicket.model import EntryDraft, IntakeKey, TicketChange, TicketDraft, TicketRef
from mailwicket.net.resolver import Resolver
from mailwicket.ports import Net

LONG_CHARACTERS: Final = 64 * 1024
"""From so much text on a request is written in a thread."""


class WebhookDesk:
    """Tickets are kept by whoever listens at `url`."""

    Config: ClassVar[type[BaseModel]] = WebhookConfig

    def __init__(
        self,
        name: str,
        config: WebhookConfig,
        net: Net,
        *,
        now: Callable[[], float] = time.time,
        lookup: Callable[[], AbstractResolver] = Resolver,
    ) -> None:
        """Take the backend's *name*, its *config* and the machine; *lookup* resolves names. Does nothing yet."""
        self.name = name
        self._config = config
        self._net = net
        self._now = now
        self._lookup = lookup
        self._opening = anyio.Lock()
        self._open: tuple[Channel, bytes] | None = None
        self._stale = False

    async def find(self, key: IntakeKey) -> TicketRef | None:
        """Tell whether the effect *key* happened already, and on which ticket."""
        return await self._ask(wire.find(key), may_be_none=True)

    async def create(self, draft: TicketDraft, key: IntakeKey) -> TicketRef:
        """Open a ticket. The same *key* again returns the same ticket and changes nothing."""
        ticket = await self._ask(wire.create(draft, key), long=_is_long(draft.entry))
        assert ticket is not None  # noqa: S101 - only a question may be answered by none
        return ticket

    async def append(self, ticket: TicketRef, entry: EntryDraft, key: IntakeKey) -> None:
        """Add *entry* to *ticket*. The same *key* again changes nothing."""
        await self._ask(wire.append(ticket, entry, key), long=_is_long(entry))

    async def change(self, ticket: TicketRef, change: TicketChange, key: IntakeKey) -> None:
        """Change state, people or links. The same *key* again changes nothing."""
        await self._ask(wire.change(ticket, change, key))

    # --- as SetsPace

    @property
    def at_once(self) -> int:
        """As `connections` says."""
        return self._config.connections

    @property
    def rate_per_minute(self) -> int | None:
        """As `rate_per_minute` says."""
        return self._config.rate_per_minute

    # --- as HoldsConnections

    async def close(self) -> None:
        """End every connection; the next call reads the secret anew."""
        opened, self._open, self._stale = self._open, None, False
        if opened is not None:
            await opened[0].close()

    # --- asking

    async def _ask(self, body: wire.Body, *, may_be_none: bool = False, long: bool = False) -> TicketRef | None:
        try:
            channel, secret = await self._channel()
            answer = await channel.post(*await self._write(body, secret, long=long))
            try:
                return ticket_of(answer, self._config.peer, may_be_none=may_be_none)
            except MailwicketError as error:
                error.args = (str(error).replace(secret.decode(), "***"),)  # it knows our secret, and may tell
                raise
        except BlockedError:
            self._stale = True  # the next call comes after a human acted
            raise

    async def _write(self, body: wire.Body, secret: bytes, *, long: bool) -> tuple[bytes, dict[str, str]]:
        def write() -> tuple[bytes, dict[str, str]]:
            content = wire.encode(body)
            return content, wire.headers(body, content, secret, int(self._now()))

        return await anyio.to_thread.run_sync(write) if long else write()

    async def _channel(self) -> tuple[Channel, bytes]:
        """Return the open channel and the secret, both made at the first call and after each refusal.

        Raises:
            BlockedError: no secret, or no trust.
        """
        async with self._opening:
            if self._stale:
                await self.close()
            if self._open is None:
                config, url = self._config, URL(self._config.url)
                secret = (await anyio.to_thread.run_sync(config.secret.reveal)).encode()
                tls = await self._net.trust(config.ca_file) if url.scheme == "https" else None
                channel = Channel(
                    url,
                    config.peer,
                    guard=config.guard,
                    lookup=self._lookup(),
                    tls=tls,
                    timeout_s=config.timeout_s,
                    connections=config.connections,
                )
                self._open = channel, secret
            return self._open


def _is_long(entry: EntryDraft) -> bool:
    return len(entry.text) + len(entry.html or "") > LONG_CHARACTERS
