"""What comes back of a mail of ours: a delivery report, or the mail itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from mailwicket.rehearsal.sent import Sent


def reported(sent: Sent, action: Mapping[str, Any], now: datetime) -> bytes:
    """Return the delivery report about *sent* that *action* asks for (RFC 3464)."""
    recipient = str(action.get("recipient", [*sent.to, *sent.cc, *sent.reached][0]))
    permanent = action.get("permanent", True)
    status, word = ("5.1.1", "failed") if permanent else ("4.4.1", "delayed")
    head = sent.raw.partition(b"\r\n\r\n")[0].decode()
    lines = [
        "From: MAILER-DAEMON@mx.example",
        f"To: {sent.reverse_path or sent.sender}",
        f"Subject: Delivery Status Notification ({'Failure' if permanent else 'Delay'})",
        f"Date: {format_datetime(now)}",
        f"Message-ID: <report.{now.timestamp():.0f}.{recipient.replace('@', '.')}@mx.example>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="report"',
        "", "--report", "Content-Type: text/plain", "", f"{recipient}: {word}", "",
        "--report", "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; mx.example", "",
        f"Final-Recipient: rfc822; {recipient}", f"Action: {word}", f"Status: {status}", "",
        "--report", "Content-Type: text/rfc822-headers", "", head, "", "--report--", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


def echoed(sent: Sent, action: Mapping[str, Any]) -> bytes:
    """Return *sent* as it comes back, with the fields lost that *action* names and From as it says."""
    strip = action.get("strip", ())
    lost = {name.lower() for name in ([strip] if isinstance(strip, str) else strip)}
    head, blank, body = sent.raw.partition(b"\r\n\r\n")
    if "from" in action:
        lost.add("from")
    fields = re.split(rb"\r\n(?![ \t])", head)  # with the lines that go on
    kept = [field for field in fields if field.split(b":")[0].decode().strip().lower() not in lost]
    if "from" in action:
        kept.insert(0, f"From: {action['from']}".encode())
    return b"\r\n".join(kept) + blank + body
