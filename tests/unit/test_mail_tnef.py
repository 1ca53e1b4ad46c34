"""A winmail.dat says what Outlook packed into it, and lies do not lead its reader astray."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lab.winmail import (
    BODY,
    OBJECT,
    OF_FILE,
    OF_MAIL,
    STRING8,
    UNICODE,
    attribute,
    compressed,
    file,
    named,
    number,
    octets,
    properties,
    text,
    tnef,
)

from mailwicket.mail.tnef import FILES_MAX, Packed, unpack

IID_MESSAGE = bytes.fromhex("0703020000000000c000000000000046")


def opened(content: bytes) -> Packed:
    packed = unpack(content)
    assert packed is not None
    return packed


def files(content: bytes) -> list[tuple[str | None, bytes]]:
    return [(one.name, content[one.begin : one.begin + one.length]) for one in opened(content).files]


def of_mail(*ones: bytes) -> bytes:
    return attribute(OF_MAIL, properties(*ones))


def test_files_come_out_with_their_names() -> None:
    content = tnef(file("SCAN~1.PDF", b"pdf", text(0x3707, "scan 1, März.pdf")), file("zähler.txt", b"abc"))
    assert files(content) == [("scan 1, März.pdf", b"pdf"), ("zähler.txt", b"abc")]
    assert opened(content).whole


@pytest.mark.parametrize(
    ("ones", "name"),
    [
        ((text(0x3707, "long.pdf"), text(0x3704, "short.pdf"), text(0x3001, "shown")), "long.pdf"),
        ((text(0x3001, "shown"), text(0x3704, "short.pdf")), "short.pdf"),
        ((text(0x3001, "shown"),), "shown"),
        ((octets(0x3707, b"eight bit.pdf\0", kind=STRING8),), "eight bit.pdf"),
        ((number(0x3705, 1),), "TITLE.PDF"),
    ],
)
def test_the_longest_name_of_a_file_is_its_name(ones: tuple[bytes, ...], name: str) -> None:
    assert files(tnef(file("TITLE.PDF", b"x", *ones))) == [(name, b"x")]


def test_a_file_tells_its_type_and_its_place_in_the_html() -> None:
    one = opened(tnef(file("a", b"x", text(0x370E, "Image/PNG"), text(0x3712, "<pic@example.org>")))).files[0]
    assert (one.content_type, one.content_id) == ("image/png", "pic@example.org")


def test_the_bytes_of_a_file_may_stand_among_its_properties() -> None:
    for value, kind in ((b"bytes", 0x0102), (bytes(16) + b"bytes", OBJECT)):
        told = attribute(0x00069002, bytes(14)) + attribute(OF_FILE, properties(octets(0x3701, value, kind=kind)))
        assert files(tnef(told)) == [(None, b"bytes")]


def test_a_mail_in_it_is_a_file_that_is_packed_in_its_turn() -> None:
    inner = tnef(attribute(BODY, b"inner\0"))
    value = octets(0x3701, IID_MESSAGE + inner, kind=OBJECT)
    content = tnef(attribute(0x00069002, bytes(14)), attribute(OF_FILE, properties(text(0x3001, "Lift"), value)))
    one = opened(content).files[0]
    assert (one.content_type, one.name) == ("application/ms-tnef", "Lift")
    assert opened(content[one.begin : one.begin + one.length]).text == "inner"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (tnef(attribute(BODY, b"gr\xfc\xdfe\r\nzwei\0")), "grüße\nzwei"),
        (tnef(attribute(BODY, b"\xed\xe0\xf1\xee\xf1\0"), codepage=1251), "насос"),
        (tnef(of_mail(text(0x1000, "größe"))), "größe"),
        (tnef(of_mail(octets(0x1000, b"gr\xf6\xdfe\0", kind=STRING8))), "größe"),
        (tnef(of_mail(number(0x1000, 5))), ""),
    ],
)
def test_the_text_is_read_in_the_codepage_of_the_writer(content: bytes, expected: str) -> None:
    assert opened(content).text == expected


@pytest.mark.parametrize(
    ("codepage", "charset"),
    [
        (65001, "utf-8"),
        (1252, "cp1252"),
        (28591, "iso-8859-1"),
        (20127, "utf-8"),
        (99_999, "cp1252"),
        (12345, "cp1252"),
    ],
)
def test_the_html_is_read_in_its_own_codepage(codepage: int, charset: str) -> None:
    html = octets(0x1013, "<p>größe</p>".encode(charset))
    assert opened(tnef(of_mail(html, number(0x3FDE, codepage)))).html == "<p>größe</p>"
    assert opened(tnef(of_mail(text(0x1013, "<p>größe</p>")))).html == "<p>größe</p>"


def test_properties_of_every_shape_are_passed_over() -> None:
    ones = [
        named(0x8001, "odd", 1),
        struct.pack("<HH", 3, 0x8002) + bytes(16) + struct.pack("<IIi", 0, 33, 7),  # named by a number
        octets(0x0E00, b"a", b"bcdef", b"", kind=UNICODE),
        struct.pack("<HHI", 0x1003, 0x0E01, 3) + bytes(12),
        struct.pack("<HHI", 0x1002, 0x0E02, 3) + bytes(6) + bytes(2),
        struct.pack("<HHHH", 0x000B, 0x0E03, 1, 0),
        struct.pack("<HH", 0x0040, 0x0E04) + bytes(8),
        struct.pack("<HH", 0x0048, 0x0E05) + bytes(16),
        struct.pack("<HHI", UNICODE, 0x0E06, 0),
    ]
    packed = opened(tnef(of_mail(*ones, text(0x1000, "behind them"))))
    assert (packed.text, packed.whole) == ("behind them", True)


def test_rich_text_is_kept_for_who_unpacks_it() -> None:
    rich = compressed(rb"{\rtf1 x}")
    assert opened(tnef(of_mail(octets(0x1009, rich)))).rtf == rich


@pytest.mark.parametrize(
    "content",
    [
        tnef(attribute(OF_MAIL, b"\xff\xff\xff\xff", 0xFFFFFFFF)),
        tnef(of_mail(octets(0x1013, b"x")), attribute(BODY, b"x"))[:-3],
        tnef(attribute(OF_MAIL, properties(text(0x1000, "x"), count=5))),
        tnef(attribute(OF_MAIL, properties(struct.pack("<HHII", UNICODE, 0x1000, 1, 0xFFFFFF)))),
        tnef(attribute(OF_MAIL, properties(struct.pack("<HHI", 0x1003, 0x1000, 0xFFFFFF)))),
        tnef(attribute(OF_MAIL, properties(struct.pack("<HHI", 0x0999, 0x1000, 1)))),
        tnef(attribute(OF_MAIL, properties(struct.pack("<HH", 3, 0x8000) + b"short"))),
        tnef(*[attribute(0x00069002, b"")] * (FILES_MAX + 1)),
    ],
)
def test_what_was_not_understood_is_owned_up_to(content: bytes) -> None:
    assert not opened(content).whole


def test_what_came_before_a_lie_is_kept() -> None:
    content = tnef(file("a.txt", b"abc"), attribute(OF_MAIL, b"", 0xFFFFFF))
    assert files(content) == [("a.txt", b"abc")]


def test_what_is_no_winmail_is_none() -> None:
    assert unpack(b"") is None
    assert unpack(b"%PDF-1.4") is None
    assert opened(b"\x78\x9f\x3e\x22").files == []


@given(st.binary(max_size=300), st.binary(max_size=60), st.integers(0, 200))
def test_any_bytes_are_read_to_an_end(noise: bytes, blow: bytes, at: int) -> None:
    whole = bytearray(tnef(of_mail(text(0x1000, "x"), named(0x8001, "y", 1)), file("a", b"abc", text(0x3707, "b"))))
    for content in (b"\x78\x9f\x3e\x22\0\0" + noise, bytes(whole[:at] + blow + whole[at + len(blow) :])):
        packed = unpack(content)
        if packed is not None:
            assert all(one.begin + one.length <= len(content) for one in packed.files)
