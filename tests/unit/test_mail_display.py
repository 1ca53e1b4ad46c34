"""What of an HTML body may be shown: nothing that acts, and all that is read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lab.bombs.markup import MARKUP
from tests.lab.vectors import VECTORS

from mailwicket.mail.css import safe_style
from mailwicket.mail.display import DISPLAY_MAX_CHARS, PICTURE_MAX_CHARS
from mailwicket.mail.html import sanitised, to_plain

REL = 'target="_blank" rel="noopener noreferrer"'
GIF = "data:image/gif;base64,R0lGODlhAQABAAAAACw="

SHOWN = {
    "structure": ("<h1>a</h1><p>b<br>c</p><ul><li>d</li></ul><hr>", "<h1>a</h1><p>b<br>c</p><ul><li>d</li></ul><hr>"),
    "a table": (
        '<table width="100%" cellpadding=0 bgcolor="#fff"><tr><td colspan=2 align=center>a</td></tr></table>',
        (
            '<table width="100%" cellpadding="0" bgcolor="#fff"><tbody><tr><td colspan="2" align="center">a</td></tr>'
            "</tbody></table>"
        ),
    ),
    "a colour": ('<p style="color:#333;font-size:14px">a</p>', '<p style="color:#333;font-size:14px">a</p>'),
    "a font": (
        '<font color=red face="Arial, Times" size="+1">a</font>',
        '<font color="red" face="Arial, Times" size="+1">a</font>',
    ),
    "a link": (
        "<a href='https://x.example/?a=1&amp;b=2'>a</a>",
        f'<a href="https://x.example/?a=1&amp;b=2" {REL}>a</a>',
    ),
    "a link with blanks": (
        "<a href=' https://x.example/a b\n'>a</a>",
        f'<a href="https://x.example/a%20b" {REL}>a</a>',
    ),
    "a mail address": ("<a href=mailto:a@x.example>a</a>", f'<a href="mailto:a@x.example" {REL}>a</a>'),
    "a telephone": ("<a href=tel:+491>a</a>", f'<a href="tel:+491" {REL}>a</a>'),
    "a picture of the mail": ("<img src=cid:1@x alt=a width=5>", '<img src="cid:1@x" alt="a" width="5">'),
    "a small picture inside": (f"<img src='{GIF}'>", f'<img src="{GIF}">'),
    "a picture elsewhere": (
        "<img alt=a src='https://x.example/a.png'>",
        '<img alt="a" data-remote-src="https://x.example/a.png">',
    ),
    "a quote": ("<blockquote type=cite cite=mid:1>a</blockquote>", '<blockquote type="cite">a</blockquote>'),
    "who is right to left": ("<p dir=rtl lang=he>a</p>", '<p dir="rtl" lang="he">a</p>'),
    "words of unknown tags": ("<o:p>a</o:p><x-y>b</x-y><marquee>c</marquee><form>d</form>", "abcd"),
    "a page": ("<html><head><title>t</title></head><body class=x>a</body></html>b", "ab"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_makes_a_mail_readable_stays(name: str) -> None:
    markup, expected = SHOWN[name]
    assert sanitised(markup) == expected


@pytest.mark.parametrize(
    "markup",
    [
        "<script>x</script>",
        "<style>p{background:url(x)}</style>",
        "<title>x</title>",
        "<svg><text>x</text></svg>",
        "<iframe src=x>x</iframe>",
        "<object data=x></object>",
        "<meta http-equiv=refresh content=0>",
        "<base href=x>",
        "<link rel=stylesheet href=x>",
        "<input><button></button>",
        "<!-- x -->",
        "<template>x</template>",
    ],
)
def test_what_acts_goes_with_all_that_is_in_it(markup: str) -> None:
    assert sanitised(markup) == ""


@pytest.mark.parametrize(
    "attribute",
    [
        "onclick=x",
        "id=x",
        "class=x",
        "name=x",
        "data-x=x",
        "style='position:fixed'",
        "style='background:url(x)'",
        "contenteditable",
        "tabindex=1",
        "accesskey=x",
        "popover",
        "autofocus",
        "is=x",
        "slot=x",
        "itemprop=x",
        "align='x\"y'",
    ],
)
def test_an_attribute_that_is_not_named_is_dropped(attribute: str) -> None:
    assert sanitised(f"<p {attribute}>a</p>") == "<p>a</p>"


@pytest.mark.parametrize(
    "address",
    [
        "javascript:x",
        "JAVASCRIPT:x",
        "java&#9;script:x",
        "&#1;javascript:x",
        "vbscript:x",
        "data:text/html,x",
        "file:///etc/passwd",
        "ftp://x.example/",
        "cid:x",
        "//x.example/",
        "/x",
        "x",
        "#x",
        "http:x",
        "https://x.example/`",
        "https://x.example/" + "a" * 5000,
    ],
)
def test_a_link_leads_to_the_web_a_mailbox_or_a_telephone_or_nowhere(address: str) -> None:
    assert sanitised(f"<a href='{address}'>a</a>") == f"<a {REL}>a</a>"


@pytest.mark.parametrize(
    "address",
    [
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:text/html;base64,PHN2Zz4=",
        "data:image/png,x",
        "data:image/png;base64," + "A" * PICTURE_MAX_CHARS,
        "x.png",
        "//x.example/a.png",
        "blob:x",
        "javascript:x",
        "about:blank",
    ],
)
def test_a_picture_comes_from_the_mail_or_is_not_shown(address: str) -> None:
    assert sanitised(f"<img src='{address}'>") == "<img>"


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("color:red", "color:red"),
        (" COLOR : Red ; ; font-weight:bold;", "color:Red;font-weight:bold"),
        ("color:red!important", "color:red"),
        ("color:rgb(1, 2, 3);background-color:rgba(0,0,0,.5)", "color:rgb(1, 2, 3);background-color:rgba(0,0,0,.5)"),
        ("font:bold 12px/1.5 'Segoe UI', Arial, sans-serif", "font:bold 12px/1.5 'Segoe UI', Arial, sans-serif"),
        ("margin:0 auto;padding:1.5em 10% 0", "margin:0 auto;padding:1.5em 10% 0"),
        ("border:1px solid #ccc;border-top-color:#000", "border:1px solid #ccc;border-top-color:#000"),
        ("display:none;max-height:0;overflow:hidden", "display:none;max-height:0;overflow:hidden"),
        ("margin:-10px", ""),
        ("width:99999px", ""),
        ("position:absolute;top:0;z-index:9", ""),
        ("background:url(x)", ""),
        ("background:u\\72l(x)", ""),
        ("background:image-set('x' 1x)", ""),
        ("background:#fff url(x)", ""),
        ("width:expression(x)", ""),
        ("width:calc(1px + 2px);color:var(--x)", ""),
        ("color:/**/red", ""),
        ("behavior:url(x);-moz-binding:url(x)", ""),
        ("color", ""),
        ("color:", ""),
        ("color:red}*{color:blue", ""),
        ("content:'x';cursor:pointer;opacity:0;transform:none", ""),
        ("font-family:'a;color:red;b'", "color:red"),
        ("color:red;" * 100, ";".join(["color:red"] * 60)),
    ],
)
def test_a_style_is_made_of_plain_values_of_known_properties(style: str, expected: str) -> None:
    assert safe_style(style) == expected
    assert safe_style(expected) == expected


@pytest.mark.parametrize("number", range(0, len(VECTORS), 3))
def test_no_vector_leaves_a_word_of_what_it_would_do(number: int) -> None:
    shown = sanitised(VECTORS[number])
    tags = re.sub(r'(?:alt|title|data-remote-src)="[^"]*"', "", " ".join(re.findall(r"<[^>]*>", shown))).lower()
    assert not re.search(
        r"script|\bon\w+=|style=\"[^\"]*url|\bsrc=\"http|<(?:svg|math|iframe|form|input|meta|base|link)\b", tags
    )


PIECES = (
    "<div> </div> <p> </p> <table> <tr> <td> </td> </table> <ul> <li> </ul> <b> </b> <i> <a> </a> "
    "<font> <pre> </pre> <br> "
    "<select> <option> <svg> </svg> <math> <mi> <style> </style> <title> <textarea> </textarea> <xmp> "
    "</xmp> <template> "
    "<noscript> <button> <form> </form> <img> <!-- --> <plaintext> <caption> <ruby> <rt> &nbsp; &amp; & < > \" '"
).split()


@given(
    st.lists(
        st.sampled_from([*PIECES, "\n", " ", "a", "<p style='color:red'>", "<a href=' https://x.example/ '>", *VECTORS])
    )
)
@settings(max_examples=300)
def test_cleaning_twice_is_cleaning_once(pieces: list[str]) -> None:
    once = sanitised("".join(pieces))
    assert sanitised(once) == once


@given(st.text(max_size=200))
def test_any_text_can_be_cleaned(text: str) -> None:
    once = sanitised(text)
    assert sanitised(once) == once
    once.encode()


@pytest.mark.parametrize("name", MARKUP)
def test_what_is_too_deep_or_long_is_shown_as_its_text_and_stays_so(name: str) -> None:
    once = sanitised(MARKUP[name].decode())
    assert len(once) <= max(DISPLAY_MAX_CHARS, 2_000_000)
    assert sanitised(once) == once


def test_a_mail_of_a_million_letters_is_shown_as_text_that_fits() -> None:
    markup = "<p>a &amp; b</p>\n" * 70_000
    shown = sanitised(markup)
    assert shown.startswith("<pre>a &amp; b\n")
    assert len(shown) <= DISPLAY_MAX_CHARS
    assert to_plain(shown).startswith("a & b\n")
