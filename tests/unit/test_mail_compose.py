"""The one constructor for outgoing mail: what goes in comes out, whoever reads it, and never a line more."""

# ruff: noqa: E501, RUF001, SIM300 - values in tables are long and of all scripts; expected == actual

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.letters import DESK, FIXED, check_form, file, letter, names, read

from mailwicket.mail import fields
from mailwicket.mail.compose import REFERENCES_MAX, compose
from mailwicket.mail.parse import parse
from mailwicket.model import Address, MessageId
from mailwicket.outgoing import Event, Identity


def test_a_plain_mail_has_just_these_fields() -> None:
    raw = compose(letter(), DESK)
    assert raw.decode() == (
        "From: The Desk <desk@desk.example>\r\n"
        "To: Ada Example <ada@example.org>\r\n"
        "Subject: [#7] The printer\r\n"
        "Date: Wed, 04 Mar 2026 05:06:07 +0000\r\n"
        "Message-ID: <mw-7-1-p-abc-def@desk.example>\r\n"
        "Auto-Submitted: auto-generated\r\n"
        "X-Auto-Response-Suppress: DR, RN, NRN, OOF, AutoReply\r\n"
        "X-Mailwicket-Loop: abcdefgh-ijklmnop\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "It burns.\r\n"
    )
    assert FIXED == names(raw)


def test_the_same_letter_gives_the_same_bytes() -> None:
    one = letter(html="<p>It burns.</p>", enclosures=[file("a.pdf"), file("ä.pdf")])
    assert compose(one, DESK) == compose(replace(one), replace(DESK))


def test_another_id_gives_other_boundaries() -> None:
    one = letter(html="<p>It burns.</p>")
    boundaries = [
        read(compose(replace(one, message_id=MessageId(told)), DESK)).get_boundary() for told in ("a@b", "c@b")
    ]
    assert boundaries[0] != boundaries[1]


def test_a_boundary_stands_in_no_part() -> None:
    one = letter(html="<p>It burns.</p>")
    boundary = read(compose(one, DESK)).get_boundary()
    tricky = replace(one, text=f"--{boundary}--\n\n--{boundary}\nContent-Type: text/html\n\n<b>no</b>")
    raw = compose(tricky, DESK)
    assert boundary != read(raw).get_boundary()
    assert tricky.text == parse(raw).text


@pytest.mark.parametrize(
    ("event", "answered", "told"),
    [
        (Event.CREATED, "x@example.org", "auto-replied"),
        (Event.CREATED, None, "auto-generated"),
        (Event.MAIL_REFUSED, "x@example.org", "auto-replied"),
        (Event.REQUESTER_REPLIED, "x@example.org", "auto-generated"),
        (Event.ANNOUNCEMENT, None, "auto-generated"),
    ],
)
def test_a_machine_says_that_it_is_one_and_whether_it_answers(event: Event, answered: str | None, told: str) -> None:
    raw = compose(letter(event=event, in_reply_to=answered), DESK)
    assert told == read(raw)["Auto-Submitted"]
    assert parse(raw).automatic is not None


def test_a_persons_reply_bears_no_mark_of_a_machine() -> None:
    raw = compose(letter(event=Event.TECHNICIAN_REPLIED, automatic=False, in_reply_to="x@example.org"), DESK)
    assert not {"Auto-Submitted", "X-Auto-Response-Suppress", "Precedence"} & set(names(raw))
    assert parse(raw).automatic is None
    assert "X-Mailwicket-Loop" in names(raw)


def test_an_announcement_says_that_it_went_to_many() -> None:
    told = read(compose(letter(event=Event.ANNOUNCEMENT), Identity("desk@desk.example", None, "help@desk.example")))
    assert "<announcements.desk.example>" == told["List-Id"]
    assert "<mailto:help@desk.example?subject=unsubscribe>" == told["List-Unsubscribe"]
    assert "bulk" == told["Precedence"]


