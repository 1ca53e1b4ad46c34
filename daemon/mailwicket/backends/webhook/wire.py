"""What goes over the line: drafts as JSON, and the signature. Pure; a contract with every receiver."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

from mailwicket.model import Address, Attachment, EntryDraft, IntakeKey, TicketChange, TicketDraft, TicketRef

KEY: Final = "Idempotency-Key"
TIMESTAMP: Final = "Mailwicket-Timestamp"
SIGNATURE: Final = "Mailwicket-Signature"

Body = Mapping[str, Any]

FIND: Final = "effect.find"


def create(draft: TicketDraft, key: IntakeKey) -> Body:
    """Return the request that opens a ticket."""
    return {
        "type": "ticket.create",
        "key": key,
        "subject": draft.subject,
        "requester": _address(draft.requester),
        "cc": [_address(one) for one in draft.cc],
        "group": draft.group,
        "category": draft.category,
        "company": draft.company,
        "entry": _entry(draft.entry),
        "followers": list(draft.followers),
        "notes": [_entry(note) for note in draft.notes],
        "linked_to": draft.linked_to,
    }


def append(ticket: TicketRef, entry: EntryDraft, key: IntakeKey) -> Body:
    """Return the request that adds an entry."""
    return {"type": "ticket.append", "key": key, "ticket": ticket.number, "entry": _entry(entry)}


def change(ticket: TicketRef, change: TicketChange, key: IntakeKey) -> Body:
    """Return the request that changes a ticket; null and empty mean: leave as it is."""
    return {
        "type": "ticket.change",
        "key": key,
        "ticket": ticket.number,
        "status": change.status,
        "add_cc": [_address(one) for one in change.add_cc],
        "remove_cc": list(change.remove_cc),
        "add_followers": list(change.add_followers),
        "assignee": change.assignee,
        "linked_to": change.linked_to,
        "merged_into": change.merged_into,
    }


def find(key: IntakeKey) -> Body:
    """Return the question whether an effect happened."""
    return {"type": FIND, "key": key}


def encode(body: Body) -> bytes:
    """Return *body* as JSON in ASCII: whatever stands in a mail, the bytes are harmless."""
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def headers(body: Body, content: bytes, secret: bytes, now: int) -> dict[str, str]:
    """Return the header fields that go with *content*; *now* is in seconds since 1970.

    A question bears no idempotency key: a receiver that answers every key as it did the first time would go on to
    answer the effect itself with "there is none".
    """
    mac = hmac.new(secret, b"%d." % now + content, hashlib.sha256).hexdigest()
    fields = {"Content-Type": "application/json", TIMESTAMP: str(now), SIGNATURE: f"v1={mac}"}
    return fields if body["type"] == FIND else {**fields, KEY: body["key"]}


def _address(address: Address) -> Body:
    return {"name": address.name, "address": address.address}


def _entry(entry: EntryDraft) -> Body:
    return {
        "author": None if entry.author is None else _address(entry.author),
        "public": entry.public,
        "kind": entry.kind,
        "text": entry.text,
        "html": entry.html,
        "received_at": entry.received_at.isoformat(),
        "message_id": entry.message_id,
        "raw_sha256": entry.raw_sha256,
        "attachments": [_attachment(one) for one in entry.attachments],
        "reason": entry.reason,
        "flags": list(entry.flags),
    }


def _attachment(attachment: Attachment) -> Body:
    return {
        "filename": attachment.filename,
        "content_type": attachment.content_type,
        "size": attachment.size,
        "sha256": attachment.sha256,
        "inline": attachment.inline,
        "content_id": attachment.content_id,
    }
