"""What becomes of one mail. Pure: the same mail and facts always give the same answer, with the trace of every step."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from mailwicket.facts import Facts, KnownMail, TicketFacts
from mailwicket.mail.forwarded import forwarded
from mailwicket.mail.separator import title
from mailwicket.model import Flag, Mail, Reason
from mailwicket.rules.case import Arrival, Case
from mailwicket.rules.letter import Letter
from mailwicket.rules.opening import Asked, asked_by, filtered, is_allowed, may_be_told, opening
from mailwicket.rules.outcome import Append, Create, Ignore, Outcome, Quarantine, Trace
from mailwicket.rules.own import canonical
from mailwicket.rules.people import sender_of
from mailwicket.rules.policy import Home, Policy
from mailwicket.rules.reply import reply, tagged
from mailwicket.rules.thread import Candidates, Evidence, Match, candidates, match, proof_of
from mailwicket.rules.thread import tagged as tagged_tickets
from mailwicket.rules.trust import Standing, verdict

__all__ = ["Append", "Arrival", "Create", "Ignore", "Outcome", "Policy", "Quarantine", "decide", "home_of"]


CUTS: Final = {
    "text_cut": "the text was cut",
    "too_many_parts": "more or deeper parts than are read: the mail itself is attached",
    "header_cut": "a longer header than is read: the mail itself is attached",
}
"""What of a mail was left out, by `Mail.damage`."""


REFUSALS: Final = frozenset(
    {Reason.GUEST_NOT_ALLOWED, Reason.EMAIL_TO_TICKET_OFF, Reason.SENDER_BLOCKED, Reason.FILTER_NOT_ALLOWED}
)
"""Why a mail is not accepted that a person may have meant well. What an `ignore` filter has is for nobody's eyes."""


def decide(mail: Mail, facts: Facts, policy: Policy, arrival: Arrival, found: Candidates | None = None) -> Outcome:
    """Return what becomes of *mail*; *found* is what `thread.candidates` said, where that was asked before.

    The order of the rules is their priority: a copy is never anything but a copy, a report never opens a ticket, a
    loop is cut before a thread is looked for.
    """
    letter, trace = Letter(mail), Trace()
    home = home_of(mail, policy, arrival.source)
    found = found or candidates(mail, policy)
    if (copy := _first_copy(mail, facts, policy, home, trace)) is not None:
        return Ignore(Reason.DUPLICATE, trace.steps, ticket=copy.ticket)
    flags = _flags(mail, facts, arrival, trace)
    if mail.bounce is not None:
        return _bounce(facts, found, home, trace, flags)
    if mail.author is None:
        trace("author", "none that can be answered")
        return Quarantine(Reason.NO_SENDER, trace.steps, flags=flags)
    if proof_of(letter, policy) is not None or (letter.loop_mark and policy.keys.is_loop_mark(letter.loop_mark)):
        trace("loop", "a mail of our own came back")
        return Ignore(Reason.LOOP_OWN_MESSAGE, trace.steps, flags=flags)
    if (sender := sender_of(letter, policy)) is None:
        trace("author", f"{mail.author.address} is our own address")
        return Ignore(Reason.LOOP_OWN_ADDRESS, trace.steps, flags=flags)
    trace("author", sender.told)
    received = policy.homes.get(arrival.source, home)
    standing = verdict(letter, facts, received, policy.preferences, is_rescued=sender.is_rescued)
    trace("authentication", standing.told)
    case = Case(letter, facts, policy, arrival, home, found, standing, sender, trace, [*flags, *sender.flags])
    outcome = _judged(case)
    if isinstance(outcome, Quarantine) and outcome.reason in REFUSALS and _is_proven(case):
        outcome = replace(outcome, author=sender.author)
    return replace(outcome, hits=tuple(case.hits)) if case.hits else outcome


def _is_proven(case: Case) -> bool:
    """Tell whether a person wrote the mail, and whoever it says."""
    author = case.sender.author
    return case.verdict.passed and canonical(author.address) in case.own_addresses and may_be_told(case, author)


def home_of(mail: Mail, policy: Policy, source: str) -> Home:
    """Return the mailbox that *mail* is addressed to: the first own address in To, then in Cc, else where it came.

    So that a mail to two of our addresses ends alike, whichever mailbox is looked at first. With
    `cross_mailbox = "per_mailbox"` each mailbox has its own.
    """
    if policy.preferences.cross_mailbox == "one":
        for person in (*mail.to, *mail.cc):
            name = policy.own.source(person.address)
            if name is not None and name in policy.homes:
                return policy.homes[name]
    return policy.homes.get(source) or Home(source)


