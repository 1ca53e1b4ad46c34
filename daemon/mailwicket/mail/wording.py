"""In which words people hear of what happened: an admin's templates, or those that are shipped.

What a mail says is a value that stands in for a name: never read as a template, escaped in HTML, and what of it is HTML
already is sanitised. The shipped templates (`templates/EVENT.subject`, `.txt`, `.html`) use nothing that an admin's may
not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final, Protocol

from markupsafe import Markup, escape

from mailwicket.mail.entity import plain_words
from mailwicket.mail.fields import SUBJECT_MAX_CHARS, one_line
from mailwicket.mail.html import sanitised, to_plain
from mailwicket.outgoing import Answer, Audience, Event, Notice

__all__ = [
    "DELIMITER", "Context", "Failure", "Passage", "Person", "TicketWords", "Wording", "Words", "shipped",
]  # fmt: skip

TEXT_MAX_CHARS: Final = 80_000
"""Of what a mail says, and as much of what it quotes."""

WORDS_MAX_CHARS: Final = 120_000
QUOTE_MAX_CHARS: Final = 50_000
"""Of the same as HTML: both fit into `template.OUTPUT_MAX_BYTES`."""

DELIMITER: Final = "##- Please write your answer above this line -##"
"""What `mail.delimiter` finds again, quoted or not."""

TECHNICIANS: Final = frozenset({Audience.ASSIGNEE, Audience.FOLLOWERS, Audience.GROUP})
_EMPTY_LINES: Final = re.compile(r"\n\s*\n")
_ELLIPSIS: Final = "\n[...]"


def _to_one_line(noun: object, *names: str) -> None:
    """Keep what others wrote from adding lines of its own to a mail."""
    for name in names:
        object.__setattr__(noun, name, one_line(getattr(noun, name), SUBJECT_MAX_CHARS))


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom a mail speaks of."""

    name: str
    """His address where he has none."""
    address: str

    def __post_init__(self) -> None:
        _to_one_line(self, "name", "address")

    def __str__(self) -> str:
        return self.name if self.name == self.address else f"{self.name} <{self.address}>"


NOBODY: Final = Person("", "")


@dataclass(frozen=True, slots=True)
class TicketWords:
    """What a mail says of a ticket."""

    number: str
    tag: str
    """As it stands in subjects: answers find their way by it where all else is lost."""
    subject: str
    status: str = "open"
    group: str = ""
    requester: Person = NOBODY
    assignee: Person = NOBODY
    cc: tuple[Person, ...] = ()

    def __post_init__(self) -> None:
        _to_one_line(self, "tag", "subject", "group")


@dataclass(frozen=True, slots=True)
class Passage:
    """Words that somebody wrote."""

    text: str = ""
    html: str = ""
    """As received, hostile; `""`: made from the text."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A mail that could not be delivered."""

    address: str = ""
    told: str = ""
    """The server's words."""

    def __post_init__(self) -> None:
        _to_one_line(self, "address", "told")


@dataclass(frozen=True, slots=True)
class Context:
    """What a mail is about: names for templates (docs/notifications.md)."""

    ticket: TicketWords | None = None
    author: Person = NOBODY
    """Who did it."""
    words: Passage = Passage()
    """What was said: of a mail only what is new in it."""
    quote: Passage = Passage()
    """What was said before, with the line above that tells who said it (`mail.markdown.quote`).

    Only what every recipient has got already: who is added to a ticket hears none of what was said before.
    """
    added: tuple[Person, ...] = ()
    failure: Failure = Failure()
    desk: str = ""
    subject: str = ""
    """Of an announcement."""
    grace_days: int = 0
    delimiter: str = ""
    """The line above which answers shall stand; `""` for none."""
    mark: str = ""
    """The signed mark of the ticket (`Keyring.mark`), where `body_marker` asks for it."""


