"""Replies without what mail programs mark as quote or signature in HTML."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lab.bombs.markup import MARKUP

from mailwicket.mail.html import own_part, to_plain

BUDGET_S = 3.0  # each takes about half a second at most
HEADER = "<b>From:</b> Ada<br><b>Sent:</b> Monday<br><b>To:</b> Desk<br><b>Subject:</b> Meter<br>"
MARKED = {
    "Gmail": (
        '<div dir="ltr">own</div><br><div class="gmail_quote gmail_quote_container">'
        '<div dir="ltr" class="gmail_attr">On '
        'Mon, Ada &lt;a@x.example&gt; wrote:<br></div><blockquote class="gmail_quote">old</blockquote></div>'
    ),
    "Gmail of 2014": (
        '<div dir="ltr">own</div><div class="gmail_extra"><br><div class="gmail_quote">2014-01-01 Ada:<br>'
        '<blockquote class="gmail_quote">old<div>older</div></blockquote></div><br></div>'
    ),
    "Gmail without blockquote": '<div>own</div><div class="gmail_quote">On Monday Ada wrote: old</div>',
    "Gmail's signature": (
        '<div>own</div><span class="gmail_signature_prefix">-- </span><br><div class="gmail_signature">S</div>'
    ),
    "Thunderbird": (
        'own<div class="moz-cite-prefix">On 1/1/26 Ada wrote:<br></div><blockquote type="cite" cite="mid:1@x">old'
        '<br></blockquote><div class="moz-signature">-- <br>S</div>'
    ),
    "Apple Mail": (
        '<div>own</div><div><br><blockquote type="cite"><div>On 1 Jan 2026, Ada wrote:</div><div>old</div>'
        "</blockquote></div>"
    ),
    "Apple Mail of 2012": (
        'own<div><div>On Jan 1, 2012, at 10:00, Ada wrote:</div><br><blockquote type="cite">old</blockquote></div>'
    ),
    "Outlook on the web": (
        '<div>own</div><div id="appendonsend"></div><hr style="display:inline-block;width:98%" tabindex="-1">'
        f'<div id="divRplyFwdMsg" dir="ltr">{HEADER}</div><div>old</div>'
    ),
    "Outlook's signature": '<div>own</div><div id="Signature"><p>S</p></div>',
    "Outlook": (
        "<div class=WordSection1><p class=MsoNormal>own</p><div>"
        "<div style='border:none;border-top:solid #E1E1E1 1.0pt'>"
        f"<p class=MsoNormal>{HEADER}</p></div></div><p class=MsoNormal>old</p></div>"
    ),
    "Outlook for Mac": f'<div>own</div><span id="OLK_SRC_BODY_SECTION"><div>{HEADER}</div>old</span>',
    "Outlook on a telephone": (
        '<div>own</div><div id="ms-outlook-mobile-signature">Get it</div>'
        f'<div id="mail-editor-reference-message-container" '
        f'class="ms-outlook-mobile-reference-message">{HEADER}old</div>'
    ),
    "Hotmail": f'own<hr id="stopSpelling">{HEADER}old',
    "Yahoo": '<div>own</div><div id="yahoo_quoted_1" class="yahoo_quoted"><div>On Monday Ada wrote:</div>old</div>',
    "Yahoo in a new dress": '<div>own</div><div class="ydp1a2byahoo_quoted">On Monday Ada wrote: old</div>',
    "Proton": (
        'own<div class="protonmail_signature_block">S</div><div class="protonmail_quote">On Monday Ada wrote:<br>'
        '<blockquote class="protonmail_quote" type="cite">old</blockquote></div>'
    ),
    "Windows 8": (
        '<div>own</div><div data-signatureblock="true">S</div>'
        '<div style="padding-top:5px;border-top-color:rgb(229, 229, '
        f'229);border-top-width:1px;border-top-style:solid">{HEADER}</div><div>old</div>'
    ),
    "Outlook of 2007": (
        "<p class=MsoNormal>own</p><div style='border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0in 0in 0in'>"
        f"<p class=MsoNormal>{HEADER}</p></div>old"
    ),
    "Outlook on the web, written again": (
        "<div>own</div><div style='border-width:1pt medium medium;border-style:solid none none;border-color:red'>"
        f"{HEADER}</div>old"
    ),
    "a Russian program": (
        '<p>own</p><div data-signature-widget="container">S'
        "</div>Mon, 5 Jan 2026, 9:00 +03:00 Ada &lt;a@x.example&gt;:<br>"
        '<blockquote id="mail-app-auto-quote">old</blockquote>'
    ),
    "a broken line": (
        "own<br><br>On Mon, 5 Jan 2026 at 09:00, Ada<br>&lt;a@x.example&gt; "
        "wrote:<blockquote type=cite>old</blockquote>"
    ),
    "NetEase": 'own<br>At 2026-01-05, "Ada" wrote:<br><blockquote id="isReplyContent">old</blockquote>',
    "K-9": (
        '<div>own</div><div class="k9mail-signature">S</div><div class="gmail_quote">Am 5. Januar: '
        "<blockquote>old</blockquote></div>"
    ),
    "Zoho": '<div>own</div><div class="zmail_extra"><div id="Zm-_Id_-Sgn1">---- On Mon Ada wrote ----</div>old</div>',
    "Tutanota": (
        '<div>own</div><div>1 Jan 2026, 10:00 from a@x.example:</div><blockquote class="tutanota_quote">old'
        "</blockquote>"
    ),
    "Roundcube": '<p>own</p><p id="reply-intro">On 2026-01-01, Ada wrote:</p><blockquote type="cite">old</blockquote>',
    "Fastmail": (
        "<div>own</div><div>On Thu, 1 Jan 2026, at 10:00, Ada wrote:</div>"
        '<blockquote type="cite" id="qt">old</blockquote>'
    ),
    "Spark": (
        '<div name="messageBodySection">own</div><div name="messageSignatureSection">S</div>'
        '<div name="messageReplySection">old</div>'
    ),
    "Zimbra": (
        f'<div>own</div><hr id="zwchr" data-marker="__DIVIDER__"><div data-marker="__HEADERS__">{HEADER}</div>old'
    ),
    "Front": '<div>own</div><blockquote type="cite" class="front-blockquote">old</blockquote>',
    "GMX": (
        '<div>own</div><div name="quote" style="border-left:2px solid"><b>Gesendet:</b> Montag'
        '<div name="quoted-content">old</div></div>'
    ),
    "a line that tells whose words follow": "<p>own</p><p>Am 1.1.2026 schrieb Ada:</p><blockquote>old</blockquote>",
    "an iPhone's signature": (
        '<div>own</div><div id="AppleMailSignature">Sent from it</div><blockquote type="cite">old</blockquote>'
    ),
}


@pytest.mark.parametrize("name", MARKED)
def test_what_a_mail_program_marks_is_no_part_of_the_answer(name: str) -> None:
    assert own_part(MARKED[name]) == "own"
    assert set(to_plain(MARKED[name]).split()) > {"own"}


BESIDE = {
    "below the quote": ('<blockquote type="cite">old</blockquote><p>own</p>', "own"),
    "between Gmail's quotes": (
        (
            '<div class="gmail_quote"><div class="gmail_attr">On x wrote:</div><blockquote class="gmail_quote">1'
            "</blockquote>"
            '<div>yes</div><blockquote class="gmail_quote">2</blockquote><div>no</div></div>'
        ),
        "yes\n\nno",
    ),
    "behind a signature": ('a<div class="gmail_signature">S</div>b', "a\nb"),
    "a quote of something else": (
        "a<blockquote type=cite>old</blockquote>b<blockquote>a poem</blockquote>",
        "a\n\nb\n\n> a poem",
    ),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_beside_a_quote_is_kept(name: str) -> None:
    markup, expected = BESIDE[name]
    assert own_part(markup) == expected


@pytest.mark.parametrize(
    "markup",
    [
        "",
        "<p>nothing is marked</p>",
        "<p>He says:</p><blockquote>a poem</blockquote>",
        "<p>Please write to bea@x.example:</p><blockquote>a text of mine</blockquote>",
        '<blockquote type="cite">only a quote</blockquote>',
        '<div id="Signature">all is in the signature</div>',
        '<div class="gmail_quote">---------- Forwarded message ---------<br>From: Ada<br></div>',
        '<div class="gmail_quote">---------- Weitergeleitete Nachricht ---------<br>Von: Ada<br></div>',
        '<div class="protonmail_quote">------- Forwarded Message -------<br>From: Ada</div>',
        '<div>a</div><div id="appendonsend"></div><p>nothing is quoted behind it</p>',
        '<div style="border-top:solid 1px">a line above and <b>bold:</b> words</div>',
        f"<p>A form was sent.</p><div style='border-top:1px solid #ccc'>{HEADER}</div>",
        "<div class='quote'>a word of its own</div>",
    ],
)
def test_where_no_quote_is_marked_or_nothing_would_remain_there_is_no_own_part(markup: str) -> None:
    assert own_part(markup) is None


@given(
    st.lists(
        st.sampled_from([*MARKED.values(), *(markup for markup, _ in BESIDE.values()), "<p>x</p>", "</div>", "<td>"])
    )
)
@settings(max_examples=100)
def test_the_own_part_says_nothing_that_the_text_does_not(pieces: list[str]) -> None:
    markup = "".join(pieces)
    own = own_part(markup)
    text = to_plain(markup)
    assert own is None or all(word in text for word in own.split())


@pytest.mark.parametrize("name", MARKUP)
def test_no_markup_keeps_us_busy_looking_for_quotes(name: str) -> None:
    begun = time.process_time()
    own_part(MARKUP[name].decode())
    assert time.process_time() - begun < BUDGET_S