def test_no_other_mail_has_fields_of_a_list() -> None:
    for event in Event:
        if event is not Event.ANNOUNCEMENT:
            assert not [name for name in names(compose(letter(event=event), DESK)) if name.startswith("List-")]


def test_reply_to_stands_where_it_says_something_else() -> None:
    assert (
        "help@desk.example"
        == read(compose(letter(), Identity("a@desk.example", None, "help@desk.example")))["Reply-To"]
    )
    assert read(compose(letter(), Identity("a@desk.example", None, "A@Desk.example")))["Reply-To"] is None


def test_references_keep_the_root_and_the_newest() -> None:
    thread = [MessageId(f"{number}@example.org") for number in range(50)]
    mail = parse(compose(letter(in_reply_to=MessageId("last@example.org"), references=thread), DESK))
    assert ["last@example.org"] == mail.in_reply_to
    assert REFERENCES_MAX == len(mail.references)
    assert ("0@example.org", "49@example.org", "last@example.org") == (mail.references[0], *mail.references[-2:])


def test_an_id_that_cannot_be_written_is_left_out_and_none_stands_twice() -> None:
    thread = [MessageId(one) for one in ("a@b", "x y@b", "a@b>\r\nBcc: e@example.com", "ü@b", "c@d", "a@b", "z" * 2000)]
    raw = compose(letter(in_reply_to=MessageId("c@d"), references=thread), DESK)
    assert ["a@b", "c@d"] == parse(raw).references
    raw = compose(letter(in_reply_to=MessageId("c\r\nd@d"), references=[]), DESK)
    assert FIXED == names(raw)


@pytest.mark.parametrize(
    "name", ["Ada", "Doe, John", 'A "B" C', "Ünï", "=?utf-8?q?x?=", "back\\slash", "a@b", "Ä" * 90, "x" * 150]
)
def test_names_are_read_as_they_were_meant(name: str) -> None:
    raw = compose(
        letter(to=[Address(name, "ada@example.org")], cc=[Address(name, "bob@example.org")]), replace(DESK, name=name)
    )
    mail, told = parse(raw), read(raw)
    assert [name] == [one.name for one in mail.to]
    assert name == (mail.author.name if mail.author else None)
    theirs = [one.display_name for field in ("To", "Cc") for one in told[field].addresses]
    if len(name) > 60:  # the standard library puts a blank between encoded words of a name
        theirs = [one.replace(" ", "") for one in theirs]
    assert [name, name] == theirs


@pytest.mark.parametrize(
    "address",
    [
        "a.b+c@example.org",
        "a..b@example.org",
        '"john doe"@example.org',
        "o'hara@example.org",
        "a@[127.0.0.1]",
        "root@localhost",
    ],
)
def test_addresses_of_every_form_are_written(address: str) -> None:
    assert [address] == [one.address for one in parse(compose(letter(to=[Address(None, address)]), DESK)).to]


