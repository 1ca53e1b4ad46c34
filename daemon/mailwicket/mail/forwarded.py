"""Mails that pass another on: who wrote that one, about what, and what was said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mailwicket.mail.address import people
from mailwicket.mail.quoted import LINE_MAX_CHARS, quoted_header, reply_text
from mailwicket.model import Address, Enclosed

_SUBJECT: Final = re.compile(r"\s*(?:fwd?|wg|tr|rv|i|enc|vs|vb|vl|doorst|pd|továbbítás|пересл)\s*[:：]", re.IGNORECASE)
_MARK: Final = re.compile(
    r"\s*(?:-{3,}\s*(?:forwarded message|weitergeleitete nachricht|message transféré|mensaje reenviado|"
    r"mensagem encaminhada|messaggio inoltrato|doorgestuurd bericht|videresendt meddelelse|vidarebefordrat meddelande|"
    r"przekazana wiadomość|пересылаемое сообщение|转发的邮件|"
    r"original message|ursprüngliche nachricht|message d'origine)\s*-{3,}|"
    r"begin forwarded message:|anfang der weitergeleiteten nachricht:|début du message réexpédié\s*:|"
    r"inicio del mensaje reenviado:|inizio messaggio inoltrato:)\s*$",
    re.IGNORECASE,
)
_ORIGINAL: Final = re.compile(r"original|ursprüngliche|d'origine", re.IGNORECASE)
_AUTHOR: Final = ("from", "von", "de", "da", "van", "fra", "från", "od", "от", "发件人", "差出人")
_TITLE: Final = (
    "subject", "betreff", "objet", "asunto", "assunto", "oggetto", "onderwerp", "emne", "ämne", "temat", "тема", "主题",
    "件名",
)  # fmt: skip
HEADER_LINES: Final = 12


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A mail inside another's text, and the words of the one who passed it on."""

    author: Address | None
    subject: str | None
    text: str
    own_words: str
    """What the forwarder wrote above it; `""` for nothing."""


def forwarded(subject: str, text: str, enclosed: Sequence[Enclosed] = ()) -> Forwarded | None:  # noqa: ARG001
    """Find the mail that *text* forwards, or return None: a reply that quotes is none."""
    lines = text.replace("\r\n", "\n").split("\n")
    titled = _SUBJECT.match(subject) is not None
    for number, line in enumerate(lines):
        short = line[:LINE_MAX_CHARS]
        mark = _MARK.match(short)
        if mark and (titled or not _ORIGINAL.search(short)):
            return _read(lines, number, number + 1)
        if titled and quoted_header(lines, number):
            return _read(lines, number, number)
    return None


def _read(lines: list[str], mark: int, begin: int) -> Forwarded:
    author: Address | None = None
    subject: str | None = None
    while begin < len(lines) and not lines[begin].strip():
        begin += 1
    end = begin
    while end < min(len(lines), begin + HEADER_LINES) and lines[end].strip():
        label, colon, value = lines[end].replace("：", ":", 1).partition(":")
        name = label.strip(" \t*>").casefold()
        if colon and name in _AUTHOR and author is None:
            author = next(iter(people(value.strip(" *").replace("[mailto:", "<").replace("]", ">"))), None)
        elif colon and name in _TITLE and subject is None:
            subject = value.strip(" *")
        end += 1
    if author is None and subject is None:
        end = begin
    own = "\n".join(lines[:mark]).strip()
    return Forwarded(author, subject, "\n".join(lines[end:]).strip(), reply_text(own) if own else "")
