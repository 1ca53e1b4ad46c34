"""From kept bytes to what a mail says, with the mail in hand while it is read."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from mailwicket.failpoint import failpoint
from mailwicket.mail.parse import parse
from mailwicket.model import Mail, Reason, Step
from mailwicket.rules.decide import Quarantine
from mailwicket.store.inhand import Slot
from mailwicket.store.journal import Kept
from mailwicket.store.raw import RawStore

log = logging.getLogger(__name__)

ATTEMPTS_MAX = 2  # a mail that was in hand at so many deaths or failures is parked; see store.inhand


@dataclass(frozen=True, slots=True)
class Work:
    """One kept mail to decide, with its bytes if they are in memory."""

    kept: Kept
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What a kept mail says, or why it is parked unread."""

    kept: Kept
    mail: Mail | None
    unread: Quarantine | None = None


def read_all(batch: Sequence[Work], raw: RawStore, slot: Slot) -> list[Read]:
    """Read *batch* in order. Blocking: for a worker thread. Never raises for what a mail contains."""
    found: list[Read] = []
    for work in batch:
        intake_id = work.kept.intake_id
        if work.kept.attempts >= ATTEMPTS_MAX:
            step = Step("attempts", f"{work.kept.attempts} died or failed with this mail in hand")
            found.append(Read(work.kept, None, Quarantine(Reason.FAILED_REPEATEDLY, [step])))
            continue
        slot.take(intake_id)
        failpoint("intake.in_hand")
        try:
            found.append(Read(work.kept, _read(work, raw)))
        except OSError:
            raise  # our disk, not the mail
        except Exception as error:  # a mail must never stop the ones behind it
            log.exception("mail unreadable intake=%s", intake_id)
            step = Step("read", f"{type(error).__name__} while it was read")
            found.append(Read(work.kept, None, Quarantine(Reason.UNPARSEABLE, [step])))
    slot.put_down()
    return found


def _read(work: Work, raw: RawStore) -> Mail:
    if work.raw is not None:
        return parse(work.raw)
    if work.kept.raw.file.endswith(".seg"):
        return parse(raw.read(work.kept.raw))
    with raw.map(work.kept.raw) as mapped:
        return parse(mapped)
