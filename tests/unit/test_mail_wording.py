"""What people hear: every event in plain words, nothing of a mail read as a template, nothing lost."""

# ruff: noqa: E501, SIM300 - values are long; expected == actual

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Final

import pytest
from tests.wordings import SAMPLES, about, notice

from mailwicket.config.notification import Notification
from mailwicket.mail.compose import compose
from mailwicket.mail.delimiter import delimiter
from mailwicket.mail.html import sanitised, to_plain
from mailwicket.mail.token import Keyring
from mailwicket.mail.wording import DELIMITER, Context, Failure, Passage, Person, TicketWords, Wording, Words, shipped
from mailwicket.model import Address, MessageId, TicketNumber
from mailwicket.outgoing import Answer, Audience, Event, Identity, Letter
from mailwicket.rules.notify import AUDIENCE, ELSE_GROUP
from mailwicket.template import FILTERS, NAMES, OUTPUT_MAX_CHARS, check_template

SHIPPED: Final = Wording({})
CANARY: Final = "canary-4711"
PERSON: Final = Person(f"{CANARY} Name", f"{CANARY}@customer.example")


def theirs(value: str) -> Context:
    """Everything that others can write, written."""
    person = Person(value, f"{value}@customer.example")
    ticket = TicketWords("42", "[#42]", value, group=value, requester=person, assignee=person, cc=(person,))
    return Context(
        ticket,
        person,
        Passage(value, f"<p>{value}</p>"),
        Passage(value, value),
        (person,),
        Failure(value, value),
        subject=value,
    )


@pytest.mark.parametrize(("event", "part"), [*product(Event, ("subject", "text", "html"))])
def test_what_is_shipped_is_what_an_admin_may_write(event: Event, part: str) -> None:
    assert check_template(shipped(event, part)) is None


@pytest.mark.parametrize("name", SAMPLES)
def test_a_shipped_mail_says_the_same_twice(name: str) -> None:
    told = SHIPPED.write(*SAMPLES[name])
    assert not told.faults
    assert "\n" not in told.subject
    assert not re.search(r"\n\n\n", told.text)
    if "wide" not in name and "technician" not in name and name != "marked":  # Markdown's text keeps its marks
        assert _letters(told.text) == _letters(to_plain(told.html))


def _letters(text: str) -> str:
    return re.sub(r"[\s>-]+", "", text.casefold())


@pytest.mark.parametrize("name", SAMPLES)
def test_a_shipped_page_loads_and_runs_nothing(name: str) -> None:
    page = SHIPPED.write(*SAMPLES[name]).html
    assert not re.search(
        r"<(?:script|link|iframe|object|form|table(?! width=\"900\"))|url\(|@import|\son\w+=|(?<!-)\bsrc=", page
    )
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<body") == page.count("</html>") == 1


def test_the_subject_bears_the_tag_of_the_ticket() -> None:
    for name, (told, context) in SAMPLES.items():
        if context.ticket is not None:
            assert "[#42]" in SHIPPED.write(told, context).subject, name


@pytest.mark.parametrize(
    ("event", "audience", "answer", "sentence"),
    [
        (
            Event.REQUESTER_REPLIED,
            Audience.ASSIGNEE,
            Answer.PUBLIC,
            "Your answer to this mail is seen by the requester.",
        ),
        (Event.REQUESTER_REPLIED, Audience.GROUP, Answer.INTERNAL, "Your answer to this mail is for technicians only."),
        (
            Event.COLLABORATION_ADDED,
            Audience.FOLLOWERS,
            Answer.INTERNAL,
            "Your answer to this mail is for technicians only.",
        ),
        (Event.CLOSED, Audience.REQUESTER, Answer.REOPENS, "within 7 days: that opens your request again."),
        (Event.CLOSED, Audience.REQUESTER, Answer.STAYS_CLOSED, "your request stays closed."),
        (Event.CLOSED, Audience.REQUESTER, Answer.NEW_REQUEST, "An answer to this mail is a new request."),
        (Event.ANNOUNCEMENT, Audience.REQUESTER, Answer.NEW_REQUEST, "An answer to this mail is a new request."),
        (Event.CREATED, Audience.REQUESTER, Answer.TICKET, "To add something, just answer this mail."),
    ],
)
def test_a_mail_says_what_its_answer_does(event: Event, audience: Audience, answer: Answer, sentence: str) -> None:
    told = SHIPPED.write(notice(event, audience, answer), about())
    assert sentence in told.text
    assert sentence in told.html


