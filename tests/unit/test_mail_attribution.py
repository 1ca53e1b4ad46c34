"""The line that says who wrote what is quoted below."""

# ruff: noqa: RUF001 - the letters of all scripts are meant

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.attribution import Attribution, attribution, may_end, run_on

ADA = "Ada Example <ada@example.org>"

LINES = [
    f"On Mon, Nov 2, 2026 at 10:11 AM {ADA} wrote:",
    f"Am Mo., 2. Nov. 2026 um 10:11 Uhr schrieb {ADA}:",
    f"Le lun. 2 nov. 2026 à 10:11, {ADA} a écrit\xa0:",
    f"{ADA} ezt írta (időpont: 2026. nov. 2., H, 10:11):",
    f"2026年11月2日(月) 10:11 {ADA}:",
    f"{ADA} 于2026年11月2日周一 10:11写道：",
    f"---- On Mon, 02 Nov 2026 10:11:12 +0100 {ADA} wrote ----",
    "\u202bבתאריך יום ב׳, 2 בנוב׳ 2026 ב-10:11 מאת \u202aAda\u202c\u200f <\u202aada@example.org\u202c\u200f>:\u202c",
]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("quoted", [True, False])
def test_a_line_of_a_mail_program_is_known_with_and_without_marks_below(line: str, quoted: bool) -> None:  # noqa: FBT001
    assert may_end(line)
    assert attribution(["Yes.", "", line], 2, 0, quoted=quoted) == Attribution(2, 3, "")


@pytest.mark.parametrize("line", LINES[:4])
@pytest.mark.parametrize("width", [30, 45, 60])
def test_a_wrapped_one_is_taken_whole(line: str, width: int) -> None:
    wrapped, rest = [], line
    while len(rest) > width and " " in rest[:width]:
        at = rest.rindex(" ", 0, width)
        wrapped.append(rest[:at])
        rest = rest[at + 1 :]
    lines = ["It runs", *wrapped, rest]
    assert attribution(lines, len(lines) - 1, 0, quoted=True) == Attribution(1, len(lines), "")


@pytest.mark.parametrize(
    "line",
    [
        "On the 3rd we wrote:",
        "On 2 November 2026 at 10:11 we wrote:",
        "He wrote:",
        "Please ask ada@example.org about this:",
        "The meeting is on 2 Nov 2026 at 10:00 with ada@example.org:",
        "Am 2. November schrieb ich Ihnen:",
        "These are the parts:",
        "On 2 November 2026 at 10:11 the customer wrote:",
        "Am 2.11.2026 um 10:11 Uhr schrieb der Kunde:",
        "Am 2.11.2026 um 10:11 Uhr schrieb mir unser Kunde:",
    ],
)
def test_what_people_write_before_a_colon_is_none_where_no_marks_follow(line: str) -> None:
    assert attribution(["Hello", "", line], 2, 0, quoted=False) is None


def test_words_before_it_in_its_line_are_the_writers_own() -> None:
    line = "Thank you! On Mon, Nov 2, 2026 at 10:11 AM Ada wrote:"
    assert attribution([line], 0, 0, quoted=True) == Attribution(0, 1, "Thank you!")


def test_the_quote_may_follow_in_the_same_line() -> None:
    line = "Yes. On Mon, Nov 2, 2026 at 10:11, Ada<ada@example.org> wrote:   Does it run?"
    assert run_on(line) == len("Yes. ")
    assert run_on("I wrote to Ada <ada@example.org> on 2 Nov 2026: no answer.") is None


def test_it_does_not_reach_above_the_line_that_it_may_begin_with() -> None:
    lines = [f"On Mon, Nov 2, 2026 at 10:11 AM {ADA}", "wrote:"]
    assert attribution(lines, 1, 0, quoted=True) == Attribution(0, 2, "")
    assert attribution(lines, 1, 1, quoted=True) == Attribution(1, 2, "")


@given(st.lists(st.text(max_size=80), min_size=1, max_size=8), st.booleans())
def test_it_lies_within_the_lines_it_was_looked_for_in(lines: list[str], quoted: bool) -> None:  # noqa: FBT001
    last = len(lines) - 1
    found = attribution(lines, last, 0, quoted=quoted)
    assert found is None or (0 <= found.begin <= last and found.end == last + 1)
    assert isinstance(may_end(lines[0]), bool)
