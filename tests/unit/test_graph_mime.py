"""What Graph is given of a mail: nobody but the envelope's people, and no request that is too large for it."""

from __future__ import annotations

from dataclasses import replace
from email.utils import getaddresses

import pytest
from tests.letters import DESK, file, letter, names, read

from mailwicket.errors import PermanentError
from mailwicket.mail.compose import compose
from mailwicket.mail.parse import parse
from mailwicket.model import Address, MessageId
from mailwicket.senders import _graph_mime as graph_mime
from mailwicket.senders._graph_mime import addressed, load, message_id_of

ADA, BEN = Address("Ada Example", "ada@example.org"), Address("Ben", "ben@example.net")
CLEO = Address(None, "cleo@example.com")


def people(raw: bytes, field: str) -> list[tuple[str, str]]:
    return getaddresses([str(one) for one in read(raw).get_all(field, [])])


@pytest.mark.parametrize("path", ["ada@example.org", "Ada@EXAMPLE.org"])
def test_a_mail_that_names_whom_it_is_for_stays_as_it_is(path: str) -> None:
    raw = compose(letter(), DESK)
    assert addressed(raw, (path,)) is raw


def test_whom_the_envelope_leaves_out_is_not_named_and_the_rest_is_the_same() -> None:
    raw = compose(letter(to=[ADA, BEN], cc=[CLEO]), DESK)
    told = addressed(raw, ("cleo@example.com", "ben@example.net"))
    assert people(told, "To") == [("Ben", "ben@example.net")]
    assert people(told, "Cc") == [("", "cleo@example.com")]
    assert sorted(names(raw)) == sorted(names(told))
    assert raw.partition(b"\r\n\r\n")[2] == told.partition(b"\r\n\r\n")[2]
    assert parse(raw).message_id == parse(told).message_id


def test_a_field_that_is_left_with_nobody_goes() -> None:
    raw = compose(letter(to=[ADA], cc=[BEN, CLEO]), DESK)
    told = addressed(raw, ("ben@example.net", "cleo@example.com"))
    assert "To" not in names(told)
    assert [who for _, who in people(told, "Cc")] == ["ben@example.net", "cleo@example.com"]


def test_whom_the_mail_does_not_name_gets_it_unseen() -> None:
    told = addressed(compose(letter(), DESK), ("ada@example.org", "ben@example.net"))
    assert people(told, "Bcc") == [("", "ben@example.net")]
    assert people(told, "To") == [("Ada Example", "ada@example.org")]


def test_a_bcc_that_stands_in_the_mail_brings_it_to_nobody() -> None:
    raw = b"Bcc: eve@example.com\r\n" + compose(letter(), DESK)
    assert b"eve@" not in addressed(raw, ("ada@example.org",))


def test_words_that_look_like_a_field_are_left_alone() -> None:
    raw = compose(letter(text="Hello\nTo: nobody@example.org\n", to=[ADA, BEN]), DESK)
    assert b"\r\nTo: nobody@example.org\r\n" in addressed(raw, ("ben@example.net",))


def test_an_envelope_without_recipients_is_a_bug() -> None:
    with pytest.raises(ValueError, match="recipients"):
        addressed(compose(letter(), DESK), ())


def test_the_id_of_a_mail_is_told_with_its_brackets() -> None:
    assert message_id_of(compose(letter(message_id=MessageId("a.b@desk.example")), DESK)) == "<a.b@desk.example>"
    assert message_id_of(b"Subject: none\r\n\r\n") is None


# --- large mails


@pytest.fixture
def small_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_mime, "MIME_BYTES", 20_000)
    monkeypatch.setattr(graph_mime, "FILE_BYTES", 100_000)


LARGE, SMALL, PICTURE = bytes(range(256)) * 200, b"small" * 500, b"\x89PNG" + b"p" * 9000


@pytest.mark.usefixtures("small_requests")
def test_a_large_mail_is_made_lighter_by_its_largest_files_alone() -> None:
    asked = letter(
        html='<p>It burns: <img src="cid:fire@desk.example"></p>',
        enclosures=[
            file("a.pdf", SMALL),
            file("größe.bin", LARGE, "application/octet-stream"),
            file("fire.png", PICTURE, "image/png", "fire@desk.example"),
            file("b.txt", b"last", "text/plain"),
        ],
        in_reply_to=MessageId("asked@example.org"),
    )
    raw = compose(asked, DESK)
    told = load(raw)
    assert len(told.mime) <= 20_000
    assert [(one.name, one.content_type, one.content, one.content_id) for one in told.files] == [
        ("größe.bin", "application/octet-stream", LARGE, None)
    ]
    before, after = parse(raw), parse(told.mime)
    assert not after.damage
    assert [one.filename for one in after.attachments] == ["fire.png", "a.pdf", "b.txt"]
    assert (before.text, before.html) == (after.text, after.html)
    assert raw.partition(b"\r\n\r\n")[0] == told.mime.partition(b"\r\n\r\n")[0]
    read(told.mime)


@pytest.mark.usefixtures("small_requests")
def test_several_files_follow_in_the_order_in_which_they_stood_and_a_picture_by_its_id() -> None:
    picture = b"\x89PNG" + b"q" * 30_000
    enclosures = [
        file("1.bin", LARGE),
        file("2.bin", LARGE + b"!"),
        file("fire.png", picture, "image/png", "fire@desk.example"),
    ]
    raw = compose(letter(html='<img src="cid:fire@desk.example">', enclosures=enclosures), DESK)
    told = load(raw)
    assert [(one.name, one.content_id) for one in told.files] == [
        ("fire.png", "fire@desk.example"), ("1.bin", None), ("2.bin", None)
    ]  # fmt: skip
    assert told.files[0].content == picture
    assert not parse(told.mime).attachments
    assert parse(told.mime).html == parse(raw).html


@pytest.mark.usefixtures("small_requests")
def test_a_mail_that_is_enclosed_follows_whole() -> None:
    inner = compose(letter(text="It burns.\n" * 3000), DESK)
    told = load(compose(letter(enclosures=[file("mail.eml", inner, "message/rfc822")]), DESK))
    assert [(one.content_type, one.content) for one in told.files] == [("message/rfc822", inner)]


def test_a_mail_that_a_request_can_hold_is_handed_over_as_it_is() -> None:
    raw = compose(letter(enclosures=[file("a.pdf", LARGE)]), DESK)
    assert load(raw).mime is raw
    assert not load(raw).files


@pytest.mark.usefixtures("small_requests")
def test_words_that_no_request_can_hold_are_refused_for_good() -> None:
    with pytest.raises(PermanentError, match=r"words .* 20000"):
        load(compose(letter(text="It burns.\n" * 3000, enclosures=[file("a.pdf", LARGE)]), DESK))
    with pytest.raises(PermanentError, match="words"):
        load(compose(replace(letter(), text="It burns.\n" * 3000), DESK))


@pytest.mark.usefixtures("small_requests")
def test_a_file_that_exchange_never_takes_is_refused_for_good() -> None:
    with pytest.raises(PermanentError, match="100001 bytes; Exchange takes 100000"):
        load(compose(letter(enclosures=[file("a.pdf", b"x" * 100_001)]), DESK))