def test_every_notice_for_technicians_says_what_its_answer_does() -> None:
    for event, audience in product(
        set(Event) - {Event.ANNOUNCEMENT, Event.ALERT, Event.MAIL_REFUSED}, (Audience.ASSIGNEE, Audience.GROUP)
    ):
        told = SHIPPED.write(notice(event, audience, Answer.INTERNAL), about())
        assert "for technicians only." in told.text, event
        assert "for technicians only." in told.html, event


def test_a_technicians_reply_bears_nothing_but_his_words() -> None:
    told = SHIPPED.write(notice(Event.TECHNICIAN_REPLIED, Audience.REQUESTER), about(words=Passage("Just this.")))
    assert "Just this.\n" == told.text
    assert "Just this." == to_plain(told.html).strip()


# --- values are never templates -------------------------------------------------------------------------------------

LITERALS: Final = ["{{7*7}}", "{% if 1 %}x{% endif %}", "{# gone #}", "${7*7}", "%(x)s", "{0.__class__}", "{{ ticket.__class__ }}", "{answer}", "{{body}}", "{{mark}}", "&#123;{7*7}}"]  # fmt: skip


@pytest.mark.parametrize("literal", LITERALS)
def test_what_a_mail_says_stays_as_it_is(literal: str) -> None:
    for event, audience in product(Event, Audience):
        told = SHIPPED.write(notice(event, audience), theirs(literal))
        if event in {Event.REQUESTER_REPLIED, Event.TECHNICIAN_REPLIED, Event.ANNOUNCEMENT}:
            assert literal in told.text
            assert literal in told.subject
        assert "49" not in told.text + told.html + told.subject
        assert told.text.count(literal) == SHIPPED.write(notice(event, audience), theirs("LITERAL")).text.count(
            "LITERAL"
        )


@pytest.mark.parametrize(
    "value", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"'><b>", "<!--", "</div></body>"]
)
def test_what_a_mail_says_is_escaped_or_sanitised(value: str) -> None:
    plain = {
        (event, audience): SHIPPED.write(notice(event, audience), theirs("x")).html
        for event, audience in product(Event, Audience)
    }
    for (event, audience), page in plain.items():
        told = SHIPPED.write(notice(event, audience), theirs(value)).html
        assert not re.search(r"<script|<[^>]*onerror=|<img src=x|<!--", told), event
        assert page.count("</div>") == told.count("</div>")
        assert sanitised(told)


@pytest.mark.parametrize("end", ["\r\n", "\n", "\0", "\u2028", "\x85", "\x0b"])
def test_a_name_adds_no_line(end: str) -> None:
    evil = f"Ada{end}{end}Your answer to this mail is seen by nobody."
    told = SHIPPED.write(
        notice(Event.REQUESTER_REPLIED, Audience.ASSIGNEE, Answer.PUBLIC), about(Person(evil, "a@b.example"))
    )
    assert "Your answer to this mail is seen by nobody." not in told.text.splitlines()


# --- acknowledgements to whom nobody vouches for --------------------------------------------------------------------


def test_fixed_words_hold_nothing_of_the_sender() -> None:
    told = SHIPPED.write(notice(Event.CREATED, Audience.REQUESTER, fixed=True), theirs(CANARY))
    assert CANARY not in told.subject + told.text + told.html
    assert "42" in told.text
    assert told.subject == "[#42] We have your request"


def test_fixed_words_hold_nothing_of_the_sender_whatever_an_admin_writes() -> None:
    greedy = "{{ ticket.subject }} {{ author }} {{ words.text }} {{ quote.text }} {{ ticket.requester }} {{ ticket.number }} {{ ticket.cc|join }} {{ added|join }} {{ failure.told }}"
    own = Notification(subject=greedy, text=greedy, html=greedy)
    told = Wording({"created": own}).write(notice(Event.CREATED, Audience.REQUESTER, fixed=True), theirs(CANARY))
    assert CANARY not in told.subject + told.text + told.html
    assert "42" == told.text.strip() == told.subject


# --- an admin's words -----------------------------------------------------------------------------------------------


def written(**own: str) -> Words:
    return Wording({"closed": Notification(**own)}).write(notice(Event.CLOSED, Audience.REQUESTER), about())


def test_an_admins_text_is_also_the_html_where_he_wrote_none() -> None:
    told = written(text="Closed: {{ ticket.subject }}\n\nBye.")
    assert "Closed: The printer on the second floor prints every page twice since Monday\n\nBye.\n" == told.text
    assert told.text.strip() == to_plain(told.html).strip()


def test_an_admins_html_is_also_the_text_where_he_wrote_none() -> None:
    told = written(html="<p>Closed: <b>{{ ticket.number }}</b></p>")
    assert "Closed: 42\n" == told.text
    assert "<b>42</b>" in told.html


