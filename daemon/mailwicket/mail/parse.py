"""What a mail says: bytes in, `model.Mail` out. Never raises for what a mail contains, and takes linear time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from mailwicket.mail.address import people
from mailwicket.mail.attachment import TEXT_MAX_BYTES, Leaf, cut_out, is_packed, leaf, listed
from mailwicket.mail.automatic import automatic
from mailwicket.mail.body import Body, is_body, may_be_body
from mailwicket.mail.charset import to_text
from mailwicket.mail.decode import SLICE_BYTES, Raw, decode
from mailwicket.mail.enclosed import ENCLOSED_MAX, enclosed, is_mail
from mailwicket.mail.head import lines_as_lf, split_header, start_of
from mailwicket.mail.header import HEADER_MAX_BYTES, Header, ids, moment, words
from mailwicket.mail.html import to_plain
from mailwicket.mail.parts import leaves
from mailwicket.mail.report import bounce
from mailwicket.mail.status import RETURNED_TYPES, STATUS_TYPES
from mailwicket.model import Attachment, Enclosed, Mail, Sha256

__all__ = ["TEXT_MAX_BYTES", "parse"]


WINMAILS_MAX: Final = 10
"""More of them in one mail stay packed."""


@dataclass(slots=True)
class _Content:
    """What was found below the header."""

    body: Body = field(default_factory=Body)
    attachments: list[Attachment] = field(default_factory=list)
    enclosed: list[Enclosed] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    returned: list[Header] = field(default_factory=list)
    wrapped: tuple[Header, int, int] | None = None
    """The first mail inside, and where its body stands."""
    last_resort: tuple[Leaf, Attachment] | None = None
    packed: tuple[str, str | None] = "", None
    """The text and the HTML in the first winmail.dat."""
    taken_apart: int = 0


def parse(raw: Raw) -> Mail:
    """Return what *raw* says; what was repaired or left out is named in `Mail.damage`."""
    view = lines_as_lf(raw)
    start = start_of(view)
    header, begin = split_header(view, start, len(view))
    content = _Content()
    damage = content.body.damage
    if begin - start >= HEADER_MAX_BYTES:
        damage.append("header_cut")
    for part in leaves(view, header, begin, len(view), damage):
        _take(raw, leaf(raw, part), content)
    if content.last_resort is not None and not content.body.pieces and content.packed == ("", None):
        _take_last_resort(raw, content, *content.last_resort)
    text, html = content.body.read() if content.body.pieces else ("", None)
    if content.packed != ("", None) and not text.strip():
        text, html = content.packed[0] or to_plain(content.packed[1] or ""), html or content.packed[1]
    if content.wrapped is not None and not content.status and "delivery-status" in header.get("content-type"):
        _unwrap(raw, content, content.wrapped)
    author = next(iter(people(header.get("from"))), None)
    subject = words(header.get("subject"))
    date = moment(header.get("date"))
    said = [author.address.casefold() if author else "", str(date), subject, text]
    said += [attachment.sha256 for attachment in content.attachments]
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
        is_laid_out=content.body.is_laid_out,
        attachments=content.attachments,
        enclosed=tuple(content.enclosed),
        automatic=automatic(header, subject, text),
        bounce=bounce(header, subject, text, content.status, content.returned),
        header=bytes(view[start : min(begin, start + HEADER_MAX_BYTES)]),
        content_digest=Sha256(hashlib.sha256("\0".join(f"{len(s)}:{s}" for s in said).encode()).hexdigest()),
        damage=tuple(dict.fromkeys(damage)),
    )


def _take(raw: Raw, one: Leaf, content: _Content) -> None:
    """Put one leaf where it belongs: body, report, or attachment."""
    if is_body(one):
        _take_body(raw, one, content)
        return
    if is_packed(one) and content.taken_apart < WINMAILS_MAX and _take_apart(raw, one, content):
        return
    _look_at(raw, one, content)
    attachment = listed(raw, one)
    content.attachments.append(attachment)
    if content.last_resort is None and may_be_body(one):
        content.last_resort = one, attachment


def _take_apart(raw: Raw, one: Leaf, content: _Content) -> bool:
    """Take what a winmail.dat holds, and tell whether that is all of it."""
    from mailwicket.mail.unpacked import take_apart  # noqa: PLC0415 - few mails need it

    content.taken_apart += 1
    taken = take_apart(raw, one, with_body=content.taken_apart == 1)
    if taken is None:
        return False
    content.attachments += taken.attachments
    if content.taken_apart == 1:
        content.packed = taken.text, taken.html
    return taken.whole


def _look_at(raw: Raw, one: Leaf, content: _Content) -> None:
    """Read what an attachment says about the mail."""
    part = one.part
    if part.content_type in STATUS_TYPES:
        status = decode(raw[part.begin : min(part.end, part.begin + SLICE_BYTES)], one.encoding)
        content.status.append(to_text(status, None))
    elif part.content_type in RETURNED_TYPES:
        if one.encoding in {"base64", "quoted-printable"}:
            head = decode(raw[part.begin : min(part.end, part.begin + HEADER_MAX_BYTES)], one.encoding)
            content.returned.append(split_header(head, 0, len(head))[0])
        else:
            header, begin = split_header(raw, part.begin, part.end)
            content.returned.append(header)
            content.wrapped = content.wrapped or (header, begin, part.end)
    if len(content.enclosed) < ENCLOSED_MAX and is_mail(one) and (inner := enclosed(raw, one)):
        content.enclosed.append(inner)


def _unwrap(raw: Raw, content: _Content, wrapped: tuple[Header, int, int]) -> None:
    """Read the report inside the mail that a gateway put around it, and left its type."""
    header, begin, end = wrapped
    for part in leaves(raw, header, begin, end, []):
        if part.content_type in STATUS_TYPES or part.content_type in RETURNED_TYPES:
            _look_at(raw, leaf(raw, part), content)
    del content.returned[0]  # the report itself


def _take_body(raw: Raw, one: Leaf, content: _Content) -> None:
    for cut in content.body.take(raw, one):
        kind = "application/octet-stream" if "uuencode" in cut.encoding else one.part.content_type
        content.attachments.append(cut_out(raw, cut.span, cut.encoding, filename=cut.name, content_type=kind))


def _take_last_resort(raw: Raw, content: _Content, one: Leaf, attachment: Attachment) -> None:
    """Make an attachment the body: there is no other."""
    content.attachments.remove(attachment)
    _take_body(raw, one, content)
