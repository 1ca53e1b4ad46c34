"""What our store knows that the rules may look at: of tickets, of earlier mails, of a correspondent's lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from mailwicket.model import IntakeId, MessageId, Sha256, TicketNumber, TicketStatus


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """What the rules need to know of a ticket, whichever desk keeps it. Addresses are canonical (`rules.own`)."""

    number: TicketNumber
    status: TicketStatus
    requester: str = ""
    cc: frozenset[str] = frozenset()
    followers: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    """CCs that a technician took off: they come back by nobody's mail."""
    assignee: str | None = None
    group: str | None = None
    category: str | None = None
    company: str | None = None
    source: str | None = None
    """The mailbox (`incoming/NAME` without `incoming/`) that it is at home in."""
    closed_at: datetime | None = None
    """When it was closed last, aware; None where it never was."""
    merged_into: TicketNumber | None = None
    subject: str = ""
    root: MessageId | None = None
    """The id of the mail that opened it; None where none did, or it bore none."""

    @property
    def is_closed(self) -> bool:
        """Whether it is: the one state that a reply can be too late for."""
        return self.status is TicketStatus.CLOSED

    def involves(self, people: AbstractSet[str]) -> bool:
        """Tell whether one of *people* (canonical addresses) asked, or gets copies."""
        return self.requester in people or not people.isdisjoint(self.cc - self.removed)


@dataclass(frozen=True, slots=True)
class KnownMail:
    """An earlier mail that bears the same Message-ID, or no id and the same content."""

    intake_id: IntakeId
    content_digest: Sha256
    ticket: TicketNumber | None
    source: str = ""
    """The mailbox that it came by."""


@dataclass(frozen=True, slots=True)
class Lately:
    """How much one correspondent sent within the time that a budget looks at."""

    opened: int = 0
    """Tickets that his mail opened."""
    joined: int = 0
    """Entries that his mail added to the ticket that this one would join."""
    reopened: int = 0
    """How often anybody's mail opened that ticket again."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything from our store that `rules.decide` may look at for one mail."""

    borne: Mapping[MessageId, Sequence[TicketNumber]] = field(default_factory=dict)
    """Tickets that hold a mail with an id which this mail cites, the newest first."""
    awaited_by: Sequence[TicketNumber] = ()
    """Tickets whose mails cite this mail's own id: the answer came before the question. The newest first."""
    tickets: Mapping[TicketNumber, TicketFacts] = field(default_factory=dict)
    """Every ticket that is named above or by a proof or tag in the mail, and into which these were merged."""
    same_id: Sequence[KnownMail] = ()
    same_content: Sequence[KnownMail] = ()
    lately: Lately = Lately()
    dkim: bool | None = None
    """Whether a DKIM signature of the author's domain was verified by ourselves; None: not looked at."""
