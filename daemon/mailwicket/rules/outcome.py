"""What becomes of a mail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mailwicket.model import Address, Flag, Reason, Step, TicketNumber


@dataclass(frozen=True, slots=True)
class _Outcome:
    reason: Reason
    trace: Sequence[Step]
    flags: Sequence[Flag] = field(default=(), kw_only=True)
    hits: Sequence[str] = field(default=(), kw_only=True)
    """The entries of the mailbox's filter that it met, whether that had an effect or not."""


@dataclass(frozen=True, slots=True)
class Create(_Outcome):
    """A new ticket."""

    requester: Address
    author: Address
    """Of its first entry: who wrote it."""
    subject: str
    source: str
    """The mailbox that it is at home in."""
    group: str | None = None
    category: str | None = None
    company: str | None = None
    cc: Sequence[Address] = ()
    followers: Sequence[str] = ()
    text: str | None = None
    """The words of the first entry where they are not the mail's: of a forwarded mail."""
    note: str = ""
    """What a technician wrote above the mail that he forwarded: for technicians only, in his name."""
    note_author: Address | None = None
    linked_to: TicketNumber | None = None
    told: Sequence[str] = ()
    """What technicians should know, a line each."""
    acknowledge: bool = False
    """Whether its requester may be told that it arrived: a person wrote, and nobody who would answer by itself."""
    verified: bool = False
    """Whether the author is who he says."""


@dataclass(frozen=True, slots=True)
class Append(_Outcome):
    """A new entry of an existing ticket; *public* when the requester may see it."""

    ticket: TicketNumber
    public: bool
    author: Address | None = None
    reopen: bool = False
    cc: Sequence[Address] = ()
    followers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Ignore(_Outcome):
    """No effect on any ticket; *ticket* is where a first copy of the mail went."""

    ticket: TicketNumber | None = None


@dataclass(frozen=True, slots=True)
class Quarantine(_Outcome):
    """Kept for a person's decision."""

    author: Address | None = None
    """Who may be told that his mail was refused: a person who is proven to have written it."""


Outcome = Create | Append | Ignore | Quarantine


class Trace:
    """The steps of a decision so far."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def __call__(self, rule: str, answer: str) -> None:
        """Note what *rule* found."""
        self.steps.append(Step(rule, answer))
