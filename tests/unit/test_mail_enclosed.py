"""A mail inside a mail says who wrote it, about what, and when."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from tests.lab.bombs.heads import heads

from mailwicket.mail.enclosed import ENCLOSED_MAX
from mailwicket.mail.parse import parse
from mailwicket.model import Address, Enclosed

INNER = (
    b"From: Otto <otto@example.com>\nSubject: Lift =?utf-8?Q?=C3=BC?=\nDate: Mon, 2 Mar 2026 08:00:00 +0000\n\n"
    b"It stands.\n"
)
READ = Enclosed(Address("Otto", "otto@example.com"), "Lift ü", "It stands.\n", datetime(2026, 3, 2, 8, tzinfo=UTC))
MAIL = b"Content-Type: message/rfc822\n"


def enclosed(*ones: bytes, kind: bytes = b"mixed") -> list[Enclosed]:
    body = b"".join(b"--a\n" + one + b"\n--a\n\nx\n" for one in ones)
    return list(parse(heads(b"Content-Type: multipart/" + kind + b"; boundary=a") + body + b"--a--\n").enclosed)


def coded(one: bytes) -> bytes:
    return b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(one)


@pytest.mark.parametrize(
    "one",
    [
        MAIL + b"\n" + INNER,
        MAIL + coded(INNER),
        MAIL + coded(INNER.replace(b"\n", b"\r")),
        MAIL + coded(b"From x Mon\n" + INNER),
        MAIL + b"Content-Transfer-Encoding: base64\n\n" + INNER,
        MAIL + b"Content-Disposition: attachment; filename=a.eml\n\n" + INNER,
        b"Content-Type: message/global\n\n" + INNER,
        b"Content-Type: application/octet-stream; name=Lift.EML\n" + coded(INNER),
    ],
)
def test_an_enclosed_mail_is_read(one: bytes) -> None:
    assert enclosed(one) == [READ]


def test_its_words_are_those_of_its_body() -> None:
    html = INNER.replace(b"\n\nIt stands.", b"\nContent-Type: text/html\n\n<p>It <b>stands</b>.</p>")
    assert enclosed(MAIL + b"\n" + html)[0].text == "It stands."
    both = (
        INNER.replace(b"\n\n", b"\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n")
        + b"--b\n"
        + MAIL
        + b"\n"
        + INNER
    )
    assert [one.text for one in enclosed(MAIL + b"\n" + both)] == ["It stands."]
    named = INNER.replace(b"\n\n", b"\nContent-Type: text/enriched\n\n<b>")
    assert enclosed(MAIL + b"\n" + named)[0].text.strip() == "It stands."


def test_a_mail_that_says_little_is_enclosed_all_the_same() -> None:
    assert enclosed(MAIL + b"\nSubject: x\n\n") == [Enclosed(None, "x", "", None)]


def test_what_a_report_returns_is_not_passed_on() -> None:
    assert enclosed(MAIL + b"\n" + INNER, kind=b"report") == []


@pytest.mark.parametrize(
    "one",
    [
        b"Content-Type: application/octet-stream; name=a.eml\n\nno mail at all",
        b"Content-Type: application/octet-stream; name=a.txt\n\n" + INNER,
        b"Content-Type: application/octet-stream\n\n" + INNER,
        b"Content-Type: message/delivery-status\n\n" + INNER,
    ],
)
def test_another_file_is_no_mail(one: bytes) -> None:
    assert enclosed(one) == []


def test_no_more_than_a_few_are_read() -> None:
    assert enclosed(*[MAIL + b"\n" + INNER] * 9) == [READ] * ENCLOSED_MAX
