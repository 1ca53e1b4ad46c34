"""Marks before quoted lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.marks import is_groupwise, is_quoted, quoted_lines

LONG = "> The pump in the cellar of the old house was looked at by our man on the"


@pytest.mark.parametrize("line", ["> a", ">a", ">", ">> a", "> > a", " > a", "*> a*", "\u200b> a", ">\xa0a"])
def test_a_line_with_a_mark_is_quoted(line: str) -> None:
    assert is_quoted(line)
    assert quoted_lines(["Yes.", "", line]) == [False, False, True]


@pytest.mark.parametrize("line", ["a > b", "-> a", "=> a", "| a", ": a", "# a", "", "x>", ">>> >>> a <<<", "<b>"])
def test_a_line_without_is_not(line: str) -> None:
    assert not is_quoted(line)


def test_the_end_of_a_wrapped_link_is_no_mark() -> None:
    assert quoted_lines(["see <http://example.org/a", "> and that"]) == [False, False]
    assert quoted_lines(["see <http://example.org/a>", "> and that"]) == [False, True]


def test_a_from_that_was_marked_to_begin_no_mail_is_the_writers_own() -> None:
    assert quoted_lines(["It came", ">From the cellar", "at night"]) == [False, False, False]
    assert quoted_lines(["Yes.", "", ">From the cellar"]) == [False, False, True]


@pytest.mark.parametrize(
    ("line", "is_rest"),
    [("spot and runs.", True), ("Yes.", False), ("(http://example.org/a) >", True), ("", False)],
)
def test_what_was_broken_off_a_quoted_line_is_quoted(line: str, is_rest: bool) -> None:  # noqa: FBT001
    assert quoted_lines([LONG, line, "> b"]) == [True, is_rest, True]


def test_an_answer_below_a_whole_sentence_is_none() -> None:
    assert quoted_lines([LONG + "?", "yes", "> b"]) == [True, False, True]


def test_a_program_that_breaks_lines_breaks_the_last_one_too() -> None:
    assert quoted_lines([LONG, "spot and runs.", LONG, "Spot", LONG, "spot.", "", "Yes."]) == [True] * 6 + [False] * 2
    assert quoted_lines([LONG, "spot.", "", "Yes."]) == [True, False, False, False]


def test_initials_are_marks_where_more_than_one_line_bears_them() -> None:
    assert quoted_lines(["Yes.", "AE> Does it", "AE> run?"]) == [False, True, True]
    assert quoted_lines(["Yes.", "OK> then"]) == [False, False]


def test_the_line_of_groupwise_is_no_quote_but_stands_above_one() -> None:
    assert is_groupwise(">>> Ada Example <ada@example.org> 02.11.2026 10:11 >>>")
    assert not is_groupwise(">>> nested >>>")
    assert not is_quoted(">>> Ada <ada@example.org> 02.11.2026 10:11 >>>")


@given(st.lists(st.text(alphabet="> <ab\u200b\xa0AZ:.h", max_size=90), max_size=12))
def test_each_line_is_told(lines: list[str]) -> None:
    assert len(quoted_lines(lines)) == len(lines)
