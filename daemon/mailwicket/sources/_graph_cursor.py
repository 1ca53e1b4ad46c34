"""Where the next look into a folder at Graph starts, and which mails lay there before. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal

MARGIN: Final = timedelta(minutes=5)
"""Servers that stamp mail are apart by so much at most. What came within it before the first look is told apart by
id, the rest by time."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """What was looked at, of one folder."""

    mailbox: str
    folder: str
    """As it is configured."""
    folder_id: str
    link: str | None = None
    """The next page, or where the next round begins; None: everything is looked at anew, and our ledger tells twice."""
    since: str | None = None
    """What came before this moment is left alone; None: nothing is."""
    until: str | None = None
    """In the first round of `start_from = "now"`: what came up to this moment lay there."""
    old: tuple[str, ...] = ()
    """The mails that lay there at the very first look and came after `since`."""

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Read what `write` wrote.

        Raises:
            ValueError: it is no such thing; it may be of another protocol.
        """
        try:
            known = json.loads(text)
            return cls(**{**known, "old": tuple(known["old"])})
        except (TypeError, KeyError) as error:
            raise ValueError from error

    def write(self) -> str:
        """Write it down."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}, separators=(",", ":"))

    def needs_time(self) -> bool:
        """Tell whether `wants` must know when a mail came."""
        return self.since is not None

    def wants(self, message: str, received_at: datetime | None) -> bool:
        """Tell whether to take a mail. One without a usable date is: a mail too many is noticed, one too few is not."""
        if self.since is None or received_at is None:
            return message not in self.old
        if received_at < datetime.fromisoformat(self.since) or message in self.old:
            return False
        return self.until is None or received_at > datetime.fromisoformat(self.until)

    def after(self, link: str, lay_there: Collection[str], *, more: bool) -> Cursor:
        """Return the cursor behind a page that led to *link*; *lay_there* are mails of it that `is_old` names."""
        old = tuple(dict.fromkeys([*self.old, *lay_there]))
        return replace(self, link=link, old=old, until=self.until if more else None)

    def is_old(self, received_at: datetime | None) -> bool:
        """Tell whether a mail that is not wanted must be remembered by its id, beyond the first round."""
        if self.since is None or self.until is None or received_at is None:
            return False
        return datetime.fromisoformat(self.since) <= received_at <= datetime.fromisoformat(self.until)

    def anew(self) -> Cursor:
        """Return where to begin once the server forgot up to where we had looked.

        Without bounds but `since`: what was moved in meanwhile is found, too, and what we know costs a look into our
        ledger.
        """
        return replace(self, link=None)


def first_cursor(
    mailbox: str, folder: str, folder_id: str, start_from: Literal["now", "all"] | date, server_now: datetime
) -> Cursor:
    """Return where the first look ever starts; *server_now* is the server's clock, to the second, and aware."""
    start = Cursor(mailbox, folder, folder_id)
    if start_from == "all":
        return start
    if start_from == "now":
        return replace(start, since=(server_now - MARGIN).isoformat(), until=server_now.isoformat())
    return replace(start, since=datetime.combine(start_from, time(), UTC).isoformat())


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
