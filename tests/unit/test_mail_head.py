"""A header begins and ends where it does, whatever stands around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.head import CR_SLICE_BYTES, lines_as_lf, split_header, start_of
from mailwicket.mail.header import HEADER_MAX_BYTES


def split(raw: bytes) -> tuple[str, bytes]:
    header, at = split_header(raw, 0, len(raw))
    return header.get("subject"), raw[at:]


@pytest.mark.parametrize(
    ("raw", "subject", "body"),
    [
        (b"Subject: a\n\nbody", "a", b"body"),
        (b"Subject: a\r\n\r\nbody", "a", b"body"),
        (b"Subject: a\r\r\n\r\r\nbody", "a", b"body"),
        (b"Subject: a\n b\n\tc\n\nbody", "a b c", b"body"),
        (b"Subject: a\n \n b\n\nbody", "a b", b"body"),
        (b"Subject : a\n\nbody", "a", b"body"),
        (b"Subject: a\nX-\xe4: b\n\nbody", "a", b"body"),
        (b"Subject: a", "a", b""),
        (b"Subject: a\n", "a", b""),
        (b"", "", b""),
        (b"\nbody", "", b"body"),
        (b"\r\nbody", "", b"body"),
    ],
)
def test_a_blank_line_ends_a_header(raw: bytes, subject: str, body: bytes) -> None:
    assert split(raw) == (subject, body)


@pytest.mark.parametrize(
    ("raw", "subject", "body"),
    [
        (b"Subject: a\nDear desk,\n\nit drips", "a", b"Dear desk,\n\nit drips"),
        (b"Subject: a\r\nDear desk\r\n", "a", b"Dear desk\r\n"),
        (b"Subject: a\nDear desk", "a", b"Dear desk"),
        (b"Dear desk,\n\nit drips", "", b"Dear desk,\n\nit drips"),
        (b" indented words\nmore\n\nbody", "", b" indented words\nmore\n\nbody"),
        (b"Dear desk", "", b"Dear desk"),
    ],
)
def test_a_line_that_is_no_field_begins_the_body(raw: bytes, subject: str, body: bytes) -> None:
    assert split(raw) == (subject, body)


@pytest.mark.parametrize("known", [b"From: x", b"content-type: a/b", b"X-Odd-1: y", b"MIME-Version : 1.0"])
def test_a_damaged_line_among_fields_is_passed_over(known: bytes) -> None:
    assert split(b"garbage here\nSubject: a\n" + known + b"\n\nbody") == ("a", b"body")
    assert split(b"Subject: a\ngarbage here\n" + known + b"\n\nbody") == ("a", b"body")
    assert split(b"Subject: a\n\ngarbage here\n" + known + b"\n\nbody")[0] == "a"


def test_a_header_that_never_ends_is_read_to_its_limit() -> None:
    raw = b"Subject: a\n" + b"X: y\n" * HEADER_MAX_BYTES
    header, at = split_header(raw, 0, len(raw))
    assert header.get("subject") == "a"
    assert HEADER_MAX_BYTES - 6 < at <= HEADER_MAX_BYTES


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_a_header_ends_inside_its_part(raw: bytes, around: bytes) -> None:
    whole = around + raw + around
    _, at = split_header(whole, len(around), len(around) + len(raw))
    assert len(around) <= at <= len(around) + len(raw)


@pytest.mark.parametrize(
    ("before", "rest"),
    [
        (b"", b"From: a@example.org\n"),
        (b"\xef\xbb\xbf", b"From: a@example.org\n"),
        (b"\xef\xbb\xbf\r\n", b"Subject: a\n"),
        (b"\r\n\n \n", b"Received: x\n"),
        (b"  ", b"Subject: a\n"),
        (b"From a@example.org Tue Mar  3 09:00:00 2026\n", b"X: y\n"),
        (b">From a@example.org Tue Mar  3 09:00:00 2026\r\n", b"Subject: a\n"),
        (b"\n\nFrom a@example.org Tue Mar  3 09:00:00 2026\n", b"Subject: a\n"),
        (b"", b"\n\nDear desk"),
        (b"", b"From here on it drips"),
        (b"", b"From : a@example.org\n"),
        (b"", b" indented"),
        (b"", b""),
        (b"", b"\xefoo: bar"),
    ],
)
def test_a_mail_begins_at_its_first_field(before: bytes, rest: bytes) -> None:
    assert start_of(before + rest) == len(before)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"Subject: a\rFrom: b\r\rone\rtwo", b"Subject: a\nFrom: b\n\none\ntwo"),
        (b"Subject: a\r\rone\r\ntwo", b"Subject: a\n\none\r\ntwo"),
        (b"Subject: a\r\n\r\none\rtwo", b"Subject: a\r\n\r\none\rtwo"),
        (b"Subject: a\nX: b\rc\n\n", b"Subject: a\nX: b\rc\n\n"),
        (b"Subject: a\r\r\n\r\r\nbody", b"Subject: a\r\r\n\r\r\nbody"),
        (b"no field\rno field\r", b"no field\rno field\r"),
        (b"Subject: a", b"Subject: a"),
        (b"\r", b"\n"),
    ],
)
def test_lines_may_end_in_cr_alone(raw: bytes, expected: bytes) -> None:
    assert lines_as_lf(raw) == expected


def test_a_line_end_between_two_slices_is_seen_whole() -> None:
    for excess in range(-3, 3):
        raw = b"Subject: a\r" + b"x" * (CR_SLICE_BYTES - 11 + excess) + b"\r\nb\rc"
        assert lines_as_lf(raw) == raw.replace(b"a\r", b"a\n").replace(b"b\r", b"b\n")
