"""No value in any field of a letter adds a line, a recipient or a file, and none keeps a mail from going."""

# ruff: noqa: E501, RUF001, SIM300 - values in tables are long and of all scripts; expected == actual

from __future__ import annotations

import random
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.letters import DESK, FIXED, check_form, file, letter, names, read_leniently

from mailwicket.mail import fields
from mailwicket.mail.compose import compose
from mailwicket.mail.parse import parse
from mailwicket.model import Address, MessageId
from mailwicket.outgoing import Event, Identity

# --- nasty values ---------------------------------------------------------------------------------------------------

_ENDS: Final = ("\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\n\n", "\r\n\r\n", "\r\n ")  # fmt: skip
_LINES: Final = ("Bcc: evil@example.com", "X-Evil: 1", "Content-Type: text/html", ".", "--", "=?utf-8?q?=0D=0ABcc:_evil=40example.com?=")  # fmt: skip
NASTY: Final = [
    *(f"a{end}{line}" for end in _ENDS for line in _LINES),
    "=?utf-8?b?DQpCY2M6IGV2aWxAZXhhbXBsZS5jb20=?=", "=?utf-8?q?=0D=0A?=", "\ud800", "\udfff\ud800", "", " ", "\t", "a\tb",
    "\u202eevil", "a" * 5000, "ü" * 5000, "a " * 3000, "\U0001f600" * 500, '"', "\\", '"\\', "<evil@example.com>",
    "evil@example.com,", "(comment", ":;", "a\u0300" * 300, "\ufeffx", "\x1b[31m", "\x7f",
]  # fmt: skip


@pytest.mark.parametrize("value", NASTY, ids=range(len(NASTY)))
def test_no_value_in_any_field_of_text_adds_a_line(value: str) -> None:
    one = letter(
        subject=value,
        text=f"{value}\nend",
        html=f"<p>{value}</p>",
        to=[Address(value, "ada@example.org")],
        cc=[Address(value, "bob@example.org")],
        in_reply_to=MessageId(value),
        references=[MessageId(value), MessageId("a@b")],
        enclosures=[file(value, b"x", "text/plain"), file("y", b"y", value)],
    )
    raw = compose(one, Identity("desk@desk.example", value, "help@desk.example"))
    check_form(raw)
    told = [name for name in names(raw) if name not in {"In-Reply-To", "References"}]
    assert [*FIXED[:1], "Reply-To", "To", "Cc", *FIXED[2:-1]] == told
    theirs = read_leniently(raw)
    assert ["ada@example.org"] == [one.addr_spec for one in theirs["To"].addresses]
    assert ["bob@example.org"] == [one.addr_spec for one in theirs["Cc"].addresses]
    assert {"desk@desk.example"} == {one.addr_spec for one in theirs["From"].addresses}


@pytest.mark.parametrize("value", NASTY, ids=range(len(NASTY)))
def test_no_value_in_a_field_of_addresses_reaches_the_wire(value: str) -> None:
    for address in (value, f"{value}@example.org", f"ada@{value}", f"ada@example.org{value}"):
        try:
            raw = compose(letter(to=[Address(None, address)]), DESK)
        except ValueError:
            continue
        assert FIXED == names(raw)
        assert 1 == len(read_leniently(raw)["To"].addresses)


@pytest.mark.parametrize("turn", [*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"])
def test_nothing_turns_the_rest_of_a_line_around(turn: str) -> None:
    mail = parse(compose(letter(subject=f"a{turn}b", to=[Address(f"a{turn}b", "ada@example.org")]), DESK))
    assert ("a b", "a b") == (mail.subject, mail.to[0].name)


def test_marks_of_direction_that_writing_needs_stay() -> None:
    assert "\u200fשלום (42)" == parse(compose(letter(subject="\u200fשלום (42)"), DESK)).subject


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\r\n "])
def test_what_slips_through_is_found_when_the_mail_is_read_again(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "one_line", lambda text, limit: text[:limit])
    with pytest.raises(ValueError, match="would be read otherwise"):
        compose(letter(subject=f"a{end}Bcc: evil@example.com"), DESK)
    if not end.endswith(" "):  # else it is folded, within quotes: that says nothing more
        with pytest.raises(ValueError, match="would be read otherwise"):
            compose(letter(to=[Address(f"a{end}b <evil@example.com>,", "ada@example.org")]), DESK)


_TEXT: Final = st.text(max_size=200)


@settings(max_examples=150)
@given(
    subject=_TEXT,
    name=_TEXT,
    text=st.text(max_size=2000),
    html=st.none() | st.text(max_size=500),
    filename=_TEXT,
    content=st.binary(max_size=300),
)
def test_whatever_is_said_is_read_by_us_and_by_another(
    subject: str, name: str, text: str, html: str | None, filename: str, content: bytes
) -> None:
    one = letter(
        subject=subject,
        to=[Address(name, "ada@example.org")],
        text=text,
        html=html,
        enclosures=[file(filename, content)],
    )
    raw = compose(one, DESK)  # it compares by itself
    check_form(raw)
    theirs, ours = read_leniently(raw), parse(raw)
    assert " ".join(ours.subject.split()) == " ".join(str(theirs["Subject"]).split())
    assert ["ada@example.org"] == [one.addr_spec for one in theirs["To"].addresses]
    attached = list(theirs.iter_attachments())
    assert [content] == [part.get_payload(decode=True) for part in attached]
    body = theirs.get_body(("plain",))
    assert body is not None
    assert ours.text.rstrip("\n") == body.get_content().replace("\r\n", "\n").rstrip("\n")


_WORDS: Final = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x2FF, exclude_categories=("Cc", "Cs", "Zl", "Zp")),
    min_size=1,
    max_size=80,
)


