"""What is noted of an attempt to send a mail of the outbox. Each function runs in the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from mailwicket.outgoing import RecipientStatus
from mailwicket.ports import Transaction
from mailwicket.store.outbox import ENCODE, SQL, Claimed, OutboxId, SentAs
from mailwicket.timestamp import timestamp

PAUSES: Final = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 30, 60, 120, 240))
"""RFC 5321 4.5.4.1 wants 30 minutes at least, and faster at the beginning: greylisting lets the second try pass."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt ended."""

    server: str
    outcome: str
    """`sent`; `later`, of the mail or a recipient; `refused`, of the mail or, by `statuses`, of recipients; `server`:
    its failure, nothing was taken; `uncertain`."""
    next_attempt: datetime
    """If it is to wait."""
    said: str = ""
    statuses: Mapping[str, RecipientStatus] = field(default_factory=dict)
    """By canonical address; of `sent` and `later` only."""
    counted: bool = True
    """False: it was no attempt of the mail, only of its server."""
    sent_as: SentAs | None = None
    """None: nothing was handed over."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What became of a mail by an attempt."""

    state: str
    failed: Sequence[str] = ()
    """Recipients whom it does not reach."""
    next_attempt: datetime | None = None


def note_attempt(tx: Transaction, mail: Claimed, attempt: Attempt, now: datetime) -> Noted:
    """Write down how the *attempt* of *mail* ended, and give it back.

    Who is refused has failed. A mail that still waits at `give_up_at` has failed, too. One that may have been taken
    before stays uncertain until a server has said what becomes of it.
    """
    at = timestamp(now)
    failed: list[str] = []
    waiting = set(mail.waiting)
    for address, status in attempt.statuses.items():
        state = "sent" if status.is_taken else "failed" if status.is_permanent else "waiting"
        told = None if status.is_taken else f"{status.code} {status.text}"
        tx.execute(SQL.note_recipients, (state, status.code, told, at, mail.outbox_id, address))
        if state != "waiting":
            waiting.discard(address)
        if state == "failed":
            failed.append(address)
    is_refused = attempt.outcome == "refused" and not attempt.statuses  # the whole mail, whoever gets it
    gives_up = is_refused or (waiting and now >= mail.give_up_at)
    if gives_up and waiting:
        tx.execute(SQL.fail_waiting, (attempt.said or None, at, mail.outbox_id))
        failed += sorted(waiting)
        waiting = set()
    state = "waiting" if waiting else "sent"
    if state == "sent" and (failed or (mail.is_partly_done and _has_failed(tx, mail.outbox_id))):
        state = "failed"
    tx.execute(
        SQL.note,
        {
            "state": state, "uncertain": int(state == "waiting" and (mail.uncertain or attempt.outcome == "uncertain")),
            "counted": int(attempt.counted), "next_attempt": timestamp(attempt.next_attempt),
            "sent_as": None if attempt.sent_as is None else ENCODE(attempt.sent_as),
            "done_at": None if waiting else at, "outbox_id": mail.outbox_id,
        },
    )  # fmt: skip
    if mail.raw is not None and not waiting:
        tx.execute(SQL.drop_raw, (mail.outbox_id,))
    if attempt.outcome != "sent" or mail.attempts:
        words = f"{attempt.outcome} {attempt.said}".strip()
        tx.execute(SQL.note_attempt, (mail.outbox_id, at, attempt.server, words))
    return Noted(state, failed, attempt.next_attempt if waiting else None)


def is_plain(mail: Claimed, attempt: Attempt) -> bool:
    """Tell whether *mail* was taken for everybody at its first attempt, as nearly every mail is."""
    is_whole = len(attempt.statuses) == len(mail.recipients) and not mail.is_partly_done
    return attempt.outcome == "sent" and not mail.attempts and is_whole


def note_sent(tx: Transaction, mails: Mapping[OutboxId, SentAs | None], now: datetime) -> None:
    """Write down that *mails* were taken, by number with their identities; see `is_plain`."""
    if not mails:
        return
    at, numbers = timestamp(now), json.dumps(list(mails))
    tx.execute(SQL.recipients_sent, (at, numbers))
    for sent_as in set(mails.values()):
        some = json.dumps([mail for mail, one in mails.items() if one == sent_as])
        tx.execute(SQL.sent, (at, None if sent_as is None else ENCODE(sent_as), some))
    tx.execute(SQL.drop_raws, (numbers,))


def _has_failed(tx: Transaction, mail: OutboxId) -> bool:
    return any(state == "failed" for _, state, *_ in tx.execute(SQL.recipients, (mail,)).fetchall())


def pause_of(attempts: int, jitter: float) -> timedelta:
    """Return how long a mail waits after *attempts* (1 or more); *jitter* is in [0, 1)."""
    return PAUSES[min(attempts, len(PAUSES)) - 1] * (1 + jitter / 4)
