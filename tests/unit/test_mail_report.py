"""Delivery reports: whose they are, and whose they are not."""

from __future__ import annotations

from email import message_from_bytes
from pathlib import Path

import pytest

from mailwicket.mail.header import Header
from mailwicket.mail.parse import parse
from mailwicket.mail.report import ENOUGH, SURE, bounce, evidence
from mailwicket.model import Bounce

MACHINE = b"From: MAILER-DAEMON@mx.example.org\nTo: desk@example.net\n"
PERSON = b"From: Ada <ada@example.org>\nReturn-Path: <ada@example.org>\n"
TITLE = "Undelivered Mail Returned to Sender"
TEXT = "Your message could not be delivered:\n\n<bob@example.org>: user unknown\n"
FIELDS = "Final-Recipient: rfc822; bob@example.org\nAction: {}\n"
REPORT = b"Content-Type: multipart/report; report-type=delivery-status\n"


def read(head: bytes, title: str = TITLE, text: str = TEXT, *status: str, returned: bytes = b"") -> Bounce | None:
    return bounce(Header(head), title, text, status, [Header(returned)] if returned else [])


@pytest.mark.parametrize("title", [TITLE, "Re: " + TITLE, "Fwd: " + TITLE, "failure notice", "AW: " + TITLE])
def test_a_person_who_writes_about_a_bounce_has_written_none(title: str) -> None:
    assert read(PERSON, title) is None
    assert read(PERSON, title, TEXT, FIELDS.format("failed")) is None


def test_a_postmaster_who_answers_has_written_none() -> None:
    assert read(b"From: Max <postmaster@example.org>\n", "Re: " + TITLE) is None


@pytest.mark.parametrize(
    "head",
    [
        MACHINE,
        b"From: Postmaster <postmaster@example.org>\n",
        b"From: =?utf-8?q?Mail_Delivery_System?= <x@example.org>\n",
        b"From: <>\n",
        b"To: desk@example.net\n",
        b"From: Ada <ada@example.org>\nReturn-Path: <>\n",
        b"From: Ada <ada@example.org>\nX-Failed-Recipients: bob@example.org\n",
        b"From: Ada <ada@example.org>\nAuto-Submitted: auto-replied\n",
    ],
)
def test_a_machine_that_says_in_words_that_a_mail_failed_is_believed(head: bytes) -> None:
    assert read(head) == Bounce(("bob@example.org",), permanent=True, original_message_id=None)


def test_what_the_domain_is_called_is_no_evidence() -> None:
    assert evidence(Header(b"From: Ada <ada@mailer-daemon.example.org>\n"), TITLE).weight < ENOUGH
    assert evidence(Header(MACHINE), TITLE).weight >= SURE


def test_an_absent_person_is_no_bounce() -> None:
    text = "I left. Mails to bob@example.org are not delivered."
    for title in ("Out of office", "Automatic reply: Undeliverable: x", "Re: hello"):
        assert read(b"From: Bob <bob@example.org>\nReturn-Path: <>\n", title, text) is None


def test_a_machine_that_speaks_of_something_else_has_written_none() -> None:
    assert read(MACHINE, "Your digest", "Three mails are held.\n") is None
    assert read(MACHINE + b"Return-Path: <>\n", "Your mailbox", "Your mailbox desk@example.net is full.\n") is None
    assert read(MACHINE, "Delivery report", "This is an abuse report about <bob@example.org>.\n") is None
    assert read(MACHINE, "Delivery report", "Your mail was successfully delivered to <bob@example.org>.\n") is None


@pytest.mark.parametrize("title", ["Delivery Status Notification (Success)", "Successful Mail Delivery Report"])
def test_a_title_of_success_is_no_bounce_whatever_the_words(title: str) -> None:
    assert read(MACHINE, title, "Not found is who fails; <bob@example.org> is fine.") is None
    assert read(MACHINE, "Unsuccessful delivery: not delivered", TEXT) is not None


def test_who_confirms_that_a_mail_came_has_written_none() -> None:
    head = b"From: Shop <help@example.com>\nReturn-Path: <>\nAuto-Submitted: auto-replied\n"
    assert read(head, "Your message to the shop", "We got it. If it is not found, write to <bob@example.org>.") is None


def test_fields_go_before_words_and_success_is_no_bounce() -> None:
    for action, expected in (("failed", True), ("delayed", False)):
        told = read(MACHINE + REPORT, TITLE, TEXT.replace("bob", "carl"), FIELDS.format(action))
        assert told == Bounce(("bob@example.org",), permanent=expected, original_message_id=None)
    assert read(MACHINE + REPORT, TITLE, TEXT, FIELDS.format("delivered")) is None


def test_fields_that_tell_no_fate_leave_it_open() -> None:
    told = read(PERSON + REPORT, "x", "Report.", "Final-Recipient: bob@example.org\nAction: bananas\n")
    assert told == Bounce(("bob@example.org",), permanent=None, original_message_id=None)


def test_fields_without_a_recipient_are_helped_by_words() -> None:
    for fate, expected in (("failed", True), ("delayed", False)):
        told = read(MACHINE + REPORT, TITLE, TEXT, f"Action: {fate}\n")
        assert told == Bounce(("bob@example.org",), permanent=expected, original_message_id=None)


