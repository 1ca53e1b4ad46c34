"""Bounces in words: whom they name, and where the returned mail begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.notice import LINES_MAX, RECIPIENTS_MAX, addresses, read

OWN = ("desk@example.net", "mailer-daemon@mx.example.org")


def named(text: str) -> tuple[str, ...]:
    return tuple(read(text, OWN, "mx.example.org").recipients)


@pytest.mark.parametrize(
    "line",
    [
        "<ada@example.org>:",
        "<ada@example.org>: user unknown",
        "ada@example.org",
        "    ada@example.org   ",
        "\tada@example.org: no such user",
        '"ada@example.org":',
        "'ada@example.org'",
        "[ada@example.org]",
        "* ada@example.org",
        "- <ada@example.org>",
        ">>> ada@example.org <550 Unknown user ada@example.org>",
        "ada@example.org on Thu, 1 Jan 2026 10:00:00 +0100",
        "ada@example.org<mailto:ada@example.org>",
        "ada@example.org... User unknown",
        "ada@example.org, ERROR CODE :550",
        "<ada@example.org> (mailbox full)",
        "Recipient: <ada@example.org>",
        "Recipient address: ada@example.org",
        "Failed address: ada@example.org",
        "RCPT TO:<ada@example.org>",
        "Addressed To: ada@example.org",
        "550 5.1.1 <ada@example.org>... User unknown",
        "Your message to ada@example.org couldn't be delivered.",
        "Your message wasn't delivered to ada@example.org because nobody knows her.",
        "Failed to deliver to 'ada@example.org'",
        "dda:SMTP=ada@example.org;",
        "收件人：ada@example.org不存在",
        "宛先：ada@example.org",
        "Empfänger: ada@example.org",
        "L'adresse ada@example.org est inconnue",
    ],
)
def test_a_recipient_is_found_however_he_is_named(line: str) -> None:
    assert named(f"It failed:\n\n{line}\n\nplease ask <help@example.com> or postmaster@example.org\n") == (
        "ada@example.org",
    )


def test_what_is_further_in_explains_and_names_nobody() -> None:
    text = "  ada@example.org\n    550 5.1.1 <bob@example.org>: unknown\n    carl@example.org\n\n  dora@example.org\n"
    assert named(text) == ("ada@example.org", "dora@example.org")


def test_a_list_goes_before_what_sentences_tell() -> None:
    text = "Your mail to team@example.org had no success:\n\n<ada@example.org>\n<bob@example.org>\n"
    assert named(text) == ("ada@example.org", "bob@example.org")


def test_our_own_address_counts_only_where_no_other_is() -> None:
    assert named("<desk@example.net>: no\n<ada@example.org>: no") == ("ada@example.org",)
    assert named("<desk@example.net>: no") == ("desk@example.net",)


@pytest.mark.parametrize(
    "line",
    ["The mail from bob@example.org to nobody", "Sender: bob@example.org", "please contact\nbob@example.org", "no one"],
)
def test_a_sender_or_a_helper_is_no_recipient(line: str) -> None:
    assert named(f"It failed.\n{line}\n") == ()


def test_names_below_an_announcement_are_of_the_servers_own_domain() -> None:
    text = "could not be delivered to:\n\n\tada17\n\tbob   (full)\n\nBye."
    assert named(text) == ("ada17@mx.example.org", "bob@mx.example.org")
    assert read(text, OWN, "").recipients == ()


@pytest.mark.parametrize(
    "mark",
    [
        "--- Below this line is a copy of the message.",
        "------ This is a copy of the message, including all the headers. ------",
        "   ----- Original message -----",
        "   ----- Unsent message follows -----",
        "|------------------------- Message text follows: ------------------------|",
        "Original message headers:",
        "Return-Path: <desk@example.net>",
        "> Received: from desk.example.net",
    ],
)
def test_the_returned_mail_is_not_the_notice(mark: str) -> None:
    text = f"No.\n{mark}\nX-Other: bob@example.org\nTo: Ada <ada@example.org>\nMessage-ID: <1@example.net>\n\nlate\n"
    found = read(text, OWN, "")
    assert (found.recipients, found.returned_to, found.message_id) == ((), ("ada@example.org",), "1@example.net")
    assert "late" not in found.words


def test_words_are_in_lower_case_with_single_blanks() -> None:
    assert read("Your  message\n\tcouldn\u2019t  be\r\n SENT", (), "").words == "your message couldn't be sent"


def test_the_id_is_read_from_the_notice_too_and_when_folded() -> None:
    assert read("About:\n  Message-ID:\n  <1@example.net>\n", (), "").message_id == "1@example.net"


def test_a_long_notice_is_cut() -> None:
    text = "".join(f"<p{n}@example.org>:\n" for n in range(2 * LINES_MAX))
    assert len(named(text)) == RECIPIENTS_MAX


def test_addresses_are_found_beside_letters_that_are_no_part_of_them() -> None:
    assert addresses("邮件ada@example.org被退回, (bob@example.org) zoë@example.org.") == (
        "ada@example.org",
        "bob@example.org",
        "zoë@example.org",
    )


@given(st.text(alphabet=st.sampled_from("ab@.<>:\"' \n-=550\t"), max_size=300))
def test_any_notice_is_read(text: str) -> None:
    found = read(text, OWN, "example.org")
    assert all("@" in one and "\n" not in one for one in (*found.recipients, *found.returned_to))
