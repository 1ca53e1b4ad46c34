"""Announcements of the running daemon: taken, told of, and written into the outbox no faster than mail can wait behind.

At most WINDOW mails of announcements could be sent at a time, and at most BATCH more are written each EVERY_S; servers
take them after all other mail, by their own `rate_per_minute`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import anyio

from mailwicket.flow.acting import Asked
from mailwicket.flow.announcing import Announcement, Announcing
from mailwicket.flow.once import Once
from mailwicket.flow.posting import Posting
from mailwicket.ports import Transaction
from mailwicket.rules.addressees import Addressee
from mailwicket.store import announcements, audit
from mailwicket.store.announcements import AnnouncementId
from mailwicket.store.audit import Deed
from mailwicket.store.store import Store
from mailwicket.timestamp import timestamp

log = logging.getLogger(__name__)

WINDOW: Final = 20
BATCH: Final = 10
EVERY_S: Final = 1.0
LOOK_S: Final = 30.0

Shown = Mapping[str, Any]


class Crier:
    """Takes announcements and has them written, bit by bit: `run` until cancelled."""

    def __init__(
        self,
        store: Store,
        posting: Callable[[], Posting],
        clock: Callable[[], datetime],
        every_s: float = EVERY_S,
    ) -> None:
        """Queue mails by *posting*, as it is at that moment."""
        self._every_s = every_s
        self._store = store
        self._posting = posting
        self._clock = clock
        self._called = anyio.Event()

    # --- what is asked

    async def preview(self, asked: Announcement) -> Shown:
        """Return whom *asked* would go to; nothing is sent.

        Raises:
            UnknownError, ConflictError: as `Announcing.addressees`.
        """
        return _told(await self._addressees(asked))

    async def announce(self, asked: Announcement, who: Asked) -> Shown:
        """Take *asked* and return how it stands; what is asked again under the same key is answered as before.

        Raises:
            UnknownError, ConflictError: as `Announcing.announce`; nothing was changed.
            StoreError: our disk.
        """
        once = Once.of(who.key, "announcement.post", asdict(asked))
        if (before := self._store.read(once.answer)) is not None:
            return before
        people, posting, now = await self._addressees(asked), self._posting(), self._clock()

        def job(tx: Transaction) -> Shown:
            if (before := once.answer(tx)) is not None:
                return before
            number = Announcing(tx, posting, now).announce(asked, people, actor=who.who)
            told = announcements.shown(tx, number)
            detail = {"to": told["to"], "recipients": told["recipients"], **({"by": asked.by} if asked.by else {})}
            audit.note(tx, Deed(who.who, "announcement.post", str(number), detail), timestamp(now))
            once.note(tx, told, now)
            return told

        told = await self._store.write(job)
        log.info("announcement taken announcement=%s recipients=%s", told["id"], told["recipients"])
        self.wake()
        return told

    async def listed(self) -> Sequence[Shown]:
        """See `store.announcements.listed`."""
        return await self._store.look(announcements.listed)

    async def shown(self, number: int) -> Shown:
        """See `store.announcements.shown`."""
        return await self._store.look(lambda tx: announcements.shown(tx, AnnouncementId(number)))

    async def people(self, number: int) -> Sequence[Shown]:
        """Return how it stands with each whom the announcement *number* was for.

        Raises:
            UnknownError: there is no such announcement.
        """
        await self.shown(number)
        return await self._store.look(lambda tx: announcements.people(tx, AnnouncementId(number)))

    async def cancel(self, number: int, who: Asked) -> Shown:
        """Write to nobody any more, and return how it stands; what is sent stays sent.

        Raises:
            UnknownError: there is no such announcement.
        """
        posting, now = self._posting(), self._clock()

        def job(tx: Transaction) -> Shown:
            Announcing(tx, posting, now).cancel(AnnouncementId(number))
            audit.note(tx, Deed(who.who, "announcement.cancel", str(number)), timestamp(now))
            return announcements.shown(tx, AnnouncementId(number))

        told = await self._store.write(job)
        log.info("announcement cancelled announcement=%s sent=%s", number, told["sent"])
        return told

    async def _addressees(self, asked: Announcement) -> Sequence[Addressee]:
        posting, now = self._posting(), self._clock()
        return await self._store.look(lambda tx: Announcing(tx, posting, now).addressees(asked))

    # --- its life

    async def run(self) -> None:
        """Write mails until cancelled.

        Raises:
            StoreError: our disk.
        """
        while True:
            called = self._called
            with anyio.move_on_after(await self.step()):
                await called.wait()

    def wake(self) -> bool:
        """There may be somebody to write to."""
        called, self._called = self._called, anyio.Event()
        called.set()
        return True

    async def step(self) -> float:
        """Write the next few mails, if there is room for any; return after how many seconds to look again.

        Raises:
            StoreError: our disk.
        """
        now = self._clock()
        if not self._store.read(lambda tx: announcements.to_write(tx, 1)):
            return LOOK_S
        room = min(BATCH, WINDOW - self._store.read(lambda tx: announcements.under_way(tx, now)))
        if room > 0:
            posting = self._posting()
            if not await self._store.write(lambda tx: Announcing(tx, posting, now).proceed(room)):
                return LOOK_S  # nothing is sent as things are
            posting.wake()
        return self._every_s


def _told(people: Sequence[Addressee]) -> Shown:
    left_out = Counter(one.left_out for one in people if one.left_out)
    return {
        "recipients": len(people) - left_out.total(),
        "left_out": dict(sorted(left_out.items())),
        "people": [one._asdict() for one in people],
    }
