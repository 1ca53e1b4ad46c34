"""What a technician writes in Markdown, as text and HTML; and the mail that is answered, quoted below.

The text is what he wrote: Markdown reads well as it is. In the HTML there are no tags of his own, no pictures, and
links only to the web and to addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from mailwicket.mail.entity import plain_words
from mailwicket.mail.fields import NAME_MAX_CHARS, one_line
from mailwicket.mail.html import sanitised, to_plain
from mailwicket.model import Address

SOURCE_MAX_CHARS: Final = 80_000
NESTED_MAX: Final = 20
QUOTE_MAX_CHARS: Final = 20_000
QUOTE_MAX_LINES: Final = 400
LEFT_OUT: Final = "[...]"

_QUOTE_STYLE: Final = "margin:0;padding:0 0 0 12px;border-left:2px solid #d1d5db"


@dataclass(frozen=True, slots=True)
class Written:
    """The same words twice."""

    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The mail that is answered."""

    author: Address | None
    date: datetime | None
    text: str
    html: str | None = None
    """As received: hostile."""


def written(source: str) -> Written:
    """Return what *source*, at most SOURCE_MAX_CHARS of it, says in Markdown (CommonMark, but for what is no mail's).

    A line end is one, as people write mail; no headings by underlining, which are what stands above a signature.
    """
    text = plain_words(source)
    if len(text) > SOURCE_MAX_CHARS:
        text = f"{text[:SOURCE_MAX_CHARS]}\n{LEFT_OUT}"
    return Written(text, sanitised(_reader().render(text)).strip())


def quote(mail: Answered) -> Written:
    """Return *mail* as it stands below an answer: who wrote when, and his words behind `> `; bounded."""
    said = _attribution(mail)
    text = plain_words(mail.text if mail.text.strip() or not mail.html else to_plain(mail.html))
    lines = text[:QUOTE_MAX_CHARS].strip("\n").split("\n")
    is_cut = len(text) > QUOTE_MAX_CHARS or len(lines) > QUOTE_MAX_LINES
    lines = [*lines[:QUOTE_MAX_LINES], *([LEFT_OUT] if is_cut else [])]
    quoted = "\n".join(f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in lines)
    if mail.html and not is_cut and len(mail.html) <= QUOTE_MAX_CHARS * 4:
        inner = Markup(sanitised(mail.html))  # noqa: S704 - sanitised
    else:
        inner = Markup("<br>\n").join(escape(line) for line in lines)
    html = Markup('<p style="margin:0 0 8px">{}</p>\n<blockquote type="cite" style="{}">\n{}\n</blockquote>')
    return Written(f"{said}\n{quoted}", str(html.format(said, _QUOTE_STYLE, inner)))


def _attribution(mail: Answered) -> str:
    name = "" if mail.author is None else one_line(mail.author.name or mail.author.address, NAME_MAX_CHARS)
    who = name or "somebody"
    return f"{who} wrote:" if mail.date is None else f"On {mail.date:%a, %d %b %Y at %H:%M %z}, {who} wrote:"


@lru_cache(maxsize=1)
def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": NESTED_MAX})
    reader.disable(["image", "lheading", "html_block", "html_inline", "reference"])
    reader.validateLink = _is_link  # type: ignore[assignment, method-assign]
    return reader


def _is_link(address: str) -> bool:
    return address.strip().casefold().startswith(("http://", "https://", "mailto:"))
