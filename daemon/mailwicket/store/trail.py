"""Why a mail ended as it did: what the journal recorded when it was decided."""

from __future__ import annotations

import json
from typing import Any

from mailwicket.ports import Transaction
from mailwicket.store.journal import FLAGS, SQL
from mailwicket.store.parked import IMPORT


def of_ticket(tx: Transaction, number: int) -> list[dict[str, Any]]:
    """Return what is recorded of every mail of a ticket, copies of them too, in the order in which they came.

    Walks through all decisions: for a command, not for the event loop.
    """
    return _traces(tx, [row[0] for row in tx.execute(SQL.mails_of_ticket, (number,)).fetchall()])


def of_message(tx: Transaction, message_id: str) -> list[dict[str, Any]]:
    """Return what is recorded of every mail that bears *message_id* (no brackets), parked ones too."""
    return _traces(tx, [row[0] for row in tx.execute(SQL.mails_of_id, (message_id,)).fetchall()])


def _traces(tx: Transaction, intake_ids: list[int]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for row in tx.execute(SQL.traces, (json.dumps(intake_ids),)).fetchall():
        intake_id, source, folder, received, seen, kept, decided, message_id, reason, ticket, parked, trace, sha256 = (
            row
        )
        steps = json.loads(trace)
        flags = [word for rule, answer in steps if rule == FLAGS for word in answer.split()]
        name = (folder or source) if source == IMPORT else source
        found.append(
            {
                "id": intake_id,
                "unit": f"incoming/{name}",
                "message_id": message_id,
                "reason": reason,
                "flags": flags,
                "ticket": ticket,
                "parked": bool(parked),
                "received": received,
                "seen": seen,
                "fetched": kept,
                "decided": decided,
                "steps": [{"rule": rule, "answer": answer} for rule, answer in steps if rule != FLAGS],
                "raw_sha256": sha256,
            }
        )
    return found
