"""Bounces in words: what the servers write that knew no RFC 3464, or did not care."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from mailwicket.mail.charset import clean
from mailwicket.mail.report_words import RETURNED, RETURNED_MARKED
from mailwicket.mail.status import tidy, unique

NOTICE_MAX_CHARS: Final = 128 * 1024
LINES_MAX: Final = 2000
LINE_MAX_CHARS: Final = 1000
RECIPIENTS_MAX: Final = 1000
RETURNED_MAX_CHARS: Final = 16 * 1024

# No Chinese, Japanese or Korean: there no blank sets an address apart from the sentence around it.
_LETTER: Final = r"[A-Za-z0-9\u00c0-\u052f.!#$%&'*+=?^_~-]"
# Begins only where no letter of an address stands before: else each letter of a long word would be tried in turn.
_ADDRESS: Final = re.compile(
    rf"(?:(?<!{_LETTER}){_LETTER}{{1,256}}|\"[^\"]{{1,64}}\")@"
    r"(?:[A-Za-z0-9\u00c0-\u052f][A-Za-z0-9\u00c0-\u052f.-]{0,254}|\[[\d.]{7,15}\])"
)
_MARKS: Final = " \t-=*|#_>~+."
_DRAWN: Final = re.compile(r"[ \t>]{0,8}[-=*|#_~+]{2}")
_HEADER: Final = re.compile(
    r"(?:> ?)?(?:received|return-path|mime-version|delivered-to|dkim-signature|x-received): ", re.IGNORECASE
)
_LABELLED: Final = re.compile(
    r"[>| \t]{0,8}(?:to|an|à|para|a|кому|収件人|宛先|收件人)[ \t]{0,4}[:：](.{3,400})", re.IGNORECASE
)
_ID: Final = re.compile(
    r"^[>| \t]{0,8}message-id:[ \t]{0,8}\n?[ \t]{0,8}<([^<>\s]{1,996})>", re.IGNORECASE | re.MULTILINE
)

_ASIDE: Final = re.compile(
    r"\b(?:contact|reply.to|help|support|report|complain|abuse|question|questions|please|visit|write to|hello|dear|hi|"
    r"generated from|expanded from|in-reply-to|references|message.id|kontakt|contactez|contacte)\b[^@]{0,60}$"
)
_OTHERS: Final = re.compile(
    r"(?:\b(?:from|sender|by|via|alias|return.path|cc|bcc|as|von|absender|de la part de|expéditeur|remitente|"
    r"remetente|mittente|от кого|от|отправитель|admin\w{0,10}:|postmaster)|发件人|差出人|送信者|寄件者|発信者)"
    r"(?: (?:the|your|address|sender|mail|email|account|user|is)){0,3}[^\w@]{0,12}$"
)
_TO: Final = re.compile(
    r"(?:\b(?:to|for|user|users|mailbox|account|recipients?|recipient\(s\)|addressee|addressed|address|address\(es\)|reach|reached|"
    r"rcpt|dda|smtp|rfc822|mailto|an|empfänger|adresse|destinataires?|destinatario|destinatarios|destinatário|à|para|naar|aan|till|til|do|"
    r"кому|получател\w|адрес\w{0,3}|пользовател\w)|收件人|收信人|宛先|受信者|あて先|받는 사람|"
    r"수신자|收件者)[^\w@]{0,12}$"
)
_REPLY: Final = re.compile(r"(?:\W|^)[45]\d\d[ -](?:#?[45]\.\d{1,3}\.\d{1,3}[ :-])?[^\w@]{0,8}$")
_ALONE: Final = re.compile(
    r"[>\"')\]}]{0,4}(?:\s{0,4}<?(?:mailto:|$)|"
    r"\s{0,8}(?:[:,;(\[#|=]|\.\.\.|-{1,3}(?:\s|>)|on [a-z0-9]|[45]\d\d[ -]|\.?$)|\s{2,}|\t)"
)
_SAID: Final = re.compile(
    r"[>\"')\]}]{0,4}\s{0,4}(?:\.\.\.|:|\(|was ?n[o']t|could ?n[o']t|couldn't|can ?not|can't|is not|isn't|"
    r"does ?n[o']t|doesn't|"
    r"not |unknown|rejected|refused|failed|has |had |is over|konnte|n'a|no |não|non |nicht|kunne|kunde|не |"
    r"undeliver|invalid|=>|->|because|due|mailbox|user|wegen|with |as |yet)"
)
_BARE: Final = re.compile(r"[ \t]{0,16}([\w.+-]{2,40})(?:[ \t]{2,16}\S.{0,200})?[ \t]{0,16}")
_ANNOUNCED: Final = re.compile(r"recipient|address|following|users|destinat|empfänger|reach", re.IGNORECASE)
_WHY: Final = re.compile(r"reason|error|said|answer|respon", re.IGNORECASE)
# Exim names the address that we wrote to below the one, or the program or file, that it leads to.
_SOURCE: Final = re.compile(r"[ \t]{1,16}\(?(?:ultimately )?generated (?:by|from) ")
_FIELDS: Final = frozenset({"to:", "an:", "à :", "à:", "para:", "a:"})
_BETWEEN: Final = " \t,;<>\"'"
_NOBODY: Final = ("mailer-daemon@", "postmaster@", "abuse@", "mailerdaemon@", "mail-daemon@")


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said above the returned mail, and what can be read of that."""

    words: str
    """In lower case, blanks single: to look for phrases in."""
    recipients: Sequence[str]
    """Whom the mail did not reach, as far as the notice names them."""
    others: Sequence[str]
    """Who else is mentioned: recipients, if nobody is named for sure."""
    bare: Sequence[str]
    """Names without a domain, one a line below an announcement, as addresses of the server's own domain."""
    returned_to: Sequence[str]
    """Whom the returned mail was for."""
    message_id: str | None
    """That of the returned mail."""


