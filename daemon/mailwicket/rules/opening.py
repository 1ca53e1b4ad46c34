"""What a mail that belongs to no ticket opens: for whom, in which mailbox's name, and whether at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mailwicket.config.filter import Filter
from mailwicket.facts import TicketFacts
from mailwicket.model import Address, Flag, Reason
from mailwicket.rules.case import Case
from mailwicket.rules.directory import Person, Role
from mailwicket.rules.filters import counts, hit_by_sender, hit_by_word, may_hit
from mailwicket.rules.outcome import Create, Outcome, Quarantine
from mailwicket.rules.own import canonical
from mailwicket.rules.people import NOBODY, audience

NO_SUBJECT: Final = "(no subject)"
NO_ENTRY: Final = "no entry"
"""What is counted where none of a filter's entries hits."""
OPENED_MAX: Final = 2000
"""Tickets that one correspondent may open within the budget's time: beyond it a machine repeats itself."""


@dataclass(frozen=True, slots=True)
class Asked:
    """For whom a ticket is opened."""

    requester: Address
    reason: Reason
    text: str | None = None
    note: str = ""
    subject: str | None = None


def asked_by(case: Case) -> Asked:
    """Return for whom the mail asks: a technician who forwards asks for the one who wrote what he forwards."""
    own = Asked(case.sender.person, Reason.TOO_LARGE_TRUNCATED if case.arrival.headers_only else Reason.CREATED)
    preference = case.policy.preferences.forwarded_by_technician_uses_original_sender
    if not (preference and case.is_technician and case.forwards):
        return own
    if not case.has_pass or len(case.letter.authors) > 1:
        case.trace("forward", "of a technician without proof: he stays the requester")
        return own
    notes: list[str] = []
    for inner in case.forwards:
        notes += [inner.own_words] if inner.own_words else []
        author = inner.author
        if author is None and inner.author_name:
            known = case.policy.directory.by_name(inner.author_name)
            author = None if known is None else Address(known.name, known.address)
        if author is None:  # whoever stands further in did not write this one
            case.trace("forward", "names nobody that can be read: he stays the requester")
            return Asked(own.requester, Reason.FORWARD_UNPARSED)
        if author.address not in case.policy.own and not case.policy.directory.is_technician(author.address):
            case.trace("forward", f"of {author.address}'s mail by a technician with proof")
            return Asked(author, Reason.CREATED_FORWARD, inner.text, "\n\n".join(notes), inner.subject)
    case.trace("forward", "of technicians' and our own mail only: he stays the requester")
    return own


def filtered(case: Case, requester: Address) -> Outcome | None:
    """Return the quarantine of a mail that the mailbox's filter does not let through."""
    rules = case.home.filter
    if rules is None:
        return None
    if not counts(rules, case.arrival.now):
        case.trace("filter", f"in force until {rules.until}")
        return None
    found = _hit(case, rules, requester)
    case.hits[found or NO_ENTRY] = None
    if (found is None) is (rules.type == "ignore"):
        case.trace("filter", "passes: " + (found or "no entry hits"))
        return None
    reason = Reason.FILTER_IGNORED if rules.type == "ignore" else Reason.FILTER_NOT_ALLOWED
    if rules.mode == "log":
        case.trace("filter", f"would be {reason} ({found or 'no entry hits'}), but is only logged")
        return None
    case.trace("filter", f"{reason}: {found or 'no entry hits'}")
    return Quarantine(reason, case.trace.steps, flags=tuple(case.flags))


def is_allowed(case: Case) -> bool:
    """Tell whether an allow filter lets the sender pass: such mail may open a ticket although a machine wrote it."""
    rules = case.home.filter
    if rules is None or rules.type != "allow" or rules.mode == "log" or not counts(rules, case.arrival.now):
        return False
    return _hit(case, rules, case.sender.person) is not None


def _hit(case: Case, rules: Filter, requester: Address) -> str | None:
    mail = case.mail
    found = hit_by_sender(rules, dict.fromkeys([case.sender.author.address, requester.address]))
    if found is not None or not rules.keywords:
        return found
    if not case.is_technician:  # to tell what is quoted costs more than to see that the words stand nowhere
        everything = [mail.subject, mail.text, *(text for one in mail.enclosed for text in (one.subject, one.text))]
        if not may_hit(rules, everything):
            return None
    inner = [text for one in case.forwards for text in (one.subject or "", one.text)]
    return hit_by_word(rules, [mail.subject, case.searched, *inner])


