"""Rich text gives back the HTML or the text that was put into it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lab.winmail import compressed

from mailwicket.mail.rtf import DICTIONARY, RTF_MAX_BYTES, read, unpacked


def packed(tokens: bytes, size: int, kind: bytes = b"LZFu") -> bytes:
    return struct.pack("<II", len(tokens) + 12, size) + kind + bytes(4) + tokens


@given(st.binary(max_size=5000))
def test_what_was_compressed_comes_back(rtf: bytes) -> None:
    assert unpacked(compressed(rtf)) == rtf


def test_what_repeats_is_copied_out_of_what_came_before() -> None:
    assert len(DICTIONARY) == 207
    # "{\rtf1\ansi" out of the dictionary, "ab", then ten letters from two back: longer than what is there to copy
    tokens = bytes([0b1001]) + struct.pack(">H", 0 << 4 | 9) + b"ab" + struct.pack(">H", (207 + 11) << 4 | 8)
    assert unpacked(packed(tokens, 23)) == rb"{\rtf1\ansi" + b"ab" + b"ababababab"


def test_what_was_only_stored_is_read_too() -> None:
    assert unpacked(packed(b"{rtf}xyz", 5, b"MELA")) == b"{rtf}"
    assert unpacked(packed(b"{rtf}", 5, b"ZIP!")) == b""
    assert unpacked(b"") == b""


def test_a_size_that_lies_does_not_make_us_unpack_for_ever() -> None:
    grows = b"\xff" + b"\x00\x0e" * 8
    for tokens in (b"\0abcdefgh" * 100_000, grows * 10_000):
        assert len(unpacked(packed(tokens, 0xFFFFFFFF))) == RTF_MAX_BYTES
    assert unpacked(packed(b"\0abcdefgh", 3)) == b"abc"


@given(st.binary(max_size=200), st.integers(0, 2**32 - 1))
def test_any_bytes_are_unpacked_to_an_end(tokens: bytes, size: int) -> None:
    assert len(unpacked(packed(tokens, size))) <= RTF_MAX_BYTES


def test_html_comes_out_as_it_went_in() -> None:
    source = (
        rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0 Arial;}}{\colortbl\red0;}{\*\generator Exchange;}"
        rb"{\*\htmltag19 <html>}{\*\htmltag64 <p class=3D>}\htmlrtf {\htmlrtf0 gr\'fc\'dfe {\*\htmltag84 &nbsp;}"
        rb"\htmlrtf \'a0\htmlrtf0 \{x\}{\*\mhtmltag72 <b>}\htmlrtf\par}\htmlrtf0{\*\htmltag72 </p>\par }}"
    )
    assert read(source) == ("<html><p class=3D>grüße &nbsp;{x}</p>\n", True)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (rb"{\rtf1\ansi one\par two\line three\tab four}", "one\ntwo\nthree\tfour"),
        (rb"{\rtf1\ansi {\fonttbl{\f0 Arial;}}{\info{\author Nora}}{\*\pn odd}shown}", "shown"),
        (rb"{\rtf1\ansicpg1251 \'ed\'e0\'f1\'ee\'f1}", "насос"),
        (rb"{\rtf1\ansicpg65001 \'c3\'b6}", "ö"),
        (rb"{\rtf1\ansicpg932 \'93\'64\'8e\'d4}", "電車"),
        (rb"{\rtf1\uc1 \u8364?5 \u-10179?\u-8694?x}", "€5 😊x"),
        (rb"{\rtf1\uc0 \u8364 5}", "€5"),
        (rb"{\rtf1\uc2 \u8364\'80\'80 5}", "€ 5"),
        (rb"{\rtf1 a\~b\-c\_d \\ \{\}\ldblquote q\rdblquote}", "a\u00a0bc\u2011d \\ {}“q”"),
        (b"{\\rtf1 broken\r\n line\\\nnew}", "broken line\nnew"),
        (rb"{\rtf1 {{{deep}}}}}} end", "deep end"),
        (rb"{\rtf1 cut \'f", "cut 'f"),
        (b"", ""),
    ],
)
def test_plain_rich_text_is_told_without_its_commands(source: bytes, text: str) -> None:
    told, is_html = read(source)
    assert (told, is_html) == (text, False)


@given(st.text(alphabet="{}\\'*uab0 \n~", max_size=300))
def test_any_rich_text_is_text(source: str) -> None:
    told, _ = read(source.encode("latin-1"))
    told.encode("utf-8")
    assert "\0" not in told