class Templates(Protocol):
    """`[notification.EVENT]`, as far as it is about words."""

    @property
    def subject(self) -> str | None: ...
    @property
    def text(self) -> str | None: ...
    @property
    def html(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Words:
    """A mail's words."""

    subject: str
    text: str
    html: str
    faults: tuple[str, ...] = field(default=())
    """What was wrong with an admin's templates, whose place the shipped ones took: the mail goes all the same."""


class Wording:
    """Writes what people hear."""

    def __init__(self, notifications: Mapping[str, Templates]) -> None:
        """Take the admin's templates by event (`Event.value`)."""
        self._own = notifications

    def write(self, notice: Notice, context: Context) -> Words:
        """Return the words of the mail *notice*; in a `fixed` one stands nothing that the sender could have written."""
        return _Writing(notice, context, self._own.get(notice.event.value)).words()


class _Writing:
    """One mail being written."""

    def __init__(self, notice: Notice, context: Context, own: Templates | None) -> None:
        self._notice = notice
        self._context = context = _without_theirs(context) if notice.fixed else context
        self._own = own
        self._faults: list[str] = []
        words, quoted = _as_text(context.words), _as_text(context.quote)
        self._plain = {**_values(notice, context), "words": words, "quote": quoted}
        self._rich = {
            **self._plain,
            "words": _shown(words, context.words.html, WORDS_MAX_CHARS),
            "quote": _shown(quoted, context.quote.html, QUOTE_MAX_CHARS),
        }

    def words(self) -> Words:
        own, context = self._own, self._context
        subject, text = self._part("subject"), self._part("text")
        if own is not None and own.text is not None and own.html is None:
            html = str(_paragraphs(text))  # the shipped one would say something else
        else:
            html = self._part("html")
            if own is not None and own.html is not None and own.text is None:
                text = to_plain(html)
        text = "\n\n".join(filter(None, [context.delimiter, text.strip("\n"), context.mark]))
        return Words(one_line(subject, SUBJECT_MAX_CHARS), f"{text}\n", _framed(html, context), tuple(self._faults))

    def _part(self, part: str) -> str:
        """One part in the admin's words, or in the shipped ones where there are none or they fail."""
        from mailwicket.template import render  # noqa: PLC0415 - Jinja is loaded for those who send

        values, is_html = self._rich if part == "html" else self._plain, part == "html"
        source = None if self._own is None else getattr(self._own, part)
        if source is not None:
            try:
                return render(source, values, escapes=is_html)
            except ValueError as error:
                self._faults.append(f"notification.{self._notice.event}.{part}: {error}")
        return render(shipped(self._notice.event, part), values, escapes=is_html)


@cache
def shipped(event: Event, part: str) -> str:
    """Return the shipped template of *event*; *part*: `subject`, `text` or `html`."""
    name = f"{event.value}.{'txt' if part == 'text' else part}"
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _frame() -> str:
    return (files(__package__) / "templates" / "frame.html").read_text(encoding="utf-8")


def _values(notice: Notice, context: Context) -> dict[str, Any]:
    return {
        "ticket": context.ticket or TicketWords("", "", context.subject, ""),
        "author": context.author,
        "added": context.added,
        "failure": context.failure,
        "desk": context.desk,
        "audience": notice.audience.value,
        "answer": _answer(notice.answer, context.grace_days),
        "for_technicians": notice.audience in TECHNICIANS,
        "forwarded": notice.forwarded,
        "fixed": notice.fixed,
    }


def _answer(answer: Answer, days: int) -> str:
    """The sentence that says what an answer does."""
    return {
        Answer.TICKET: "To add something, just answer this mail.",
        Answer.REOPENS: "If this is not solved for you, answer this mail within "
        f"{'a day' if days == 1 else f'{days} days'}: that opens your request again.",
        Answer.STAYS_CLOSED: "If you answer this mail we read it; your request stays closed.",
        Answer.NEW_REQUEST: "An answer to this mail is a new request.",
        Answer.PUBLIC: "Your answer to this mail is seen by the requester.",
        Answer.INTERNAL: "Your answer to this mail is for technicians only.",
        Answer.NOTHING: "",
    }[answer]


def _without_theirs(context: Context) -> Context:
    """Leave out whatever somebody else could have written."""
    ticket = context.ticket and TicketWords(context.ticket.number, context.ticket.tag, "", context.ticket.status)
    return replace(context, ticket=ticket, author=NOBODY, words=Passage(), quote=Passage(), added=(), failure=Failure(),
                   subject="")  # fmt: skip


def _as_text(passage: Passage) -> Passage:
    text = passage.text
    if not text.strip() and passage.html:
        text = to_plain(passage.html[: 4 * TEXT_MAX_CHARS])
    return Passage(_cut(plain_words(text)).strip("\n"), "")


def _shown(said: Passage, html: str, limit: int) -> Passage:
    """The words as HTML of at most *limit* characters: sanitised, or made from the text where that is too much."""
    if html and len(html) <= limit and len(shown := sanitised(html)) <= limit:
        return Passage(said.text, Markup(shown))  # noqa: S704 - sanitised
    made = _paragraphs(said.text)
    if len(made) > limit:  # an empty line becomes a paragraph, thirteen times as long
        made = _paragraphs(said.text[: limit // 16] + _ELLIPSIS)
    return Passage(said.text, made)


def _paragraphs(text: str) -> Markup:
    blocks = _EMPTY_LINES.split(str(escape(text.strip("\n"))))
    told = (f'<p style="margin:0 0 16px">{block}</p>'.replace("\n", "<br>\n") for block in blocks if block.strip())
    return Markup("\n".join(told))  # noqa: S704 - escaped above


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_MAX_CHARS else text[:TEXT_MAX_CHARS].rpartition("\n")[0] + _ELLIPSIS


def _framed(body: str, context: Context) -> str:
    """The page around: styles, and the lines that are for programs."""
    quiet = Markup('<div class="quiet" style="{}">{}</div>')
    told = {
        "delimiter": str(quiet.format(_QUIET, context.delimiter)) + "\n" if context.delimiter else "",
        "body": str(body).strip(),
        "mark": "\n" + str(quiet.format(_QUIET, context.mark)) if context.mark else "",
    }
    pieces = _frame().strip().split("{{")
    return pieces[0] + "".join(told[name] + rest for name, _, rest in (one.partition("}}") for one in pieces[1:]))


_QUIET: Final = "margin:0 0 16px;color:#6b7280;font-size:13px;line-height:18px"
