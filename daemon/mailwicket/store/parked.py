"""What lies in quarantine, as people are shown it: rows of the journal, and what the mails themselves say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from mailwicket.mail.head import split_header
from mailwicket.mail.header import HEADER_MAX_BYTES
from mailwicket.mail.parse import parse
from mailwicket.model import Address, Mail, Reason
from mailwicket.ports import Transaction
from mailwicket.store.journal import SQL, Parked
from mailwicket.store.raw import read_raw
from mailwicket.timestamp import timestamp

IMPORT: Final = "(import)"
"""In the place of a mailbox's name: mail that was handed over; the folder is the mailbox that it was meant for."""

Shown = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The mails that are parked for one reason."""

    reason: Reason
    mails: int
    oldest_at: datetime


def waiting(tx: Transaction) -> list[Waiting]:
    """Return how many mails are parked for which reason, and since when the oldest of each."""
    return [
        Waiting(Reason(reason), mails, datetime.fromisoformat(oldest))
        for reason, mails, oldest in tx.execute(SQL.parked_ages).fetchall()
    ]


def released(tx: Transaction, before: str, after: str) -> list[str]:
    """Raw files of mails that are parked no more, decided before the timestamp *before*, or after *after*."""
    return [file for _, file in tx.execute(SQL.released, (before, after)).fetchall()]


def home_of(one: Parked) -> str:
    """Return the mailbox by whose rules it is decided; `""` for mail that was handed over for none."""
    return one.kept.ref.folder if one.source == IMPORT else one.source


def listed(parked: Sequence[Parked], raw_directory: Path) -> list[Shown]:
    """Return *parked* as `quarantine list --json` does. Blocking; reads the header of each, as far as it is there."""
    return [_line(one, _read(one, raw_directory, HEADER_MAX_BYTES)[1]) for one in parked]


def shown(one: Parked, raw_directory: Path) -> Shown:
    """Return *one* as `quarantine show --json` does: its trace, its header and what it says. Blocking."""
    raw, mail = _read(one, raw_directory, None)
    header = raw[: split_header(raw, 0, len(raw))[1]][:HEADER_MAX_BYTES]
    return {
        **_line(one, mail),
        "parked": one.decided_at,
        "trace": [[step.rule, step.answer] for step in one.trace],
        "size": one.kept.raw.length,
        "headers_only": one.kept.headers_only,
        "to": [_words(person) for person in (mail.to if mail else ())],
        "headers": header.decode("utf-8", errors="replace").replace("\r\n", "\n").strip("\n"),
        "text": mail.text if mail else None,
        "attachments": [attachment.filename or "" for attachment in (mail.attachments if mail else ())],
        "raw_is_there": bool(raw),
    }


def _line(one: Parked, mail: Mail | None) -> dict[str, Any]:
    received = one.kept.ref.received_at
    return {
        "id": one.kept.intake_id,
        "reason": one.reason.value,
        "unit": f"incoming/{home_of(one) or IMPORT}",
        "received": one.decided_at if received is None else timestamp(received),
        "message_id": one.message_id or (mail.message_id if mail else None),
        "from": _words(mail.author) if mail and mail.author else None,
        "subject": mail.subject if mail else "",
        "raw_sha256": one.kept.raw.sha256,
    }


def _words(person: Address) -> str:
    return person.address if person.name is None else f"{person.name} <{person.address}>"


def _read(one: Parked, raw_directory: Path, limit_bytes: int | None) -> tuple[bytes, Mail | None]:
    """Return its bytes and what they say; nothing where they are gone, None where they cannot be read."""
    try:
        raw = read_raw(raw_directory, one.kept.raw, limit_bytes)
    except OSError:
        return b"", None
    try:
        if limit_bytes is not None:
            return raw, parse(raw[: split_header(raw, 0, len(raw))[1]])
        return raw, parse(raw)
    except Exception:  # noqa: BLE001 - it may be parked for just that
        return raw, None
