"""How much each correspondent sent lately: what stops two machines that answer each other, all headers stripped."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Final

from mailwicket.model import Lately, Mail, TicketNumber
from mailwicket.rules.own import canonical

HOUR_S: Final = 3600
COUNTED_MAX: Final = 50_000

Counted = tuple[str, TicketNumber | None, int]
"""An address, the ticket that its mails join (None: those that opened tickets), and the hour."""


class Budget:
    """Counts by the hour in which our mail server received the mails: a backlog is no storm.

    In memory: a restart begins anew, which costs at most one budget more.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[Counted, int] = OrderedDict()

    def lately(self, mail: Mail, ticket: TicketNumber | None, received_at: datetime) -> Lately:
        """Return how much the author of *mail* sent within its hour; *ticket* is what it would join."""
        if mail.author is None or not self._counts:
            return Lately()
        address, hour = canonical(mail.author.address), _hour(received_at)
        joined = 0 if ticket is None else self._counts.get((address, ticket, hour), 0)
        return Lately(self._counts.get((address, None, hour), 0), joined)

    def note(self, mail: Mail, ticket: TicketNumber, received_at: datetime, *, opened: bool) -> None:
        """A mail went to *ticket*."""
        if mail.author is None:
            return
        key = canonical(mail.author.address), None if opened else ticket, _hour(received_at)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._counts.move_to_end(key)
        if len(self._counts) > COUNTED_MAX:
            self._counts.popitem(last=False)


def _hour(moment: datetime) -> int:
    return int(moment.timestamp()) // HOUR_S
