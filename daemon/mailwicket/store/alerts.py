"""Of which alerts people were told by mail, and when: a restart tells nobody twice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from mailwicket.ports import Transaction
from mailwicket.sql import insert, statements
from mailwicket.timestamp import timestamp

SQL: Final = statements(Path(__file__).with_name("alerts.sql"))

KEPT: Final = timedelta(days=7)

Key = tuple[str, str | None]
"""A cause, and the unit; None: the whole daemon."""


def mailed(tx: Transaction) -> dict[Key, datetime]:
    """Return of what people were told lately, and when last."""
    rows = tx.execute(SQL.mailed).fetchall()
    return {(cause, unit or None): datetime.fromisoformat(at) for cause, unit, at in rows}


def note_mailed(tx: Transaction, keys: Iterable[Key], now: datetime) -> None:
    """Note that people are told of *keys* now."""
    tx.execute(SQL.forget, (timestamp(now - KEPT),))
    insert(tx, SQL.note, [(cause, unit or "", timestamp(now)) for cause, unit in keys])