@pytest.mark.parametrize(
    "address",
    [
        "", "a", "@example.org", "a@", "a b@example.org", "a@example.org, b@example.org", "a@b@c.example", "<a@b.example>",
        "a@exa mple.org", "a\r\nBcc: x@example.org", "a@example.org\r\n", "a\0@example.org", "a@example.org\u2028",
        "a\u2029b@example.org", "a\x85@example.org", "a(b)@example.org", "a;b@example.org", '"a@example.org', "a\tb@example.org",
        "a@exämple .org", "x" * 400 + "@example.org", '"a\nb"@example.org', "\ud800@example.org", "a\u202e@example.org",
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["to", "cc", "from", "reply_to"])
def test_what_is_no_address_is_refused_and_the_field_is_named(address: str, field: str) -> None:
    identity, told = DESK, letter(cc=[Address(None, "bob@example.org")])
    if field in {"to", "cc"}:
        told = replace(told, **{field: [Address("A", address)]})
    else:
        identity = replace(DESK, **{"address" if field == "from" else field: address})
    with pytest.raises(ValueError, match=rf"^{field}: "):
        compose(told, identity)


@settings(max_examples=1000)
@given(st.lists(st.sampled_from([*"aZ0@@@.-_+'\"\\()<>[],;:=?% \t\u00a0ü日\u202e\u2028", "=?utf-8?q?a?=", "mailto:", "example.org", "1.2.3.4", "..", "xn--"]), max_size=10).map("".join))  # fmt: skip
def test_what_can_be_written_to_is_known_beforehand(address: str) -> None:
    if fields.is_address(address):
        raw = compose(
            letter(to=[Address("A", address), Address(None, "ada@example.org")], cc=[Address(None, address)]), DESK
        )
        assert len(parse(raw).to) == 2
    else:
        with pytest.raises(ValueError, match="^to: "):  # noqa: RUF043 - where it begins
            compose(letter(to=[Address("A", address)]), DESK)


def test_a_mail_to_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^to: "):
        compose(letter(to=[]), DESK)


def test_smtputf8_is_needed_only_where_an_address_asks_for_it() -> None:
    assert compose(letter(subject="Ünï", text="Ünï", to=[Address("Ünï", "ada@bücher.example")]), DESK).isascii()
    raw = compose(letter(to=[Address("Ünï", "ünï@bücher.example")]), DESK)
    assert not raw.isascii()
    assert "ünï@xn--bcher-kva.example".encode() in raw
    assert ["ünï@xn--bcher-kva.example"] == [one.address for one in parse(raw).to]


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^date: "):
        compose(letter(date=datetime(2026, 1, 1)), DESK)  # noqa: DTZ001 - that is the point


def test_the_date_keeps_its_zone() -> None:
    there = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))
    raw = compose(letter(date=there), DESK)
    assert b"Date: Thu, 01 Jan 2026 12:00:00 -0330\r\n" in raw
    assert there == parse(raw).date


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Short lines.\nNothing else.", "7bit"),
        ("x " * 100, "quoted-printable"),
        ("From here on", "quoted-printable"),
        (".", "quoted-printable"),
        ("-- \nAda", "quoted-printable"),
        ("Schöne Grüße aus dem Süden, wo die Drucker nie brennen", "quoted-printable"),
        ("Пишу вам снова о принтере", "base64"),
        ("打印机着火了", "base64"),
    ],
)
def test_the_encoding_fits_the_words(text: str, form: str) -> None:
    raw = compose(letter(text=text), DESK)
    assert form == read(raw)["Content-Transfer-Encoding"]
    assert text == parse(raw).text.rstrip("\n")
    assert text == read(raw).get_content().replace("\r\n", "\n").rstrip("\n")
    assert not re.search(rb"^From |^\.\r", raw.partition(b"\r\n\r\n")[2], re.MULTILINE)


def test_html_goes_beside_the_text_with_its_pictures() -> None:
    picture = file("logo.png", b"\x89PNG", "image/png", "logo@desk.example")
    unseen = file("other.png", b"\x89PNG2", "image/png", "other@desk.example")
    one = letter(html='<p>It <img src="cid:logo@desk.example"></p>', enclosures=[unseen, picture, file("a.pdf")])
    raw = compose(one, DESK)
    kinds = [part.get_content_type() for part in read(raw).walk()]
    assert kinds == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
        "image/png", "application/pdf",
    ]  # fmt: skip
    told = {one.filename: one for one in parse(raw).attachments}
    assert told["logo.png"].inline
    assert "logo@desk.example" == told["logo.png"].content_id
    assert not told["other.png"].inline


def test_html_alone_brings_its_words_as_text() -> None:
    mail = parse(compose(letter(text=" ", html="<p>It <b>burns</b>.</p>"), DESK))
    assert "It burns." == mail.text.strip()
    assert "<p>It <b>burns</b>.</p>" == mail.html


