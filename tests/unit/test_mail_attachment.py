"""An attachment is found again where its place says, under a name that leads nowhere."""

from __future__ import annotations

import base64
import hashlib

import pytest
from tests.lab.bombs.heads import heads
from tests.lab.winmail import BODY, OF_MAIL, attribute, compressed, file, octets, properties, text, tnef

from mailwicket.mail.attachment import bare
from mailwicket.mail.decode import decode
from mailwicket.mail.parse import WINMAILS_MAX, parse
from mailwicket.model import Attachment


def only(raw: bytes) -> Attachment:
    [one] = parse(raw).attachments
    content = decode(raw[one.span[0] : one.span[1]], one.encoding)
    assert (len(content), hashlib.sha256(content).hexdigest()) == (one.size, one.sha256)
    return one


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.pdf", "a.pdf"),
        ("=?utf-8?B?WsOkaGxlci5wZGY=?=", "Zähler.pdf"),
        ("../../a.pdf", "a.pdf"),
        ("C:\\x\\a.pdf", "a.pdf"),
        ("=?utf-8?Q?=2Fetc=2Fpasswd?=", "passwd"),
        ("a\r\nb\0c.pdf", "a bc.pdf"),
        ("\u202eabc.pdf", "abc.pdf"),
        ("  a.pdf  ", "a.pdf"),
        ("x" * 300, "x" * 255),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
        ("x." + "y" * 300, "x." + "y" * 253),
        ("表\u3000一.pdf", "表\u3000一.pdf"),
        ("10.00\u202fAM.png", "10.00\u202fAM.png"),
        ("\u0645\u06cc\u200c.pdf", "\u0645\u06cc\u200c.pdf"),
        ("..", None),
        ("a/", None),
        ("", None),
        (None, None),
    ],
)
def test_a_file_name_is_bare(name: str | None, expected: str | None) -> None:
    assert bare(name) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([b"Content-Type: image/png; name=a.png"], ("a.png", False, None)),
        (
            [b"Content-Type: image/png; name=a.png", b"Content-Disposition: attachment; filename=b.png"],
            ("b.png", False, None),
        ),
        ([b"Content-Type: image/png", b"Content-Disposition: inline"], (None, True, None)),
        ([b"Content-Type: image/png; filename=d.png"], ("d.png", False, None)),
        ([b"Content-Type: image/png", b"Content-ID: <x@y>"], (None, False, "x@y")),
        ([b"Content-Type: image/png", b"Content-ID: x"], (None, False, "x")),
        ([b"Content-Type: image/png", b"Content-ID: <x>"], (None, False, "x")),
        ([b"Content-Type: image/png", b"Content-ID: "], (None, False, None)),
        ([b"Content-Type: image/png", b"Content-Location: e.png"], ("e.png", False, None)),
        ([b"Content-Type: image/png", b"Content-Location: http://www.example.org/e.png"], (None, False, None)),
    ],
)
def test_an_attachment_says_what_its_header_says(
    fields: list[bytes], expected: tuple[str | None, bool, str | None]
) -> None:
    one = only(heads(*fields) + b"x")
    assert (one.filename, one.inline, one.content_id) == expected


def test_a_picture_that_the_html_shows_is_inline() -> None:
    raw = heads(b"Content-Type: multipart/related; boundary=a") + b"--a\nContent-Type: text/html\n\n<p>x\n--a\n"
    assert only(raw + b"Content-Type: image/png\nContent-ID: <x@y>\n\nx\n--a--").inline
    assert not only(raw + b"Content-Type: image/png\n\nx\n--a--").inline


