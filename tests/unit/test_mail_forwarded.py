"""Mails that pass another on."""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.forwarded import CHAIN_MAX, chain, chain_of, forwarded, passed_on
from mailwicket.mail.parse import parse
from mailwicket.model import Address, Automatic, Enclosed

CORPUS = Path(__file__).parent.parent / "corpus"
CY = Address("Cy Example", "cy@example.com")
DI = Address("Di Sample", "di@example.org")
ENCLOSED = Enclosed(author=CY, subject="Meter", text="Backwards.\n", date=None)


def block(author: str = "Cy Example <cy@example.com>", subject: str = "Meter", text: str = "Backwards.") -> str:
    return f"From: {author}\nSent: 2 June 2021\nTo: ada@example.org\nSubject: {subject}\n\n{text}\n"


def test_a_header_without_separator_needs_a_prefix() -> None:
    text = "Look.\n\n" + block()
    assert forwarded("Meter", text) is None
    assert forwarded("Re: Meter", text) is None
    found = forwarded("Fwd: Meter", text)
    assert found is not None
    assert (found.author, found.subject, found.text, found.own_words) == (CY, "Meter", "Backwards.", "Look.")


def test_a_separator_without_prefix_needs_a_header() -> None:
    separator = "Look.\n\n---------- Forwarded message ---------\n"
    assert forwarded("Meter", separator + "We shall see.") is None
    assert forwarded("Meter", separator + block()) is not None
    assert forwarded("Fwd: Meter", separator + "We shall see.") is not None


def test_an_original_message_without_header_is_passed_on_if_the_subject_says_so() -> None:
    found = forwarded("Fwd: Meter", "Look.\n\n-----Original Message-----\n\nBackwards.")
    assert found is not None
    assert (found.author, found.text, found.own_words) == (None, "Backwards.", "Look.")
    assert forwarded("Fwd: Meter", "Look.\n\n----- Original price -----\n\n3 EUR") is None


def test_a_short_prefix_believes_only_headers_in_its_language() -> None:
    assert forwarded("I: Contatore", block()) is None
    text = "Da: Cy Example <cy@example.com>\nInviato: ieri\nA: ada@example.org\nOggetto: Contatore\n\nGira.\n"
    found = forwarded("I: Contatore", text)
    assert found is not None
    assert (found.author, found.text) == (CY, "Gira.")
    assert forwarded("VS: Mittari", text) is None


def test_what_a_reply_quotes_is_not_passed_on() -> None:
    inner = "---------- Forwarded message ---------\n" + block()
    assert forwarded("Re: Fwd: Meter", "Thanks.\n\n" + block("Di <di@example.org>") + inner) is None
    assert forwarded("Re: Fwd: Meter", "Thanks.\n\nOn 2 June 2021 Di <di@example.org> wrote:\n\n" + inner) is None
    assert forwarded("Re: Fwd: Meter", "Thanks.\n\n> " + inner.replace("\n", "\n> ")) is None
    assert forwarded("Re: Meter", "See:\n\n" + inner) is not None


def test_a_single_enclosed_mail_is_passed_on() -> None:
    found = forwarded("Meter", "Please look.\n", [ENCLOSED])
    assert found is not None
    assert (found.author, found.subject, found.text, found.own_words) == (CY, "Meter", "Backwards.", "Please look.")
    found = forwarded("Fwd: Meter", "", [ENCLOSED])
    assert found is not None
    assert found.own_words == ""


def test_of_two_enclosed_mails_none_is_passed_on() -> None:
    assert forwarded("Fwd: Meter", "Please look.", [ENCLOSED, ENCLOSED]) is None


def test_a_mail_in_the_text_is_the_outer_one_of_an_enclosed_one() -> None:
    text = "---------- Forwarded message ---------\n" + block("Di Sample <di@example.org>", "Fwd: Meter", "Attached.")
    found = chain("Fwd: Meter", text, [ENCLOSED])
    assert [one.author for one in found] == [DI, CY]
    assert [one.text for one in found] == ["Attached.", "Backwards."]


def test_a_chain_leads_from_the_outermost_to_the_innermost() -> None:
    text = block("Di Sample <di@example.org>", "FW: Meter", "Ada, please.\n\n" + block())
    found = chain("FW: FW: Meter", text)
    assert [(one.author, one.own_words) for one in found] == [(DI, ""), (CY, "Ada, please.")]


def test_a_chain_goes_on_in_an_enclosed_mail() -> None:
    inner = Enclosed(author=DI, subject="FW: Meter", text=block(), date=None)
    assert [one.author for one in chain("Meter", "", [inner])] == [DI, CY]


