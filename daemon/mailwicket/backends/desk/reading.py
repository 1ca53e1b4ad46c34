"""Tickets as the command line and its JSON show them: read only, inside the caller's transaction."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from mailwicket.model import TicketNumber
from mailwicket.ports import Transaction
from mailwicket.sql import statements

READING = statements(Path(__file__).with_name("reading.sql"))

# As the statements select them; "cc", "entries", "message_ids" and "attachments" come from others.
_KEYS = ("number", "subject", "requester", "status", "group", "category", "company", "assignee", "created", "updated")
_ENTRY_KEYS = ("author", "public", "kind", "text", "received", "message_id", "raw_sha256", "reason", "flags")
_ATTACHMENT_KEYS = ("filename", "content_type", "size", "sha256", "inline")
_EVERY_NUMBER = {"first": 1, "last": 2**63 - 1}

Shown = dict[str, Any]
"""A JSON object: keys may be added, never renamed or removed."""


def list_tickets(tx: Transaction, *, all: bool) -> list[Shown]:  # noqa: A002 - the name of the option
    """Return the open tickets by number; with *all* also those that are closed, merged, deleted or spam.

    `entries` is how many there are, `message_ids` those of the mails that came in, in order.
    """
    return _tickets(tx, {**_EVERY_NUMBER, "all": all})


def show_ticket(tx: Transaction, number: TicketNumber) -> Shown | None:
    """Return one ticket, whatever its status, with its `entries` themselves; None when there is none."""
    for ticket in _tickets(tx, {"first": number, "last": number, "all": True}):
        return {**ticket, "entries": _entries(tx, number)}
    return None


def _tickets(tx: Transaction, which: dict[str, int]) -> list[Shown]:
    cc: dict[int, list[str]] = defaultdict(list)
    for ticket, address in tx.execute(READING.cc, which).fetchall():
        cc[ticket].append(address)
    entries: dict[int, list[str | None]] = defaultdict(list)
    for ticket, message_id in tx.execute(READING.entry_ids, which).fetchall():
        entries[ticket].append(message_id)
    followers: dict[int, list[str]] = defaultdict(list)
    for ticket, person in tx.execute(READING.followers, which).fetchall():
        followers[ticket].append(person)
    links: dict[int, list[int]] = defaultdict(list)
    for ticket, other in tx.execute(READING.links, which).fetchall():
        links[ticket].append(other)
    shown = []
    for row in tx.execute(READING.tickets, which).fetchall():
        number, ids = row[0], entries[row[0]]
        ticket = dict(zip(_KEYS, row, strict=True))
        ticket["cc"] = cc[number]
        ticket["followers"] = followers[number]
        ticket["linked"] = links[number]
        ticket["entries"] = len(ids)
        ticket["message_ids"] = [message_id for message_id in ids if message_id is not None]
        shown.append(ticket)
    return shown


def _entries(tx: Transaction, number: TicketNumber) -> list[Shown]:
    of = {"ticket": number}
    attachments: dict[int, list[Shown]] = defaultdict(list)
    for entry, *values in tx.execute(READING.attachments, of).fetchall():
        attachment = dict(zip(_ATTACHMENT_KEYS, values, strict=True))
        attachments[entry].append({**attachment, "inline": bool(attachment["inline"])})
    shown = []
    for entry, *values in tx.execute(READING.entries, of).fetchall():
        told = dict(zip(_ENTRY_KEYS, values, strict=True))
        told["public"] = bool(told["public"])
        told["flags"] = json.loads(told["flags"])
        told["attachments"] = attachments[entry]
        shown.append(told)
    return shown
