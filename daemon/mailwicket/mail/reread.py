"""A mail that is about to be sent, read again: nothing may be in it that was not meant, nothing missing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mailwicket.mail.address import people
from mailwicket.mail.entity import file_type, name_of
from mailwicket.mail.fields import LINE_MAX
from mailwicket.mail.header import Header
from mailwicket.mail.parse import parse
from mailwicket.model import Mail, MessageId
from mailwicket.outgoing import Enclosure

_NAME: Final = re.compile(rb"^([!-9;-~]+):", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Said:
    """What a mail is to say; addresses and words as they are written."""

    names: Sequence[str]
    """Of its fields, in order."""
    author: str
    to: Sequence[str]
    cc: Sequence[str]
    reply_to: Sequence[str]
    message_id: MessageId
    thread: tuple[MessageId | None, Sequence[MessageId]]
    """The mail that it answers, and the thread up to it."""
    subject: str
    date: datetime
    text: str
    html: str | None
    files: Sequence[tuple[Enclosure, bool]]
    """Each with whether it is a picture of the HTML."""


def compare(raw: bytes, said: Said) -> None:
    """Return if *raw* says just what *said* does, in lines as SMTP wants them.

    Raises:
        ValueError: it does not; the field is named.
    """
    if field := next(_differences(raw, said), None):
        raise ValueError(f"{field}: would be read otherwise than it is meant")


def _differences(raw: bytes, said: Said) -> Iterator[str]:
    ends = raw.count(b"\r\n")
    if raw.count(b"\r") != ends or raw.count(b"\n") != ends or b"\0" in raw or not raw.endswith(b"\r\n"):
        yield "line ends"
    if any(len(line) > LINE_MAX for line in raw.split(b"\r\n")):
        yield "line length"
    head = raw.partition(b"\r\n\r\n")[0]
    names = [found.decode("ascii") for found in _NAME.findall(head.replace(b"\r\n", b"\n"))]
    if names != list(said.names):
        yield "header"
    mail = parse(raw)
    if mail.damage:
        yield "structure"
    yield from _otherwise(mail, said, Header(head))


def _otherwise(mail: Mail, said: Said, header: Header) -> Iterator[str]:
    answered, references = said.thread
    told: Sequence[tuple[str, object, object]] = (
        ("from", [one.address for one in people(header.get("from"))], [said.author]),
        ("to", [one.address for one in mail.to], list(said.to)),
        ("cc", [one.address for one in mail.cc], list(said.cc)),
        ("reply_to", [one.address for one in mail.reply_to], list(said.reply_to)),
        ("subject", mail.subject, said.subject),
        ("date", mail.date, said.date.replace(microsecond=0)),
        ("message_id", mail.message_id, said.message_id),
        ("in_reply_to", list(mail.in_reply_to), [] if answered is None else [answered]),
        ("references", list(mail.references), list(references)),
        ("text", mail.text.rstrip("\n"), said.text),
        ("html", None if mail.html is None else mail.html.rstrip("\n"), said.html),
        ("enclosures", [(one.filename, one.content_type, one.sha256, one.inline) for one in mail.attachments],
         [(name_of(one), file_type(one), hashlib.sha256(one.content).hexdigest(), shown)
          for one, shown in said.files]),
    )  # fmt: skip
    yield from (field for field, is_read, is_meant in told if is_read != is_meant)