@pytest.mark.parametrize(
    ("encoding", "body", "content"),
    [
        ("base64", b"QUJD\r\n", b"ABC"),
        ("BASE-64", b"QUJD\r\n", b"ABC"),
        ("quoted-printable", b"=41B=\r\nC", b"ABC"),
        ("uuencode", b"begin 644 a\n#0V%T\n`\nend\n", b"Cat"),
        ("x-uue", b"#0V%T\n", b"Cat"),
        ("7bit", b"ABC\r\n", b"ABC\r\n"),
        ("mystery/base64", b"QUJD", b"QUJD"),
        ("cut:1:1/base64", b"QUJD", b"QUJD"),
    ],
)
def test_an_attachment_is_decoded_as_it_says(encoding: str, body: bytes, content: bytes) -> None:
    one = only(heads(b"Content-Type: a/b", b"Content-Transfer-Encoding: " + encoding.encode()) + body)
    assert (one.size, one.sha256) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"Dear desk, the tap in kitchen 2 drips.\n", "Dear desk, the tap in kitchen 2 drips.\n"),
        ("Größe über alles, bitte.\n".encode(), "Größe über alles, bitte.\n"),
        (base64.encodebytes("Größe\n".encode()), "Größe\n"),
        (base64.b64encode(b"Hello, world!"), "Hello, world!"),
        (b"SGVs*bG8s\n IHdv cmxk!IQ=\n", "Hello, world!"),
        (b"  SGVsbG8s\n  IHdvcmxkIQ==\n", "Hello, world!"),
        (b"The tap in kitchen two drips\n", "The tap in kitchen two drips\n"),
        (base64.encodebytes(b"Hello!\n") + b"____\nA list, of course.\n", "Hello!\n\n____\nA list, of course.\n"),
        (base64.encodebytes(b"Hi") + b"\nSent by\nthe gate-way\n", "Hi\n\nSent by\nthe gate-way\n"),
        (base64.encodebytes(b"abc" * 60) + b"-- \nfoot\n", "abc" * 60 + "\n-- \nfoot\n"),
        (b"", ""),
    ],
)
def test_a_text_that_is_no_base64_is_not_decoded(body: bytes, text: str) -> None:
    raw = heads(b"Content-Type: text/plain; charset=utf-8", b"Content-Transfer-Encoding: base64") + body
    assert parse(raw).text == text


WINMAIL = b"Content-Type: application/ms-tnef; name=winmail.dat"


def winmail(content: bytes, encoding: bytes = b"base64") -> bytes:
    body = base64.encodebytes(content) if encoding == b"base64" else content
    return heads(WINMAIL, b"Content-Transfer-Encoding: " + encoding) + body


@pytest.mark.parametrize("encoding", [b"base64", b"binary"])
def test_the_files_in_a_winmail_are_attachments(encoding: bytes) -> None:
    content = tnef(file("A.PDF", b"%PDF", text(0x3707, "../long.pdf"), text(0x3712, "x@y")))
    one = only(winmail(content, encoding))
    assert (one.filename, one.content_type, one.size, one.inline) == ("long.pdf", "application/pdf", 4, True)


def test_a_winmail_under_another_label_is_known_by_its_name() -> None:
    raw = winmail(tnef(file("A.PDF", b"%PDF"))).replace(
        b"application/ms-tnef; name=w", b"application/octet-stream; name=W"
    )
    assert only(raw).filename == "A.PDF"


@pytest.mark.parametrize(
    "content", [b"no winmail", tnef(), tnef(file("A.PDF", b"%PDF"))[:60], tnef(attribute(0x00069002, b""))]
)
def test_a_winmail_that_gives_nothing_stays_as_it_is(content: bytes) -> None:
    assert only(winmail(content)).filename == "winmail.dat"


RICH = compressed(rb"{\rtf1\fromhtml1 {\*\htmltag64 <p>}drips{\*\htmltag72 </p>}}")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (tnef(attribute(BODY, b"It drips.\0")), ("It drips.", None)),
        (tnef(attribute(OF_MAIL, properties(text(0x1013, "<p>It</p>")))), ("It", "<p>It</p>")),
        (tnef(attribute(OF_MAIL, properties(octets(0x1009, RICH)))), ("drips", "<p>drips</p>")),
        (tnef(attribute(OF_MAIL, properties(octets(0x1009, compressed(rb"{\rtf1 It}"))))), ("It", None)),
        (tnef(attribute(BODY, b"It\0"), attribute(OF_MAIL, properties(octets(0x1009, RICH)))), ("It", "<p>drips</p>")),
    ],
)
def test_the_body_in_a_winmail_is_that_of_a_mail_without_one(content: bytes, expected: tuple[str, str | None]) -> None:
    told = parse(winmail(content))
    assert (told.text, told.html, told.attachments) == (*expected, [])
    beside = b"--a\n\nWords.\n--a\n" + winmail(content) + b"\n--a--\n"
    assert parse(heads(b"Content-Type: multipart/mixed; boundary=a") + beside).text.startswith("Words.")


def test_of_many_winmails_the_first_gives_the_body_and_some_give_files() -> None:
    ones = [winmail(tnef(attribute(BODY, b"w%d\0" % n), file("a.txt", b"x"))) for n in range(12)]
    told = parse(heads(b"Content-Type: multipart/mixed; boundary=a") + b"".join(b"--a\n" + one + b"\n" for one in ones))
    assert told.text == "w0"
    assert [one.filename for one in told.attachments] == ["a.txt"] * WINMAILS_MAX + ["winmail.dat"] * 2
