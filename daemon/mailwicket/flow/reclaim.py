"""Give disk space back: raw mail and letters after `raw_keep_days`, parked mail after `quarantine_keep_days`.

A raw file goes as a whole. Before it goes, the attachments that tickets still show are cut out of it and
handed to the desk; a file stays that still holds an undecided mail, or what a mail that waits takes along. Of a letter
that was sent, its words go; to whom it went, by which server and when, stays. After a leap of the clock nothing goes
until its keeping time has passed once more: then what lies outside of it on either side came before the leap.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import anyio
import anyio.to_thread

from mailwicket.errors import PermanentError
from mailwicket.mail.decode import decode
from mailwicket.model import AttachmentPlace, Reason
from mailwicket.net.attachments import AttachmentFiles
from mailwicket.ports import Desk, KeepsAttachments
from mailwicket.rules.calendar import has_leapt
from mailwicket.store import journal, letters, quarantine
from mailwicket.store.links import clear_left_over
from mailwicket.store.parked import released
from mailwicket.store.raw import RawPlace
from mailwicket.store.store import Store
from mailwicket.timestamp import timestamp

log = logging.getLogger(__name__)

PERIOD_S = 3600

LETTERS_AT_ONCE = 500
"""In one transaction: others write between two."""

NOTE = timedelta(minutes=30)
"""What the clock says is not written more often, however often we are started."""


class Reclaim:
    """Deletes what is old enough, once an hour."""

    def __init__(  # noqa: PLR0913, PLR0917 - two keeping times, two clocks
        self,
        store: Store,
        desk: Desk,
        raw_keep: timedelta,
        quarantine_keep: timedelta,
        clock: Callable[[], datetime],
        on_done: Callable[[], None] = lambda: None,
        on_expired: Callable[[str, Reason], None] = lambda _source, _reason: None,
        monotonic: Callable[[], float] = time.monotonic,
        files: AttachmentFiles | None = None,
    ) -> None:
        """Keep raw mail for *raw_keep* after the day it came, parked mail for *quarantine_keep*.

        *files* are those of our own letters, for a desk that keeps attachments elsewhere.

        *on_done* is called when everything that is old enough is gone, *on_expired* for each parked mail that goes.
        """
        self._store = store
        self._desk = desk
        self._raw_keep = raw_keep
        self._quarantine_keep = quarantine_keep
        self._clock = clock
        self._on_done = on_done
        self._on_expired = on_expired
        self._monotonic = monotonic
        self._files = files
        self._read: tuple[datetime, float] | None = None
        """The clock and the monotonic one at the last reading of this process."""

    async def run(self) -> None:
        """Reclaim for ever.

        Raises:
            StoreError: our disk.
        """
        while True:
            await self.once()
            self._on_done()
            await anyio.sleep(PERIOD_S)

    def wake(self) -> bool:
        """There is nothing to be had earlier."""
        return False

    async def once(self) -> None:
        """Reclaim what is old enough now; a death in the middle leaves whole files and true rows."""
        await anyio.to_thread.run_sync(clear_left_over, self._store.raw.directory.parent)
        now = self._clock()
        leapt_at = await self._look_at_clock(now)
        if leapt_at is None or now - leapt_at > self._raw_keep:
            await self._reclaim(now)
            await self._reclaim_letters(now)
        if leapt_at is None or now - leapt_at > self._quarantine_keep:
            await self._expire(now)

    async def _look_at_clock(self, now: datetime) -> datetime | None:
        """Note what the clock says, and return what it said after its last leap; None where it never leapt."""
        noted, leapt_at = self._store.read(journal.clock)
        before, passed = noted, None
        if self._read is not None:
            before, passed = self._read[0], timedelta(seconds=self._monotonic() - self._read[1])
        leaps = has_leapt(before, now, passed, min(self._raw_keep, self._quarantine_keep))
        if leaps:
            leapt_at = now
            log.warning(
                "the clock leapt from %s to %s, or we were away for long: old mail is deleted only when its keeping "
                "time has passed once more", timestamp(before), timestamp(now),
            )  # fmt: skip
        if leaps or abs(now - noted) >= NOTE:
            await self._store.write(lambda tx: journal.note_clock(tx, now, leapt_at))
        self._read = now, self._monotonic()
        return leapt_at

    async def _reclaim(self, now: datetime) -> None:
        span = (now - self._raw_keep).date(), (now + timedelta(days=1)).date()
        for file in await anyio.to_thread.run_sync(self._store.raw.outside, *span):
            if self._is_needed(file):
                continue
            await self._keep_attachments(file)
            await self._store.write(lambda tx: journal.forget_file(tx, file))  # noqa: B023 - awaited at once
            await anyio.to_thread.run_sync(self._store.raw.unlink, file)
            log.info("raw mail reclaimed file=%s", file)
        await self._reclaim_released(now)

    async def _reclaim_released(self, moment: datetime) -> None:
        """Mail that was parked has a file that bears no day: from its last decision on it is kept as any other."""
        before, after = timestamp(moment - self._raw_keep), timestamp(moment + timedelta(days=1))
        for file in self._store.read(lambda tx: released(tx, before, after)):
            if self._store.read(lambda tx: letters.needs_file(tx, file)):  # noqa: B023 - called at once
                continue
            await self._keep_attachments(file)
            await anyio.to_thread.run_sync(self._store.raw.unlink, file)  # first: nobody looks for what no row names
            await self._store.write(lambda tx: journal.forget_file(tx, file))  # noqa: B023 - awaited at once
            log.info("raw mail reclaimed file=%s", file)

    def _is_needed(self, file: str) -> bool:
        return self._store.read(lambda tx: bool(journal.needed_in_file(tx, file)) or letters.needs_file(tx, file))

    async def _reclaim_letters(self, now: datetime) -> None:
        span = now - self._raw_keep, now + timedelta(days=1)
        total = 0
        while numbers := self._store.read(lambda tx: letters.to_reclaim(tx, *span, LETTERS_AT_ONCE)):
            await self._store.write(lambda tx: letters.reclaim(tx, numbers))
            total += len(numbers)
        if total:
            log.info("letters reclaimed mails=%s", total)
        if self._files is not None and not isinstance(self._desk, KeepsAttachments):
            await self._reclaim_files(self._files, span[0])

    async def _reclaim_files(self, files: AttachmentFiles, before: datetime) -> None:
        """What a technician sent along is named by letters alone where the desk keeps its attachments elsewhere."""
        old = await anyio.to_thread.run_sync(files.kept_before, before)
        if not old:
            return
        named = await self._store.look(letters.files_named)
        for sha256 in old:
            if sha256 not in named:
                await anyio.to_thread.run_sync(files.discard, sha256, before)

    async def _expire(self, moment: datetime) -> None:
        now = timestamp(moment)
        span = timestamp(moment - self._quarantine_keep), timestamp(moment + timedelta(days=1))
        for intake_id, source, file in self._store.read(lambda tx: quarantine.expired(tx, *span)):
            # The row first: who retries the mail at this moment has its bytes, or hears that it is not parked. A death
            # before they go leaves a file that `_reclaim_released` finds.
            if not await self._store.write(lambda tx: quarantine.expire(tx, intake_id, source, span, now)):  # noqa: B023 - awaited at once
                continue
            await anyio.to_thread.run_sync(self._store.raw.unlink, file)
            await self._store.write(lambda tx: journal.forget_file(tx, file))  # noqa: B023 - awaited at once
            self._on_expired(source, Reason.EXPIRED_FROM_QUARANTINE)
            log.warning("parked mail expired unit=incoming/%s intake=%s", source, intake_id)

    async def _keep_attachments(self, file: str) -> None:
        if not isinstance(self._desk, KeepsAttachments):
            return
        desk = self._desk
        for place in self._store.read(lambda tx: journal.mails_in_file(tx, file)):
            wanted = self._store.read(lambda tx: desk.wanted(tx, place.sha256))  # noqa: B023 - called at once
            for attachment in wanted:
                try:
                    await anyio.to_thread.run_sync(self._cut_out, desk, place, attachment)
                except PermanentError as error:  # one damaged attachment must not hold the disk for ever
                    log.error("attachment lost file=%s sha256=%s: %s", file, attachment.sha256, error)  # noqa: TRY400

    def _cut_out(self, desk: KeepsAttachments, place: RawPlace, attachment: AttachmentPlace) -> None:
        first, end = attachment.span
        span = RawPlace(place.file, place.offset + first, end - first, place.sha256)
        desk.keep(attachment.sha256, decode(self._store.raw.read(span), attachment.encoding))
