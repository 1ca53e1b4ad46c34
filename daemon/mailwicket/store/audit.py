"""The record of what admins did and which configurations were loaded: appended only, each hash over the one before.

A row's hash is the SHA-256 of netstrings (`LENGTH:BYTES,`): the hash before it, its number, and its fields as they
stand in the table. The first stands on the name of the store instead. `audit_head` names the last row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from mailwicket.ports import Transaction
from mailwicket.sql import statements
from mailwicket.timestamp import timestamp

SQL: Final = statements(Path(__file__).with_name("audit.sql"))

ANSWER_KEPT: Final = timedelta(days=30)
"""So late a program asks for the same again, and is answered as the first time."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did. Nothing of it is a secret, or text of a mail."""

    actor: str
    """`uid N` of who opened the unix socket, `token`, or what made the daemon do it: `start`, `conf.d`, `signal`."""
    action: str
    """NOUN.VERB, as on the command line: `ticket.close`, `quarantine.retry`, `config.load`."""
    what: str = ""
    """What it was done to."""
    detail: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the record is whole."""

    rows: int
    """How many stand unbroken from the first on."""
    hash: str
    """Of the last of them: written down elsewhere, it proves them later."""
    bad: int | None = None
    """The number of the first row that is not as it was written; None where all are."""
    why: str = ""

    def told(self) -> dict[str, Any]:
        """Return it for JSON."""
        whole = self.bad is None
        return {"ok": whole, "rows": self.rows, "hash": self.hash, "bad": self.bad, "why": self.why or None}


def note(tx: Transaction, deed: Deed, now: str) -> None:
    """Append *deed* in the transaction of what it did, at the timestamp *now*.

    Also to a record that somebody meddled with: that is for `verify` to tell, and it still does after this.
    """
    known, previous = tx.execute(SQL.head).fetchone() or (0, "")
    (last,) = tx.execute(SQL.last).fetchone()
    number = max(known, last) + 1
    detail = json.dumps(deed.detail or {}, ensure_ascii=False, sort_keys=True)
    fields = [now, deed.actor, deed.action, deed.what, detail]
    before = previous.encode() if known else _beginning(tx)
    digest = _hash(before, number, [field.encode() for field in fields])
    tx.execute(SQL.add, (number, *fields, digest))
    tx.execute(SQL.set_head, (number, digest))


def rows(tx: Transaction, since: str = "") -> list[dict[str, Any]]:
    """Return what was done from the timestamp *since* on, the oldest first, as JSON shows it."""
    return [
        {
            "id": number,
            **{key: value.decode(errors="replace") for key, value in zip(_KEYS, fields, strict=True)},
            "detail": _read(detail),
            "hash": digest.decode(errors="replace"),
        }
        for number, (*fields, detail), digest in _stored(tx, since)
    ]


def verify(tx: Transaction) -> Verdict:
    """Walk the chain from its beginning to the row that the head names."""
    previous, expected = _beginning(tx), 1
    for number, fields, digest in _stored(tx, ""):
        if number != expected:
            return _broken(expected, previous, f"row {expected} is missing")
        if digest.decode(errors="replace") != _hash(previous, number, fields):
            return _broken(expected, previous, f"row {number} is not as it was written, or the one before is not")
        previous, expected = digest, number + 1
    head = tx.execute(SQL.head).fetchall()
    if len(head) != 1 or head[0][0] >= expected:
        return _broken(expected, previous, f"row {expected} and what came after it are missing")
    if head[0] != (expected - 1, previous.decode() if expected > 1 else ""):
        return _broken(expected - 1, previous, f"row {expected - 1} was not appended by mailwicket")
    return Verdict(expected - 1, previous.decode() if expected > 1 else "")


_KEYS: Final = ("at", "actor", "action", "object")


def _broken(number: int, previous: bytes, why: str) -> Verdict:
    return Verdict(number - 1, previous.decode() if number > 1 else "", number, why)


def _stored(tx: Transaction, since: str) -> Iterator[tuple[int, list[bytes], bytes]]:
    for number, *fields, digest in tx.execute(SQL.rows, (since,)).fetchall():
        yield number, fields, digest


def _beginning(tx: Transaction) -> bytes:
    (name,) = tx.execute(SQL.instance).fetchone()
    return bytes(name)


def _hash(previous: bytes, number: int, fields: Sequence[bytes]) -> str:
    parts = [previous, str(number).encode(), *fields]
    return hashlib.sha256(b"".join(b"%d:%b," % (len(part), part) for part in parts)).hexdigest()


def _read(detail: bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
    try:
        return json.loads(detail)
    except ValueError:  # damaged: `verify` names it
        return {"unreadable": detail.decode(errors="replace")}


# --- the same again -------------------------------------------------------------------------------------------------


def answered(tx: Transaction, key: str) -> tuple[str, str] | None:
    """Return the digest of what was asked for under *key*, and the answer; None where nothing was."""
    found: tuple[str, str] | None = tx.execute(SQL.answered, (key,)).fetchone()
    return found


def note_answer(tx: Transaction, key: str, digest: str, answer: str, now: datetime) -> None:
    """Remember the *answer* for who asks under *key* again within ANSWER_KEPT."""
    tx.execute(SQL.forget_answers, (timestamp(now - ANSWER_KEPT),))
    tx.execute(SQL.note_answer, (key, timestamp(now), digest, answer))
