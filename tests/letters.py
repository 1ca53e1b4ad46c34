"""Letters to be composed, and second readers of what was composed."""

from __future__ import annotations

import email
import email.policy
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any, Final

from mailwicket.model import Address, MessageId, Sha256, TicketNumber
from mailwicket.outgoing import Enclosure, Event, Identity, Letter

DESK: Final = Identity("desk@desk.example", "The Desk")
FIXED: Final = [
    "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress", "X-Mailwicket-Loop",
    "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
]  # fmt: skip


def letter(**changes: Any) -> Letter:
    told = Letter(
        event=Event.REQUESTER_REPLIED,
        ticket=TicketNumber(7),
        message_id=MessageId("mw-7-1-p-abc-def@desk.example"),
        date=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        to=[Address("Ada Example", "ada@example.org")],
        cc=[],
        subject="[#7] The printer",
        text="It burns.\n",
        html=None,
        loop_mark="abcdefgh-ijklmnop",
    )
    return replace(told, **changes)


def file(name: str, content: bytes = b"content", kind: str = "application/pdf", cid: str | None = None) -> Enclosure:
    return Enclosure(name, kind, content, Sha256(hashlib.sha256(content).hexdigest()), cid)


def read(raw: bytes) -> EmailMessage:
    """The standard library's opinion."""
    told = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(told, EmailMessage)
    assert not told.defects, told.defects
    return told


def names(raw: bytes) -> list[str]:
    head = raw.partition(b"\r\n\r\n")[0]
    return [line.partition(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] not in {b" ", b"\t"}]


def check_form(raw: bytes) -> None:
    assert raw.count(b"\r\n") == raw.count(b"\r") == raw.count(b"\n")
    assert raw.endswith(b"\r\n")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert b"\0" not in raw


def read_leniently(raw: bytes) -> EmailMessage:
    told = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(told, EmailMessage)
    return told
