"""Subjects: what mail programs put before them, and the ticket's number in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mailwicket.model import TicketNumber

TAGS_MAX: Final = 10
PREFIXES_MAX: Final = 20

_CERTAIN: Final = (
    # Re: and what it is in other languages
    "re|ré|rép|aw|antw|antwort|antwoord|sv|svar|odp|odg|odpoveď|odpověď|ynt|balas|vá|válasz|erantz|răsp|"
    "απ|απάντηση|σχετ|ответ|отв|відп|відповідь|адказ|отг|одг|נגד|השב|תשובה|رد|پاسخ|ตอบ|ตอบกลับ|trả lời|"
    "回复|回覆|答复|答覆|返信|회신|답장|"
    # Fwd:
    "fwd?|wg|doorst|videresend|redir|továbbítás|ilt|i̇lt|πρθ|προωθ|proslj|posr|prosl|pārs|persiųsti|"
    "пересл|переслано|прс|препр|הועבר|إعادة توجيه|محول|هدایت|ส่งต่อ|chuyển tiếp|转发|轉寄|轉發|転送|전달"
)
_DOUBTFUL: Final = "r|i|ha|na|rif|res|ref|resp|va|vs|tr|rv|enc|pd|vb|vl|tov|ri|yan|atb|bls|ats|fs|trs|yml"
"""They stand before people's own words too: "HA: no failover", "Ref: 4711", "R: which version"."""
_COUNT_AND_COLON: Final = r"\s*(?:\[\d{1,3}\]|\(\d{1,3}\)|\^\d{1,3})?\s*[:：]"
_PREFIX: Final = re.compile(rf"\s*(?:{_CERTAIN}){_COUNT_AND_COLON}", re.IGNORECASE)
_ANY_PREFIX: Final = re.compile(rf"\s*(?:{_CERTAIN}|{_DOUBTFUL}){_COUNT_AND_COLON}", re.IGNORECASE)


class SubjectTag:
    """How a ticket's number stands in a subject, such as `[#{number}]`."""

    def __init__(self, form: str) -> None:
        """Take the form, which holds `{number}` once."""
        self._form = form
        before, _, after = form.partition("{number}")
        # On the way blanks come and go beside the number, and letters change their case.
        pattern = rf"{_lenient(before)}\s*(\d{{1,18}})\s*{_lenient(after)}"
        if not before.strip() or before.strip()[0].isalnum():
            pattern = rf"(?<!\w){pattern}"
        if not after.strip():
            pattern = rf"{pattern}(?!\d)"
        self._pattern = re.compile(pattern, re.IGNORECASE)
        self._sign = before.strip().casefold() or after.strip().casefold()

    def write(self, number: TicketNumber) -> str:
        """Return the tag of a ticket."""
        return self._form.replace("{number}", str(number))

    def read(self, subject: str) -> Iterator[TicketNumber]:
        """Yield the numbers that stand in *subject*, in order, of the first TAGS_MAX."""
        for found in list(self._pattern.finditer(subject[:2000]))[:TAGS_MAX]:
            yield TicketNumber(int(found[1]))

    def strip(self, subject: str, *, is_answer: bool = True) -> str:
        """Return *subject* without tags and the prefixes of mail programs: what a ticket is called.

        *is_answer*: whether the mail answers or passes on another; else prefixes that may be words stay.
        """
        return without_prefix(self._pattern.sub(" ", " ".join(subject.split())), is_answer=is_answer)


def without_prefix(subject: str, *, is_answer: bool = True) -> str:
    """Return *subject* without "Re:", "Fwd:" and what they are in other languages; whole where nothing else is left."""
    rest = subject = " ".join(subject.split())
    prefix = _ANY_PREFIX if is_answer else _PREFIX
    for _ in range(PREFIXES_MAX):
        if (found := prefix.match(rest)) is None:
            break
        prefix, rest = _ANY_PREFIX, rest[found.end() :]  # behind a certain one the others are certain, too
    return rest.strip() or subject


def _lenient(text: str) -> str:
    return r"\s*".join(re.escape(piece) for piece in text.split())