def test_a_chain_is_short() -> None:
    text = "".join(
        f"---------- Forwarded message ---------\n{block(f'p{n}@example.org', 'Fwd: x', '')}" for n in range(9)
    )
    assert len(chain("Fwd: x", text)) == CHAIN_MAX


def test_no_forward_has_no_chain() -> None:
    assert chain("Meter", "Backwards.") == []


def test_a_name_alone_is_kept_for_who_can_look_it_up() -> None:
    found = forwarded("FW: Meter", block("Example, Cy"))
    assert found is not None
    assert (found.author, found.author_name) == (None, "Example, Cy")


def test_the_date_is_told_as_it_is_written() -> None:
    found = forwarded("FW: Meter", block())
    assert found is not None
    assert found.date == "2 June 2021"


def test_a_signature_is_none_of_the_forwarders_words() -> None:
    text = "-- \nAda Example\nSupport\n\n---------- Forwarded message ---------\n" + block()
    found = forwarded("Fwd: Meter", text)
    assert found is not None
    assert found.own_words == ""


def test_words_below_the_end_of_a_forward_are_the_forwarders() -> None:
    text = (
        "----- Forwarded message from cy@example.com -----\n\nBackwards.\n\n----- End forwarded message -----\n\nSee?\n"
    )
    found = forwarded("Fwd: Meter", text)
    assert found is not None
    assert (found.author, found.text, found.own_words) == (Address(None, "cy@example.com"), "Backwards.", "See?")


def test_the_html_body_is_asked_where_the_plain_one_shows_no_forward() -> None:
    mail = EmailMessage()
    mail["Subject"] = "FW: Meter"
    mail.set_content("See the HTML part.")
    mail.add_alternative("<p>Look.</p>" + block().replace("<", "&lt;").replace("\n", "<br>"), subtype="html")
    found = passed_on(parse(mail.as_bytes()))
    assert found is not None
    assert (found.author, found.own_words) == (CY, "Look.")
    assert [one.author for one in chain_of(parse(mail.as_bytes()))] == [CY]


def test_a_report_passes_nothing_on() -> None:
    mail = parse(b"Subject: Fwd: Meter\n\nLook.\n")
    mail = replace(mail, enclosed=[ENCLOSED])
    assert passed_on(mail) is not None
    report = parse((CORPUS / "bounce.eml").read_bytes()).bounce
    assert report is not None
    assert passed_on(replace(mail, bounce=report)) is None
    assert chain_of(replace(mail, bounce=report)) == ()


def test_what_a_machine_encloses_is_passed_on_only_if_the_subject_says_so() -> None:
    mail = replace(parse(b"Subject: Report\n\nLook.\n"), enclosed=[ENCLOSED], automatic=Automatic("x-autoreply"))
    assert passed_on(mail) is None
    assert passed_on(replace(mail, automatic=None)) is not None
    assert passed_on(replace(mail, subject="Fwd: Meter")) is not None


def test_an_author_is_read_behind_a_label_of_an_unknown_language() -> None:
    text = "---------- Forwarded message ---------\n"
    text += "Från vem: Cy Example <cy@example.com>\nDate: x\nSubject: Meter\nTo: a\n\nB."
    found = forwarded("Meter", text)
    assert found is not None
    assert (found.author, found.subject, found.text) == (CY, "Meter", "B.")


def test_the_report_of_a_fax_is_no_forward() -> None:
    assert (
        forwarded("Fax", "----- Transmission report -----\nFrom: 030 123\nTo: 030 456\nDate: today\nPages: 2\n") is None
    )


@given(
    st.sampled_from(["", "Fwd: x", "I: x", "Re: x"]),
    st.lists(
        st.sampled_from(
            [
                "---------- Forwarded message ---------",
                "-----Original Message-----",
                "Begin forwarded message:",
                "----- End forwarded message -----",
                "----- Forwarded message ----- From: aTo: bSubject: c",
                "From: Cy <cy@example.com>",
                "Subject: x",
                "> Date: y",
                "On 2 Jun 2021 <cy@example.com> wrote:",
                "________________________________",
                "",
                "words",
                "> quoted",
                " indented",
            ]
        ),
        max_size=12,
    ),
)
def test_no_word_of_a_mail_is_in_two_places(subject: str, lines: list[str]) -> None:
    marked = [f"{line} w{number}w" if line in {"words", "> quoted"} else line for number, line in enumerate(lines)]
    found = forwarded(subject, "\n".join(marked))
    assert len(chain(subject, "\n".join(marked))) <= CHAIN_MAX
    if found is not None:
        for number in range(len(lines)):
            assert not (f"w{number}w" in found.text and f"w{number}w" in found.own_words)
