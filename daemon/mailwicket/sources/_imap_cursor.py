"""Where the next look into an IMAP folder starts, and which of the mails found count as new."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from mailwicket.model import Renumbered
from mailwicket.net.imap.tokens import MONTHS, UID_MAX

CLOCK_ALLOWANCE = timedelta(minutes=10)
"""How far the server's clock may be behind ours before a mail that came after the first look counts as older."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """One folder's progress. Opaque text to everybody else."""

    folder: str
    uidvalidity: int
    uidnext: int
    """The first UID not yet looked at."""
    since: str | None = None
    """Among mails that lay there already, those received before are left alone: RFC 3339, a date or a time."""
    old_below: int = 0
    """Mails with lower UIDs lay there already; whatever lies above arrived, even when its INTERNALDATE is old."""

    first: int = 1
    """No mail with a lower UID was ever looked at in these numbers."""

    fallen_to: int | None = None
    """The server went back to this UIDNEXT in the same numbers, as from a backup: which mails are new is not known."""

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Read what `write` wrote."""
        return cls(**json.loads(text))

    def write(self) -> str:
        """Write it down."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def at(self, uidnext: int) -> Cursor:
        """Return the cursor after every UID below *uidnext* was looked at."""
        return replace(self, uidnext=max(self.uidnext, uidnext))

    def wants(self, uid: int, received_at: datetime | None) -> bool:
        """Tell whether to take a mail. One without a usable date is: a mail too many is noticed, one too few is not."""
        if self.since is None or uid >= self.old_below or received_at is None:
            return True
        if "T" not in self.since:  # as SEARCH SINCE has it: the day as the server writes it (RFC 9051 6.4.4)
            return received_at.date() >= date.fromisoformat(self.since)
        return received_at >= datetime.fromisoformat(self.since)

    def search_key(self) -> str:
        """Return what to search for (RFC 9051 6.4.4) to find mails that `wants` says yes to, and no others.

        A SEARCH knows days, and by the server's zone: where `since` is a moment, mails of its day and the next that lay
        there already are left out.
        """
        if self.since is None or self.first >= self.old_below:
            return f"UID {self.first}:{UID_MAX}"
        day = date.fromisoformat(self.since[:10])
        if "T" in self.since:
            day += timedelta(days=2)  # the zones of the world are 26 hours apart
        return f"OR UID {self.old_below}:{UID_MAX} SINCE {day.day}-{MONTHS[day.month - 1]}-{day.year:04}"


def first_cursor(
    folder: str, uidvalidity: int, uidnext: int, start_from: Literal["now", "all"] | date, now: datetime
) -> Cursor:
    """Return where the first look ever starts; *uidnext* is the server's, *now* is ours and aware."""
    if start_from == "now":
        since = (now - CLOCK_ALLOWANCE).isoformat(timespec="seconds")
        return Cursor(folder, uidvalidity, uidnext, since, old_below=uidnext, first=uidnext)
    if start_from == "all":
        return Cursor(folder, uidvalidity, 1)
    return Cursor(folder, uidvalidity, 1, start_from.isoformat(), uidnext)


def renumbered_cursor(old: Cursor, uidvalidity: int, uidnext: int) -> tuple[Cursor, Renumbered]:
    """Return where to start in the new numbers: from the beginning, but without what was old at the first look."""
    told = Renumbered(old.folder, str(old.uidvalidity), str(uidvalidity))
    return replace(old, uidvalidity=uidvalidity, uidnext=1, old_below=uidnext, first=1, fallen_to=None), told
