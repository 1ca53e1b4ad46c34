"""Who is on a ticket: who asks, who gets copies, who follows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mailwicket.facts import TicketFacts
from mailwicket.mail.address import people
from mailwicket.model import Address, Flag, Mail
from mailwicket.rules.directory import Role
from mailwicket.rules.letter import Letter
from mailwicket.rules.own import canonical, is_plain
from mailwicket.rules.policy import Policy

ADDRESS_MAX_CHARS: Final = 254
NOBODY: Final = frozenset(
    {
        "noreply",
        "no-reply",
        "no_reply",
        "no.reply",
        "noreplies",
        "donot-reply",
        "bounce",
        "bounces",
        "do-not-reply",
        "donotreply",
        "do_not_reply",
        "mailer-daemon",
        "postmaster",
        "nobody",
    }
)
"""Local parts that no person reads (RFC 2142 5 for postmaster): never a CC, never a requester by Reply-To."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a mail is from."""

    author: Address
    """The From that counts: of mail that a list rewrote, the one whom it names."""
    person: Address
    """Who asks: the author, or the Reply-To where that is wanted and usable."""
    flags: Sequence[Flag]
    told: str
    is_rescued: bool = False
    """Whether a list wrote itself into From: what is proven of From is proven of the list."""


def sender_of(letter: Letter, policy: Policy) -> Sender | None:
    """Return who *letter* is from; None where From is our own address and no list wrote it there."""
    author = letter.mail.author
    if author is None:
        return None
    if author.address not in policy.own:
        return _asking(author, letter, policy, author.address)
    if (rescued := _rescued(letter, policy)) is None:
        return None
    told = f"{rescued.address}, whom a mailing list replaced by {author.address}"
    return replace(_asking(rescued, letter, policy, told), is_rescued=True)


def _asking(author: Address, letter: Letter, policy: Policy, told: str) -> Sender:
    """Return *author* with the one who asks: the first usable address of Reply-To, where that is wanted."""
    reply_to = letter.mail.reply_to
    if not reply_to:
        return Sender(author, author, (), told)
    is_same = any(canonical(one.address) == canonical(author.address) for one in reply_to)
    flags = () if is_same else (Flag.REPLY_TO_MISMATCH,)
    first = next((one for one in reply_to if _is_usable(one, author, letter, policy)), None)
    if first is None:
        return Sender(author, author, flags, f"{told}; no address of Reply-To is usable")
    if not policy.preferences.requester_from_reply_to:
        return Sender(author, author, flags, f"{told}; Reply-To {first.address} is not asked for")
    if canonical(first.address) == canonical(author.address):
        return Sender(author, author, flags, told)
    person = Address(first.name or author.name, first.address)
    return Sender(author, person, (Flag.REPLY_TO_MISMATCH,), f"{first.address} of Reply-To, from {told}")


def _rescued(letter: Letter, policy: Policy) -> Address | None:
    """Return the person whom a list replaced by our own address in From."""
    if not letter.is_from_a_list:
        return None
    for name in ("x-original-from", "x-original-sender"):
        for person in people(letter.header.get(name)):
            if person.address not in policy.own:
                return person
    return next((one for one in letter.mail.reply_to if one.address not in policy.own and not _is_nobody(one)), None)


def _is_usable(one: Address, author: Address, letter: Letter, policy: Policy) -> bool:
    """Tell whether Reply-To's *one* may be the requester: not ourselves, no robot, no list, no borrowed technician."""
    address = canonical(one.address)
    if one.address in policy.own or _is_nobody(one) or address.endswith("@unknown") or address.startswith("@"):
        return False
    if address == canonical(letter.header.get("list-post").strip("<> ").removeprefix("mailto:").partition("?")[0]):
        return False
    return not policy.directory.is_technician(address) or policy.directory.is_technician(author.address)


def _is_usable_cc(address: str) -> bool:
    """Tell whether mail can be sent to *address*, and to no other (RFC 5321 4.5.3.1.3)."""
    return is_plain(address) and len(address) <= ADDRESS_MAX_CHARS


def is_nobody(address: str) -> bool:
    """Tell whether no person reads what is written to *address*."""
    return canonical(address).partition("@")[0].partition("+")[0] in NOBODY


def _is_nobody(person: Address) -> bool:
    return is_nobody(person.address)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who else gets to know of a ticket."""

    cc: Sequence[Address]
    followers: Sequence[str]
    """Technicians, canonical."""
    left_out: Sequence[Address]
    """Those beyond `max_cc`."""


def audience(mail: Mail, policy: Policy, but: Iterable[str], ticket: TicketFacts | None = None) -> Audience:
    """Return the people whom *mail* adds by To and Cc (`cc_from`), without ourselves and *but*, each once, in order.

    Of a *ticket* that exists those who are on it count for `max_cc`, and whom a technician took off stays off.
    """
    preferences = policy.preferences
    seen = {canonical(address) for address in but if address}
    room = preferences.max_cc
    if ticket is not None:
        for address in {ticket.requester} | ticket.cc | ticket.followers | ticket.removed:
            seen |= {address} | policy.directory.find(address).addresses
        room = max(0, room - len(ticket.cc))
    named = [person for kind in ("to", "cc") if kind in preferences.cc_from for person in getattr(mail, kind)]
    cc: list[Address] = []
    left_out: list[Address] = []
    followers: list[str] = []
    for person in named:
        address = canonical(person.address)
        if address in seen or person.address in policy.own or _is_nobody(person) or not _is_usable_cc(address):
            continue
        known = policy.directory.find(address)
        seen |= {address} | known.addresses
        if known.role is Role.TECHNICIAN and preferences.technician_cc != "cc":
            if preferences.technician_cc == "follower" and known.active and known.address not in followers:
                followers.append(known.address)
        elif len(cc) < room:
            cc.append(person)
        else:
            left_out.append(person)
    return Audience(cc, followers, left_out)
