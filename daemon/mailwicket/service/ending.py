"""What ends by itself one day, unless a person does something: secrets, certificates, sign-ins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

WARN: Final = {"secret": timedelta(days=30), "certificate": timedelta(days=30), "grant": timedelta(days=14)}
"""So long before people are told; a grant that is in use is renewed all the time, and never comes so near."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Something that ends by itself one day, unless a person does something."""

    name: str
    """NAME of `[oauth.NAME]`."""
    what: str
    """`secret`, `certificate` or `grant`."""
    ends_at: datetime
    life: timedelta | None = None
    """Of a sign-in whose end its provider has set: from when that was told until then."""

    @property
    def told_from(self) -> datetime:
        """When people are told: of a short life not before half of it."""
        span = WARN[self.what]
        return self.ends_at - (span if self.life is None else min(span, self.life / 2))

    def days_left(self, now: datetime) -> int:
        """Return whole days until then, negative afterwards."""
        return (self.ends_at - now) // timedelta(days=1)
