"""The same asked again, under one Idempotency-Key, is answered as the first time and changes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailwicket.errors import ConflictError
from mailwicket.ports import Transaction
from mailwicket.store import audit

Shown = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Once:
    """What is asked for, and under which key."""

    name: str
    """Of the key; `""`: it is asked without one, each time anew."""
    digest: str

    @classmethod
    def of(cls, key: str, action: str, question: Mapping[str, Any]) -> Once:
        """Return *question*, which asks for *action*, as it is asked under *key*."""
        digest = hashlib.sha256(json.dumps([action, question], sort_keys=True).encode()).hexdigest()
        return cls(hashlib.sha256(key.encode()).hexdigest()[:32] if key else "", digest)

    def answer(self, tx: Transaction) -> Shown | None:
        """Return how it was answered before; None: it was not asked.

        Raises:
            ConflictError: something else was asked under this key.
        """
        before = audit.answered(tx, self.name) if self.name else None
        if before is None:
            return None
        if before[0] != self.digest:
            raise ConflictError("this Idempotency-Key was used for something else")
        told: Shown = json.loads(before[1])
        return told

    def note(self, tx: Transaction, told: Shown, now: datetime) -> None:
        """Remember that it is answered with *told*."""
        if self.name:
            audit.note_answer(tx, self.name, self.digest, json.dumps(told), now)
