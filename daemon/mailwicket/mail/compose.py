"""What the desk sends, as bytes: the one constructor for all outgoing mail.

The same letter and identity give the same bytes, so that a mail which is sent again is the same mail. Before anybody
gets it, it is read again as we read any mail and compared with what it was to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from email.utils import format_datetime
from typing import Final

from mailwicket.mail import fields
from mailwicket.mail.entity import Entity, file_part, markup, multipart, plain_words, text_part
from mailwicket.mail.html import to_plain
from mailwicket.mail.reread import Said, compare
from mailwicket.model import Address, MessageId
from mailwicket.outgoing import Enclosure, Event, Identity, Letter

REFERENCES_MAX: Final = 20
"""The first, which is the thread's root, and the newest (RFC 5322 3.6.4 asks for all; nobody needs hundreds)."""

SUPPRESSED: Final = "DR, RN, NRN, OOF, AutoReply"
"""What X-Auto-Response-Suppress asks Exchange not to send; reports of failed delivery (NDR) are wanted."""

ANSWERS: Final = frozenset({Event.CREATED, Event.MAIL_REFUSED})
"""What answers a mail by itself (RFC 3834 5, `auto-replied`) where the letter says which."""

_LOOP_MARK: Final = re.compile(r"[A-Za-z0-9-]{1,100}")
_CID: Final = re.compile(r"cid:([^\s\"'<>)]{1,900})", re.IGNORECASE)


def compose(letter: Letter, identity: Identity) -> bytes:
    """Return *letter* as *identity* sends it, in lines that end in CR LF. ASCII, unless an address asks for SMTPUTF8.

    Of subjects and names, control characters are taken out; ids of other people's mail that cannot be written are left
    out. Bcc has no place: who gets it is the envelope's matter.

    Raises:
        ValueError: it cannot be sent, or would not be read as it was meant; the field is named.
    """
    text = plain_words(letter.text)
    html = None if letter.html is None else markup(letter.html)
    if html is not None and not text.strip():
        text = plain_words(to_plain(html))
    body, files = _body(text, html, letter)
    header = [*_header(letter, identity), "MIME-Version: 1.0"]
    header += [f"{name}: {value}" for name, value in body.fields]
    raw = "\r\n".join(header).encode("utf-8") + b"\r\n\r\n" + body.content + b"\r\n"
    compare(raw, _said(letter, identity, header, text, html, files))
    return raw


def _header(letter: Letter, identity: Identity) -> Sequence[str]:
    address, reply_to = _sender(identity)
    lines = [fields.people("From", [Address(identity.name, address)])]
    if reply_to is not None:
        lines.append(fields.people("Reply-To", [Address(None, reply_to)]))
    to, cc = _persons("to", letter.to), _persons("cc", letter.cc)
    if not to:
        raise ValueError("to: nobody")
    lines.append(fields.people("To", to))
    if cc:
        lines.append(fields.people("Cc", cc))
    lines.append(fields.unstructured("Subject", _subject(letter)))
    if letter.date.tzinfo is None:
        raise ValueError("date: without time zone")
    lines.append(f"Date: {format_datetime(letter.date)}")
    if not fields.is_id(letter.message_id):
        raise ValueError("message_id: cannot be written")
    lines.append(f"Message-ID: <{letter.message_id}>")
    answered, references = _thread(letter)
    if answered is not None:
        lines.append(fields.tokens("In-Reply-To", [f"<{answered}>"]))
    if references:
        lines.append(fields.tokens("References", [f"<{one}>" for one in references]))
    return [*lines, *_marks(letter, reply_to or address)]


def _marks(letter: Letter, address: str) -> Iterable[str]:
    """What tells machines that one of them wrote, and to whom it went."""
    if letter.automatic:
        answers = letter.event in ANSWERS and letter.in_reply_to is not None
        yield f"Auto-Submitted: {'auto-replied' if answers else 'auto-generated'}"
        yield f"X-Auto-Response-Suppress: {SUPPRESSED}"
    if letter.loop_mark:
        if not _LOOP_MARK.fullmatch(letter.loop_mark):
            raise ValueError("loop_mark: cannot be written")
        yield f"X-Mailwicket-Loop: {letter.loop_mark}"
    if letter.event is Event.ANNOUNCEMENT:
        yield "Precedence: bulk"
        yield fields.tokens("List-Id", [f"<announcements.{address.rpartition('@')[2].strip('[]')}>"])
        if address.isascii():
            yield fields.tokens("List-Unsubscribe", [f"<mailto:{_in_link(address)}?subject=unsubscribe>"])


def _sender(identity: Identity) -> tuple[str, str | None]:
    address = fields.address("from", identity.address)
    if identity.reply_to is None:
        return address, None
    reply_to = fields.address("reply_to", identity.reply_to)
    return address, None if reply_to.casefold() == address.casefold() else reply_to


def _persons(field: str, persons: Sequence[Address]) -> Sequence[Address]:
    return [Address(one.name, fields.address(field, one.address)) for one in persons]


def _subject(letter: Letter) -> str:
    return fields.one_line(letter.subject, fields.SUBJECT_MAX_CHARS)


def _thread(letter: Letter) -> tuple[MessageId | None, Sequence[MessageId]]:
    """The mail that is answered, and the thread up to it; what others wrote as ids may be anything."""
    answered = letter.in_reply_to if letter.in_reply_to and fields.is_id(letter.in_reply_to) else None
    known = [one for one in letter.references if fields.is_id(one) and one not in {answered, letter.message_id}]
    known = list(dict.fromkeys(reversed(known)))[::-1]
    if answered is not None:
        known.append(answered)
    if len(known) > REFERENCES_MAX:
        known = [known[0], *known[1 - REFERENCES_MAX :]]
    return answered, known


def _body(text: str, html: str | None, letter: Letter) -> tuple[Entity, Sequence[tuple[Enclosure, bool]]]:
    """The body, and the files in the order in which they stand in it, each with whether it is a picture of the HTML."""
    shown = {name.casefold() for name in _CID.findall(html or "")}
    pictures = [one for one in letter.enclosures if _is_picture(one) and (one.content_id or "").casefold() in shown]
    others = [one for one in letter.enclosures if one not in pictures]
    body, seed = text_part("plain", text), letter.message_id
    if html is not None:
        rich = text_part("html", html)
        if pictures:
            rich = multipart("related", [rich, *(file_part(one, inline=True) for one in pictures)], seed)
        body = multipart("alternative", [body, rich], seed)
    if others:
        body = multipart("mixed", [body, *(file_part(one, inline=False) for one in others)], seed)
    return body, [*((one, True) for one in pictures), *((one, False) for one in others)]


def _is_picture(file: Enclosure) -> bool:
    return file.content_id is not None and file.content_type.casefold().startswith("image/")


def _said(  # noqa: PLR0913, PLR0917 - what a mail says
    letter: Letter,
    identity: Identity,
    header: Sequence[str],
    text: str,
    html: str | None,
    files: Sequence[tuple[Enclosure, bool]],
) -> Said:
    address, reply_to = _sender(identity)
    return Said(
        names=[line.partition(":")[0] for line in header],
        author=address,
        to=[one.address for one in _persons("to", letter.to)],
        cc=[one.address for one in _persons("cc", letter.cc)],
        reply_to=[] if reply_to is None else [reply_to],
        message_id=letter.message_id,
        thread=_thread(letter),
        subject=_subject(letter),
        date=letter.date,
        text=text,
        html=html,
        files=files,
    )


def _in_link(address: str) -> str:
    return re.sub(r"[^A-Za-z0-9@.+_-]", lambda found: f"%{ord(found[0]):02X}", address)
