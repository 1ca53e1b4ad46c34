"""What stands above a mail that is quoted whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.heading import heading

HEADER = ["From: Ada <ada@example.org>", "Sent: 2 November 2026 10:11", "To: Bob", "Subject: Pump"]


@pytest.mark.parametrize(
    "line",
    [
        "-----Original Message-----",
        "----- Ursprüngliche Nachricht -----",
        "‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐",  # noqa: RUF001 - as it is written there
        "------------------\xa0原始邮件\xa0------------------",
        "---- 回复的原邮件 ----",
        "-----Mensaje original enviado por Ada-----",
        ">>> Ada <ada@example.org> 02.11.2026 10:11 >>>",
    ],
)
def test_a_separator_is_enough(line: str) -> None:
    assert heading(["Yes.", line, "Body"], 1) == 1


def test_the_header_below_a_separator_or_a_rule_belongs_to_it() -> None:
    assert heading(["-----Original Message-----", *HEADER, "", "Body"], 0) == 5
    assert heading(["_" * 32, *HEADER, "", "Body"], 0) == 5
    assert heading(["_" * 32, "", *HEADER, "", "Body"], 0) == 6
    assert heading(["----- In a tongue unknown -----", *HEADER, "", "Body"], 0) == 5


def test_two_labels_are_enough_below_a_long_rule_or_with_a_time_and_an_address() -> None:
    assert heading(["_" * 32, HEADER[0], HEADER[2], "", "Body"], 0) == 3
    assert heading(["", "From: ada@example.org", "Date: Mon, 2 Nov 2026 10:11:12 +0100", ""], 1) == 2
    assert heading(["", "Date: Mon, 2 Nov 2026 10:11:12 +0100", "To: bob@example.com", ""], 1) == 2


def test_an_author_may_be_an_address_or_a_name_alone() -> None:
    for author in ("ada@example.org", "Ada Example"):
        assert heading([f"From: {author}", "Sent: Monday", "To: Bob", "Subject: Pump", "", "Body"], 0) == 4


@pytest.mark.parametrize(
    "lines",
    [
        ["---", "Body"],
        ["_" * 32, "Body"],
        ["From: the cellar", "To: the roof", ""],
        ["Date: 3 November", "Time: 10:00", "Place: hall"],
        ["The original message", "was lost"],
        ["Original message: none"],
        ["- original", "- copy"],
        ["* Original message", "* copy"],
        ["## Original", "Body"],
        ["**Original**", "Body"],
        ["Message in a bottle"],
        ["From: Ada <ada@example.org>", "To: desk@example.org", "Subject: Pump", "", "It leaks."],
        ["To: ada@example.org", "Subject: x", "Sent: Thu, 1 Jan 2026 09:58:58 +0100", "", "did not reach"],
        ["\u200b"],
        [" " * 500 + "x"],
        ["Subject: my own", "", *HEADER],
    ],
)
def test_a_persons_lines_are_none(lines: list[str]) -> None:
    assert heading(lines, 0) == 0


def test_the_line_of_orange_belongs_to_the_header_below() -> None:
    lines = ["Message du 02/11/26 10:11", 'De : "Ada" <ada@example.org>', "A : bob@example.com", "Objet : x", ""]
    assert heading(lines, 0) == 4


@given(st.lists(st.text(alphabet="-_From: To@a\u200b\xa0>|", max_size=60), min_size=1, max_size=8))
def test_a_heading_lies_within_the_lines(lines: list[str]) -> None:
    assert 0 <= heading(lines, 0) <= len(lines)