def test_fields_that_lost_their_type_are_read_in_the_text() -> None:
    told = read(MACHINE, TITLE, "Sorry.\n\n" + FIELDS.format("delayed"))
    assert told == Bounce(("bob@example.org",), permanent=False, original_message_id=None)


@pytest.mark.parametrize("kind", [b"disposition-notification", b"feedback-report"])
def test_receipts_and_complaints_are_no_bounces(kind: bytes) -> None:
    head = MACHINE + b"Content-Type: multipart/report; report-type=" + kind + b"\n"
    assert read(head) is None


def test_a_filter_that_refuses_by_a_receipt_is_one() -> None:
    head = b"From: postmaster@example.org\nContent-Type: multipart/report; report-type=disposition-notification\n"
    told = read(head, "Rejected: x", "Your message to <bob@example.org> was automatically rejected:\nno\n")
    assert told == Bounce(("bob@example.org",), permanent=True, original_message_id=None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("will keep trying until message is 5 days old", False),
        ("Die Zustellung ist verzögert.", False),
        ("配送が遅延しています。", False),
        ("This is a permanent error; I've given up.", True),
        ("something", True),
    ],
)
def test_words_tell_whether_the_server_gave_up(text: str, expected: bool) -> None:  # noqa: FBT001
    told = read(MACHINE, "mail delivery status", text)
    assert told is not None
    assert told.permanent is expected


def test_the_field_of_failed_recipients_goes_before_words_unless_they_name_more() -> None:
    head = MACHINE + b"X-Failed-Recipients: carl@example.org\n"
    assert read(head) == Bounce(("carl@example.org",), permanent=True, original_message_id=None)
    more = read(head, TITLE, TEXT + "<carl@example.org>: full\n")
    assert more is not None
    assert more.recipients == ("bob@example.org", "carl@example.org")


def test_where_nobody_is_named_the_returned_mail_says_for_whom_it_was() -> None:
    one = read(MACHINE, TITLE, "Failed.", returned=b"To: Bob <bob@example.org>\nMessage-ID: <1@example.net>\n")
    assert one == Bounce(("bob@example.org",), permanent=True, original_message_id="1@example.net")  # type: ignore[arg-type]
    two = read(MACHINE, TITLE, "Failed.", returned=b"To: bob@example.org, carl@example.org\n")
    assert two == Bounce((), permanent=True, original_message_id=None)


def test_a_bare_name_is_a_recipient_if_the_returned_mail_agrees_or_does_not_say() -> None:
    text = "Not delivered to the following:\n\n  ada17\n"
    for to, expected in (
        (b"X: y\n", ("ada17@mx.example.org",)),
        (b"To: ada17@mx.example.org, bob@example.org\n", ("ada17@mx.example.org",)),
        (b"To: ada17@pool.example.org\n", ("ada17@pool.example.org",)),
        (b"To: carl@example.org, bob@example.org\n", ()),
    ):
        told = read(MACHINE, TITLE, text, returned=to)
        assert told is not None
        assert told.recipients == expected


def test_somebody_mentioned_is_the_recipient_only_if_the_returned_mail_does_not_say() -> None:
    text = "Failed. Told by dora@example.org, ward 7."
    told = read(MACHINE, TITLE, text, returned=b"To: bob@example.org\n")
    assert (told and told.recipients) == ("bob@example.org",)
    told = read(MACHINE, TITLE, "Failed. So says dora@example.org, ward 7.")
    assert (told and told.recipients) == ("dora@example.org",)


def test_the_id_of_our_mail_is_found_wherever_it_is_told() -> None:
    returned = b"Message-ID: <1@example.net>\n"
    cited = b"In-Reply-To: <4@example.net>\n"
    in_text = "--- Below this line is a copy of the message.\n\nMessage-ID: <3@example.net>\n"
    status = "X-Original-Message-ID: <2@example.net>\n\n" + FIELDS.format("failed")
    for told, expected in (
        (read(MACHINE + REPORT + cited, TITLE, TEXT + in_text, status, returned=returned), "1@example.net"),
        (read(MACHINE + REPORT + cited, TITLE, TEXT + in_text, status), "2@example.net"),
        (read(MACHINE + cited, TITLE, TEXT + in_text), "3@example.net"),
        (read(MACHINE + cited), "4@example.net"),
        (read(MACHINE + b"References: <0@x> <5@example.net>\n"), "5@example.net"),
    ):
        assert told is not None
        assert told.original_message_id == expected


CORPUS = sorted((Path(__file__).parent.parent / "corpus").glob("bo-*.eml"))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_no_report_is_one_when_a_person_passes_it_on(path: Path) -> None:
    message = message_from_bytes(path.read_bytes())
    body = path.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")[2]
    kind = str(message.get("content-type") or "text/plain").replace("multipart/report", "multipart/mixed")
    kind = kind.replace("report-type=", "x=").replace("message/delivery-status", "text/plain")
    subject = str(message["subject"]).replace("\n", "")
    for title in (subject, f"Fwd: {subject}"):
        head = f"From: Ada <ada@example.org>\nTo: desk@example.net\nSubject: {title}\nContent-Type: {kind}\n"
        head += f"Content-Transfer-Encoding: {message.get('content-transfer-encoding', '8bit')}\n\n"
        mail = parse(head.encode() + body)
        assert (mail.bounce, mail.automatic) == (None, None)
