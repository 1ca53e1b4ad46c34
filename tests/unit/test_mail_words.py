"""Encoded words say what their writer wrote, however they were cut."""

from __future__ import annotations

from base64 import b64encode
from email.charset import BASE64, QP, Charset
from email.header import Header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwicket.mail.words import word_end, words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?utf-8?Q?Are_you_there??=", "Are you there?"),
        ("=?utf-8?Q?What?=3F?=", "What??"),
        ("=?utf-8?Q?a?=C3 =?utf-8?Q?b?=", "aC3 b"),
        ("=?UTF-8*en?Q?a?=b", "ab"),
        ("=? utf-8 ? q ?a?=", "a"),
        ("Re:=?utf-8?q?x?=", "Re:x"),
        ("=?utf-8?q??=", ""),
        ("=?utf-8?q?hello world?=", "hello world"),
        ("=?utf-8?q?a=?=", "a"),
        ("=?utf-8?q?a=zz?=", "a=zz"),
        ("=?utf-8?Q?a=\t b?=", "ab"),
        ("=?iso-8859-1?Q?café?=", "café"),
        ("=?utf-8?B?SGVsb?= =?utf-8?B?G8=?=", "Hello"),
        ("=?utf-8?B?SGVs\n bG8=?=", "Hello"),
        ("=?utf-8?B?YQ?= =?utf-8?B?Yg?=", "ab"),
        ("=?utf-8?B?SGVsb?=", "Hel"),
        ("=?utf-8?Q?Hello", "Hello"),
        ("=?utf-8?Q?Hello?", "Hello?"),
        ("=?utf-8?B?SGVsbG8 =?utf-8?B?IQ==?=", "Hello!"),
        ("=?utf-8?B?SGVsbG8? x", "Hello? x"),
        ("=?utf-8?B?", "=?utf-8?B?"),
        ("=?utf-8?X?a?=", "=?utf-8?X?a?="),
        ("=?a b?q?c?=", "=?a b?q?c?="),
        ("x =?utf-8?q?a?= y =?utf-8?q?b?=  =?utf-8?q?c?= ", "x a y bc"),
        ("=?utf-8?q?a?= =?iso-8859-1?q?b?=", "ab"),
        ("=?iso-2022-jp?B?GyRCOE4+Yw==?= =?iso-2022-jp?B?OE4+YxsoQg==?=", "故障故障"),
        ("=?utf-7?Q?+AOk-?=", "é"),
        ("=?utf-8?Q?a=0D=0A_b=00c?=", "a bc"),
        ("a \x0b\u2028 b\r\n\t c", "a b c"),
        ("a  b\tc", "a  b\tc"),
        ("\u3000件名\u3000x", "件名\u3000x"),
    ],
)
def test_words_are_decoded_wherever_they_stand(value: str, text: str) -> None:
    assert words(value) == text


def test_the_end_of_a_word_is_told_where_one_begins() -> None:
    assert word_end("x =?utf-8?q?a,b?= c", 2) == 17
    assert word_end("=?utf-8?q?a", 0) == 11
    assert word_end("x =?utf-8?q?a?=", 0) == -1
    assert word_end("=?utf-8?b?!", 0) == -1


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="=?\ufeff"), max_size=120),
    st.sampled_from([BASE64, QP]),
    st.integers(20, 80),
)
def test_what_the_library_encodes_is_decoded(text: str, encoding: int, width: int) -> None:
    charset = Charset("utf-8")
    charset.header_encoding = encoding
    written = Header(text, charset, maxlinelen=width).encode()
    assert words(written.replace("\n", "")) == text


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=60), st.data())
def test_base64_may_be_cut_between_any_two_of_its_groups(text: str, data: st.DataObject) -> None:
    encoded = b64encode(text.encode()).decode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(encoded) // 4), max_size=5)))
    pieces = [encoded[4 * a : 4 * b] for a, b in zip([0, *cuts], [*cuts, len(encoded)], strict=True)]
    assert words(" ".join(f"=?utf-8?b?{piece}?=" for piece in pieces)) == text.lstrip("\ufeff")


@given(st.text(st.sampled_from("=?utf8-qbQB_ aZ9+/\tä"), max_size=80))
@settings(max_examples=1000)
def test_whatever_stands_in_a_field_it_is_one_line(value: str) -> None:
    text = words("=?" + value)
    assert len(text.splitlines()) <= 1
    assert "\0" not in text
