"""What technicians write in Markdown, and the quote of what they answer."""

# ruff: noqa: E501 - tables of odd values are long

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lab.vectors import VECTORS

from mailwicket.mail.html import to_plain
from mailwicket.mail.markdown import QUOTE_MAX_CHARS, QUOTE_MAX_LINES, SOURCE_MAX_CHARS, Answered, quote, written
from mailwicket.mail.quoted import reply_text
from mailwicket.model import Address

AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
ADA = Address("Ada Example", "ada@customer.example")


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("Just words.", "<p>Just words.</p>"),
        ("One line.\nAnother.", "<p>One line.<br>\nAnother.</p>"),
        ("**bold** *slanted* `code`", "<p><strong>bold</strong> <em>slanted</em> <code>code</code></p>"),
        ("1. one\n2. two", "<ol>\n<li>one</li>\n<li>two</li>\n</ol>"),
        ("Regards\n--\nAda", "<p>Regards<br>\n--<br>\nAda</p>"),
        ("Regards\n===\nAda", "<p>Regards<br>\n===<br>\nAda</p>"),
        ("#42 is done", "<p>#42 is done</p>"),
        ("a <b>tag</b> & more", "<p>a &lt;b&gt;tag&lt;/b&gt; &amp; more</p>"),
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>"),
    ],
)
def test_markdown_is_written_as_mail(source: str, html: str) -> None:
    told = written(source)
    assert source == told.text
    assert html == told.html


@pytest.mark.parametrize(
    "link", ["https://a.example/x", "http://a.example", "mailto:a@b.example", "<https://a.example/x>"]
)
def test_links_to_the_web_and_to_addresses_are_links(link: str) -> None:
    source = link if link.startswith("<") else f"[there]({link})"
    assert f'href="{link.strip("<>")}"' in written(source).html


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "ftp://a.example", "//a.example",
     "/relative", "java&#115;cript:alert(1)", "\tjavascript:x", "%6aavascript:x", "&#x6A;avascript:alert(1)"],
)  # fmt: skip
def test_other_links_are_words(link: str) -> None:
    for source in (f"[there]({link})", f"<{link}>", f"[there]: {link}\n\n[there]", f"[there](<{link}>)"):
        assert "href" not in written(source).html, source


def test_a_picture_is_never_loaded() -> None:
    html = written("![logo](https://tracker.example/p.png)").html
    assert "<img" not in html
    assert 'href="https://tracker.example/p.png"' in html


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_tags_are_words(vector: str) -> None:
    for source in (vector, f"`{vector}`", f"> {vector}", f"[{vector}](https://a.example)"):
        tags = set(re.findall(r"</?([a-zA-Z]+)", written(source).html))
        assert tags <= {"p", "br", "code", "blockquote", "a", "em", "strong", "ul", "li", "pre", "ol", "hr", "h1"}, (
            source
        )


@pytest.mark.parametrize(
    "piece",
    ["[", "](", "![", "> ", "* ", "`", "``` ", "*a_", "<", "&", "\\", "[a](", "- " * 50, "_*", "**", "1. ", "\n\t", "(((", "a`b``", "<a<"],
)  # fmt: skip
def test_odd_markdown_takes_little_time(piece: str) -> None:
    begin = time.process_time()
    written(piece * (SOURCE_MAX_CHARS // len(piece)))
    assert time.process_time() - begin < 5


def test_too_much_is_cut_and_says_so() -> None:
    told = written("words " * SOURCE_MAX_CHARS)
    assert told.text.endswith("\n[...]")
    assert "[...]" in told.html


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_whatever_is_written_becomes_harmless_html(source: str) -> None:
    html = written(source).html
    assert not re.search(r"<(?:script|img|iframe|style|svg)|\son\w+=", re.sub(r"&lt;.*?&gt;", "", html).casefold())


# --- quotes ---------------------------------------------------------------------------------------------------------


def test_a_mail_is_quoted_with_who_wrote_it_and_when() -> None:
    told = quote(Answered(ADA, AT, "Hello,\n\n> older\nit burns.\n"))
    expected = "On Mon, 02 Mar 2026 at 09:15 +0000, Ada Example wrote:\n> Hello,\n>\n>> older\n> it burns."
    assert expected == told.text
    assert "On Mon, 02 Mar 2026 at 09:15 +0000, Ada Example wrote:" in told.html
    assert '<blockquote type="cite"' in told.html


@pytest.mark.parametrize(
    ("author", "date", "line"),
    [
        (None, None, "somebody wrote:"),
        (Address(None, "ada@customer.example"), None, "ada@customer.example wrote:"),
        (Address("Ada\r\nBcc: x", "ada@customer.example"), None, "Ada Bcc: x wrote:"),
        (Address("<b>Ada</b>", "ada@customer.example"), AT, "On Mon, 02 Mar 2026 at 09:15 +0000, <b>Ada</b> wrote:"),
    ],
)
def test_what_is_not_known_is_left_out(author: Address | None, date: datetime | None, line: str) -> None:
    told = quote(Answered(author, date, "x"))
    assert [line, "> x"] == told.text.split("\n")
    assert "<b>" not in told.html


def test_quoted_html_is_sanitised() -> None:
    told = quote(
        Answered(ADA, AT, "x", "<p onclick=x>Hello</p><script>x</script><img src='https://tracker.example/p.png'>")
    )
    assert "<p>Hello</p>" in told.html
    assert not re.search(r"onclick|<script|\bsrc=", told.html.replace("data-remote-src", ""))


def test_a_long_quote_is_cut_and_says_so() -> None:
    for text in ("line\n" * (QUOTE_MAX_LINES + 5), "x" * (QUOTE_MAX_CHARS + 5)):
        told = quote(Answered(ADA, AT, text, f"<p>{text}</p>"))
        assert told.text.endswith("\n> [...]")
        assert "[...]" in told.html
        assert len(told.text) < QUOTE_MAX_CHARS + 3 * QUOTE_MAX_LINES


@pytest.mark.parametrize("words", ["It still burns.", "Hello,\n\nsee below.\n\nRegards\nTess", "1. yes\n2. no"])
def test_our_own_reading_tells_the_words_from_the_quote(words: str) -> None:
    told = quote(Answered(ADA, AT, "Hello,\n\nsince Monday the printer burns.\n\nAda"))
    assert words.split() == reply_text(f"{words}\n\n{told.text}\n").split()
    page = f"{written(words).html}\n{told.html}"
    assert written(words).html.count("<li>") or words.split() == reply_text(to_plain(page)).split()
