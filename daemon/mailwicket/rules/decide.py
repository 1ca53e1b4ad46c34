"""What becomes of one mail. Pure: the same mail and facts always give the same answer, with the trace of every step."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from mailwicket.model import Facts, Flag, KnownMail, Mail, Reason, Step, TicketFacts, TicketNumber


@dataclass(frozen=True, slots=True)
class Policy:
    """What a mailbox's configuration says about its mail."""

    own_addresses: AbstractSet[str] = frozenset()
    """Every address at which the desk itself receives or sends, case-folded."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    reason: Reason
    trace: Sequence[Step]
    flags: Sequence[Flag] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True)
class Create(_Outcome):
    """A new ticket."""


@dataclass(frozen=True, slots=True)
class Append(_Outcome):
    """An entry of an existing ticket; *public* when the requester may see it."""

    ticket: TicketNumber
    public: bool


@dataclass(frozen=True, slots=True)
class Ignore(_Outcome):
    """No effect on any ticket; *ticket* is where a first copy of the mail went."""

    ticket: TicketNumber | None = None


@dataclass(frozen=True, slots=True)
class Quarantine(_Outcome):
    """Kept for a person's decision."""


Outcome = Create | Append | Ignore | Quarantine


class _Trace:
    """The steps so far."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def __call__(self, rule: str, answer: str) -> None:
        self.steps.append(Step(rule, answer))


def decide(mail: Mail, facts: Facts, policy: Policy, *, headers_only: bool = False) -> Outcome:
    """Return what becomes of *mail*.

    *headers_only*: the mail was over `max_mail_bytes`, its body was not fetched. The order of the rules
    is their priority: a copy is never anything but a copy, a report never opens a ticket, a loop is cut
    before a thread is looked for.
    """
    trace = _Trace()
    if (copy := _first_copy(mail, facts, trace)) is not None:
        return Ignore(Reason.DUPLICATE, trace.steps, ticket=copy.ticket)
    flags = _flags(mail, facts, trace, headers_only=headers_only)
    if mail.bounce is not None:
        return _bounce(mail, facts, trace, flags)
    if mail.author is None:
        trace("author", "none that can be answered")
        return Quarantine(Reason.NO_SENDER, trace.steps, flags=flags)
    if mail.author.address.casefold() in policy.own_addresses:
        trace("author", f"{mail.author.address} is our own address")
        return Ignore(Reason.LOOP_OWN_ADDRESS, trace.steps, flags=flags)
    trace("author", mail.author.address)
    ticket, late = _thread(mail, facts, trace)
    if mail.automatic is not None:
        trace("automatic", mail.automatic.reason)
        if ticket is None:
            return Ignore(Reason.AUTO_IGNORED, trace.steps, flags=flags)
        return Append(Reason.AUTO_REPLY_ATTACHED, trace.steps, ticket.number, public=False, flags=flags)
    trace("automatic", "no")
    if ticket is not None:
        reason = Reason.JOINED_LATE if late else Reason.REPLY_PUBLIC
        return Append(reason, trace.steps, ticket.number, public=True, flags=flags)
    return Create(Reason.TOO_LARGE_TRUNCATED if headers_only else Reason.CREATED, trace.steps, flags=flags)


def _first_copy(mail: Mail, facts: Facts, trace: _Trace) -> KnownMail | None:
    """Two copies of one mail: same Message-ID and same content; without an id the content decides."""
    if mail.message_id is None:
        trace(
            "duplicate", "no Message-ID; " + ("the same content came before" if facts.same_content else "new content")
        )
        return facts.same_content
    for known in facts.same_id:
        if known.content_digest == mail.content_digest:
            trace("duplicate", f"the same Message-ID and content came before, intake {known.intake_id}")
            return known
    trace("duplicate", "Message-ID seen with other content" if facts.same_id else "new Message-ID")
    return None


def _flags(mail: Mail, facts: Facts, trace: _Trace, *, headers_only: bool) -> Sequence[Flag]:
    flags: list[Flag] = []
    if facts.same_id:
        flags.append(Flag.SAME_ID_OTHER_CONTENT)
    if headers_only or "text_cut" in mail.damage:
        flags.append(Flag.TRUNCATED)
        trace("size", "over max_mail_bytes: headers only" if headers_only else "the text was cut")
    return tuple(flags)


def _bounce(mail: Mail, facts: Facts, trace: _Trace, flags: Sequence[Flag]) -> Outcome:
    """RFC 3464: a report belongs to the ticket whose mail it is about, or to nobody."""
    ticket, _ = _thread(mail, facts, trace)
    if ticket is None:
        trace("bounce", "of a mail that no ticket holds")
        return Quarantine(Reason.BACKSCATTER, trace.steps, flags=flags)
    trace("bounce", f"about a mail of ticket {ticket.number}")
    return Append(Reason.BOUNCE_ATTACHED, trace.steps, ticket.number, public=False, flags=flags)


def _thread(mail: Mail, facts: Facts, trace: _Trace) -> tuple[TicketFacts | None, bool]:
    """Find the ticket that *mail* answers; True when the answers came before it.

    Source: RFC 5322 3.6.4. In-Reply-To names the parent; References lists the ancestors, the newest last.
    """
    returned = (
        () if mail.bounce is None or mail.bounce.original_message_id is None else (mail.bounce.original_message_id,)
    )
    for message_id in (*returned, *mail.in_reply_to, *reversed(mail.references)):
        if (ticket := facts.cited.get(message_id)) is not None:
            trace("thread", f"cites {message_id} of ticket {ticket.number}")
            return ticket, False
    if facts.awaited_by is not None:
        trace("thread", f"cited by mails of ticket {facts.awaited_by.number}")
        return facts.awaited_by, True
    trace("thread", "cites no mail of a ticket" if mail.in_reply_to or mail.references else "cites nothing")
    return None, False
