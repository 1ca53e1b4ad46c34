"""The fields of a delivery report, in order and out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.status import RECIPIENTS_MAX, Fate, address_in, fields, tidy, unique

HEAD = "Reporting-MTA: dns; mx.example.org\n\n"


def group(who: str = "rfc822; ada@example.org", action: str = "failed", status: str = "5.1.1") -> str:
    return f"Final-Recipient: {who}\nAction: {action}\nStatus: {status}\n\n"


def test_those_who_failed_and_those_who_wait_are_told_apart() -> None:
    found = fields([HEAD + group() + group("rfc822; bob@example.org", "delayed", "4.4.1") + group(action="delivered")])
    assert (found.failed, found.late) == (("ada@example.org",), ("bob@example.org",))
    assert found.fates == {Fate.FAILED, Fate.LATE, Fate.PASSED}


@pytest.mark.parametrize("text", ["", "\n\n", "no field", HEAD, ":\n:\n", "Action\n"])
def test_where_there_is_no_recipient_nothing_is_told(text: str) -> None:
    assert fields([text]).fates == frozenset()


@pytest.mark.parametrize(
    ("action", "status", "expected"),
    [
        ("failed", "4.4.7", Fate.FAILED),
        ("FAILED (bad mailbox)", "5.0.0", Fate.FAILED),
        ("failure", "", Fate.FAILED),
        ("(why) failed", "", Fate.FAILED),
        ("undeliverable", "", Fate.FAILED),
        ("delayed", "5.0.0", Fate.LATE),
        ("deferred", "", Fate.LATE),
        ("delivered", "2.0.0", Fate.PASSED),
        ("relayed (to non-DSN-aware mailer)", "2.1.9", Fate.PASSED),
        ("expanded", "", Fate.PASSED),
        ("", "5.1.1 (unknown)", Fate.FAILED),
        ("", "4.2.2", Fate.LATE),
        ("", "2.1.5", Fate.PASSED),
        ("bananas", "", Fate.UNTOLD),
        ("", "x", Fate.UNTOLD),
    ],
)
def test_the_action_counts_and_where_it_says_nothing_the_status(action: str, status: str, expected: Fate) -> None:
    assert fields([HEAD + group(action=action, status=status)]).fates == {expected}


def test_without_action_and_status_the_reply_of_the_other_server_counts() -> None:
    assert fields(["Final-Recipient: a@example.org\nDiagnostic-Code: smtp; 451 later"]).late == ("a@example.org",)
    assert fields(["Final-Recipient: a@example.org\nDiagnostic-Code: smtp; 550"]).failed == ("a@example.org",)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("rfc822; ada@example.org", "ada@example.org"),
        ("RFC822;ada@example.org", "ada@example.org"),
        ("rfc822;<ada@example.org>", "ada@example.org"),
        ("<ada@example.org>", "ada@example.org"),
        ("ada@example.org", "ada@example.org"),
        ("rfc822; ada@example.org (Ada)", "ada@example.org"),
        ("rfc822; ada@example.org.", "ada@example.org"),
        ("rfc822; 'ada@example.org'", "ada@example.org"),
        ("rfc822; =?utf-8?q?ada=40example.org?=", "ada@example.org"),
        ('rfc822; "a.b"@example.org', '"a.b"@example.org'),
        ("rfc822; ada@[192.0.2.1]", "ada@[192.0.2.1]"),
        ("rfc822; SRS0=x=far.example.com=ada@example.org", "SRS0=x=far.example.com=ada@example.org"),
        ("x400; c=DE;a= ;p=Ex;dda:SMTP=ada@example.org;", "ada@example.org"),
        ("utf-8; zoë@example.org", "zoë@example.org"),
        ("rfc822; ada", "ada"),
    ],
)
def test_an_address_is_found_in_whatever_stands_around_it(value: str, expected: str) -> None:
    assert fields([HEAD + group(value)]).failed == (expected,)


@pytest.mark.parametrize("value", ["x400; /S=ada/C=DE/", "LOCAL; |/bin/false", "rfc822; Ada Example", "rfc822;", "x@"])
def test_what_is_no_address_is_left_out(value: str) -> None:
    found = fields([HEAD + group(value)])
    assert (found.failed, found.fates) == ((), {Fate.FAILED})


def test_the_address_that_we_wrote_to_goes_before_the_one_where_the_mail_got_stuck() -> None:
    both = "Original-Recipient: {}\nFinal-Recipient: rfc822; a17@pool.example.org\nAction: failed\n"
    assert fields([both.format("rfc822; ada@example.org")]).failed == ("ada@example.org",)
    assert fields([both.format("rfc822; ada+2Bx+40example.org")]).failed == ("ada+x@example.org",)
    assert fields([both.format("x400; /S=ada/")]).failed == ("a17@pool.example.org",)
    assert fields([both.format("")]).failed == ("a17@pool.example.org",)


def test_groups_are_found_without_blank_lines_and_across_blank_lines() -> None:
    a, b = group("a@example.org").replace("\n\n", "\n"), group("b@example.org").replace("\n", "\n\n")
    assert fields([HEAD + a + a.replace("a@", "c@") + "\n" + b]).failed == (
        "a@example.org",
        "c@example.org",
        "b@example.org",
    )


def test_a_group_that_begins_with_its_action_is_one() -> None:
    swapped = "Action: failed\nFinal-Recipient: a@example.org\nAction: delayed\nFinal-Recipient: b@example.org\n"
    assert fields([swapped]).failed == ("a@example.org",)


def test_folded_and_indented_fields_and_any_line_end_are_read() -> None:
    expected = fields([HEAD + group()])
    for changed in (
        (HEAD + group()).replace("rfc822; ", "rfc822;\n  "),
        (HEAD + group()).replace("\n", "\r"),
        (HEAD + group()).replace("\n", "\r\n"),
        "    " + (HEAD + group()).replace("\n", "\n    "),
    ):
        assert fields([changed]) == expected


def test_the_id_of_the_mail_is_read_where_it_is_told() -> None:
    assert fields(["X-Original-Message-ID: <1@example.net>\n\n" + group()]).message_id == "1@example.net"
    assert fields([group()]).message_id is None


def test_addresses_that_differ_in_case_only_are_one() -> None:
    assert unique(["Ada@example.org", "ada@example.org", "b@example.org"]) == ("Ada@example.org", "b@example.org")


def test_many_recipients_are_cut() -> None:
    text = "".join(group(f"p{n}@example.org") for n in range(RECIPIENTS_MAX + 10))
    assert len(fields([text]).failed) == RECIPIENTS_MAX


@given(st.text())
def test_any_text_is_searched_for_an_address(text: str) -> None:
    found = address_in(text)
    assert found is None or "@" in found
    assert tidy(tidy(text)).startswith("'") is False


@given(st.lists(st.text(max_size=200), max_size=3))
def test_any_text_is_read_as_fields(texts: list[str]) -> None:
    found = fields(texts)
    assert all("\n" not in one for one in (*found.failed, *found.late))
