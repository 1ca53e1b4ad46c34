"""What the writer of a reply wrote: a text without the mail it quotes and without signature.

Line by line, in linear time, and careful: the full text is always kept beside it, and where cutting would leave
nothing, nothing is cut.
"""

from __future__ import annotations

import re
from typing import Final

_WROTE: Final = (
    "wrote|writes|schrieb|schreef|skrev|skrifaði|kirjoitti|a écrit|ha scritto|scrisse|escribió|escreveu|va escriure|"
    "napisał|napisała|napisał[(]a[)]|napsal|napsala|napsal[(]a[)]|napísal|napísala|napisao|je napisal|"
    "a scris|írta|kirjutas|rašė|rakstīja|yazdı|написал|написала|написал[(]a[)]|пишет|написав|έγραψε|"
    "写道|寫道|のメール|님이 작성"
)
"""How mail programs end the line above a quote: 27 languages' word for "wrote"."""

_ATTRIBUTION: Final = re.compile(rf"(?:{_WROTE})\s*[:：]?\s*$", re.IGNORECASE)
_SEPARATOR: Final = re.compile(
    r"\s*[-_*]{3,}\s*(?:original message|ursprüngliche nachricht|message d'origine|message original|mensaje original|"
    r"mensagem original|messaggio originale|oorspronkelijk bericht|oprindelig meddelelse|ursprungligt meddelande|"
    r"opprinnelig melding|alkuperäinen viesti|oryginalna wiadomość|původní zpráva|исходное сообщение|"
    r"原始邮件|元のメッセージ|orijinal mesaj)\s*[-_*]{3,}\s*$",
    re.IGNORECASE,
)
_RULE: Final = re.compile(r"\s*_{20,}\s*$")
_LABEL: Final = re.compile(
    r"\s*\*?(from|sent|date|to|cc|subject|von|gesendet|datum|an|betreff|de|envoyé|date|à|objet|enviado|para|asunto|"
    r"assunto|da|inviato|data|a|oggetto|van|verzonden|aan|onderwerp|fra|sendt|til|emne|från|skickat|till|ämne|"
    r"od|wysłano|do|temat|odesláno|komu|předmět|от|отправлено|кому|тема|发件人|发送时间|收件人|主题|差出人|送信日時|宛先|件名)"
    r"\s*\*?\s*[:：]",
    re.IGNORECASE,
)
_SIGNATURE: Final = re.compile(
    r"(?:-- ?|sent from my .{1,40}|get outlook for .{1,20}|von meinem .{1,40} gesendet|"
    r"envoyé de mon .{1,40}|enviado desde mi .{1,40}|inviato da .{1,40}|verzonden vanaf mijn .{1,40})$",
    re.IGNORECASE,
)

LINE_MAX_CHARS: Final = 400
ATTRIBUTION_LINES: Final = 4
LABELS_LEAST: Final = 3
LABELS_WITHIN: Final = 6
SIGNATURE_LINES: Final = 15


def reply_text(text: str) -> str:
    """Return *text* without quoted text and signature; the whole where nothing else would remain."""
    lines = text.replace("\r\n", "\n").split("\n")
    lines = lines[: _quote_begins(lines)]
    own = [line for line in lines if not line.startswith(">")]
    own = own[: _signature_begins(own)]
    return "\n".join(own).strip() or text.strip()


def quoted_header(lines: list[str], at: int) -> int:
    """Return how many lines at *at* are the header of a quoted mail as mail programs print it; 0 for none."""
    found = last = 0
    for offset, line in enumerate(lines[at : at + LABELS_WITHIN]):
        if _LABEL.match(line[:LINE_MAX_CHARS]):
            found, last = found + 1, offset + 1
        elif line.strip() == "" or found == 0:
            break
    return last if found >= LABELS_LEAST else 0


def _quote_begins(lines: list[str]) -> int:
    for number, line in enumerate(lines):
        short = line[:LINE_MAX_CHARS]
        if _SEPARATOR.match(short) or (_LABEL.match(short) and quoted_header(lines, number)):
            return number - 1 if number and _RULE.match(lines[number - 1][:LINE_MAX_CHARS]) else number
        if _ATTRIBUTION.search(short) and _quote_follows(lines, number + 1):
            return _attribution_begins(lines, number)
    return len(lines)


def _quote_follows(lines: list[str], at: int) -> bool:
    """Tell whether the next line with anything on it is quoted, or there is none."""
    for line in lines[at : at + ATTRIBUTION_LINES]:
        if line.strip():
            return line.startswith(">")
    return not any(line.strip() for line in lines[at : at + 50])


def _attribution_begins(lines: list[str], number: int) -> int:
    """Programs wrap a long "On ... NAME <ADDRESS> wrote:" over a few lines; it starts behind an empty one."""
    first = number
    while first > max(0, number - ATTRIBUTION_LINES + 1) and lines[first - 1].strip():
        first -= 1
    begins = first == 0 or not lines[first - 1].strip()
    return first if begins and first > 0 else number


def _signature_begins(lines: list[str]) -> int:
    last = len(lines)
    for number in range(len(lines) - 1, max(-1, len(lines) - 1 - SIGNATURE_LINES), -1):
        if _SIGNATURE.match(lines[number][:LINE_MAX_CHARS].strip("\t")) or lines[number].strip() == "--":
            last = number
    return last
