"""HTML laid out as text: what a person sees of it, line by line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from mailwicket.mail.html import to_plain

LAID_OUT = {
    "a paragraph": ("<p>a</p><p>b</p>", "a\n\nb"),
    "blocks": ("<div>a</div><div>b</div>c<div>d</div>", "a\nb\nc\nd"),
    "headings": ("<h1>a</h1>b<h3>c</h3>", "a\n\nb\n\nc"),
    "line breaks": ("a<br>b<br/>c<BR />d</br>e", "a\nb\nc\nd\ne"),
    "an empty line": ("a<br><br>b", "a\n\nb"),
    "many empty lines are one": ("a" + "<br>" * 9 + "b<div><br></div><p>&nbsp;</p><p></p>c", "a\n\nb\n\nc"),
    "a break at the end of a block is none": ("<div>a<br></div><div>b</div>", "a\nb"),
    "the empty block of mail programs": ("<div>a</div><div><br></div><div>b</div>", "a\n\nb"),
    "white space": ("<p>\n  a \t b\n<b> c</b> <i>d </i> e </p>", "a b c d e"),
    "no white space between": ("a<b>b</b><span>c</span>d", "abcd"),
    "nbsp": ("a&nbsp;&nbsp;b", "a  b"),
    "a soft hyphen and what has no width": ("a&shy;b&#8203;c&#xFEFF;d", "abcd"),
    "a joiner in a word stays": ("\u0645\u06cc&zwnj;\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"),
    "filler of preheaders": ("<p>a</p><div>&zwnj;&nbsp;&#847;&zwnj;&nbsp;</div><p>b</p>", "a\n\nb"),
    "right to left": ("<p dir=rtl>שלום &rlm;a</p>", "שלום \u200fa"),
    "Word's paragraphs": ("<p class=MsoNormal>a<o:p></o:p></p><p class=MsoNormal>b<o:p></o:p></p>", "a\nb"),
    "Word's empty paragraph": (
        "<p class=MsoNormal>a</p><p class=MsoNormal><o:p>&nbsp;</o:p></p><p class=MsoNormal>b</p>",
        "a\n\nb",
    ),
    "paragraphs without margin": (
        '<p style="margin:0">a</p><p style="margin-top:0;margin-bottom: 0px">b</p><p style="margin:0 0 0 1em">c</p>',
        "a\nb\nc",
    ),
    "paragraphs with space below only": (
        '<p style="margin:0 0 10px">a</p><p style="margin-top:0">b</p>c',
        "a\n\nb\n\nc",
    ),
    "Word's space below": (
        '<p class="MsoNormal" style="margin-bottom:12.0pt">a</p><p class="MsoNormal">b</p>',
        "a\n\nb",
    ),
    "paragraphs of Outlook on the web": ("<style> P {margin-top:0;margin-bottom:0;} </style><p>a</p><p>b</p>", "a\nb"),
    "a list": ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
    "a list without ends": ("<ul><li>a<li>b</ul>c", "- a\n- b\n\nc"),
    "a list in a list": ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "- a\n  - b\n- c"),
    "a numbered list": ("<ol><li>a<li>b</ol>", "1. a\n2. b"),
    "numbers from elsewhere": ("<ol start=9><li>a<li>b<li value=20>c<li>d</ol>", "9. a\n10. b\n20. c\n21. d"),
    "letters": ("<ol type=A start=26><li>a<li>b</ol>", "Z. a\nAA. b"),
    "roman numbers": ("<ol type=i start=4><li>a<li>b</ol>", "iv. a\nv. b"),
    "numbers downwards": ("<ol reversed start=2><li>a<li>b</ol>", "2. a\n1. b"),
    "numbers of nonsense": ("<ol start=x type=q><li>a<li value=99999999999>b</ol>", "1. a\n2. b"),
    "a list without marks": ("<ul style='list-style-type: none'><li>a</ul>", "a"),
    "a paragraph in an item": ("<ul><li><p>a</p></li><li><p>b</p></li></ul>", "- a\n\n- b"),
    "an item without list": ("<li>a", "- a"),
    "terms": ("<dl><dt>a<dd>b<dt>c<dd>d</dl>", "a\nb\nc\nd"),
    "a table of figures": (
        "x<table><tr><th>a<th>b<tr><td>1</td><td>2</td></tr></table>y",
        "x\n\na b\n1 2\n\ny",
    ),
    "a table with paragraphs in its cells": ("<table><tr><td><p>a</p></td><td><p>b</p></td></tr></table>", "a b"),
    "a table for layout": (
        "<table><tr><td><table><tr><td>a</td></tr></table></td></tr><tr><td>b</td></tr></table>",
        "a\nb",
    ),
    "columns of text": ("<table><tr><td>a<br>b</td><td>c</td></tr></table>", "a\nb\nc"),
    "empty cells": ("<table><tr><td>a</td><td>&nbsp;</td><td></td><td>b</td></tr></table>", "a b"),
    "a long row": (f"<table><tr><td>{'a' * 200}</td><td>{'b' * 200}</td></tr></table>", "a" * 200 + "\n" + "b" * 200),
    "a caption": ("<table><caption>c</caption><tr><td>a<td>b</table>", "c\na b"),
    "a cell without table": ("<td>a</td><td>b</td>", "a b"),
    "a stray end in a cell": ("<div><table><tr><td>a</div></td><td>b</td></tr></table>c</div>", "a b\n\nc"),
    "a link": ("<a href='https://x.example/a'>words</a> on", "words <https://x.example/a> on"),
    "a link that says its address": ("<a href='https://x.example/'>https://x.example</a>", "https://x.example"),
    "a link that says its host": ("<a href='http://www.x.example/'>x.example</a>", "x.example"),
    "a mail address": ("<a href='mailto:a@x.example'>a@x.example</a>", "a@x.example"),
    "a mail address with a subject": ("<a href='MAILTO:a@x.example?subject=b'>write</a>", "write <a@x.example>"),
    "a person": ("<a href='mailto:a@x.example'>Ada</a> wrote:", "Ada <a@x.example> wrote:"),
    "a telephone": ("<a href='tel:+49-30-1'>+49 30 1</a>", "+49 30 1"),
    "a telephone in another spelling": ("<a href='tel:+49301'>+49 (30) 1</a>", "+49 (30) 1"),
    "a link with a blank in it": ("<a href='https://x.example/a b'>https://x.example/a b</a>", "https://x.example/a b"),
    "blocks that are shown as words": ("<p style='display:inline'>a</p> <div style='display: inline;'>b</div>", "a b"),
    "words that are shown as blocks": ("a<span style='display:block'>b</span>c", "a\nb\nc"),
    "links that are shown as blocks": (
        "<a style='display:block' href='https://x.example/'>a</a>b",
        "a <https://x.example/>\nb",
    ),
    "a link to here": ("<a href='#a'>a</a> <a href='javascript:x'>b</a> <a>c</a> <a href=/d>d</a>", "a b c d"),
    "a link around blocks": ("<a href='https://x.example/'><div>a</div></a>b", "a <https://x.example/>\nb"),
    "a link without words": ("a<a href='https://x.example/'></a>b", "ab"),
    "a link around a picture": ("<a href='https://x.example/'><img src=x></a>", "<https://x.example/>"),
    "a link that begins another": (
        "<a href='https://x.example/1'>a <a href='https://x.example/2'>b</a>",
        "a <https://x.example/1> b <https://x.example/2>",
    ),
    "a picture": ("<img src=x alt='our  logo'>a<img alt=''><img>", "[our logo]a"),
    "a smiley": ("a <img alt='😀' goomoji=1f600>", "a 😀"),
    "a quote": ("a<blockquote>b<br>c</blockquote>d", "a\n\n> b\n> c\n\nd"),
    "a quote in a quote": ("<blockquote>a<blockquote>b</blockquote></blockquote>", "> a\n>\n> > b"),
    "a paragraph in a quote": ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"),
    "a quote without margin": ('a:<br><blockquote style="margin:0px 0px 0px 0.8ex">b</blockquote>c', "a:\n> b\nc"),
    "what is only set in": (
        "a<blockquote style='margin:0 0 0 40px;border:none;padding:0px'>b</blockquote>c",
        "a\nb\nc",
    ),
    "a quote without border": ("<blockquote type=cite style='border:none;margin:0'>b</blockquote>", "> b"),
    "a quote with a border at its left": ("<blockquote style='border:0;border-left:1px solid'>b</blockquote>", "> b"),
    "a list in a quote": ("<blockquote><ul><li>a</ul></blockquote>", "> - a"),
    "a row in a quote": ("<blockquote><table><tr><td>a<td>b</table></blockquote>", "> a b"),
    "text as it is": ("<pre>\na  b\n\n\n  c\n</pre>d", "a  b\n\n\n  c\n\nd"),
    "text as it is that begins with a line end": ("a<pre>\nb</pre>", "a\n\nb"),
    "text as it is in a quote": ("<blockquote><pre>a\n  b\n\nc</pre></blockquote>", "> a\n>   b\n>\n> c"),
    "white space kept by style": ("<div style='white-space: pre-wrap'>a\n  b</div>", "a\n  b"),
    "a tab kept by style": ("<span style='white-space:pre'>\t</span>a", "a"),
    "a text field": ("<textarea>a\n b</textarea>", "a\n b"),
    "an example": ("<xmp><b>&amp;</xmp>", "<b>&amp;"),
    "text to the end": ("a<plaintext><b>\nc", "a\n<b>\nc"),
    "a rule": ("a<hr>b", "a\n---\nb"),
    "Outlook's rule": ('a<hr style="display:inline-block;width:98%" tabindex="-1">b', f"a\n{'_' * 32}\nb"),
    "Outlook's header": (
        "a<div style='border:none;border-top:solid #E1E1E1 1.0pt'><b>From:</b> x<br><b>To:</b> y</div>b",
        "a\n\nFrom: x\nTo: y\n\nb",
    ),
    "Gmail's line above a quote": (
        '<div>a</div><div class="gmail_attr">On x wrote:<br></div><blockquote style="margin:0">b</blockquote>',
        "a\nOn x wrote:\n> b",
    ),
    "the mark of a signature": ("a<br>-- <br>b", "a\n-- \nb"),
    "entities": ("&lt;b&gt; &amp;amp; &eacute;&copy &#8364; &#128;", "<b> &amp; é© € €"),
    "after the end": ("<html><body>a</body></html> b<p>c", "a b\n\nc"),
    "before the beginning": ("a<html><body>b</body></html>", "a\nb"),
    "two pages": ("<html><body>a</body></html><html><body>b</body></html>", "a\nb"),
    "a title, a script, a style": ("<title>t</title><script>s</script><style>u</style>a<template>x</template>", "a"),
    "conditional comments": ("<!--[if mso]>m<![endif]--><!--[if !mso]><!-->a<!--<![endif]-->", "a"),
    "revealed comments": ("<![if !supportLists]>1.<![endif]> a", "1. a"),
    "no script": ("<noscript>a</noscript>", "a"),
    "no frames": ("<frameset><frame src=x><noframes>a</noframes></frameset>", "a"),
    "a drawing that a paragraph ends": ("<svg><text>x<p>a", "a"),
    "what stands in for a film": ("<video src=x>a</video>", "a"),
    "words of a drawing": ("<svg><text>a</text></svg>b", "b"),
    "never closed": ("<div><b><i>a<p>b<table><tr><td>c", "a\n\nb\n\nc"),
    "closed in another order": ("<b>a<div>b</b>c</div>d", "a\nbc\nd"),
    "ends of what never began": ("a</div></p></td></table></ul></blockquote></a>b", "a\nb"),
    "a choice": ("<select><option>a<option>b</select>", "a\nb"),
    "a field": ("<input type=submit value=Send><input type=hidden value=x>", "Send"),
    "less than": ("1 < 2 <3 & 4 > 3", "1 < 2 <3 & 4 > 3"),
    "nothing": ("", ""),
    "only tags": ("<div><p></p></div>", ""),
}


@pytest.mark.parametrize("name", LAID_OUT)
def test_markup_is_laid_out_as_a_person_sees_it(name: str) -> None:
    markup, expected = LAID_OUT[name]
    assert to_plain(markup) == expected


HIDING = [
    "display:none",
    "DISPLAY : NONE !important",
    "color:red;display:none;max-height:0",
    "visibility:hidden",
    "mso-hide:all",
    "font-size:0",
    "font-size:0px;line-height:0",
    "font:0/0 a",
    "opacity:0",
    "max-height:0;overflow:hidden",
    "height:0px; overflow : hidden",
]


@pytest.mark.parametrize("style", HIDING)
@pytest.mark.parametrize("tag", ["div", "span", "p", "td", "table"])
def test_what_is_hidden_is_left_out_with_all_that_is_in_it(style: str, tag: str) -> None:
    inner = (
        "<tr><td>x</td></tr>"
        if tag == "table"
        else f"x<span>y</span> <b>z</b><{tag}>u</{tag}>"
        if tag == "span"
        else "x<b>y</b>"
    )
    assert to_plain(f"<div>a</div><{tag} style='{style}'>{inner}</{tag}><div>b</div>").split() == ["a", "b"]


@pytest.mark.parametrize(
    "style",
    ["display:block", "max-height:0", "overflow:hidden", "opacity:0.5", "font-size:0.9em", "height:0", "x:none"],
)
def test_what_is_seen_is_not_left_out(style: str) -> None:
    assert to_plain(f"<div style='{style}'>a</div>b") == "a\nb"


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<div hidden>x</div>a", "a"),
        ("<div data-x='hidden'>x</div>a", "x\na"),
        ("<img alt='hidden logo'>", "[hidden logo]"),
        ("<div style='font-size:0'>x<span style='font-size:12px'>a</span>y</div>b", "a\nb"),
        ("<table><tr style='display:none'><td>x<tr><td>a</table>", "a"),
        ("<p style='display:none'>x<p>a", "a"),
        ("<ul><li style='display:none'>x<li>a</ul>", "- a"),
        ("<img style='display:none' alt=x>a", "a"),
        ("<div style='display:none'>x", "x"),
        ("<body style='display:none'>a", "a"),
    ],
)
def test_hiding_ends_where_its_element_does_and_never_takes_the_whole_mail(markup: str, expected: str) -> None:
    assert to_plain(markup) == expected


def test_a_page_with_more_tags_than_any_mail_keeps_its_words() -> None:
    text = to_plain("<ul>" + "<li>a<b>b</b>" * 30_000 + "<li style='display:none'>c &amp; d</ul>e<br>f")
    assert text.startswith("- ab\n- ab\n")
    assert text.endswith("\nab\nab\nc & d\ne\nf")
    assert text.count("ab") == 30_000


PIECES = (
    "<div> </div> <p> </p> <table> <tr> <td> </td> </tr> </table> <ul> <ol> <li> </li> </ul> <b> </b> <i> </i> <span> "
    "</span> <blockquote> </blockquote> <pre> </pre> <br> <h1> </h1> <center> </center> <font> </font> <dl> <dt> <dd> "
    "</dl> <th> <tbody> </body> </html> <body> <o:p> </o:p> <form> </form> <button> </button> <a> </a>"
).split()


@given(st.lists(st.sampled_from([*PIECES, "w1 ", "w2", " w3", "w4\n", "&nbsp;"]), max_size=40))
@settings(max_examples=300)
def test_the_words_are_those_that_a_parser_of_trees_finds(pieces: list[str]) -> None:
    markup = "".join(pieces)
    root = LexborHTMLParser(markup).root
    expected = re.findall(r"w[0-9]", "" if root is None else root.text() or "")
    assert sorted(re.findall(r"w[0-9]", to_plain(markup))) == sorted(expected)


@given(
    st.lists(st.sampled_from([*PIECES, "<hr>", "<img alt=x>", "words", "\n", "&nbsp;", "<a href=https://x.example/>"]))
)
@settings(max_examples=200)
def test_no_two_empty_lines_follow_each_other_and_none_begins_or_ends(pieces: list[str]) -> None:
    text = to_plain("".join(pieces).replace("<pre>", ""))
    assert "\n\n\n" not in text
    assert text == text.strip()
