"""In which words people hear of what happened: an admin's templates, or those that are shipped.

What a mail says is a value that stands in for a name: never read as a template, escaped in HTML, and what of it is HTML
already is sanitised. The shipped templates (`templates/EVENT.subject`, `.txt`, `.html`) use nothing that an admin's may
not.
"""

from __future__ import annotations

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
from mailwicket.template import check_template, render

__all__ = [
    "DELIMITER", "Context", "Failure", "Passage", "Person", "TicketWords", "Wording", "Words", "check_template",
    "shipped",
]  # fmt: skip

TEXT_MAX_CHARS: Final = 100_000
"""Of what a mail says, and as much of what it quotes."""

WORDS_MAX_CHARS: Final = 150_000
QUOTE_MAX_CHARS: Final = 60_000
"""Of the same as HTML: both fit into `template.OUTPUT_MAX_CHARS`."""

DELIMITER: Final = "##- Please write your answer above this line -##"
"""What `mail.delimiter` finds again, quoted or not."""

TECHNICIANS: Final = frozenset({Audience.ASSIGNEE, Audience.FOLLOWERS, Audience.GROUP})
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
    """What was said before, with the line above that tells who said it (`mail.markdown.quote`)."""
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
        if notice.fixed:
            context = _without_theirs(context)
        own, faults = self._own.get(notice.event.value), []
        told: dict[str, str] = {}
        for part in ("subject", "text", "html"):
            source = None if own is None else getattr(own, part)
            if source is None:
                if part == "html" and own is not None and own.text is not None:
                    told[part] = str(_paragraphs(told["text"]))  # the shipped one would say something else
                    continue
                told[part] = _render(shipped(notice.event, part), notice, context, part)
                continue
            try:
                told[part] = _render(source, notice, context, part)
            except ValueError as error:
                faults.append(f"notification.{notice.event}.{part}: {error}")
                told[part] = _render(shipped(notice.event, part), notice, context, part)
        if own is not None and own.html is not None and own.text is None:
            told["text"] = to_plain(told["html"])
        text = "\n\n".join(filter(None, [context.delimiter, told["text"].strip("\n"), context.mark]))
        subject = one_line(told["subject"], SUBJECT_MAX_CHARS)
        return Words(subject, f"{text}\n", _framed(told["html"], context), tuple(faults))


@cache
def shipped(event: Event, part: str) -> str:
    """Return the shipped template of *event*; *part*: `subject`, `text` or `html`."""
    name = f"{event.value}.{'txt' if part == 'text' else part}"
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _frame() -> str:
    return (files(__package__) / "templates" / "frame.html").read_text(encoding="utf-8")


def _render(source: str, notice: Notice, context: Context, part: str) -> str:
    is_html = part == "html"
    return render(source, _values(notice, context, is_html=is_html), escapes=is_html)


def _values(notice: Notice, context: Context, *, is_html: bool) -> dict[str, Any]:
    words, quoted = _as_text(context.words), _as_text(context.quote)
    if is_html:
        words, quoted = _shown(context.words, WORDS_MAX_CHARS), _shown(context.quote, QUOTE_MAX_CHARS)
    return {
        "ticket": context.ticket or TicketWords("", "", context.subject, ""),
        "author": context.author,
        "words": words,
        "quote": quoted,
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
    text = passage.text if passage.text.strip() or not passage.html else to_plain(passage.html)
    return Passage(_cut(plain_words(text)).strip("\n"), "")


def _shown(passage: Passage, limit: int) -> Passage:
    """The words as HTML of at most *limit* characters: sanitised, or made from the text where that is too much."""
    text = _as_text(passage).text
    if passage.html and len(passage.html) <= limit and len(shown := sanitised(passage.html)) <= limit:
        return Passage(text, Markup(shown))  # noqa: S704 - sanitised
    shown = _paragraphs(text)
    return Passage(text, shown if len(shown) <= limit else _paragraphs(text[: limit // 8] + _ELLIPSIS))


def _paragraphs(text: str) -> Markup:
    blocks = [block for block in text.strip("\n").split("\n\n") if block.strip()]
    told = [
        Markup('<p style="margin:0 0 16px">{}</p>').format(
            Markup("<br>\n").join(map(escape, block.strip("\n").split("\n")))
        )
        for block in blocks
    ]
    return Markup("\n").join(told)


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