@dataclass
class _Named:
    """The addresses found, by how surely they are those that we look for."""

    listed: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def without(self, own: frozenset[str]) -> tuple[Sequence[str], Sequence[str]]:
        """Return the recipients and the others; our own address and the server's only where nobody else is named."""
        kinds = [
            unique([one for one in found if one.casefold() not in own and not _nobody(one)][:RECIPIENTS_MAX])
            for found in (self.listed, self.told, self.others)
        ]
        surely = kinds[0] or kinds[1] or unique(self.listed[:RECIPIENTS_MAX])
        if not surely and not kinds[2]:
            surely = unique(self.told[:RECIPIENTS_MAX])
        return surely, kinds[2]


def read(text: str, own: Iterable[str], domain: str) -> Notice:
    """Read the *text* of a bounce; *own* are the addresses it is from and to, *domain* is that of its sender."""
    lines = [line[:LINE_MAX_CHARS] for line in text[:NOTICE_MAX_CHARS].split("\n", LINES_MAX)[:LINES_MAX]]
    end = _end(lines)
    notice, returned = lines[:end], "\n".join(lines[end:])[:RETURNED_MAX_CHARS]
    ours = frozenset(one.casefold() for one in own)
    recipients, others = _named(notice).without(ours)
    found = _ID.search(returned) or _ID.search("\n".join(notice))
    to = next((m for line in (*returned.split("\n"), *notice) if (m := _LABELLED.match(line)) and "@" in m[1]), None)
    return Notice(
        words=" ".join(" ".join(notice).replace("\u2019", "'").casefold().split()),
        recipients=recipients,
        others=others,
        bare=() if recipients else _bare(notice, domain),
        returned_to=addresses(to[1]) if to else (),
        message_id=clean(found[1]) if found else None,
    )


def addresses(text: str) -> Sequence[str]:
    """Return the addresses that stand in a line or field, each once."""
    return unique([clean(tidy(one)) for one in _ADDRESS.findall(text)[:RECIPIENTS_MAX]])


def _end(lines: Sequence[str]) -> int:
    """Return the number of the line where the returned mail begins."""
    for number, line in enumerate(lines):
        if not line or line.isspace():
            continue
        if _HEADER.match(line) and number + 1 < len(lines) and _goes_on(lines[number + 1]):
            return number
        start = line[:120].strip(_MARKS).casefold()
        if number and (start.startswith(RETURNED) or (start.startswith(RETURNED_MARKED) and _DRAWN.match(line))):
            return number
    return len(lines)


def _goes_on(line: str) -> bool:
    """Whether *line* can stand below a header field: folded, or a field."""
    name, colon, _ = line.lstrip("> ").partition(":")
    return line[:1] in {" ", "\t"} or (bool(colon) and name.isascii() and name.replace("-", "").isalnum())


def _named(lines: Sequence[str]) -> _Named:
    """Find the addresses of a notice: a line that begins with one lists it, what is further in explains it."""
    named = _Named()
    indent: int | None = None  # of the address whose explanation is being read
    before = ""
    for line in lines:
        bare = line.lstrip(" \t")
        if not bare:
            indent = None
            continue
        depth = len(line) - len(bare)
        explains = indent is not None and depth > indent
        if "@" in line and (source := _SOURCE.match(line)):
            named.listed += addresses(line[source.end() :])[:1]
        elif "@" in line:
            end, place = -1, None
            for found in _ADDRESS.finditer(line):
                if place is None or line[end : found.start()].strip(_BETWEEN):  # else: one more in a row
                    place = _place(named, line, found, before, explains=explains)
                if place is not None:
                    place.append(clean(tidy(found[0])))
                if place is named.listed:
                    indent = depth
                end = found.end()
        before = bare.rstrip()
    return named


def _place(named: _Named, line: str, found: re.Match[str], before: str, *, explains: bool) -> list[str] | None:
    """Return where an address belongs, or None for one that is no recipient's."""
    prefix = line[max(0, found.start() - 80) : found.start()].strip(" \t<>\"'([{*-•|=").casefold()
    suffix = line[found.end() : found.end() + 40].casefold()
    if not prefix and not explains and _ALONE.match(suffix):
        if before[-1:] not in {":", "."} and _aside(before[-80:].casefold().rstrip(" :<")):
            return None  # the end of a sentence
        return named.listed
    if _aside(prefix):
        return None
    if prefix in _FIELDS:  # of the mail that was sent; if nobody else is named, that is looked at
        return named.others
    if not explains and (_TO.search(prefix) or _REPLY.search(prefix) or _SAID.match(suffix)):
        return named.told
    return named.others


def _bare(lines: Sequence[str], domain: str) -> Sequence[str]:
    found: list[str] = []
    announced = False
    for line in lines if domain else ():
        if not line.strip():
            if found:
                break
            continue
        name = _BARE.fullmatch(line) if announced else None
        if name and not name[1].isdigit():
            found.append(f"{name[1]}@{domain}")
        elif found:
            break
        else:
            announced = line.rstrip().endswith(":") and _ANNOUNCED.search(line) is not None and not _WHY.search(line)
    return unique(found[:RECIPIENTS_MAX])


def _aside(prefix: str) -> bool:
    """Whether what stands before an address makes it another's than a recipient's."""
    return _OTHERS.search(prefix) is not None or _ASIDE.search(prefix) is not None


def _nobody(address: str) -> bool:
    return address.casefold().startswith(_NOBODY)
