"""The nouns of mail that the desk sends: what it says, who sends it, what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from mailwicket.model import Address, MessageId, Sha256, TicketNumber


class Event(StrEnum):
    """Why a mail is sent: a public contract, `[notification.EVENT]` (docs/states.md)."""

    CREATED = "created"
    REQUESTER_REPLIED = "requester_replied"
    TECHNICIAN_REPLIED = "technician_replied"
    COLLABORATION_ADDED = "collaboration_added"
    ASSIGNED = "assigned"
    REOPENED = "reopened"
    ADDED_TO_CLOSED = "added_to_closed"
    DELIVERY_FAILED = "delivery_failed"
    CLOSED = "closed"
    CC_ADDED = "cc_added"
    MAIL_REFUSED = "mail_refused"
    ANNOUNCEMENT = "announcement"
    ALERT = "alert"
    """To `alert_to`, by any server that works: nobody's preference, so that there is no `[notification.alert]`."""


ANY_SERVER: Final = "*"
"""In the place of a server's name: whichever works."""


class Audience(StrEnum):
    """For whom a copy of a notification is."""

    REQUESTER = "requester"
    CC = "cc"
    ASSIGNEE = "assignee"
    FOLLOWERS = "followers"
    GROUP = "group"


class Answer(StrEnum):
    """What an answer to a mail of ours does: each mail says so."""

    TICKET = "ticket"
    """It goes to the technicians, by a ticket that is open."""
    REOPENS = "reopens"
    """It opens the closed ticket again, within the days of grace."""
    STAYS_CLOSED = "stays_closed"
    """It goes to the technicians; the ticket stays closed."""
    NEW_REQUEST = "new_request"
    PUBLIC = "public"
    """A technician's: the requester gets it."""
    INTERNAL = "internal"
    """A technician's: for technicians only."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Notice:
    """One mail that is to be written: what about, for whom, and what its answer does."""

    event: Event
    audience: Audience
    to: tuple[str, ...]
    """Canonical addresses, one at least."""
    cc: tuple[str, ...] = ()
    internal: bool = False
    """It tells what is for technicians only: so is what answers it (`Token.internal`)."""
    automatic: bool = True
    """A machine writes it: all but a technician's reply."""
    answer: Answer = Answer.TICKET
    fixed: bool = False
    """Nothing of the mail that it answers may stand in it, names and subject neither: nobody vouches for its sender."""
    forwarded: bool = False
    """For the technician whose forward opened the ticket: he is told for whom."""

    @property
    def acknowledges(self) -> bool:
        """Whether it says to those who wrote that it arrived, so that the caps of `rules.acknowledge` hold for it."""
        return self.event is Event.CREATED and self.audience in {Audience.REQUESTER, Audience.CC}


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that goes along."""

    filename: str
    content_type: str
    content: bytes
    sha256: Sha256
    content_id: str | None = None
    """Set for a picture that stands in the HTML as `cid:`."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says, whichever server sends it: fixed when it is queued, id and date with it."""

    event: Event
    ticket: TicketNumber | None
    message_id: MessageId
    date: datetime
    to: Sequence[Address]
    cc: Sequence[Address]
    subject: str
    text: str
    html: str | None
    """Trusted: made by our templates, strangers' words in it escaped or sanitised."""
    in_reply_to: MessageId | None = None
    references: Sequence[MessageId] = ()
    automatic: bool = True
    """A machine wrote it (RFC 3834 5): never set on a person's reply."""
    enclosures: Sequence[Enclosure] = ()
    loop_mark: str = ""
    """Value of X-Mailwicket-Loop (`mail.token`)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom a server sends."""

    address: str
    name: str | None = None
    reply_to: str | None = None
    """None where it is the same as the address."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """RFC 5321 2.3.1."""

    reverse_path: str
    """`""` is the null path."""
    forward_paths: Sequence[str]


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """What the server said of one forward-path."""

    code: int
    """RFC 5321 4.2: 2xx taken, 4xx later, 5xx never."""
    text: str
    """Its own words, one line."""
    enhanced: str | None = None
    """RFC 3463, such as `5.1.1`."""

    @property
    def is_taken(self) -> bool:
        """Whether the server took the responsibility."""
        return 200 <= self.code < 300

    @property
    def is_permanent(self) -> bool:
        """Whether trying again is of no use."""
        return self.code >= 500