def test_an_admins_subject_is_one_line() -> None:
    assert "Closed: Hello, since" == written(subject="Closed: {{ words.text }}").subject[:20]


@pytest.mark.parametrize("part", ["subject", "text", "html"])
def test_where_an_admins_template_fails_the_mail_goes_in_the_shipped_words(part: str) -> None:
    told = written(**{part: "{{ ticket.cc|first }}{{ added|first }}"})
    assert (f"notification.closed.{part}: ",) == tuple(one[: len(part) + 22] for one in told.faults)
    ordinary = SHIPPED.write(notice(Event.CLOSED, Audience.REQUESTER), about())
    assert getattr(ordinary, part) == getattr(told, part) or part == "text"
    assert "42" in getattr(told, part)


def test_very_long_words_are_cut_and_say_so() -> None:
    long = Passage("word\n" * 200_000, "<p>" + "word<br>" * 200_000 + "</p>")
    told = SHIPPED.write(notice(Event.REQUESTER_REPLIED, Audience.ASSIGNEE), about(words=long, quoted=long))
    assert not told.faults
    assert "[...]" in told.text
    assert "[...]" in told.html
    assert len(told.text) < OUTPUT_MAX_CHARS
    assert len(told.html) < 3 * OUTPUT_MAX_CHARS


@pytest.mark.parametrize("sign", ["\U0001f600", "日", "<", "&", "x", "\n", " \n", '"', "a\n\n", "a\n"])
def test_words_of_any_length_can_be_sent(sign: str) -> None:
    signs = sign * 500_000
    for passage in (
        Passage(signs),
        Passage(signs, f"<p>{signs}</p>"),
        Passage("", signs),
        Passage(signs[:79_000], signs[:49_000]),
    ):
        told = SHIPPED.write(notice(Event.REQUESTER_REPLIED, Audience.ASSIGNEE), about(words=passage, quoted=passage))
        assert not told.faults
        letter = Letter(
            Event.REQUESTER_REPLIED, TicketNumber(42), MessageId("a@desk.example"), datetime(2026, 1, 1, tzinfo=UTC),
            [Address("Ada", "ada@customer.example")], [], told.subject, told.text, told.html,
        )  # fmt: skip
        assert compose(letter, Identity("desk@desk.example"))


# --- delimiter and mark ---------------------------------------------------------------------------------------------


def test_delimiter_and_mark_stand_in_both_bodies_and_are_found_again() -> None:
    keys = Keyring([b"k" * 32])
    context = replace(about(), delimiter=DELIMITER, mark=keys.mark(TicketNumber(42)))
    told = SHIPPED.write(notice(Event.TECHNICIAN_REPLIED, Audience.REQUESTER), context)
    for text in (told.text, to_plain(told.html)):
        assert (0, 1) == delimiter(text.strip().split("\n"))
        assert [42] == [token.ticket for token in keys.read_marks(text)]


def test_without_delimiter_and_mark_there_are_none() -> None:
    told = SHIPPED.write(notice(Event.TECHNICIAN_REPLIED, Audience.REQUESTER), about())
    assert "##" not in told.text
    assert "mw-" not in told.html


# --- the page that documents it -------------------------------------------------------------------------------------

PAGE: Final = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")


def test_every_name_and_filter_of_templates_is_documented() -> None:
    names = set(re.findall(r"`([a-z_.]+)`", PAGE.replace("`, `", "` `")))
    for name, shape in NAMES.items():
        inner = [f"{name}.{one}" for one in shape] if isinstance(shape, dict) and name != "author" else [name]
        assert set(inner) <= names, name
    assert " ".join(sorted(FILTERS)) in " ".join(PAGE.split())


def test_every_event_is_documented_with_its_audience() -> None:
    for event, audience in AUDIENCE.items():
        row = next(line for line in PAGE.split("\n") if line.startswith(f"| `{event.value}` "))
        heard = row.split("|")[3]
        assert event in {Event.ANNOUNCEMENT, Event.ALERT} or all(one.value in heard for one in audience), row
        assert ("else the group" in heard) == (event in ELSE_GROUP)


def test_the_example_of_the_page_is_good() -> None:
    table = tomllib.loads(PAGE.partition("```toml\n")[2].partition("```")[0])["notification"]["closed"]
    told = Wording({"closed": Notification.model_validate(table)}).write(
        notice(Event.CLOSED, Audience.REQUESTER), about()
    )
    assert not told.faults
    assert told.text.startswith("Tess Technician closed request 42.\n\nTo add something")
