"""What Exchange makes of the bytes of a mail before it gives them out."""

from __future__ import annotations

import email
import email.encoders
import email.policy
import re
import zlib
from email.message import Message as Mail
from email.utils import format_datetime

from tests.lab.graph.bounce import HOST
from tests.lab.graph.mailboxes import Message
from tests.lab.graph.mime import parsed

SEALED = ("multipart/signed", "multipart/encrypted")
"""Exchange keeps these to the byte."""
REBUILT = email.policy.compat32.clone(linesep="\r\n", max_line_length=76)


def given_out(item: Message, address: str, way: str) -> bytes:
    """The MIME of *item* in the mailbox of *address*.

    Ways: `verbatim` as it was laid in, `exchange` with the header block of a server that took it, `rebuilt` with that
    block and every part written anew: other boundaries, other folding, other transfer encodings.
    """
    raw = item.raw()
    if way == "verbatim":
        return raw
    if way == "rebuilt":
        raw = rebuilt(raw)
    raw = re.sub(rb"\r?\n", b"\r\n", raw)
    return raw if item.is_draft else _block(item, address) + raw


def _block(item: Message, address: str) -> bytes:
    sender = str(parsed(item.content).get("Return-Path", "")).strip("<> ") or "sender@example.com"
    domain = sender.rpartition("@")[2]
    date = format_datetime(item.received)
    verdicts = (
        f"Authentication-Results: spf=pass (sender IP is 192.0.2.25)\r\n smtp.mailfrom={domain};"
        f" dkim=pass (signature was verified)\r\n header.d={domain};dmarc=pass action=none\r\n"
        f" header.from={domain};compauth=pass reason=100"
    )
    lines = [
        f"Received: from {HOST} (2001:db8:20::1)\r\n by {HOST.lower()} with HTTPS; {date}",
        verdicts,
        f"X-MS-Exchange-Organization-ExpirationStartTime: {date}",
        "X-MS-Exchange-Organization-SCL: 1",
        "X-MS-Exchange-CrossTenant-Id: 00000000-0000-0000-0000-00000000000f",
        f"X-MS-Exchange-Organization-AuthMechanism: 04; {address}",
        "X-MS-Exchange-Transport-EndToEndLatency: 00:00:01.5",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()


def rebuilt(raw: bytes) -> bytes:
    """Every part anew; what the parts say stays the same."""
    mail = email.message_from_bytes(raw)
    if any(part.get_content_type() in SEALED for part in mail.walk()):
        return raw
    for number, part in enumerate(mail.walk()):
        if part.is_multipart():
            if part.get_content_maintype() == "multipart":
                part.set_boundary(f"_{number:03}_AM0EX01MB0042{zlib.crc32(raw):012}_")
                part.preamble = part.epilogue = None
        elif part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment":
            _reencode(part)
    return mail.as_bytes(policy=REBUILT)


def _reencode(part: Mail) -> None:
    """Quoted-printable becomes base64, and all else quoted-printable."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return
    was = str(part.get("Content-Transfer-Encoding", "7bit")).lower()
    del part["Content-Transfer-Encoding"]
    if was == "quoted-printable":
        part.set_payload(payload)
        email.encoders.encode_base64(part)
    else:
        part.set_payload(payload)
        email.encoders.encode_quopri(part)
