"""Lines that were broken where no blank stood are whole again."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lab.bombs.heads import heads

from mailwicket.mail.flowed import unbroken
from mailwicket.mail.parse import parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one  \ntwo", "one two"),
        ("https://www.example.org/a \nb/c\n", "https://www.example.org/ab/c\n"),
        ("電車が \n遅れ \nました", "電車が遅れました"),
        ("one \n two", "onetwo"),
        ("one\ntwo \n", "one\ntwo"),
        ("one \n> two \n> three", "one \n> two \n> three"),
        ("one \n-- \nNora", "one \n-- \nNora"),
        ("one", "one"),
        ("one ", "one "),
        ("", ""),
        ("\n\n", "\n\n"),
    ],
)
def test_a_line_that_says_so_goes_on_in_the_next(text: str, expected: str) -> None:
    assert unbroken(text) == expected


def test_only_a_text_that_says_so_is_joined() -> None:
    for options, expected in (("; format=flowed; delsp=yes", "ab\n"), ("; format=flowed", "a \nb\n"), ("", "a \nb\n")):
        assert parse(heads(b"Content-Type: text/plain" + options.encode()) + b"a \nb\n").text == expected


@given(st.text(alphabet="a >-\n", max_size=200))
def test_nothing_but_blanks_and_line_ends_is_taken_out(text: str) -> None:
    assert unbroken(text).translate({32: None, 10: None}) == text.translate({32: None, 10: None})


def test_many_lines_take_time_with_their_number() -> None:
    begun = time.process_time()
    assert unbroken("a \n" * 300_000) == "a" * 300_000
    assert time.process_time() - begun < 1
