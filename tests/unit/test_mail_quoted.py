"""The new words of a reply, and nothing of a person's lost."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.html import to_plain
from mailwicket.mail.quoted import EXAMINED_MAX_CHARS, EXAMINED_MAX_LINES, own_words, reply_text

WROTE = "On Mon, Nov 2, 2026 at 10:11 AM Ada Example <ada@example.org> wrote:"
HEADER = "From: Ada <ada@example.org>\nSent: Monday, November 2, 2026 10:11 AM\nTo: Bob\nSubject: Pump\n"


@pytest.mark.parametrize(
    "below",
    [
        f"{WROTE}\n> Does it run?",
        f"{WROTE}\n\nDoes it run?",
        f"{WROTE}",
        f"-----Original Message-----\n{HEADER}\nDoes it run?",
        f"________________________________\n{HEADER}\nDoes it run?",
        f"{HEADER}\nDoes it run?",
        "From: ada@example.org\nDate: Mon, 2 Nov 2026 10:11:12 +0100\n\nDoes it run?",
        "Date: Mon, 2 Nov 2026 10:11:12 +0100\nTo: bob@example.com\n\nDoes it run?",
        ">>> Ada <ada@example.org> 02.11.2026 10:11 >>>\nDoes it run?",
        "> Does it run?\n>\n>> It stands.",
        "-- \nBob\n\n> Does it run?",
        "##- Please type your reply above this line -##\nDoes it run?",
        f"{WROTE}\n> ##- Please type your reply above\n> this line -##\n> Does it run?",
    ],
)
def test_an_answer_above_what_it_answers_is_what_was_written(below: str) -> None:
    own = "It runs.\n\nPlease close it."
    assert reply_text(f"{own}\n\n{below}\n") == own
    assert reply_text(f"{own}\r\n\r\n{below}\r\n".replace("\r\n", "\n").replace("\n", "\r\n")) == own


def test_an_answer_below_the_quote_is_what_was_written() -> None:
    assert reply_text(f"{WROTE}\n> Does it run?\n\nIt runs.\n") == "It runs."
    assert reply_text(f"-----Original Message-----\n{HEADER}\n> Does it run?\n\nIt runs.\n") == "It runs."


def test_words_on_both_sides_of_a_quote_are_kept() -> None:
    assert reply_text(f"Hello\n\n{WROTE}\n> Does it run?\n\nIt runs.\n") == "Hello\n\nIt runs."


def test_answers_between_quoted_lines_keep_what_they_answer() -> None:
    text = f"{WROTE}\n\n> Is it red?\n\nYes.\n\n> New?\nNo."
    assert reply_text(f"{text}\n\n> Regards\n") == text


def test_a_quoted_line_that_was_wrapped_is_no_answer() -> None:
    text = "It runs.\n\n> The pump in the cellar of the old house was looked at by our man on the\nspot.\n> And?\n"
    assert reply_text(text) == "It runs."


def test_an_answer_right_below_a_long_question_is_one() -> None:
    text = "> The pump in the cellar of the old house was looked at by our man, is it fine?\nyes\n> And the other?\nno"
    assert reply_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "> Does it run?",
        f"{HEADER}\nDoes it run?",
        f"{WROTE}\n\nDoes it run?",
        "-- \nBob",
        "Sent from my iPhone",
        "",
        "Visit us\n>>> >>> http://www.example.org <<<\nsoon",
        "a <http://example.org/long\n> link",
        "The log says\n> no water\nand stops.",
        "Here it comes\n>From the cellar\nwith a noise.",
    ],
)
def test_in_doubt_all_is_kept(text: str) -> None:
    assert reply_text(text) == text


def test_own_words_may_be_none() -> None:
    assert own_words("Sent from my iPhone\n") == ""
    assert own_words("> Does it run?\n") == ""
    assert own_words("Yes.\n") == "Yes."


def test_a_delimiter_at_the_very_top_keeps_the_body() -> None:
    line = "##- Please type your reply above this line -##"
    assert reply_text(f"{line}\n\nIt runs.\n") == "It runs."
    assert reply_text(f"> {line}\n> Does it run?\n\nIt runs.\n") == "It runs."
    assert reply_text(line) == line


def test_an_answer_below_a_quoted_delimiter_is_not_lost() -> None:
    line = "##- Please type your reply above this line -##"
    assert reply_text(f"Hello\n\n{WROTE}\n> {line}\n> Does it run?\n\nIt runs.\n") == "Hello\n\nIt runs."


def test_marks_that_show_nothing_hide_no_quote() -> None:
    assert reply_text(f"Yes.\u200b\n\n\u200b{WROTE}\xa0\n\n\xa0>\xa0Does it run?\n") == "Yes."


def test_what_lies_behind_the_examined_text_is_kept_unless_it_is_quoted() -> None:
    long = "Words.\n" * (EXAMINED_MAX_LINES + 10)
    assert reply_text(long) == long.strip()
    assert reply_text("W" * (EXAMINED_MAX_CHARS + 5)) == "W" * (EXAMINED_MAX_CHARS + 5)
    assert reply_text("Yes.\n\n" + "> no\n" * (EXAMINED_MAX_LINES + 10)) == "Yes."


def test_a_megabyte_of_newlines_takes_milliseconds() -> None:
    begun = time.process_time()
    assert reply_text("\n" * 1_000_000 + "Yes.") == "Yes."
    assert time.process_time() - begun < 0.5


LINES = st.sampled_from(
    ["Yes.", "no", "", "> a", ">> b", WROTE, "-- ", "Bob", HEADER.strip(), "-----Original Message-----", "---", "Hi:"]
)


@given(st.lists(LINES, max_size=25))
def test_whatever_is_kept_stands_in_the_text_in_that_order(lines: list[str]) -> None:
    text = "\n".join(lines)
    rest = iter(line.strip() for line in text.split("\n"))
    assert all(line.strip() in rest for line in reply_text(text).split("\n") if line.strip())


@given(st.lists(LINES, max_size=25))
def test_the_first_words_are_never_lost(lines: list[str]) -> None:
    assert "The valve drips" in reply_text("\n".join(["The valve drips", *lines]))


@given(st.text(max_size=600))
def test_any_text_has_new_words_unless_it_is_empty(text: str) -> None:
    assert bool(reply_text(text)) or not own_words(text)


def test_what_html_marks_as_quoted_is_left_out_without_any_words_for_it() -> None:
    markup = '<div>It runs.</div><div class="yahoo_quoted"><div>Ada, some day</div><div>Does it run?</div></div>'
    assert reply_text(to_plain(markup), markup) == "It runs."


def test_answers_between_quotes_marked_in_html_keep_what_they_answer() -> None:
    markup = '<blockquote type="cite">Red?</blockquote><p>Yes.</p><blockquote type="cite">New?</blockquote><p>No.</p>'
    assert reply_text(to_plain(markup), markup) == "> Red?\n\nYes.\n\n> New?\n\nNo."


@given(st.lists(st.text(alphabet="\u200b\xa0 \t\r>-_:@<", max_size=12), max_size=10), st.integers(0, 500))
def test_lines_that_show_nothing_stop_nobody(lines: list[str], blanks: int) -> None:
    assert "Yes." in reply_text("\n".join(["Yes.", *lines, " " * blanks + "x"]))


def test_who_answers_in_red_within_a_quote_without_marks_keeps_all_of_it() -> None:
    text = f"See my answers in red.\n\n{HEADER}\nDoes it run? It does.\n\n-----Original Message-----\n{HEADER}\nOld."
    assert reply_text(text) == text
    assert reply_text(f"I predicted it.\n\n{HEADER}\nDoes it run?") == "I predicted it."


def test_what_is_pasted_below_words_without_a_date_stays_between_words() -> None:
    text = "The man came.\n\nHe wrote:\n> it leaks\nand left."
    assert reply_text(text) == text


def test_answers_in_red_are_kept_in_html_too() -> None:
    markup = '<p>See below, in red.</p><hr><div id="divRplyFwdMsg"><b>From:</b> Ada &lt;ada@example.org&gt;<br>'
    markup += "<b>Sent:</b> 2 November 2026<br><b>To:</b> Bob<br><b>Subject:</b> x</div><p>Red? Yes.</p>"
    assert "Red? Yes." in reply_text(to_plain(markup), markup)


def test_an_answer_inside_a_quote_keeps_what_it_answers_and_an_answer_below_does_not() -> None:
    assert reply_text("> Red?\n\nYes.\n\n> Regards\n") == "> Red?\n\nYes."
    assert reply_text("> Red?\n\nYes.\n") == "Yes."


def test_a_quoted_attribution_announces_as_well() -> None:
    assert reply_text(f"Yes.\n\n> {WROTE}\n>\n> Red?\n\nRegards\nBob\n") == "Yes.\n\nRegards\nBob"


def test_words_before_an_attribution_are_told_once() -> None:
    text = f"Hello! {WROTE}\n> Red?\nYes.\n> New?\nNo."
    assert reply_text(text) == f"Hello!\n{WROTE}\n> Red?\nYes.\n> New?\nNo."