def opening(case: Case, asked: Asked, previous: TicketFacts | None) -> Outcome:
    """Return the ticket that the mail opens, or why it does not; *previous* is the ticket that it follows up."""
    preferences, trace = case.policy.preferences, case.trace
    person = case.policy.directory.find(asked.requester.address)
    if (refused := _refused(case, person, asked, previous)) is not None:
        return refused
    but = {*case.addresses, canonical(asked.requester.address), *person.addresses}
    if previous is not None:
        but |= previous.removed  # nobody is carried over, least of all who was taken off
    people = audience(case.mail, case.policy, but)
    if people.left_out:
        case.flag(Flag.TOO_MANY_CC)
        trace("cc", f"{len(people.left_out)} beyond max_cc = {preferences.max_cc}")
    home = case.home
    if previous is not None:
        trace("create", f"follows ticket {previous.number}")
    return Create(
        Reason.CREATED_FOLLOWUP if previous is not None else asked.reason,
        trace.steps,
        requester=asked.requester,
        author=asked.requester if asked.reason is Reason.CREATED_FORWARD else case.sender.author,
        subject=_subject(case, asked) or NO_SUBJECT,
        source=previous.source or home.source if previous is not None else home.source,
        group=previous.group if previous is not None else home.group,
        category=previous.category if previous is not None else home.category,
        company=_company(case, person),
        cc=people.cc,
        followers=people.followers,
        text=asked.text,
        note=asked.note,
        note_author=case.sender.author if asked.note else None,
        linked_to=None if previous is None else previous.number,
        told=_told(case),
        acknowledge=may_be_told(case, asked.requester),
        verified=case.verdict.passed and canonical(asked.requester.address) in case.own_addresses,
        flags=tuple(case.flags),
    )


def _refused(case: Case, person: Person, asked: Asked, previous: TicketFacts | None) -> Outcome | None:
    preferences, trace = case.policy.preferences, case.trace
    if not person.active:
        trace("sender", f"{person.address} is not active")
        return Quarantine(Reason.SENDER_BLOCKED, trace.steps, flags=tuple(case.flags))
    if preferences.email_to_ticket == "off":
        trace("email to ticket", "off: mail opens no tickets")
        return Quarantine(Reason.EMAIL_TO_TICKET_OFF, trace.steps, flags=tuple(case.flags))
    if person.role is Role.GUEST and not preferences.allow_guests:
        if previous is not None:
            trace("guests", "not allowed, but on the ticket that this follows")
        elif asked.reason is Reason.CREATED_FORWARD:
            trace("guests", "not allowed, but a technician vouches")
        else:
            trace("guests", f"not allowed: {person.address} is not in the directory")
            return Quarantine(Reason.GUEST_NOT_ALLOWED, trace.steps, flags=tuple(case.flags))
    if case.facts.lately.opened >= OPENED_MAX:
        trace("loop", f"{case.facts.lately.opened} tickets of {case.sender.author.address} in an hour")
        return Quarantine(Reason.LOOP_RATE, trace.steps, flags=tuple(case.flags))
    return None


def _subject(case: Case, asked: Asked) -> str:
    tag, mail = case.policy.tag, case.mail
    if asked.subject:
        return tag.strip(asked.subject)
    certain, bare = tag.strip(mail.subject, is_answer=False), tag.strip(mail.subject)
    if certain == bare or not (mail.in_reply_to or mail.references or case.found.tags or case.forwards):
        return certain
    return bare


def _company(case: Case, person: Person) -> str | None:
    """Return the mailbox's company, else the requester's: only where the desk serves several (`[msp]`)."""
    if not case.policy.msp:
        return None
    theirs = case.policy.directory.company_of(person.address)
    ours = case.home.company
    if ours is None:
        return theirs
    if theirs is not None and theirs != ours:
        case.flag(Flag.COMPANY_MISMATCH)
        case.trace("company", f"the mailbox's, {ours}; the requester is of {theirs}")
    return ours


def _told(case: Case) -> list[str]:
    """Tell of the other mailboxes that the mail was addressed to, where they share one ticket."""
    if case.policy.preferences.cross_mailbox != "one":
        return []
    others: dict[str, str] = {}
    for person in (*case.mail.to, *case.mail.cc):
        name = case.policy.own.source(person.address)
        if name is not None and name != case.home.source:
            group = case.policy.homes[name].group if name in case.policy.homes else None
            others.setdefault(name, f"also addressed to {canonical(person.address)}" + (f" ({group})" if group else ""))
    return list(others.values())


def may_be_told(case: Case, requester: Address) -> bool:
    """Whether the requester may be told that his mail arrived: never a machine, a list, nobody (RFC 3834 2)."""
    local = canonical(requester.address).partition("@")[0].partition("+")[0]
    return case.mail.automatic is None and not case.letter.is_from_a_list and local not in NOBODY
