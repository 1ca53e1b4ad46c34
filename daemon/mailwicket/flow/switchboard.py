"""What all outgoing servers share: who works, who stands in for whom, and who is told that there is mail.

The breakers are kept in memory: a daemon that starts finds out anew within seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import anyio

from mailwicket.config.outgoing import Outgoing, OutgoingRule
from mailwicket.model import TicketNumber
from mailwicket.outgoing import ANY_SERVER
from mailwicket.rules.breaker import Breaker, Failure
from mailwicket.rules.identity import Answers, identity
from mailwicket.rules.route import Mailbox, Map, Question, Route, Server, route
from mailwicket.store.outbox import Claimed, SentAs

log = logging.getLogger(__name__)


class PlusAddress(Protocol):
    """Puts a ticket's token into an address (`mail.token.Keyring`)."""

    def __call__(self, address: str, ticket: TicketNumber, *, internal: bool = False) -> str:
        """Return *address* with the token of *ticket*; *internal*: what answers there is for technicians only."""
        ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """The configuration of what is sent."""

    servers: Mapping[str, Outgoing] = field(default_factory=dict)
    """All of them, in the order of conf.d, disabled ones too."""
    rules: Sequence[OutgoingRule] = ()
    mailboxes: Mapping[str, Mailbox] = field(default_factory=dict)
    primary_mailbox: str | None = None
    """The name of the incoming mailbox that answers go to where no other can have them."""
    allow_choosing: bool = False
    desks: Mapping[str, str] = field(default_factory=dict)
    """How the desk is called that sends by a server (NAME) which does not say so itself."""
    plus_address: PlusAddress | None = None
    """Puts a ticket's token into the address that answers go to; None: that is not wanted."""


class Switchboard:
    """Changed on the event loop alone; a decision may look at it from the writer's thread."""

    def __init__(self, exchange: Exchange, is_fetched: Callable[[str], bool] = lambda _name: True) -> None:
        """Begin with nothing known against any server; *is_fetched* tells whether a mailbox (NAME) is read now."""
        self._is_fetched = is_fetched
        self._breakers: dict[str, Breaker] = {}
        self._changed = anyio.Event()
        self._exchange = exchange
        self._map = Map({})
        self.adopt(exchange)

    # --- configuration

    @property
    def exchange(self) -> Exchange:
        """What is configured."""
        return self._exchange

    @property
    def map(self) -> Map:
        """What a route is chosen by: as it is now."""
        return self._map

    @property
    def servers(self) -> Mapping[str, bool]:
        """All of them by name, with whether they are enabled."""
        return {name: one.enabled for name, one in self._exchange.servers.items()}

    def adopt(self, exchange: Exchange) -> None:
        """Work by another configuration; a server that changed has a clean record."""
        before = self._exchange.servers
        self._breakers = {
            name: one for name, one in self._breakers.items() if before.get(name) == exchange.servers.get(name)
        }
        self._exchange = exchange
        self._redraw()

    def _redraw(self) -> None:
        exchange = self._exchange
        servers = {
            name: Server(name, one.email, one.enabled, one.primary, not self.breaker(name).is_open, one.allowed_groups)
            for name, one in exchange.servers.items()
        }
        self._map = Map(servers, tuple(exchange.rules), exchange.mailboxes, exchange.allow_choosing)
        self.wake()

    # --- health

    def breaker(self, name: str) -> Breaker:
        """Return what is known of the server *name*."""
        return self._breakers.get(name, Breaker())

    def covers(self, name: str) -> list[str]:
        """Return whose mail the server *name* takes now: its own and anybody's, unless it is broken.

        The primary takes that of broken ones, too.
        """
        if self.breaker(name).is_open:
            return []
        primary = self._map.primary
        if primary is None or primary.name != name:
            return [name, ANY_SERVER]
        broken = [other for other, one in self._map.servers.items() if one.enabled and not one.healthy]
        return [name, *broken, ANY_SERVER]

    def stand_in(self, name: str) -> str | None:
        """Return who takes the mail of the server *name* while that is broken; None: it waits."""
        primary = self._map.primary
        if primary is None or primary.name == name or not primary.healthy:
            return None
        return primary.name

    def took(self, name: str) -> None:
        """The server *name* did what was asked of it."""
        self._enter(name, self.breaker(name).took())

    def failed(self, name: str, now: datetime, failure: Failure, *, permanent: bool) -> Breaker:
        """The server *name* failed; return what is known of it now."""
        return self._enter(name, self.breaker(name).failed(now, failure, permanent=permanent))

    def probed(self, name: str, now: datetime) -> Breaker:
        """The server *name* let us in; return what is known of it now."""
        return self._enter(name, self.breaker(name).probed(now))

    def reset(self, name: str) -> None:
        """A person says that the server *name* works."""
        self._enter(name, Breaker())

    def _enter(self, name: str, after: Breaker) -> Breaker:
        before = self.breaker(name)
        if after == before:
            return after
        self._breakers = {**self._breakers, name: after}
        if after.is_open is before.is_open:
            return after
        self._redraw()
        if after.is_open:
            by = self.stand_in(name)
            meanwhile = f"mail goes by outgoing/{by}" if by else "mail waits"
            log.warning("outgoing/%s: does not work, %s: %s", name, meanwhile, after.why and after.why.said)
        else:
            log.info("outgoing/%s: works again, its mail goes by it", name)
        return after

    # --- waking

    def wake(self) -> None:
        """There may be mail for somebody, or somebody's mail became another's."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    @property
    def changed(self) -> anyio.Event:
        """Set at the next `wake`."""
        return self._changed

    # --- decisions

    def route(self, asked: Question) -> Route | None:
        """Return by which server a mail goes; None: nothing is sent."""
        return route(asked, self._map)

    def sent_as(self, mail: Claimed, name: str) -> SentAs:
        """Return as whom the server *name* sends *mail*; one that it may have already, as it was."""
        if mail.uncertain and mail.sent_as is not None:
            return mail.sent_as
        server = self._exchange.servers[name]
        stands_in = mail.meant not in {name, ANY_SERVER}
        desk, author = server.title or self._exchange.desks.get(name, ""), mail.words.get("author")
        told = identity(server, desk, author, stands_in=stands_in, answers=self._answers(mail))
        reply_to = told.reply_to
        if self._exchange.plus_address is not None and mail.ticket is not None:
            reply_to = self._exchange.plus_address(reply_to or told.address, mail.ticket, internal=mail.internal)
        automatic = not mail.words.get("human")
        reverse_path = "" if automatic and server.null_return_path else told.address
        return SentAs(told.address, told.name, reply_to, reverse_path)

    def _answers(self, mail: Claimed) -> Answers:
        boxes, name = self._exchange.mailboxes, mail.received_at
        home = boxes.get(name) if name is not None and self._is_fetched(name) else None
        first = boxes.get(self._exchange.primary_mailbox or "")
        return Answers(home.address if home else None, first.address if first else None)
