"""Give disk space back: raw mail after `raw_keep_days`, parked mail after `quarantine_keep_days`.

A raw file goes as a whole. Before it goes, the attachments that tickets still show are cut out of it and
handed to the desk; a file that still holds an undecided mail stays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import anyio
import anyio.to_thread

from mailwicket.errors import PermanentError
from mailwicket.mail.decode import decode
from mailwicket.model import AttachmentPlace
from mailwicket.ports import Desk, KeepsAttachments
from mailwicket.store import journal
from mailwicket.store.journal import timestamp
from mailwicket.store.links import clear_left_over
from mailwicket.store.raw import RawPlace
from mailwicket.store.store import Store

log = logging.getLogger(__name__)

PERIOD_S = 3600


class Reclaim:
    """Deletes what is old enough, once an hour."""

    def __init__(
        self, store: Store, desk: Desk, raw_keep: timedelta, quarantine_keep: timedelta, clock: Callable[[], datetime]
    ) -> None:
        """Keep raw mail for *raw_keep* after the day it came, parked mail for *quarantine_keep*."""
        self._store = store
        self._desk = desk
        self._raw_keep = raw_keep
        self._quarantine_keep = quarantine_keep
        self._clock = clock

    async def run(self) -> None:
        """Reclaim for ever.

        Raises:
            StoreError: our disk.
        """
        while True:
            await self.once()
            await anyio.sleep(PERIOD_S)

    def wake(self) -> bool:
        """There is nothing to be had earlier."""
        return False

    async def once(self) -> None:
        """Reclaim what is old enough now; a death in the middle leaves whole files and true rows."""
        await anyio.to_thread.run_sync(clear_left_over, self._store.raw.directory.parent)
        today = self._clock().date()
        for file in await anyio.to_thread.run_sync(self._store.raw.older_than, today - self._raw_keep):
            if self._store.read(lambda tx: journal.needed_in_file(tx, file)):  # noqa: B023 - called at once
                continue
            await self._keep_attachments(file)
            await self._store.write(lambda tx: journal.forget_file(tx, file))  # noqa: B023 - awaited at once
            await anyio.to_thread.run_sync(self._store.raw.unlink, file)
            log.info("raw mail reclaimed file=%s", file)
        await self._expire(timestamp(self._clock() - self._quarantine_keep))

    async def _expire(self, before: str) -> None:
        now = timestamp(self._clock())
        for intake_id, source, file in self._store.read(lambda tx: journal.expired(tx, before)):
            # The file first: nobody would look for one that no row names. A row whose file is gone expires next time.
            await anyio.to_thread.run_sync(self._store.raw.unlink, file)
            await self._store.write(lambda tx: journal.expire(tx, intake_id, source, file, now))  # noqa: B023 - awaited at once
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
