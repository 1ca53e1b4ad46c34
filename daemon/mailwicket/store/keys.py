"""The keys of the MACs in our Message-IDs and addresses: made here, rotated here, never shown."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

from mailwicket.mail.token import Keyring
from mailwicket.ports import Transaction
from mailwicket.store.journal import SQL
from mailwicket.timestamp import timestamp

KEY_BYTES: Final = 32
KEPT_MAX: Final = 16
"""So many of the newest keys verify: mail is answered years later."""

ROTATE: Final = timedelta(days=180)


def known_keys(tx: Transaction) -> Keyring | None:
    """Return the keys of this store, for who only reads it; None before the daemon has made one."""
    rows = tx.execute(SQL.mac_keys, (KEPT_MAX,)).fetchall()
    return Keyring([bytes(key) for key, _ in rows]) if rows else None


def keyring(tx: Transaction, now: datetime) -> Keyring:
    """Return the keys of this store; a new one is made where there is none, or the newest is older than ROTATE."""
    rows = tx.execute(SQL.mac_keys, (KEPT_MAX,)).fetchall()
    if not rows or datetime.fromisoformat(rows[0][1]) < now - ROTATE:
        key = secrets.token_bytes(KEY_BYTES)
        tx.execute(SQL.add_mac_key, (key, timestamp(now)))
        rows.insert(0, (key, timestamp(now)))
    return Keyring([bytes(key) for key, _ in rows])
