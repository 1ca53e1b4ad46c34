"""What mails of the outbox said, and what goes along: kept as raw mail is, then given back; how they went stays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from mailwicket.model import Sha256
from mailwicket.ports import Transaction
from mailwicket.store.outbox import SQL, OutboxId
from mailwicket.timestamp import timestamp


def to_reclaim(tx: Transaction, before: datetime, after: datetime, limit: int) -> list[OutboxId]:
    """Return up to *limit* mails whose words may go: settled *before* that moment, or *after* that one."""
    span = {"before": timestamp(before), "after": timestamp(after), "limit": limit}
    return [OutboxId(outbox_id) for (outbox_id,) in tx.execute(SQL.to_reclaim, span).fetchall()]


def reclaim(tx: Transaction, mails: Sequence[OutboxId]) -> None:
    """Forget what *mails* said, but for those that are tried again meanwhile.

    How they went stays: their rows keep the same cause from queueing them again, and reports find them.
    """
    numbers = json.dumps(list(mails))
    tx.execute(SQL.reclaim, (numbers,))
    tx.execute(SQL.drop_reclaimed, (numbers,))


def files_named(tx: Transaction) -> frozenset[Sha256]:
    """Return by hash the files of all mails that are not reclaimed. Long: for a thread."""
    return frozenset(Sha256(sha256) for (sha256,) in tx.execute(SQL.files_named).fetchall())


def needs_file(tx: Transaction, file: str) -> bool:
    """Tell whether a mail that waits takes a file out of the raw *file*."""
    return bool(tx.execute(SQL.needs_file, (f'"raw":[{json.dumps(file)},',)).fetchone()[0])
