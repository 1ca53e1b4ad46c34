"""Subjects: what mail programs put before them, and the ticket's number in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mailwicket.model import TicketNumber

TAGS_MAX: Final = 10
PREFIXES_MAX: Final = 20

# What programs of the world write for "Re:" and "Fwd:"; a number may stand in brackets ("Re[2]:").
_PREFIX: Final = re.compile(
    r"\s*(?:re|r|aw|antw|antwort|sv|vs|odp|ynt|atb|rif|res|ref|ha|bls|vá|va|απ|σχετ|נגד|השב|رد|ответ|"
    r"回复|回覆|答复|答覆|返信|회신|"
    r"fwd?|fw|wg|tr|rv|i|vb|vl|pd|enc|redir|videresend|doorst|rép|továbbítás|ilt|i̇lt|πρθ|הועבר|إعادة توجيه|пересл|"
    r"转发|轉寄|転送|전달)"
    r"\s*(?:\[\d{1,3}\]|\(\d{1,3}\))?\s*[:：]",
    re.IGNORECASE,
)


class SubjectTag:
    """How a ticket's number stands in a subject, such as `[#{number}]`."""

    def __init__(self, form: str) -> None:
        """Take the form, which holds `{number}` once."""
        self._form = form
        before, _, after = form.partition("{number}")
        # On the way blanks come and go beside the number, and letters change their case.
        pattern = rf"{_lenient(before)}\s*(\d{{1,18}})\s*{_lenient(after)}"
        if not before.strip():
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

    def strip(self, subject: str) -> str:
        """Return *subject* without tags and the prefixes of mail programs: what a ticket is called."""
        return without_prefix(" ".join(self._pattern.sub(" ", subject).split()))


def without_prefix(subject: str) -> str:
    """Return *subject* without "Re:", "Fwd:" and what they are in other languages; whole where nothing else is left."""
    rest = subject
    for _ in range(PREFIXES_MAX):
        if (found := _PREFIX.match(rest)) is None:
            break
        rest = rest[found.end() :]
    return rest.strip() or subject.strip()


def _lenient(text: str) -> str:
    return r"\s*".join(re.escape(piece) for piece in text.split())
