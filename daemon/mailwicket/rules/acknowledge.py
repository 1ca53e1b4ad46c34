"""How often the desk says "we have it" by itself: never so often that it is a weapon, or one half of a loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mailwicket.rules.own import canonical, domain_of

DAY: Final = timedelta(hours=24)
HOUR: Final = timedelta(hours=1)
MOMENT: Final = timedelta(minutes=5)

UNVERIFIED_A_DAY: Final = 1
VERIFIED_AN_HOUR: Final = 10
DOMAIN_AN_HOUR: Final = 100
ALL_AN_HOUR: Final = 1000
UNVERIFIED_A_MOMENT: Final = 100
"""So many of all within five minutes, and nobody hears of us whose address anybody may have written."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An acknowledgement that was sent."""

    at: datetime
    address: str
    """Canonical."""


def may_acknowledge(address: str, sent: Sequence[Acknowledged], now: datetime, *, verified: bool) -> bool:
    """Tell whether *address* may be told that a request of his arrived, after all that was *sent* within a day."""
    person = canonical(address)
    domain = domain_of(person)
    lately = [one for one in sent if one.at > now - HOUR]
    if len(lately) >= ALL_AN_HOUR or sum(domain_of(one.address) == domain for one in lately) >= DOMAIN_AN_HOUR:
        return False
    if verified:
        return sum(one.address == person for one in lately) < VERIFIED_AN_HOUR
    if sum(one.at > now - MOMENT for one in lately) >= UNVERIFIED_A_MOMENT:
        return False
    return sum(one.address == person and one.at > now - DAY for one in sent) < UNVERIFIED_A_DAY
