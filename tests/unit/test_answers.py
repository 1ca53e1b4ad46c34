"""What we send comes back quoted, by the mail programs of the world: of an answer only the new words are taken."""

# ruff: noqa: E501 - mail programs write long lines

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Final

import pytest
from tests.wordings import SAMPLES

from mailwicket.mail.compose import compose
from mailwicket.mail.explain import explain
from mailwicket.mail.parse import parse
from mailwicket.mail.quoted import reply_text
from mailwicket.mail.token import Keyring, Token
from mailwicket.mail.wording import DELIMITER, Wording
from mailwicket.model import Address, Mail, TicketNumber
from mailwicket.outgoing import Event, Identity, Letter

KEYS: Final = Keyring([b"k" * 32])
NUMBER: Final = TicketNumber(42)
WHEN: Final = "Mon, Mar 2, 2026 at 10:15 AM"
WORDS: Final = "It still burns.\n\nPlease come soon."
DESK: Final = 'The Desk &lt;<a href="mailto:desk@desk.example">desk@desk.example</a>&gt;'
Client = Callable[[Mail, str, str], tuple[str, str]]


def sent(name: str, *, marked: bool) -> Mail:
    """A mail of ours, as its recipient gets it."""
    told, context = SAMPLES[name]
    if marked:
        context = replace(context, delimiter=DELIMITER, mark=KEYS.mark(NUMBER))
    words = Wording({}).write(told, context)
    letter = Letter(
        event=told.event,
        ticket=NUMBER,
        message_id=KEYS.message_id(Token(NUMBER, 1, told.internal), "abc", "desk.example"),
        date=datetime(2026, 3, 2, 10, 15, tzinfo=UTC),
        to=[Address("Ada Example", "ada@customer.example")],
        cc=[],
        subject=words.subject,
        text=words.text,
        html=words.html,
        automatic=told.event is not Event.TECHNICIAN_REPLIED,
        loop_mark=KEYS.loop_mark("abc"),
    )
    return parse(compose(letter, Identity("desk@desk.example", "The Desk")))


def _page(mail: Mail) -> str:
    """What stands in the body of the page."""
    return (mail.html or "").partition('<body style="margin:0;padding:0">')[2].partition("</body>")[0]


def _divs(words: str) -> str:
    return "".join(f"<div>{html.escape(line) or '<br>'}</div>" for line in words.split("\n"))


def gmail(mail: Mail, subject: str, words: str) -> tuple[str, str]:
    quoted = "\n".join(f"> {line}" for line in mail.text.rstrip("\n").split("\n"))
    text = f"{words}\n\nOn {WHEN} The Desk <desk@desk.example> wrote:\n\n{quoted}\n"
    page = (
        f'<div dir="ltr">{_divs(words)}</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">'
        f'On {WHEN} {DESK} wrote:<br></div><blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;'
        f'border-left:1px solid rgb(204,204,204);padding-left:1ex"><u></u>{_page(mail)}</blockquote></div>'
    )
    return text, page


def outlook(mail: Mail, subject: str, words: str) -> tuple[str, str]:
    head = f"From: The Desk <desk@desk.example>\nSent: Monday, March 2, 2026 10:15 AM\nTo: Ada Example <ada@customer.example>\nSubject: {subject}"
    text = f"{words}\n\n{'_' * 32}\n{head}\n\n{mail.text}"
    page = (
        f'<div class="elementToProof" style="font-family: Aptos; font-size: 12pt">{_divs(words)}</div><div id="appendonsend"></div>'
        '<hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr"><font face="Calibri, sans-serif" '
        'style="font-size:11pt" color="#000000"><b>From:</b> The Desk &lt;desk@desk.example&gt;<br><b>Sent:</b> Monday, March 2, 2026 '
        "10:15 AM<br><b>To:</b> Ada Example &lt;ada@customer.example&gt;<br>"
        f"<b>Subject:</b> {html.escape(subject)}</font><div>&nbsp;</div></div>{_page(mail)}"
    )
    return text, page


