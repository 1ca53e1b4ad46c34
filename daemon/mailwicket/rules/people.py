"""Who is on a ticket. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from mailwicket.model import Address, Mail

CC_MAX = 48  # addresses a ticket; beyond it a mailing would become a ticket's audience


def cc_of(mail: Mail, own_addresses: AbstractSet[str]) -> Sequence[Address]:
    """Return the CCs that *mail* sets: its Cc without ourselves and the author, each once, in order."""
    seen = set(own_addresses)
    if mail.author is not None:
        seen.add(mail.author.address.casefold())
    found: list[Address] = []
    for person in mail.cc:
        key = person.address.casefold()
        if key not in seen and len(found) < CC_MAX:
            seen.add(key)
            found.append(person)
    return found
