"""How much each correspondent sent lately, and how often each entry of a filter was met.

The first is what stops two machines that answer each other, all headers stripped.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from mailwicket.facts import Lately
from mailwicket.model import Mail, TicketNumber
from mailwicket.rules.own import canonical

HOUR_S: Final = 3600
COUNTED_MAX: Final = 50_000
ANYBODY: Final = ""
"""In the place of an address: how often a ticket was opened again."""

Hit = tuple[str, str]
"""A mailbox and an entry of its filter."""
Counted = tuple[str, TicketNumber | None, int]
"""An address, the ticket that its mails join (None: those that opened tickets), and the hour."""


class Budget:
    """Counts by the hour in which our mail server received the mails: a backlog is no storm.

    In memory: a restart begins anew, which costs at most one budget more.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[Counted, int] = OrderedDict()
        self._hits: Counter[Hit] = Counter()

    def lately(self, mail: Mail, ticket: TicketNumber | None, received_at: datetime) -> Lately:
        """Return how much the author of *mail* sent within its hour; *ticket* is what it would join."""
        if mail.author is None or not self._counts:
            return Lately()
        address, hour = canonical(mail.author.address), _hour(received_at)
        joined = reopened = 0
        if ticket is not None:
            joined = self._counts.get((address, ticket, hour), 0)
            reopened = self._counts.get((ANYBODY, ticket, hour), 0)
        return Lately(self._counts.get((address, None, hour), 0), joined, reopened)

    def note(self, mail: Mail, ticket: TicketNumber, received_at: datetime, *, opened: bool) -> None:
        """A mail went to *ticket*."""
        if mail.author is None:
            return
        self._count((canonical(mail.author.address), None if opened else ticket, _hour(received_at)))

    def note_reopened(self, ticket: TicketNumber, received_at: datetime) -> None:
        """A mail opened *ticket* again."""
        self._count((ANYBODY, ticket, _hour(received_at)))

    def _count(self, key: Counted) -> None:
        self._counts[key] = self._counts.get(key, 0) + 1
        self._counts.move_to_end(key)
        if len(self._counts) > COUNTED_MAX:
            self._counts.popitem(last=False)

    def note_hits(self, source: str, entries: Sequence[str]) -> None:
        """A mail that came by *source* met *entries* of the filter that counts for it (`rules.outcome`)."""
        for entry in entries:
            if (source, entry) in self._hits or len(self._hits) < COUNTED_MAX:
                self._hits[source, entry] += 1

    def hits(self) -> Mapping[Hit, int]:
        """Return how many mails met each entry of a filter since the start, those that `mode = "log"` let through too.

        `no entry` counts the mails that met none. An entry reads as `domains: *.example.org`.
        """
        return dict(self._hits)


def _hour(moment: datetime) -> int:
    return int(moment.timestamp()) // HOUR_S
