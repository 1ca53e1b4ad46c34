"""Tags and texts of markup, however broken, in linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.markup import attributes, declared_charset, tokens, unescaped, without_data, would_stall


def told(markup: str) -> list[tuple[str, str]]:
    return [(name, rest) for name, rest, _ in tokens(markup)]


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("a<b>c</b>", [("", "a"), ("b", ""), ("", "c"), ("/b", "")]),
        ("<A HREF='x>y'>z", [("a", " HREF='x>y'"), ("", "z")]),
        ("<br/><hr />", [("br", "/"), ("hr", " /")]),
        ("<p\n>x</p\n>", [("p", "\n"), ("", "x"), ("/p", "\n")]),
        ("<o:p></o:p>", [("o:p", ""), ("/o:p", "")]),
        ("a < b <3 c<", [("", "a "), ("", "<"), ("", " b "), ("", "<"), ("", "3 c"), ("", "<")]),
        ("<!-- a > b -->c", [("", "c")]),
        ("<!-->a<!--->b", [("", "a"), ("", "b")]),
        ("<!-- never closed <b>a</b>", [("", "a"), ("/b", "")]),
        ("<!doctype html><?xml x?></>a", [("", "a")]),
        ("<![if x]>a<![endif]>", [("", "a")]),
        ("<![CDATA[a]]>", [("", "a]]>")]),
        ("<script>a<b</script>c", [("", "c")]),
        ("<title>a</title >b", [("", "b")]),
        ("<style>p{}</style>b", [("style", "p{}"), ("", "b")]),
        ("<style>p{} <body>b", [("style", "p{} "), ("body", ""), ("", "b")]),
        ("<title>a <p>b", [("p", ""), ("", "b")]),
        ("<xmp><b>&lt;</xmp>", [("xmp", ""), ("", "<b>&amp;lt;"), ("/xmp", "")]),
        ("<textarea><b>&amp;</textarea>", [("textarea", ""), ("", "<b>&amp;"), ("/textarea", "")]),
        ("<plaintext><b>", [("plaintext", ""), ("", "<b>")]),
        ('<a href="x>y</a> z', [("a", ' href="x'), ("", "y"), ("/a", ""), ("", " z")]),
        ('<a title="x>y</a>', [("a", ' title="x'), ("", "y"), ("/a", "")]),
        ("<b", [("", "<"), ("", "b")]),
        ("<p it's>x", [("p", " it's"), ("", "x")]),
    ],
)
def test_markup_is_read_as_browsers_read_it_but_no_words_are_dropped(
    markup: str, expected: list[tuple[str, str]]
) -> None:
    assert told(markup) == expected


@given(st.text(alphabet="<>/!-='\" abp&;\n[", max_size=60))
def test_every_token_ends_further_on(markup: str) -> None:
    ends = [end for _, _, end in tokens(markup)]
    assert ends == sorted(ends)
    assert all(end <= len(markup) for end in ends)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a &amp; b", "a & b"),
        ("&lt&gt &copy 2026", "<> © 2026"),
        ("&#150;&#x80;", "\u2013€"),
        ("&#0;&#xD800;", "\ufffd\ufffd"),
        ("&#" + "9" * 5000 + ";x", "\ufffdx"),
        ("&#x" + "f" * 5000, "\ufffd"),
        ("&nosuch; & &", "&nosuch; & &"),
        ("&hearts;&NewLine;&zwnj;", "♥\n\u200c"),
    ],
)
def test_entities_are_read_with_and_without_semicolon_and_whatever_their_number(text: str, expected: str) -> None:
    assert unescaped(text) == expected


def test_attributes_are_read_in_every_way_of_writing_them_and_the_first_counts() -> None:
    rest = " a=1 B='2 &amp; 3' c=\"4\" d e = 5 a=6 f=/x/ g='open"
    assert attributes("href='/?a=1&copy=2&reg&lt=3&amp;d=4&copyx&eacute;'")["href"] == "/?a=1&copy=2®&lt=3&d=4&copyxé"
    expected = {"a": "1", "b": "2 & 3", "c": "4", "d": "", "e": "5", "f": "/x/", "g": "'open"}
    assert attributes(rest) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<html><head><meta charset=koi8-r>", "koi8-r"),
        (b'<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=gb2312">', "gb2312"),
        (b"<meta content='text/html;charset = \"x-sjis\"'>", "x-sjis"),
        (b"<meta name=x content=y><p>charset=utf-7", None),
        (b"<meta charset=>", None),
        (b"x" * 5000 + b"<meta charset=koi8-r>", None),
        (b"<meta " * 2000, None),
    ],
)
def test_a_page_names_its_charset_near_its_beginning(content: bytes, expected: str | None) -> None:
    assert declared_charset(content) == expected


def test_long_pictures_in_addresses_are_taken_out_and_short_ones_stay() -> None:
    long = "<img src='data:image/png;base64," + "A" * 500 + "'>x"
    assert without_data(long) == "<img src='data:'>x"
    assert without_data("data:image/gif;base64,AAAA") == "data:image/gif;base64,AAAA"


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<div>" * 1000 + "</div>" * 1000, False),
        ("<div></div>" * 5000, False),
        ("<p>x" * 20_000, False),
        ("<b>x</b><p>" * 5000, False),
        ("<div>" * 2000, True),
        ("<p " + "a " * 20_000 + ">", True),
        ("".join(f"<font color={n}>" for n in range(500)) + "<p>x" * 500, True),
        ("<b></p>" * 500, True),
    ],
)
def test_what_would_keep_a_parser_of_trees_busy_is_told_before(markup: str, expected: bool) -> None:  # noqa: FBT001
    assert would_stall(markup) is expected


@pytest.mark.parametrize(
    "bait", ["<a b='", "<!--", "<style>", "<![CDATA[", "</", "<a <", "<title><xmp>", "&#1", "<a\n="]
)
def test_twice_the_markup_takes_about_twice_the_time(bait: str) -> None:
    def seconds(times: int) -> float:
        begun = time.process_time()
        for _ in tokens(bait * times):
            pass
        return time.process_time() - begun

    assert seconds(80_000) < 10 * seconds(20_000) + 0.05
