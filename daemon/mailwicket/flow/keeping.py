"""Raw mail goes to disk before anybody parses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from mailwicket.errors import StoreError
from mailwicket.flow.judge import utc_now
from mailwicket.model import Fetched, IntakeId, MailRef, SpooledMail
from mailwicket.store.raw import RawPlace, RawStore


def write_raw(raw: RawStore, ids: Mapping[MailRef, IntakeId], fetched: Sequence[Fetched]) -> list[RawPlace]:
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