def _judged(case: Case) -> Outcome:
    trace, policy, standing = case.trace, case.policy, case.verdict
    if standing.standing is Standing.REJECT and policy.preferences.auth_policy == "quarantine":
        return Quarantine(Reason.AUTH_FAILED, trace.steps, flags=tuple(case.flags))
    lacks_proof = case.is_technician and not case.has_pass
    if (standing.looked and not standing.passed) or lacks_proof or len(case.letter.authors) > 1:
        case.flag(Flag.UNVERIFIED)
    for person in (case.author, case.person):
        if not person.active:
            trace("sender", f"{person.address} is not active")
            return Quarantine(Reason.SENDER_BLOCKED, trace.steps, flags=tuple(case.flags))
    thread = _thread(case)
    if _is_forward_of_a_technician(case, thread):
        trace("thread", "a technician's forward opens a ticket of its own")
        thread = None
    trace("automatic", "no" if case.mail.automatic is None else case.mail.automatic.reason)
    previous: TicketFacts | None = None
    if thread is not None:
        scope = None if case.home.filter is None else case.home.filter.scope
        if scope == "all" and (outcome := filtered(case, case.sender.person)) is not None:
            return outcome
        if (outcome := reply(case, thread)) is not None:
            return outcome
        previous = thread.ticket if thread.ticket.is_closed else None
    if case.mail.automatic is not None and not is_allowed(case):
        return Ignore(Reason.AUTO_IGNORED, trace.steps, flags=tuple(case.flags))
    return _opened(case, previous)


def _opened(case: Case, previous: TicketFacts | None) -> Outcome:
    asked = Asked(case.sender.person, Reason.CREATED_FOLLOWUP) if previous is not None else asked_by(case)
    is_reply = previous is not None and case.home.filter is not None and case.home.filter.scope == "new"
    if not is_reply and (outcome := filtered(case, asked.requester)) is not None:
        return outcome
    return opening(case, asked, previous)


def _thread(case: Case) -> Match | None:
    thread = match(case.found, case.facts, case.home.source, case.addresses)
    if thread is None and case.found.tags:
        thread = tagged(case, list(tagged_tickets(case.found, case.facts)))
    if thread is not None:
        if thread.evidence is Evidence.LATE and not (case.takes_part(thread.ticket) or _is_first_mail(case, thread)):
            case.trace("thread", f"{thread.told}, but its author is nobody of it")
            return None
        case.trace("thread", thread.told)
    else:
        case.trace("thread", "cites no mail of a ticket" if case.found.ids else "cites nothing")
    return thread


def _is_first_mail(case: Case, thread: Match) -> bool:
    """Whether a late mail is the question that the ticket's mails answer: its author need not be known there yet."""
    return thread.evidence is Evidence.LATE and not case.mail.in_reply_to and not case.mail.references


def _is_forward_of_a_technician(case: Case, thread: Match | None) -> bool:
    """Whether a technician passes a mail on; an answer to a ticket with another mail attached is an answer."""
    mail = case.mail
    if not case.is_technician or mail.automatic is not None or not case.forwards:
        return False
    if thread is None or not mail.enclosed or title(mail.subject).is_forward:
        return True
    return forwarded(mail.subject, mail.text) is not None


def _first_copy(mail: Mail, facts: Facts, policy: Policy, home: Home, trace: Trace) -> KnownMail | None:
    """Two copies of one mail: same Message-ID and same content; without an id the content decides.

    With `cross_mailbox = "per_mailbox"` the copy in another mailbox is another mail.
    """
    alone = policy.preferences.cross_mailbox == "per_mailbox"
    if mail.message_id is None:
        known = [one for one in facts.same_content if not alone or one.source == home.source]
        trace("duplicate", "no Message-ID; " + ("the same content came before" if known else "new content"))
        return known[0] if known else None
    for one in facts.same_id:
        if one.content_digest == mail.content_digest and (not alone or one.source == home.source):
            trace("duplicate", f"the same Message-ID and content came before, intake {one.intake_id}")
            return one
    trace("duplicate", "Message-ID seen with other content" if facts.same_id else "new Message-ID")
    return None


def _flags(mail: Mail, facts: Facts, arrival: Arrival, trace: Trace) -> list[Flag]:
    flags: list[Flag] = []
    if any(one.content_digest != mail.content_digest for one in facts.same_id):
        flags.append(Flag.SAME_ID_OTHER_CONTENT)
    cut = [told for word, told in CUTS.items() if word in mail.damage]
    if arrival.headers_only or cut:
        flags.append(Flag.TRUNCATED)
        trace("size", "over max_mail_bytes: headers only" if arrival.headers_only else "; ".join(cut))
    return flags


def _bounce(facts: Facts, found: Candidates, home: Home, trace: Trace, flags: list[Flag]) -> Outcome:
    """RFC 3464: a report belongs to the ticket whose mail it is about; to none, where that was about none either."""
    thread = match(found, facts, home.source)
    if thread is None or thread.evidence is Evidence.LATE:
        if any(token.row and not token.ticket for _, token in found.signed):
            trace("bounce", "about a mail of ours that is of no ticket: the outbox knows")
            return Ignore(Reason.AUTO_IGNORED, trace.steps, flags=tuple(flags))
        trace("bounce", "of a mail that no ticket holds")
        return Quarantine(Reason.BACKSCATTER, trace.steps, flags=tuple(flags))
    trace("bounce", f"about a mail of ticket {thread.ticket.number}")
    return Append(Reason.BOUNCE_ATTACHED, trace.steps, thread.ticket.number, public=False, flags=tuple(flags))
