"""What a mail does to the ticket that it belongs to: who may say what to whom, and when a closed one opens again."""

from __future__ import annotations

from collections.abc import Sequence

from mailwicket.config.pattern import compiled
from mailwicket.facts import TicketFacts
from mailwicket.model import Address, Flag, Reason, TicketStatus
from mailwicket.rules.case import SHORT_CHARS, SHORT_WORDS, Case
from mailwicket.rules.directory import Role
from mailwicket.rules.outcome import Append, Outcome, Quarantine
from mailwicket.rules.people import audience
from mailwicket.rules.thread import Evidence, Match

JOINED_MAX = 100
"""Entries that one correspondent may add to a ticket within the budget's time: beyond it machines talk."""
REOPENED_MAX = 5
"""How often mail may open one ticket again within the budget's time."""


def reply(case: Case, match: Match) -> Outcome | None:
    """Return what *case* does to the ticket of *match*; None where a new ticket is to be opened instead."""
    ticket, trace = match.ticket, case.trace
    if ticket.status is TicketStatus.DELETED:
        trace("status", f"ticket {ticket.number} was deleted")
        return None
    if ticket.status is TicketStatus.SPAM:
        trace("status", f"ticket {ticket.number} is marked as spam")
        return Quarantine(Reason.TICKET_IS_SPAM, trace.steps, flags=tuple(case.flags))
    if case.mail.automatic is not None:
        return _append(case, match, Reason.AUTO_REPLY_ATTACHED, public=False)
    if case.facts.lately.joined >= JOINED_MAX:
        trace("loop", f"{case.facts.lately.joined} entries of {case.sender.author.address} in an hour")
        return Quarantine(Reason.LOOP_RATE, trace.steps, flags=tuple(case.flags))
    if case.is_technician and not case.is_requester(ticket):
        return _technician(case, match)
    if case.takes_part(ticket):
        return _participant(case, match)
    if case.author.role is Role.GUEST and not case.policy.preferences.allow_guests:
        trace("guests", f"not allowed: {case.author.address} is neither in the directory nor on the ticket")
        return Quarantine(Reason.GUEST_NOT_ALLOWED, trace.steps, flags=tuple(case.flags))
    if match.evidence is Evidence.LATE:
        trace("role", "wrote what the ticket's mails answer")
        return _append(case, match, Reason.JOINED_LATE, public=True)
    trace("role", "nobody of this ticket")
    case.flag(Flag.STRANGER)
    return _append(case, match, Reason.COLLABORATION_STRANGER, public=False)


def tagged(case: Case, tickets: list[TicketFacts]) -> Match | None:
    """Return the ticket that the number in the subject names, if the sender may go by that alone."""
    for ticket in tickets:
        told = f"the subject names ticket {ticket.number}"
        if case.is_technician and not case.is_requester(ticket):
            if case.has_pass:
                return Match(ticket, Evidence.TAG, told)
        elif case.is_author_of(ticket) and not case.verdict.failed:
            return Match(ticket, Evidence.TAG, told)
        case.trace("thread", f"{told}, which proves nothing of {case.sender.author.address}")
    return None


def _technician(case: Case, match: Match) -> Outcome:
    """Rows 3, 4 and 7 of the reply matrix: public only with proof, and never in answer to an internal note."""
    ticket, trace = match.ticket, case.trace
    proven = case.has_pass and match.signed and len(case.letter.authors) <= 1
    if case.policy.preferences.technician_proof == "none":
        proven = True
    if not proven:
        case.flag(Flag.UNVERIFIED)
        trace("role", "technician without proof" if not case.has_pass else "technician, cites none of our mail")
        return _append(case, match, Reason.COLLABORATION, public=False)
    if match.internal:
        trace("role", "technician, answers what was for technicians only")
        return _append(case, match, Reason.COLLABORATION, public=False)
    if ticket.assignee in case.author.addresses | {case.author.address}:
        trace("role", "the assigned technician")
        return _append(case, match, Reason.REPLY_PUBLIC, public=True)
    mode = case.policy.preferences.reply_from_other_technician
    trace("role", f"technician, the ticket is {ticket.assignee or 'nobody'}'s: {mode}")
    public = mode == "reply"
    return _append(case, match, Reason.REPLY_PUBLIC if public else Reason.COLLABORATION, public=public)


def _participant(case: Case, match: Match) -> Outcome | None:
    ticket, trace = match.ticket, case.trace
    is_requester = case.is_requester(ticket)
    by_reply_to = not case.is_author_of(ticket)
    trace("role", ("requester" if is_requester else "CC") + (", by Reply-To" if by_reply_to else ""))
    if by_reply_to and case.verdict.looked:
        case.flag(Flag.UNVERIFIED)  # what is proven is proven of somebody else
    if not ticket.is_closed:
        plain = Reason.REPLY_PUBLIC if is_requester else Reason.REPLY_CC
        reason = Reason.JOINED_LATE if match.evidence is Evidence.LATE else plain
        return _append(case, match, reason, public=True)
    preference = case.policy.preferences.reply_to_closed
    if preference.action == "add":
        trace("closed", "replies are added")
        return _append(case, match, Reason.ADDED_CLOSED, public=True)
    if preference.action == "new" or not case.is_in_time(ticket.closed_at):
        days = preference.grace_days
        trace("closed", "replies open new tickets" if preference.action == "new" else f"more than {days} days ago")
        return None
    if not case.may_change(match):
        trace("closed", "in time, but nothing proves who wrote: added, it stays closed")
        return _append(case, match, Reason.ADDED_CLOSED, public=True)
    if (pattern := _says_thanks(case)) is not None:
        trace("closed", f"short, and no_reopen_patterns: {pattern}")
        return _append(case, match, Reason.ADDED_CLOSED, public=True)
    if case.facts.lately.reopened >= REOPENED_MAX:
        trace("closed", f"in time, but opened again {case.facts.lately.reopened} times within an hour")
        return _append(case, match, Reason.ADDED_CLOSED, public=True)
    trace("closed", f"in time: within {preference.grace_days} days")
    return _append(case, match, Reason.REOPENED, public=True, reopen=True)


def _says_thanks(case: Case) -> str | None:
    patterns = case.policy.preferences.no_reopen_patterns
    if not patterns or len(words := case.new_words) > SHORT_CHARS or len(words.split()) > SHORT_WORDS:
        return None
    return next((pattern for pattern in patterns if compiled(pattern).search(words)), None)


def _append(case: Case, match: Match, reason: Reason, *, public: bool, reopen: bool = False) -> Append:
    cc: Sequence[Address] = ()
    followers: Sequence[str] = ()
    by_colleague = case.is_technician and case.has_pass and case.mail.automatic is None
    may_add = public or by_colleague  # a note copies nobody, but colleagues may follow
    if may_add and case.policy.preferences.cc_from_replies == "participants" and case.may_change(match):
        added = audience(case.mail, case.policy, case.addresses, match.ticket)
        cc, followers = added.cc if public else (), added.followers
        if added.left_out and public:
            case.flag(Flag.TOO_MANY_CC)
        if cc or followers:
            case.trace("cc", "adds " + ", ".join([*(one.address for one in cc), *followers]))
    return Append(
        reason,
        case.trace.steps,
        match.ticket.number,
        public=public,
        author=case.sender.author,
        reopen=reopen,
        cc=cc,
        followers=followers,
        flags=tuple(case.flags),
    )
