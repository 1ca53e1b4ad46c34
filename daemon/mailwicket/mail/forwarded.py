"""Mails that pass another on: who wrote that one, about what, and what was said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain as joined
from textwrap import dedent
from typing import Final

from mailwicket.mail.html import to_plain
from mailwicket.mail.labels import announced_block, is_empty, unquoted
from mailwicket.mail.passage import BELOW_LINES, LINE_MAX_CHARS, Passage, find, next_line
from mailwicket.mail.quoted import own_words
from mailwicket.mail.separator import Kind, is_bare_phrase, separator, title
from mailwicket.model import Address, Enclosed, Mail

CHAIN_MAX: Final = 5
CLOSING_CHARS: Final = 40
WRAPPED_MAX_CHARS: Final = 200
_QUOTE: Final = (">", " >")
BLANKS: Final = " \t\r\n\xa0\u200b\ufeff"


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A mail inside another's text, and the words of the one who passed it on."""

    author: Address | None
    author_name: str | None
    """Alone where the header bears no address: Exchange does so."""
    subject: str | None
    """As it is written there, with all prefixes."""
    text: str
    own_words: str
    """What the forwarder wrote beside it, without signature; `""` for nothing."""
    date: str | None = None
    """As it is written there (of an enclosed mail in ISO 8601): for people to read."""


def forwarded(subject: str, text: str, enclosed: Sequence[Enclosed] = ()) -> Forwarded | None:
    """Return the mail that is passed on, or None: a reply that quotes passes none on.

    A separator with a header below it is enough; what programs write above a quote, too ("Original Message", a bare
    header, "On DATE, NAME <ADDRESS> wrote:"), needs a prefix in the subject. A single enclosed mail is one that is
    passed on, unless the text holds another, which then is the outer one. Linear in the length of *text*.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    found = find(title(subject), lines)
    if found is not None:
        return _read(lines, _with_whole_subject(subject, lines, found))
    if len(enclosed) != 1:
        return None
    inner = enclosed[0]
    name = inner.author.name if inner.author else None
    date = None if inner.date is None else inner.date.isoformat()
    return Forwarded(inner.author, name, inner.subject, inner.text.strip(), own_words(text), date)


def chain(subject: str, text: str, enclosed: Sequence[Enclosed] = ()) -> Sequence[Forwarded]:
    """Return the mail that is passed on, the one that this passes on, and so forth: at most CHAIN_MAX, outermost first.

    A mail that is enclosed beside a text that passes one on is the last: it came along with that one.
    """
    told: list[Forwarded] = []
    one = forwarded(subject, text)
    if one is None:
        one, enclosed = forwarded(subject, text, enclosed), ()
    while one is not None and len(told) < CHAIN_MAX:
        told.append(one)
        one = forwarded(one.subject or "", one.text)
        if one is None:
            one, enclosed = forwarded("", "", enclosed), ()
    return told


def passed_on(mail: Mail) -> Forwarded | None:
    """Return the mail that *mail* passes on, or None.

    Reports and other machines enclose what they speak of: they pass nothing on, unless the subject says so. Where
    the plain body has lost what the HTML body shows of a forward, that one is read.
    """
    told = (forwarded(mail.subject, text, enclosed) for text, enclosed in _bodies(mail))
    return next((one for one in told if one is not None), None)


def chain_of(mail: Mail) -> Sequence[Forwarded]:
    """Return the mail that *mail* passes on and those that it passes on itself, as `chain` does."""
    told = (chain(mail.subject, text, enclosed) for text, enclosed in _bodies(mail))
    return next((one for one in told if one), ())


def _bodies(mail: Mail) -> Iterator[tuple[str, Sequence[Enclosed]]]:
    if mail.bounce is not None:
        return
    is_titled = title(mail.subject).is_forward
    yield mail.text, mail.enclosed if mail.automatic is None or is_titled else ()
    if mail.html is not None and is_titled:
        yield to_plain(mail.html), ()


def _read(lines: list[str], found: Passage) -> Forwarded:
    """Cut the text of the forwarded mail and the forwarder's words out of the lines."""
    found = _below_rule(lines, found)
    body, quotes = found.body, found.quotes
    if found.is_attributed and not quotes:
        body = next_line(lines, body)
        quotes = int(body < len(lines) and lines[body].startswith(">"))
    last, below = _end(lines, found, body)
    if quotes:
        last, below = _unquoted_tail(lines, body, last, below)
    inner = lines[body:last]
    if not quotes and all(line.startswith(">") or is_empty(line) for line in inner):
        quotes = 1
    if quotes:
        inner = [unquoted(line, quotes) for line in inner]
    text = "\n".join(inner).strip("\n")
    text = (dedent(text) if found.is_attributed and text.startswith((" ", "\t")) else text).strip(BLANKS)
    above = _above(lines, found.mark)
    own = "\n".join(joined(lines[:above], lines[below:]))
    return Forwarded(found.author, found.author_name, found.subject, text, own_words(own), found.date)


