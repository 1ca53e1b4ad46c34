"""Which mails of a maildrop were looked at: POP3 has no marks and no lasting numbers, only unique ids (UIDL)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final, Literal

from mailwicket.model import Renumbered
from mailwicket.sources._digests import packed, unpacked

FOLDER: Final = "INBOX"
"""What the one folder of POP3 is called in the journal."""

CLOCK_ALLOWANCE: Final = timedelta(minutes=10)

MANY: Final = 5
"""So few ids may all be gone at once without that anybody gave new ones out."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """One maildrop's progress. Opaque text to everybody else."""

    maildrop: str
    """Whose these ids are: a server's and a user's name."""
    epoch: int = 0
    """How often all ids changed at once."""
    since: str | None = None
    """Mails received before are left alone where ids are judged by date: RFC 3339, a date or a time."""
    by_date: bool = False
    """What is new is judged by its date: not everything that lay there was looked at yet."""
    old: frozenset[bytes] = field(default_factory=frozenset)
    """Lay there at the first look and are left alone. Kept for ever: no row of the journal remembers them."""
    told: frozenset[bytes] = field(default_factory=frozenset)
    """Were told, and were there when something new was told last; the journal knows the others."""

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Read what `write` wrote.

        Raises:
            ValueError: it is another source's.
        """
        kept = json.loads(text)
        if not isinstance(kept, dict) or "maildrop" not in kept:
            raise ValueError("the cursor of another protocol")
        return cls(**{**kept, "old": unpacked(kept["old"]), "told": unpacked(kept["told"])})

    def write(self) -> str:
        """Write it down."""
        kept = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({**kept, "old": packed(self.old), "told": packed(self.told)}, separators=(",", ":"))

    @property
    def epoch_text(self) -> str:
        """As `MailRef.epoch`: nothing unless the ids changed."""
        return str(self.epoch) if self.epoch else ""

    def knows(self, one: bytes) -> bool:
        """Tell whether that digest was looked at."""
        return one in self.told or one in self.old

    def is_before(self, received_at: datetime | None) -> bool:
        """Tell whether a mail is left alone for its date. One without a usable date is not."""
        if not self.by_date or self.since is None or received_at is None:
            return False
        if "T" not in self.since:
            return received_at.date() < date.fromisoformat(self.since)
        return received_at < datetime.fromisoformat(self.since)

    def after_look(
        self, there: AbstractSet[bytes], taken: Sequence[bytes], left_alone: Iterable[bytes], *, more: bool
    ) -> Cursor:
        """Return the cursor after *taken* were told. Of *there* the journal need not be asked for what is gone."""
        left, by_date = frozenset(left_alone), self.by_date and more
        if not taken and not left and by_date == self.by_date:
            return self
        told = self.told & there | frozenset(taken) if taken else self.told
        return replace(self, told=told, old=self.old | left, by_date=by_date)


def first_cursor(
    maildrop: str, there: Iterable[bytes], start_from: Literal["now", "all"] | date, now: datetime
) -> Cursor:
    """Return where the first look ever starts; *now* is aware."""
    if start_from == "now":
        since = (now - CLOCK_ALLOWANCE).isoformat(timespec="seconds")
        return Cursor(maildrop, since=since, old=frozenset(there))
    if start_from == "all":
        return Cursor(maildrop)
    return Cursor(maildrop, since=start_from.isoformat(), by_date=True)


def changed(cursor: Cursor, maildrop: str, there: AbstractSet[bytes], *, we_delete: bool) -> bool:
    """Tell whether the ids are other ones than *cursor* speaks of: a server was moved, or the table names another.

    Taking that for true where it is not does no harm: mails with known bytes are left alone, and so are those that
    are older than the first look.
    """
    if not there or any(cursor.knows(one) for one in there):
        return False
    if cursor.maildrop != maildrop:
        return True
    known = cursor.old if we_delete else cursor.old | cursor.told
    return len(known) >= MANY and len(there) >= MANY


def renumbered(cursor: Cursor, maildrop: str) -> tuple[Cursor, Renumbered]:
    """Return where to start with the new ids: from the beginning, but without what was old at the first look."""
    anew = Cursor(maildrop, cursor.epoch + 1, cursor.since, by_date=cursor.since is not None)
    return anew, Renumbered(FOLDER, cursor.epoch_text, anew.epoch_text)
