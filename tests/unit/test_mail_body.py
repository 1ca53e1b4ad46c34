"""The body of a mail is what its writer wrote, once and in order."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lab.bombs.heads import heads

from mailwicket.mail.attachment import TEXT_MAX_BYTES
from mailwicket.mail.parse import parse
from mailwicket.model import Mail

PLAIN = b"text/plain; charset=utf-8"
HTML = b"text/html; charset=utf-8"


def leaf(content_type: bytes, body: str, *fields: bytes) -> bytes:
    return b"\n".join([b"Content-Type: " + content_type, *fields, b"", body.encode()])


def multi(kind: bytes, *ones: bytes, name: bytes = b"a") -> bytes:
    body = b"".join(b"--" + name + b"\n" + one + b"\n" for one in ones)
    return b'Content-Type: multipart/%s; boundary="%s"\n\n' % (kind, name) + body + b"--" + name + b"--\n"


def mail(structure: bytes) -> Mail:
    return parse(b"From: nora@example.org\n" + structure)


def text(structure: bytes) -> str:
    return mail(structure).text


IMAGE = leaf(b"image/png", "x", b"Content-Disposition: inline; filename=a.png")


@pytest.mark.parametrize(
    ("ones", "expected"),
    [
        ([leaf(PLAIN, "one"), leaf(PLAIN, "two")], "one\ntwo"),
        ([leaf(PLAIN, "one"), IMAGE, leaf(PLAIN, "two")], "one\ntwo"),
        ([leaf(PLAIN, "one"), leaf(PLAIN, " \n"), leaf(PLAIN, "two")], "one\ntwo"),
        ([leaf(HTML, "<div>one</div>"), IMAGE, leaf(HTML, "<div>two</div>")], "one\ntwo"),
        ([leaf(PLAIN, "one"), IMAGE, leaf(HTML, "<p>two</p>")], "one\ntwo"),
        ([leaf(HTML, "<p>one</p>"), leaf(PLAIN, "two")], "one\ntwo"),
        ([leaf(PLAIN, "one lamp flickers"), leaf(HTML, "<p>One <b>lamp</b> flickers</p>")], "one lamp flickers"),
        ([leaf(PLAIN, "the text part"), leaf(HTML, "<p>the html part</p>")], "the text part"),
        ([leaf(HTML, "<p>one lamp</p>"), leaf(PLAIN, "one lamp")], "one lamp"),
        ([leaf(PLAIN, "see"), IMAGE, leaf(HTML, "<img src=cid:x>")], "see"),
        ([leaf(PLAIN, ""), leaf(HTML, "<p>one</p>")], "one"),
        ([IMAGE], ""),
    ],
)
def test_what_stands_in_pieces_is_told_once_and_in_order(ones: list[bytes], expected: str) -> None:
    assert text(multi(b"mixed", *ones)) == expected


@pytest.mark.parametrize(
    ("ones", "expected", "html"),
    [
        ([leaf(PLAIN, "one"), leaf(HTML, "<p>markup</p>")], "one", "<p>markup</p>"),
        ([leaf(HTML, "<p>markup</p>"), leaf(PLAIN, "one")], "one", "<p>markup</p>"),
        ([leaf(PLAIN, "\n \n"), leaf(HTML, "<p>markup</p>")], "markup", "<p>markup</p>"),
        ([leaf(PLAIN, "one lamp"), leaf(PLAIN, "one lamp"), leaf(HTML, "<p>x</p>")], "one lamp", "<p>x</p>"),
        (
            [leaf(PLAIN, "one lamp"), leaf(PLAIN, "quite other words"), leaf(HTML, "x")],
            "one lamp\nquite other words",
            "x",
        ),
        ([leaf(HTML, "<p>old</p>"), leaf(HTML, "<p>rich</p>"), IMAGE], "rich", "<p>rich</p>"),
        ([leaf(PLAIN, "one"), multi(b"related", leaf(HTML, "<p>x</p>"), IMAGE, name=b"b")], "one", "<p>x</p>"),
        (
            [leaf(PLAIN, "one"), multi(b"mixed", leaf(HTML, "<i>x</i>"), IMAGE, leaf(HTML, "<i>y</i>"), name=b"b")],
            "one",
            "<i>x</i>\n<i>y</i>",
        ),
        ([leaf(HTML, "<p>x</p>")], "x", "<p>x</p>"),
        ([leaf(b"text/plain; name=a.txt", "one"), leaf(HTML, "<p>x</p>")], "one", "<p>x</p>"),
        ([IMAGE], "", None),
    ],
)
def test_of_an_alternative_one_choice_of_each_kind_is_taken(ones: list[bytes], expected: str, html: str | None) -> None:
    told = mail(multi(b"alternative", *ones))
    assert (told.text, told.html) == (expected, html)
    assert all(one.content_type == "image/png" for one in told.attachments)


def test_two_alternatives_are_two_pieces() -> None:
    first = multi(b"alternative", leaf(PLAIN, "one"), leaf(HTML, "<p>one</p>"), name=b"b")
    second = multi(b"alternative", leaf(HTML, "<p>two</p>"), name=b"c")
    assert text(multi(b"mixed", first, second, leaf(PLAIN, "three"))) == "one\ntwo\nthree"


@pytest.mark.parametrize(
    ("structure", "expected"),
    [
        (leaf(b"text/plain; name=a.txt", "words"), "words"),
        (leaf(PLAIN, "words", b"Content-Disposition: inline; filename=a.txt"), "words"),
        (multi(b"mixed", leaf(b"text/plain; name=a.txt", "words"), IMAGE), "words"),
        (multi(b"mixed", leaf(PLAIN, "body"), leaf(b"text/plain; name=a.txt", "words")), "body"),
        (multi(b"mixed", leaf(PLAIN, "words", b"Content-Disposition: attachment")), ""),
        (leaf(b"text/enriched", "<bold>a</bold>\nb\n\nc << d<nofill>"), "a b\nc < d"),
        (leaf(b"text/richtext", "<bold>a</bold>\nb<nl>c <lt> d"), "a b\nc < d"),
        (leaf(b"text/markdown", "# a"), "# a"),
        (leaf(b"text/x-anything", "a\nb"), "a\nb"),
        (leaf(b"text/calendar", "BEGIN:VCALENDAR"), ""),
        (multi(b"mixed", leaf(b"text/x-anything", "a")), ""),
        (multi(b"mixed", leaf(b"text/enriched", "a"), leaf(PLAIN, "b")), "b"),
    ],
)
def test_another_text_is_the_body_only_where_there_is_none(structure: bytes, expected: str) -> None:
    told = mail(structure)
    assert told.text == expected
    kinds = {one.content_type for one in told.attachments}
    assert not expected or told.text not in kinds


def test_what_became_the_body_is_no_attachment() -> None:
    assert mail(leaf(b"text/plain; name=a.txt", "words")).attachments == []
    assert mail(leaf(b"text/enriched", "words")).attachments == []
    both = multi(b"mixed", leaf(b"text/plain; name=a.txt", "a"), leaf(b"text/plain; name=b.txt", "b"))
    assert (text(both), [one.filename for one in mail(both).attachments]) == ("a", ["b.txt"])


@pytest.mark.parametrize(
    ("field", "expected"),
    [(b"Content-ID: <x@y>", "main"), (b"Content-Location: frame.html", "main"), (b"X: y", "main\nframe")],
)
def test_in_a_related_the_first_is_the_body(field: bytes, expected: str) -> None:
    assert text(multi(b"related", leaf(HTML, "<div>main</div>"), leaf(HTML, "<div>frame</div>", field))) == expected


@pytest.mark.parametrize("kind", [b"related", b"signed", b"report", b"alternative"])
def test_what_leads_a_multipart_is_the_body_whatever_it_is_called(kind: bytes) -> None:
    ones = [leaf(b"text/html; name=m.html", "<p>main</p>"), leaf(b"text/plain; name=a.txt", "file")]
    assert text(multi(kind, *ones[:1], IMAGE)) == "main"
    assert mail(multi(b"mixed", *ones)).html == "<p>main</p>"
    assert (text(multi(kind, *ones)) == "main") == (kind != b"alternative")


def test_a_related_says_which_of_two_is_the_body() -> None:
    ones = [leaf(HTML, "<p>frame</p>", b"Content-ID: <f@y>"), leaf(HTML, "<p>main</p>", b"Content-ID: <m@y>")]
    assert text(multi(b"related", *ones).replace(b'"a"', b'"a"; start="<m@y>"', 1)) == "main"
    assert text(multi(b"related", *ones).replace(b'"a"', b'"a"; start="<f@y>"', 1)) == "frame"
    assert text(multi(b"related", *ones)) == "frame"


def test_a_related_may_say_which_is_the_body() -> None:
    ones = [leaf(b"image/png", "x", b"Content-ID: <i@y>"), leaf(HTML, "<p>main</p>", b"Content-ID: <m@y>")]
    structure = multi(b"related", *ones).replace(b'"a"', b'"a"; start="<m@y>"', 1)
    assert text(structure) == "main"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a\r\nb\nc\rd\r\n", "a\nb\nc\nd\n"),
        (b"a\r\n", "a\n"),
        (b"a\r", "a\n"),
        (b"a\r\r\nb\r\r\n", "a\nb\n"),
        (b"\r\n\r\na", "\n\na"),
        (b"a\x0bb\x0cc\x85", "a\x0bb\x0cc\u2026"),
    ],
)
def test_lines_of_a_text_end_alike(body: bytes, expected: str) -> None:
    assert parse(heads(b"Content-Type: text/plain") + body).text == expected


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_wide_charset_keeps_its_characters(charset: str) -> None:
    body = base64.encodebytes("a\r\nൊ\u0d0a\u0a0d".encode(charset))
    raw = heads(b"Content-Type: text/plain; charset=" + charset.encode(), b"Content-Transfer-Encoding: base64") + body
    assert parse(raw).text == "a\nൊ\u0d0a\u0a0d"


FILE = b"begin 644 cat.txt\n#0V%T\n`\nend\n"


def test_a_file_in_a_text_is_an_attachment() -> None:
    for encoding, body in (
        (b"8bit", b"one\n" + FILE + b"two\n"),
        (b"base64", base64.encodebytes(b"one\n" + FILE + b"two\n")),
        (b"quoted-printable", b"one\n" + FILE + b"two\n"),
    ):
        told = parse(heads(b"Content-Type: text/plain", b"Content-Transfer-Encoding: " + encoding) + body)
        assert (told.text, told.damage) == ("one\ntwo\n", ())
        assert [(one.filename, one.content_type, one.size) for one in told.attachments] == [
            ("cat.txt", "application/octet-stream", 3)
        ]


def test_a_long_text_is_cut_and_the_files_in_it_are_found() -> None:
    long = b"words `\n" * (TEXT_MAX_BYTES // 8 + 10)
    told = parse(heads(b"Content-Type: text/plain") + long + FILE)
    assert (len(told.text), told.damage) == (TEXT_MAX_BYTES, ("text_cut",))
    assert [(one.filename, one.size) for one in told.attachments] == [("cat.txt", 3), (None, len(long + FILE))]


def test_a_long_file_does_not_cut_the_text() -> None:
    file = b"begin 644 a\n" + b"M" + b"A" * 60 + b"\n"
    file += (b"M" + b"A" * 60 + b"\n") * 20_000 + b"`\nend\n"
    told = parse(heads(b"Content-Type: text/plain") + b"one\n" + file + b"two\n")
    assert (told.text, told.damage, [one.size for one in told.attachments]) == ("one\ntwo\n", (), [45 * 20_001])


LEAVES = st.sampled_from([leaf(PLAIN, "one lamp"), leaf(HTML, "<p>two pumps</p>"), IMAGE, leaf(PLAIN, "three doors")])


@given(st.lists(LEAVES, min_size=1, max_size=6), st.sampled_from([b"mixed", b"related", b"x-odd"]))
def test_outside_alternatives_no_plain_word_is_lost(ones: list[bytes], kind: bytes) -> None:
    told = text(multi(kind, *ones))
    for words in ("one lamp", "three doors"):
        assert told.count(words) == sum(words.encode() in one for one in ones)
    assert ("two pumps" in told) == any(b"pumps" in one for one in ones)
