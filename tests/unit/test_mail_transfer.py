"""Transfer encodings are known under all their names, and undone one after the other."""

from __future__ import annotations

import base64
import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.decode import decode, decoded, transfer_encoding


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("base64", "base64"),
        (" BASE64 ", "base64"),
        ("base-64", "base64"),
        ("base 64", "base64"),
        ("base64;", "base64"),
        ("base64 (as it were)", "base64"),
        ('"base64"', "base64"),
        ("Quoted-Printable", "quoted-printable"),
        ("quoted printable", "quoted-printable"),
        ("quoted_printable", "quoted-printable"),
        ("quotedprintable", "quoted-printable"),
        ("x-uuencode", "x-uuencode"),
        ("uuencode", "x-uuencode"),
        ("X-UUE", "x-uuencode"),
        ("7bit", "7bit"),
        ("7-bit", "7bit"),
        ("8bits", "8bit"),
        ("Binary", "binary"),
        ("", ""),
        ("x-mystery/base64", "xmysterybase64"),
        ("cut:5:6/base64", "cut56base64"),
        ("é", ""),
        ("x" * 999, "x" * 40),
    ],
)
def test_an_encoding_is_known_by_what_is_meant(value: str, word: str) -> None:
    assert transfer_encoding(value) == word


@given(st.text(max_size=60))
def test_no_header_can_name_what_only_we_write(value: str) -> None:
    assert not set(transfer_encoding(value)) & set("/:")


@given(st.binary(max_size=200), st.integers(0, 220), st.integers(0, 220))
def test_a_cut_is_some_of_what_a_part_holds(content: bytes, first: int, length: int) -> None:
    body = base64.encodebytes(content)
    assert decode(body, f"cut:{first}:{length}/base64") == content[first : first + length]
    assert decode(content, f"cut:{first}:{length}/8bit") == content[first : first + length]


def test_several_encodings_are_undone_the_last_first() -> None:
    inner = b"words begin 644 a\n#0V%T\n`\nend\n"
    body = base64.encodebytes(inner)
    assert decode(body, "x-uuencode/cut:6:25/base64") == b"Cat"
    assert list(decoded(b"__" + body, 2, 2 + len(body), "x-uuencode/cut:6:25/base64")) == [b"Cat"]


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b"a=\nb", b"ab"),
        (b"a=\r\nb", b"ab"),
        (b"a= \t\r\nb", b"ab"),
        (b"a= \nb=3D\n", b"ab=\n"),
        (b"a=\rb\rc=\r", b"ab\rc"),
        (b"a= ", b"a"),
        (b"a= b", b"a= b"),
        (b"a=", b"a"),
        (b"a=4", b"a=4"),
        (b"a=ZZ=3d", b"a=ZZ="),
        (b"a==3D", b"a=3D"),
        (b"", b""),
    ],
)
def test_soft_line_breaks_are_seen_however_they_are_written(body: bytes, content: bytes) -> None:
    assert decode(body, "quoted-printable") == content


@given(st.binary(max_size=300))
def test_quoted_printable_comes_back(content: bytes) -> None:
    assert decode(binascii.b2a_qp(content, istext=False), "quoted-printable") == content