def outlook_desktop(mail: Mail, subject: str, words: str) -> tuple[str, str]:
    head = f"From: The Desk <desk@desk.example> \nSent: Monday, March 2, 2026 10:15 AM\nTo: Ada Example <ada@customer.example>\nSubject: {subject}"
    text = f"{words}\n\n{head}\n\n{mail.text}"
    lines = "".join(
        f'<p class="MsoNormal">{html.escape(line) or "<o:p>&nbsp;</o:p>"}</p>' for line in words.split("\n")
    )
    page = (
        f'<div class="WordSection1">{lines}<p class="MsoNormal"><o:p>&nbsp;</o:p></p><div><div style="border:none;border-top:solid #E1E1E1 1.0pt;'
        'padding:3.0pt 0cm 0cm 0cm"><p class="MsoNormal"><b>From:</b> The Desk &lt;desk@desk.example&gt; <br><b>Sent:</b> Monday, March 2, 2026 '
        f"10:15 AM<br><b>To:</b> Ada Example &lt;ada@customer.example&gt;<br><b>Subject:</b> {html.escape(subject)}</p></div></div>{_page(mail)}</div>"
    )
    return text, page


def apple(mail: Mail, subject: str, words: str) -> tuple[str, str]:
    said = ["On 2 Mar 2026, at 10:15, The Desk <desk@desk.example> wrote:", "", *mail.text.rstrip("\n").split("\n")]
    text = f"{words}\n\n" + "\n".join(f"> {line}".rstrip() for line in said) + "\n"
    page = (
        f'{_divs(words)}<br id="lineBreakAtBeginningOfMessage"><div><br><blockquote type="cite"><div>On 2 Mar 2026, at 10:15, The Desk '
        f'&lt;desk@desk.example&gt; wrote:</div><br class="Apple-interchange-newline"><div>{_page(mail)}</div></blockquote></div><br>'
    )
    return text, page


def thunderbird(mail: Mail, subject: str, words: str) -> tuple[str, str]:
    quoted = "\n".join(
        f">{line}" if line.startswith(">") else f"> {line}" for line in mail.text.rstrip("\n").split("\n")
    )
    text = f"{words}\n\nOn 02/03/2026 10:15, The Desk wrote:\n{quoted}\n"
    page = (
        f'<p>{html.escape(words).replace(chr(10), "<br>")}</p><div class="moz-cite-prefix">On 02/03/2026 10:15, The Desk wrote:<br></div>'
        f'<blockquote type="cite" cite="mid:x@desk.example">{_page(mail)}</blockquote>'
    )
    return text, page


CLIENTS: Final[list[Client]] = [gmail, outlook, outlook_desktop, apple, thunderbird]


def answer(subject: str, text: str | None, page: str | None) -> bytes:
    mail = EmailMessage()
    mail["From"] = "Ada Example <ada@customer.example>"
    mail["To"] = "desk@desk.example"
    mail["Subject"] = subject
    if text is not None:
        mail.set_content(text)
    if page is not None and text is None:
        mail.set_content(f"<html><body>{page}</body></html>", subtype="html")
    elif page is not None:
        mail.add_alternative(f"<html><body>{page}</body></html>", subtype="html")
    return mail.as_bytes()


@pytest.mark.parametrize("marked", [False, True], ids=["bare", "marked"])
@pytest.mark.parametrize("client", CLIENTS, ids=[one.__name__ for one in CLIENTS])
@pytest.mark.parametrize("name", SAMPLES)
def test_of_an_answer_only_the_new_words_are_taken(name: str, client: Client, *, marked: bool) -> None:
    mail = sent(name, marked=marked)
    subject = mail.subject if mail.subject.startswith("Re:") else f"Re: {mail.subject}"
    text, page = client(mail, subject, WORDS)
    for raw in (answer(subject, text, None), answer(subject, text, page), answer(subject, None, page)):
        told = parse(raw)
        assert WORDS.split() == reply_text(told.text).split()
        assert WORDS.split() == str(explain(told)["reply_text"]).split()
        if marked:
            assert [token.ticket for token in KEYS.read_marks(told.text)] == [NUMBER]
            assert told.text.count("write your answer above") == 1


@pytest.mark.parametrize("client", CLIENTS, ids=[one.__name__ for one in CLIENTS])
def test_of_an_answer_to_an_answer_only_the_newest_words_are_taken(client: Client) -> None:
    first = sent("technician-replied", marked=True)
    text, page = client(first, first.subject, WORDS)
    second = parse(answer(first.subject, text, page))
    text, page = client(second, second.subject, "Thanks, it works.")
    for raw in (answer(first.subject, text, None), answer(first.subject, None, page)):
        assert reply_text(parse(raw).text).split() == ["Thanks,", "it", "works."]
