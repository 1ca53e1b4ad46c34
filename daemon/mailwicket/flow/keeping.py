"""Raw mail goes to disk before anybody parses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import anyio.to_thread

from mailwicket.errors import StoreError
from mailwicket.flow.judge import utc_now
from mailwicket.flow.reading import MANY_BYTES, Work
from mailwicket.model import Fetched, IntakeId, MailRef, SpooledMail
from mailwicket.ports import Transaction
from mailwicket.store import journal
from mailwicket.store.journal import Kept
from mailwicket.store.raw import RawPlace, RawStore
from mailwicket.store.store import Store
from mailwicket.timestamp import timestamp


async def keep(store: Store, source: str, ids: Mapping[MailRef, IntakeId], fetched: Sequence[Fetched]) -> list[Work]:
    """Have the raw bytes of *fetched* on disk, and named, before anybody parses them; return what is new work.

    *ids* are the rows of the mails of *source* that were asked for: of those that did not come it is noted that they
    are gone.

    Raises:
        StoreError: our disk.
    """
    places = await anyio.to_thread.run_sync(_write_raw, store.raw, ids, fetched)
    dates = {ids[mail.ref]: mail.received_at for mail in fetched if mail.received_at and not mail.ref.received_at}
    kept = [
        Kept(ids[mail.ref], _dated(mail.ref, dates.get(ids[mail.ref])), place, mail.headers_only)
        for mail, place in zip(fetched, places, strict=True)
    ]
    gone = set(ids.values()) - {mail.intake_id for mail in kept}
    now = timestamp(utc_now())

    def note(tx: Transaction) -> list[Kept]:
        journal.date_rows(tx, dates)
        return journal.keep(tx, source, kept, sorted(gone), now)

    fresh = await store.write(note)
    raws = {ids[mail.ref]: mail.raw for mail in fetched if not isinstance(mail.raw, SpooledMail)}
    if sum(map(len, raws.values())) >= MANY_BYTES:  # read from disk, or elsewhere: not held until then
        raws = {}
    return [Work(mail, raws.get(mail.intake_id)) for mail in fresh]


def _dated(ref: MailRef, received_at: datetime | None) -> MailRef:
    return ref if received_at is None else replace(ref, received_at=received_at)


def _write_raw(raw: RawStore, ids: Mapping[MailRef, IntakeId], fetched: Sequence[Fetched]) -> list[RawPlace]:
    """Write the bytes of *fetched*: small mails with one sync for all, large ones by a rename each. Blocking.

    Raises:
        StoreError: our disk.
    """
    today = utc_now().date()
    whole = [mail.raw for mail in fetched if not isinstance(mail.raw, SpooledMail)]
    try:
        small = iter(raw.append(whole, today))
        return [
            raw.adopt(mail.raw, today, ids[mail.ref]) if isinstance(mail.raw, SpooledMail) else next(small)
            for mail in fetched
        ]
    except StoreError:
        drop(fetched)
        raise


def drop(fetched: Sequence[Fetched]) -> None:
    """Remove the files of mails that were not kept: they come again, and a full disk wants the room. Blocking."""
    for mail in fetched:
        if isinstance(mail.raw, SpooledMail):
            with suppress(OSError):
                mail.raw.path.unlink(missing_ok=True)