@pytest.mark.parametrize(
    "name",
    ["plain.pdf", "with blank.pdf", 'quo"te.pdf', "back\\slash.pdf", "Übung.pdf", "日本語の名前.pdf", "100%.pdf", "a'b.pdf",
     "=?utf-8?q?x?=.pdf", "x" * 200 + ".pdf", "ü" * 200 + ".pdf", "a;b=c.pdf", "semi;colon\u202e.pdf"],
)  # fmt: skip
def test_file_names_are_read_as_they_were_meant(name: str) -> None:
    raw = compose(letter(enclosures=[file(name)]), DESK)
    told = parse(raw).attachments[0].filename
    if name.isprintable() and "\\" not in name and "=?" not in name:
        assert name == told == next(read(raw).iter_attachments()).get_filename()
    assert FIXED[:-1] == names(raw)


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "C:\\x\\evil.exe", "a\r\nX-Evil: 1", "a\0b", "a\u2028X-Evil: 1", "..", "", "a\x85b", "\ud800"],
)
def test_a_file_name_leads_nowhere_and_adds_no_line(name: str) -> None:
    raw = compose(letter(enclosures=[file(name)]), DESK)
    check_form(raw)
    told = parse(raw).attachments[0].filename
    assert told is None or not set(told) & set("/\\\r\n\0\u2028\x85")
    assert b"X-Evil: 1" not in [line.strip() for line in raw.split(b"\r\n")]


def test_an_enclosed_mail_stays_one_where_it_may() -> None:
    sound = b"From: a@example.org\r\nSubject: x\r\n\r\nwords\r\n"
    for content, kind in ((sound, "message/rfc822"), (sound.replace(b"\r", b""), "application/octet-stream"),
                          (sound + "ü".encode(), "application/octet-stream")):  # fmt: skip
        told = parse(compose(letter(enclosures=[file("a.eml", content, "message/rfc822")]), DESK)).attachments[0]
        assert (kind, hashlib.sha256(content).hexdigest()) == (told.content_type, told.sha256)


@pytest.mark.parametrize("kind", ["", "x", "text/html\r\nX-Evil: 1", "multipart/mixed", "message/partial", "a/b; c=d"])
def test_a_media_type_that_is_none_is_sent_as_bytes(kind: str) -> None:
    raw = compose(letter(enclosures=[file("a.bin", b"x", kind)]), DESK)
    assert "application/octet-stream" == parse(raw).attachments[0].content_type
    assert b"X-Evil" not in raw


@pytest.mark.parametrize("content", [b"", b"\r\n", b"a\nb\rc\r\nd\0", bytes(range(256)), b"x" * 200_000])
def test_the_bytes_of_a_file_come_through(content: bytes) -> None:
    raw = compose(letter(enclosures=[file("a.txt", content, "text/plain")]), DESK)
    attached = next(read(raw).iter_attachments())
    assert content == attached.get_payload(decode=True)


def test_words_that_begin_like_a_file_stay_words() -> None:
    text = "Look:\n\nbegin 644 x.txt\n#0V%T\n`\nend\n"
    mail = parse(compose(letter(text=text), DESK))
    assert "Look:\n\n begin 644 x.txt\n#0V%T\n`\nend" == mail.text.rstrip("\n")
    assert not mail.attachments


def test_a_text_too_long_to_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="would be read otherwise"):
        compose(letter(text="words " * 300_000), DESK)


@pytest.mark.parametrize("mark", ["a b", "a\r\nBcc: x", "ü", "x" * 101])
def test_a_loop_mark_is_a_token(mark: str) -> None:
    with pytest.raises(ValueError, match=r"^loop_mark: "):
        compose(letter(loop_mark=mark), DESK)


@pytest.mark.parametrize("told", ["", "a b@c", "a@b>\r\nBcc: x", "a\0@b", "ü@b"])
def test_our_own_id_must_be_one(told: str) -> None:
    with pytest.raises(ValueError, match=r"^message_id: "):
        compose(letter(message_id=MessageId(told)), DESK)
