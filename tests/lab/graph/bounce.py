"""A report as Exchange Online sends it to whom it could not deliver for (RFC 3464)."""

from __future__ import annotations

from datetime import datetime
from email.utils import format_datetime, make_msgid

from tests.lab.graph.mime import parsed

HOST = "AM0EX01MB0042.eurprd01.prod.outlook.example"
REPORT = """\
From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@{domain}>
To: {sender}
Subject: Undeliverable: {subject}
Date: {date}
Message-ID: {message_id}
In-Reply-To: {about}
References: {about}
Auto-Submitted: auto-replied
X-MS-Exchange-Message-Is-Ndr:
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="_ndr_"

--_ndr_
Content-Type: text/plain; charset=us-ascii

Your message to {who} couldn't be delivered.
The address was not found at its destination.

--_ndr_
Content-Type: message/delivery-status

Reporting-MTA: dns;{host}

Final-Recipient: rfc822;{who}
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found

--_ndr_
Content-Type: message/rfc822

"""


def report_of(sender: str, who: str, raw: bytes, now: datetime) -> bytes:
    """Tell *sender* that the mail *raw* found no *who*."""
    mail = parsed(raw)
    head = REPORT.format(
        domain=sender.rpartition("@")[2],
        sender=sender,
        subject=" ".join(str(mail.get("Subject", "")).split()),
        date=format_datetime(now),
        message_id=make_msgid(domain="eurprd01.prod.outlook.example"),
        about=str(mail.get("Message-ID", "")).strip(),
        host=HOST,
        who=who,
    )
    return head.replace("\n", "\r\n").encode() + raw + b"\r\n--_ndr_--\r\n"
