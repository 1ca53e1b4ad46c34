"""MIME as Exchange treats it: taken apart when a mail comes, put together anew when somebody asks for it."""

from __future__ import annotations

import email
import email.encoders
import email.policy
from collections.abc import Mapping, Sequence
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.utils import getaddresses, make_msgid
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.lab.graph.mailboxes import Attachment

WIRE = email.policy.compat32.clone(linesep="\r\n", max_line_length=76)


@lru_cache(maxsize=64)  # mails may be of megabytes
def parsed(raw: bytes) -> Message:
    return email.message_from_bytes(raw)


def headers_of(raw: bytes) -> list[tuple[str, str]]:
    """Names and decoded values, unfolded."""
    return [(name, decoded(str(value))) for name, value in parsed(raw).items()]


def decoded(value: str) -> str:
    flat = " ".join(value.split())
    try:
        return str(make_header(decode_header(flat)))
    except (LookupError, ValueError):
        return flat


def message_id_of(raw: bytes) -> str:
    return str(parsed(raw).get("Message-ID", "")).strip()


def recipients_of(raw: bytes, field: str) -> list[dict[str, Any]]:
    """Of one header, as Graph writes them."""
    values = [decoded(str(value)) for value in parsed(raw).get_all(field, [])]
    return [{"emailAddress": {"name": name or who, "address": who}} for name, who in getaddresses(values) if who]


def with_header(raw: bytes, name: str, value: str | None) -> bytes:
    """Set one header; without a value it goes."""
    message = email.message_from_bytes(raw)
    del message[name]
    if value is not None:
        message[name] = value
    return message.as_bytes(policy=WIRE)


def with_attachments(raw: bytes, attachments: Sequence[Attachment]) -> bytes:
    """Hang files on a mail."""
    old = email.message_from_bytes(raw)
    outer = MIMEMultipart("mixed")
    for name, value in old.items():
        if not name.lower().startswith("content-") and name.lower() != "mime-version":
            outer[name] = value
    inner = email.message_from_bytes(raw)
    for name in set(inner.keys()):
        if not name.lower().startswith("content-"):
            del inner[name]
    outer.attach(inner)
    for attachment in attachments:
        part = MIMEBase(*(attachment.content_type.split("/", 1)))
        part.set_payload(attachment.content)
        email.encoders.encode_base64(part)
        shown = "inline" if attachment.is_inline else "attachment"
        part.add_header("Content-Disposition", shown, filename=attachment.name)
        if attachment.content_id:
            part["Content-ID"] = f"<{attachment.content_id}>"
        outer.attach(part)
    return outer.as_bytes(policy=WIRE)


def composed(content: Mapping[str, Any], sender: str, more: Mapping[str, str] | None = None) -> bytes:
    """The MIME of a message that was given as JSON."""
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["From"] = _written([content["from"]]) if content.get("from") else sender
    for key, name in (("toRecipients", "To"), ("ccRecipients", "Cc"), ("replyTo", "Reply-To")):
        if content.get(key):
            mail[name] = _written(content[key])
    mail["Subject"] = content.get("subject") or ""
    mail["Message-ID"] = content.get("internetMessageId") or make_msgid(domain="namprd00.prod.outlook.example")
    for header in content.get("internetMessageHeaders") or ():
        mail[header["name"]] = header["value"]
    for name, value in (more or {}).items():
        mail[name] = value
    body = content.get("body") or {}
    html = str(body.get("contentType", "text")).lower() == "html"
    mail.set_content(body.get("content") or "", subtype="html" if html else "plain")
    return mail.as_bytes()


def _written(recipients: Sequence[Mapping[str, Any]]) -> str:
    told = [item["emailAddress"] for item in recipients]
    return ", ".join(f'"{one["name"]}" <{one["address"]}>' if one.get("name") else one["address"] for one in told)


def text_of(raw: bytes) -> tuple[str, str]:
    """Content and its type (`text` or `html`), as the property `body` shows them."""
    best = ("", "text")
    for part in parsed(raw).walk():
        kind = part.get_content_type()
        if part.get_filename() or kind not in {"text/plain", "text/html"}:
            continue
        payload = part.get_payload(decode=True)
        text = payload.decode(_charset(part), "replace") if isinstance(payload, bytes) else ""
        if kind == "text/html":
            return text, "html"
        if not best[0]:
            best = (text, "text")
    return best


def _charset(part: Message) -> str:
    told = part.get_content_charset("utf-8")
    try:
        "".encode(told)
    except LookupError:
        return "latin-1"
    return told


def files_of(raw: bytes) -> list[tuple[str, str, bytes]]:
    """Name, type and content of what hangs on a mail."""
    found = []
    for part in parsed(raw).walk():
        if part.get_filename() and not part.is_multipart():
            payload = part.get_payload(decode=True)
            found.append((str(part.get_filename()), part.get_content_type(), payload or b""))
    return found
