"""What a mail says: bytes in, `model.Mail` out. Never raises for what a mail contains, and takes linear time."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from mailwicket.mail.address import people
from mailwicket.mail.automatic import automatic
from mailwicket.mail.charset import clean, to_text
from mailwicket.mail.decode import SLICE_BYTES, Raw, decode, decoded
from mailwicket.mail.header import Header, ids, moment, parameters, words
from mailwicket.mail.html import to_plain
from mailwicket.mail.parts import Part, leaves, split_header
from mailwicket.mail.report import bounce
from mailwicket.model import Attachment, Mail, Sha256

TEXT_MAX_BYTES: Final = 1024 * 1024
"""Of a longer text part the beginning is the text, and the whole an attachment."""


@dataclass
class _Body:
    """The body as it is put together from the leaves."""

    texts: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    returned: list[Header] = field(default_factory=list)


def parse(raw: Raw) -> Mail:
    """Return what *raw* says; what was repaired or left out is named in `Mail.damage`."""
    damage: list[str] = []
    header, begin = split_header(raw, 0, len(raw))
    body = _Body()
    for part in leaves(raw, header, begin, len(raw), damage):
        _take(raw, part, body, damage)
    html = "\n".join(body.html) if body.html else None
    text = "\n".join(body.texts) if body.texts else to_plain(html) if html else ""
    author = next(iter(people(header.get("from"))), None)
    subject = words(header.get("subject"))
    date = moment(header.get("date"))
    said = [author.address.casefold() if author else "", str(date), subject, text]
    said += [attachment.sha256 for attachment in body.attachments]
    return Mail(
        subject=subject,
        author=author,
        to=people(header.get("to")),
        cc=people(header.get("cc")),
        reply_to=people(header.get("reply-to")),
        message_id=next(iter(ids(header.get("message-id"))), None),
        in_reply_to=ids(header.get("in-reply-to")),
        references=ids(header.get("references")),
        date=date,
        text=text,
        html=html,
        attachments=body.attachments,
        enclosed=(),
        automatic=automatic(header, subject, text),
        bounce=bounce(header, subject, text, body.status, body.returned),
        content_digest=Sha256(hashlib.sha256("\0".join(f"{len(s)}:{s}" for s in said).encode()).hexdigest()),
        damage=tuple(dict.fromkeys(damage)),
    )


def _take(raw: Raw, part: Part, body: _Body, damage: list[str]) -> None:
    """Put one leaf where it belongs: body, report, or attachment."""
    encoding = part.header.get("content-transfer-encoding").strip().casefold()
    disposition, options = parameters(part.header.get("content-disposition"))
    name = options.get("filename") or part.parameters.get("name")
    if part.content_type in {"text/plain", "text/html"} and disposition != "attachment" and not name:
        size = part.end - part.begin
        content = decode(raw[part.begin : part.begin + min(size, TEXT_MAX_BYTES)], encoding)
        text = to_text(content, part.parameters.get("charset"))
        if "\r" in text:  # one letter is searched ten times as fast as two
            text = text.replace("\r\n", "\n")
        (body.texts if part.content_type == "text/plain" else body.html).append(text)
        if size <= TEXT_MAX_BYTES:
            return
        damage.append("text_cut")
    elif part.content_type == "message/delivery-status":
        body.status.append(to_text(decode(raw[part.begin : min(part.end, part.begin + SLICE_BYTES)], encoding), None))
    elif part.content_type in {"message/rfc822", "text/rfc822-headers"}:
        body.returned.append(split_header(raw, part.begin, part.end)[0])
    digest, size = hashlib.sha256(), 0
    for piece in decoded(raw, part.begin, part.end, encoding):
        digest.update(piece)
        size += len(piece)
    body.attachments.append(
        Attachment(
            filename=_bare(name),
            content_type=part.content_type,
            size=size,
            sha256=Sha256(digest.hexdigest()),
            inline=disposition == "inline" or (part.related and "content-id" in part.header),
            content_id=next(iter(ids(part.header.get("content-id"))), None),
            span=(part.begin, part.end),
            encoding=encoding,
        )
    )


def _bare(name: str | None) -> str | None:
    """A file name without path and control characters (never a way out of a directory)."""
    if not name:
        return None
    last = re.split(r"[/\\]", words(name))[-1]
    bare = "".join(c for c in clean(last) if c.isprintable()).strip()[:255]
    return bare if bare not in {"", ".", ".."} else None
