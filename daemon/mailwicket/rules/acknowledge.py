"""How often the desk says "we have it" by itself: never so often that it is a weapon, or one half of a loop."""

from __future__ import annotations

from bisect import bisect_right
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
    """Tell whether *address* may be told that a request of his arrived, after all that was *sent*, the oldest first."""
    person = canonical(address)
    domain = f"@{domain_of(person)}"
    lately = sent[_first_after(sent, now - HOUR) :]
    if len(lately) >= ALL_AN_HOUR or sum(one.address.endswith(domain) for one in lately) >= DOMAIN_AN_HOUR:
        return False
    if verified:
        return sum(one.address == person for one in lately) < VERIFIED_AN_HOUR
    if len(lately) - _first_after(lately, now - MOMENT) >= UNVERIFIED_A_MOMENT:
        return False
    day = sent[_first_after(sent, now - DAY) :]
    return sum(one.address == person for one in day) < UNVERIFIED_A_DAY


def _first_after(sent: Sequence[Acknowledged], moment: datetime) -> int:
    return bisect_right(sent, moment, key=lambda one: one.at)
