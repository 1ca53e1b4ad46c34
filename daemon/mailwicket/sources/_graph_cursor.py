"""Where the next look into a folder at Graph starts, and which mails lay there before. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal

from mailwicket.sources._digests import digest, packed, unpacked

OLD_MAX: Final = 20_000
"""Of so many mails that lay there the ids are kept: 220 KiB of text, written whenever mail came. Of more the date
decides, and what is moved in later and came before is left alone."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """What was looked at, of one folder."""

    mailbox: str
    folder: str
    """As it is configured."""
    folder_id: str
    link: str | None = None
    """The next page, or where the next round begins; None: all is looked at anew, and our journal knows the most."""
    since: str | None = None
    """What came up to this moment and lay there at the very first look is left alone; None: nothing is."""
    walking: bool = False
    """The very first round is under way: it shows what lay there."""
    by_date: bool = False
    """More lay there than OLD_MAX."""
    old: frozenset[bytes] = field(default_factory=frozenset)
    """Lay there at the first look. Kept for ever: no row of the journal remembers them."""

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Read what `write` wrote.

        Raises:
            ValueError: it is no such thing; it may be of another protocol.
        """
        try:
            known = json.loads(text)
            return cls(**{**known, "old": unpacked(known["old"])})
        except (TypeError, KeyError) as error:
            raise ValueError from error

    def write(self) -> str:
        """Write it down."""
        kept = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({**kept, "old": packed(self.old)}, separators=(",", ":"))

    def needs_time(self) -> bool:
        """Tell whether `wants` must know when a mail came."""
        return self.since is not None and (self.walking or self.by_date)

    def wants(self, message: str, received_at: datetime | None) -> bool:
        """Tell whether to take a mail. One without a usable date is: a mail too many is noticed, one too few is not."""
        if self.since is None:
            return True
        if self.walking or self.by_date:
            return received_at is None or received_at > datetime.fromisoformat(self.since)
        return digest(message) not in self.old

    def after(self, link: str, left_alone: Iterable[str], *, more: bool) -> Cursor:
        """Return the cursor behind a page that led to *link*; *left_alone* are the mails of it that are not wanted."""
        if not self.walking:
            return replace(self, link=link)
        old = self.old | frozenset(map(digest, left_alone))
        by_date = self.by_date or len(old) > OLD_MAX
        return replace(self, link=link, walking=more, by_date=by_date, old=frozenset() if by_date else old)

    def anew(self) -> Cursor:
        """Return where to begin once the server forgot up to where we had looked.

        Without any bound: what was moved in meanwhile is found, too, and what we know costs a look into our journal.
        """
        return replace(self, link=None)


def first_cursor(
    mailbox: str, folder: str, folder_id: str, start_from: Literal["now", "all"] | date, server_now: datetime
) -> Cursor:
    """Return where the first look ever starts; *server_now* is the server's clock, aware. It counts in seconds."""
    start = Cursor(mailbox, folder, folder_id)
    if start_from == "all":
        return start
    before = datetime.combine(start_from, time(), UTC) - timedelta(seconds=1) if start_from != "now" else server_now
    return replace(start, since=before.isoformat(), walking=True)


def next_cursor(text: str | None, first: Cursor) -> Cursor:
    """Return the cursor to go on from: the one in *text*, or *first* where that is of another folder.

    A mailbox has the same folder under another name of its own; and a folder that was made anew is the same to people.
    """
    try:
        known = Cursor.read(text) if text else None
    except ValueError:
        known = None
    if known is None:
        return first
    if known.folder_id == first.folder_id:
        return replace(known, mailbox=first.mailbox, folder=first.folder)
    if (known.mailbox, known.folder) == (first.mailbox, first.folder):
        return replace(known, folder_id=first.folder_id, link=None)
    return first
