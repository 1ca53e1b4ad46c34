"""What one person writes to many: who they are, and a mail of its own for each, in the caller's transaction.

An announcement and whom it is for are rows; then mails are put into the outbox, some at a time (`proceed`), each in the
transaction that notes whose it is. Whatever dies and when, everybody has one row of the outbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailwicket.errors import ConflictError
from mailwicket.flow.posting import Moment, Post, Posting
from mailwicket.mail.fields import is_address
from mailwicket.mail.markdown import SOURCE_MAX_CHARS, written
from mailwicket.mail.wording import Context, Passage
from mailwicket.model import Address
from mailwicket.outgoing import Audience, Event
from mailwicket.ports import Transaction
from mailwicket.rules.addressees import ALLOWED, UNWRITABLE, Addressee, Addressees
from mailwicket.rules.directory import Role
from mailwicket.rules.notify import Happened
from mailwicket.store import announcements, outlist
from mailwicket.store.announcements import AnnouncementId, Recipient, Words

SUBJECT_MAX_CHARS = 500


@dataclass(frozen=True, slots=True)
class Announcement:
    """What somebody wants to tell many."""

    to: Sequence[str]
    """For whom (`rules.addressees`): `requesters`, `group:NAME`, an address ..., each also several between commas."""
    subject: str
    text: str
    """Markdown."""
    by: str = ""
    """The address of who writes: a technician, or an admin whom the directory does not know; `""`: nobody is named.

    He gets none himself.
    """


class Announcing:
    """Announcements inside one transaction, by one configuration."""

    def __init__(self, tx: Transaction, posting: Posting, now: datetime) -> None:
        """Queue mails by *posting*; after the transaction is over, `Posting.wake` has them sent."""
        self._tx = tx
        self._posting = posting
        self._now = now

    def addressees(self, asked: Announcement) -> Sequence[Addressee]:
        """Return whom *asked* is for, and who of them gets nothing and why. Writes nothing; looks at all tickets.

        Raises:
            UnknownError: it names nobody that there could be.
            ConflictError: it cannot be sent as it is.
        """
        policy = self._posting.policy
        if not asked.subject.strip() or len(asked.subject) > SUBJECT_MAX_CHARS:
            raise ConflictError(f"an announcement wants a subject, of at most {SUBJECT_MAX_CHARS} characters")
        if not asked.text.strip() or len(asked.text) > SOURCE_MAX_CHARS:
            raise ConflictError(f"an announcement wants a text, of at most {SOURCE_MAX_CHARS} characters")
        if asked.by and not is_address(asked.by):
            raise ConflictError("by is the address of who writes")
        author = policy.directory.find(asked.by)
        if author.role is Role.REQUESTER:
            raise ConflictError(f"{asked.by} is a requester, no technician")
        if not author.active:
            raise ConflictError(f"{asked.by} is not active")
        if not self._posting.tells(Event.ANNOUNCEMENT):
            raise ConflictError("nothing is sent: no outgoing server is enabled, or notification.announcement is not")
        found = self._addressees(asked.by).of(asked.to)
        if not found:
            raise ConflictError(f"an announcement to nobody; allowed are {ALLOWED}")
        return found

    def announce(
        self, asked: Announcement, people: Sequence[Addressee] | None = None, *, actor: str = ""
    ) -> AnnouncementId:
        """Note that *asked* goes to *people* (None: to whom `addressees` says), as *actor* asks; `proceed` writes.

        Raises:
            UnknownError, ConflictError: as `addressees`; and where everybody is left out.
        """
        people = self.addressees(asked) if people is None else people
        if all(one.left_out for one in people):
            raise ConflictError(f"nobody would get it: {_told(people)}")
        words = Words(" ".join(asked.subject.split()), asked.text, asked.by)
        to = [one.strip() for one in asked.to]
        return announcements.add(self._tx, words, to, [Recipient(*one) for one in people], actor, self._now)

    def proceed(self, most: int = 1_000_000) -> int:
        """Queue mails for up to *most* people who have none yet, the oldest announcement first; return how many had.

        Who must not be written to any more, by the configuration and the bounces of now, is left out.
        """
        if not self._posting.tells(Event.ANNOUNCEMENT):
            return 0
        waiting = announcements.to_write(self._tx, most)
        for number, people in waiting.items():
            self._write(number, people)
        return sum(map(len, waiting.values()))

    def cancel(self, number: AnnouncementId) -> None:
        """Write to nobody any more; what a server has, or is given just now, is not called back.

        Raises:
            UnknownError: there is no such announcement.
        """
        announcements.cancel(self._tx, number, self._now)

    def _write(self, number: AnnouncementId, people: Sequence[Recipient]) -> None:
        words = announcements.words_of(self._tx, number)
        key, why_not = f"announcement-{number}", self._addressees(words.by, look=False).why_not
        reasons = {one.address: why_not(one.address) for one in people}
        said = written(words.text)
        happened = Happened(
            Event.ANNOUNCEMENT,
            None,
            words.subject,
            author=Address(None, words.by) if words.by else None,
            audience=[address for address, why in reasons.items() if why is None],
        )
        names = {one.address: one.name for one in people if one.name}
        context = Context(words=Passage(said.text, said.html))
        self._posting.post(Moment(self._tx, key, self._now), Post(happened, context, names))
        for address, why in reasons.items():
            cause = f"{key}/{Event.ANNOUNCEMENT}/{Audience.REQUESTER}/{address}"
            announcements.note_written(self._tx, number, address, cause, why or UNWRITABLE)

    def _addressees(self, author: str, *, look: bool = True) -> Addressees:
        asked = announcements.askers(self._tx) if look else {}
        paused = frozenset(one["address"] for one in outlist.paused(self._tx))
        return Addressees(self._posting.policy, asked, paused, author)


def _told(people: Sequence[Addressee]) -> str:
    return ", ".join(f"{one.address} ({one.left_out})" for one in people[:5]) + (" ..." if len(people) > 5 else "")