def _with_whole_subject(subject: str, lines: list[str], found: Passage) -> Passage:
    """Join a subject that was wrapped at the end of the header, where the mail's own subject shows that it was."""
    told, body = found.subject or "", found.body
    outer = " ".join(subject.split())
    if found.subject is None or (told and outer.endswith(told)):
        return found
    if (rest := " ".join(title(subject).rest.split())) and told.startswith(f"{rest} "):
        return _with_own_subject(rest, lines, found)
    for line in lines[body : body + BELOW_LINES]:
        if is_empty(line):
            break
        told = f"{told} {' '.join(unquoted(line, found.quotes)[:WRAPPED_MAX_CHARS].split())}".strip()
        body += 1
        if told and outer.endswith(told):
            return replace(found, subject=told, body=body)
        if told not in outer:
            break
    return found


def _with_own_subject(own: str, lines: list[str], found: Passage) -> Passage:
    """Give back to the text what was set in so far below the subject, which is *own*, that it seemed to go on."""
    body, left = found.body, (found.subject or "")[len(own) :].strip()
    while left and body > found.mark + 1:
        line = " ".join(unquoted(lines[body - 1], found.quotes)[:LINE_MAX_CHARS].split())
        if not line or not left.endswith(line):
            return found
        left = left.removesuffix(line).rstrip()
        body -= 1
    return found if left else replace(found, subject=own, body=body)


def _below_rule(lines: list[str], found: Passage) -> Passage:
    """Leave out the line that closes the header: Zoho and SquirrelMail have one, and The Bat! an announcement."""
    begin = next_line(lines, found.body)
    if begin < len(lines) and lines[begin].strip() == "--" and found.mark_of is not None:  # Becky!
        return replace(found, body=begin + 1)
    mark = separator(lines[begin]) if begin < len(lines) else None
    if mark is None or announced_block(lines, next_line(lines, begin + 1)) is not None:
        return found
    if found.mark_of is None:
        is_closing = mark.kind is Kind.ORIGINAL
        return replace(found, mark_of=mark, body=begin + 1) if is_closing else found
    is_rule = mark.kind is Kind.RULE and len(lines[begin].strip()) >= CLOSING_CHARS
    is_same = lines[begin].strip() == lines[found.mark].strip()
    return replace(found, body=begin + 1) if found.mark_of.dashed and (is_rule or is_same) else found


def _above(lines: list[str], mark: int) -> int:
    """Return where the forwarder's words end: a rule above the header is none of them."""
    number = mark
    while number > 0 and mark - number < BELOW_LINES:
        line = lines[number - 1]
        if not is_empty(line) and not is_bare_phrase(line) and not _is_rule(line):
            break
        number -= 1
    return number


def _is_rule(line: str) -> bool:
    mark = separator(line)
    return mark is not None and mark.kind is Kind.RULE


def _end(lines: list[str], found: Passage, body: int) -> tuple[int, int]:
    """Return the line after the forwarded text, and the line where the forwarder goes on."""
    if found.mark_of is None or not found.mark_of.dashed:
        return len(lines), len(lines)
    depth, end = 1, None
    for number in range(body, len(lines)):
        mark = separator(lines[number]) if lines[number] else None
        if mark is None or mark.quotes != found.mark_of.quotes:
            continue
        depth += (mark.kind is Kind.FORWARD) - (mark.kind is Kind.END)
        end = number if mark.kind is Kind.END else end
        if not depth:
            return number, number + 1
    if end is not None and found.mark_of.by:  # what it holds itself was not closed
        return end, end + 1
    last = len(lines)
    while last > body and is_empty(lines[last - 1]):
        last -= 1
    if last > body and _is_rule(lines[last - 1]):
        last -= len(lines[last - 1].strip()) >= CLOSING_CHARS  # KMail closes with one
    return last, len(lines)


def _unquoted_tail(lines: list[str], body: int, last: int, below: int) -> tuple[int, int]:
    """Leave the forwarder what stands below a quoted mail, unquoted and behind an empty line."""
    first = next_line(lines, body)
    if first >= last or not lines[first].startswith(_QUOTE):
        return last, below
    end = last
    while end > body and not lines[end - 1].startswith(_QUOTE):
        end -= 1
    if end <= body or end >= last or lines[end].strip():
        return last, below
    return end, end
