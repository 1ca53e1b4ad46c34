"""What a mail says: bytes in, `model.Mail` out. Never raises for what a mail contains, and takes linear time."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from mailwicket.mail.decode import clean, decode, to_text
from mailwicket.mail.header import Header, ids, moment, parameters, people, words
from mailwicket.mail.html import to_plain
from mailwicket.mail.parts import Part, Raw, leaves, split_header
from mailwicket.model import Attachment, Automatic, Bounce, Mail, Sha256

TEXT_MAX_CHARS: Final = 1024 * 1024
SLICE_BYTES: Final = 1024 * 1024

_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]")


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
        _take(raw, part, body)
    html = "\n".join(body.html) if body.html else None
    text = "\n".join(body.texts) if body.texts else to_plain(html or "")
    if len(text) > TEXT_MAX_CHARS:
        text = text[:TEXT_MAX_CHARS]
        damage.append("text_cut")
    author = next(iter(people(header.get("from"))), None)
    subject = words(header.get("subject"))
    date = moment(header.get("date"))
    sign = [
        (author.address if author else "").casefold(),
        str(date),
        subject,
        text,
        *(a.sha256 for a in body.attachments),
    ]
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
        automatic=_automatic(header),
        bounce=_bounce(header, body),
        content_digest=Sha256(hashlib.sha256("\0".join(f"{len(s)}:{s}" for s in sign).encode()).hexdigest()),
        damage=tuple(damage),
    )


def _take(raw: Raw, part: Part, body: _Body) -> None:
    """Put one leaf where it belongs: body, report, or attachment."""
    encoding = part.header.get("content-transfer-encoding").strip().casefold()
    disposition, options = parameters(part.header.get("content-disposition"))
    name = options.get("filename") or part.parameters.get("name")
    if part.content_type in {"text/plain", "text/html"} and disposition != "attachment" and not name:
        text = to_text(decode(raw[part.begin : part.end], encoding), part.parameters.get("charset"))
        (body.texts if part.content_type == "text/plain" else body.html).append(text.replace("\r\n", "\n"))
        return
    if part.content_type == "message/delivery-status":
        body.status.append(to_text(decode(raw[part.begin : min(part.end, part.begin + SLICE_BYTES)], encoding), None))
    elif part.content_type in {"message/rfc822", "text/rfc822-headers"}:
        body.returned.append(split_header(raw, part.begin, part.end)[0])
    size, digest = _measure(raw, part, encoding)
    inline = disposition == "inline" or (part.related and "content-id" in part.header)
    content_id = next(iter(ids(part.header.get("content-id"))), None)
    span = (part.begin, part.end)
    body.attachments.append(
        Attachment(_bare(name), part.content_type, size, digest, inline, content_id, span, encoding)
    )


def _measure(raw: Raw, part: Part, encoding: str) -> tuple[int, Sha256]:
    """Return size and hash of a decoded leaf; large base64 is decoded in slices of whole groups of four."""
    digest, size = hashlib.sha256(), 0
    if encoding != "base64" or part.end - part.begin <= SLICE_BYTES:
        content = decode(raw[part.begin : part.end], encoding)
        digest.update(content)
        return len(content), Sha256(digest.hexdigest())
    rest = b""
    for at in range(part.begin, part.end, SLICE_BYTES):
        piece = rest + _NOT_BASE64.sub(b"", raw[at : min(part.end, at + SLICE_BYTES)])
        whole = len(piece) // 4 * 4
        piece, rest = piece[:whole], piece[whole:]
        content = decode(piece, "base64")
        digest.update(content)
        size += len(content)
    content = decode(rest + b"=" * (-len(rest) % 4), "base64") if len(rest) > 1 else b""
    digest.update(content)
    return size + len(content), Sha256(digest.hexdigest())


def _bare(name: str | None) -> str | None:
    """A file name without path and control characters (never a way out of a directory)."""
    if not name:
        return None
    last = re.split(r"[/\\]", words(name))[-1]
    bare = "".join(c for c in clean(last) if c.isprintable()).strip()[:255]
    return bare if bare not in {"", ".", ".."} else None


def _automatic(header: Header) -> Automatic | None:
    """Tell why a machine is held to have written the mail; List-Id alone does not make it automatic.

    Source: RFC 3834 5 (Auto-Submitted other than "no") and its relatives. An unreadable value counts as
    automatic: a missing answer costs less than a mail loop.
    """
    submitted = header.get("auto-submitted").partition(";")[0].strip().casefold()
    if submitted and submitted != "no":
        return Automatic(f"Auto-Submitted: {words(submitted)[:80]}")
    precedence = header.get("precedence").strip().casefold()
    if precedence in {"bulk", "junk", "list", "auto_reply"}:
        return Automatic(f"Precedence: {precedence}")
    for name in ("x-autoreply", "x-autorespond", "x-auto-reply-from"):
        if name in header and header.get(name).strip().casefold() not in {"no", "false"}:
            return Automatic(name)
    return None


def _bounce(header: Header, body: _Body) -> Bounce | None:
    """Read a delivery report (RFC 3464): about whom, and whether the server gave up."""
    kind, options = parameters(header.get("content-type"))
    if kind != "multipart/report" or options.get("report-type", "").casefold() not in {"delivery-status", ""}:
        return None
    lines = "\n".join(body.status).replace("\r\n", "\n").split("\n")
    fields = [
        (name.strip().casefold(), value.strip())
        for name, colon, value in (line.partition(":") for line in lines)
        if colon
    ]
    recipients = [value.rpartition(";")[2].strip().strip("<>") for name, value in fields if name == "final-recipient"]
    actions = [value.casefold() for name, value in fields if name == "action"]
    if not actions and not recipients:
        return None
    original = next((found[0] for one in body.returned if (found := ids(one.get("message-id")))), None)
    return Bounce(tuple(dict.fromkeys(recipients)), permanent="failed" in actions, original_message_id=original)