@settings(max_examples=150)
@given(names_=st.lists(_WORDS, min_size=1, max_size=20))
def test_many_people_stay_as_many(names_: list[str]) -> None:
    persons = [Address(name, f"p{number}@example.org") for number, name in enumerate(names_)]
    raw = compose(letter(to=persons[:1], cc=persons[1:]), DESK)
    told = [*parse(raw).to, *parse(raw).cc]
    assert [one.address for one in persons] == [one.address for one in told]
    assert [" ".join((one.name or "").split()) or None for one in persons] == [
        None if one.name is None else " ".join(one.name.split()) for one in told
    ]


# --- what comes in may go out -----------------------------------------------------------------------------------------

PIECES: Final = [
    "a", "B", " ", "  ", "\n", "\r\n", "\t", "=", "=?", "?=", "=?utf-8?q?", "_", "<", ">", "@", ",", ";", ":", "(", ")", "[",
    "]", "\\", '"', "'", "ü", "日", "\U0001f600", "\u0301", "\xa0", "\u3000", "\u200f", "\u202e", "\ufeff", "\u2028", "\x85",
    "\0", "\x1b$B", "\x1b(B", "begin 644 x", "\nbegin 644 a b\n#0V%T\n`\nend\n", ".", "\n.\n", "From ", "\nFrom ", "--", "-- ",
    "%", "%20", "+ADw-", "~{", "{", "}", "x" * 80, "utf-8''", "*0*=", "\ud83d", "ﷺ", "\x7f", "//", "..", "\n>", "&amp;", "<br>",
    "<p>", "<!--", "-->", "<script>", "<meta charset=utf-16>", "<?xml encoding='utf-16'?>", "<title>x",
]  # fmt: skip
KINDS: Final = ["text/plain", "text/html", "text/calendar", "image/png", "message/rfc822", "message/delivery-status", "application/ms-tnef", "x"]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_no_mix_of_what_means_something_to_some_reader_keeps_a_mail_from_going(seed: int) -> None:
    chance = random.Random(seed)

    def some(most: int) -> str:
        return "".join(chance.choice(PIECES) for _ in range(chance.randrange(most)))

    for _ in range(500):
        files = [
            file(some(10), some(20).encode("utf-8", "replace"), chance.choice(KINDS), chance.choice([None, "x@y"]))
            for _ in range(chance.randrange(3))
        ]
        one = letter(
            event=chance.choice(list(Event)),
            to=[Address(some(12), "ada@example.org")],
            cc=[Address(some(12), f"p{number}@example.org") for number in range(chance.randrange(4))],
            subject=some(20),
            text=some(60),
            html=chance.choice([None, some(60)]),
            in_reply_to=some(4),
            references=[some(4), some(4)],
            enclosures=files,
        )
        check_form(compose(one, replace(DESK, name=some(12))))


def test_whatever_came_in_can_go_out() -> None:
    for path in sorted((Path(__file__).parents[1] / "corpus").glob("*.eml")):
        mail = parse(path.read_bytes())
        one = letter(
            to=[mail.author or Address(None, "ada@example.org")],
            cc=[*mail.to, *mail.cc],
            subject=mail.subject,
            text=mail.text,
            html=mail.html,
            in_reply_to=mail.message_id,
            references=mail.references,
            enclosures=[
                file(found.filename or "", b"x", found.content_type, found.content_id) for found in mail.attachments
            ],
        )
        check_form(compose(one, DESK))


@pytest.mark.parametrize("form", ["q", "b"])
@pytest.mark.parametrize("value", [value for value in NASTY if value.isprintable() is False][:80])
def test_an_answer_to_a_mail_with_line_ends_in_encoded_words_has_the_usual_fields(value: str, form: str) -> None:
    raw = value.encode("utf-8", "replace")
    inner = b64encode(raw).decode() if form == "b" else "".join(f"={byte:02X}" for byte in raw)
    word = f"=?utf-8?{form}?{inner}?="
    came = (
        f"From: {word} <ada@example.org>\r\nTo: {word} <desk@desk.example>\r\nCc: {word} <bob@example.org>\r\n"
        f"Subject: {word}\r\nMessage-ID: <{word}>\r\nReferences: <{word}> <a@b> {word}\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: text/plain; name="{word}"\r\nContent-Disposition: attachment; filename="{word}"\r\n\r\nx\r\n'
    )
    mail = parse(came.encode())
    assert mail.author is not None
    answer = letter(
        event=Event.TECHNICIAN_REPLIED,
        automatic=False,
        to=[mail.author],
        cc=mail.cc,
        subject=f"Re: [#7] {mail.subject}",
        in_reply_to=mail.message_id,
        references=mail.references,
        enclosures=[file(one.filename or "", b"x", one.content_type) for one in mail.attachments],
    )
    sent = compose(answer, DESK)
    check_form(sent)
    usual = ["From", "To", "Cc", "Subject", "Date", "Message-ID", "X-Mailwicket-Loop", "MIME-Version", "Content-Type"]
    assert usual == [
        name for name in names(sent) if name not in {"In-Reply-To", "References", "Content-Transfer-Encoding"}
    ]
    theirs = read_leniently(sent)
    assert ["ada@example.org"] == [one.addr_spec for one in theirs["To"].addresses]
    assert ["bob@example.org"] == [one.addr_spec for one in theirs["Cc"].addresses]
