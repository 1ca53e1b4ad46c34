"""The line above which an answer to a desk stands."""

from __future__ import annotations

import pytest

from mailwicket.mail.delimiter import delimiter


@pytest.mark.parametrize(
    "line",
    [
        "##- Please type your reply above this line -##",
        "> ##- Anything at all -##",
        "--- Reply above this line ---",
        "-- REPLY ABOVE THIS LINE --",
        "=== Bitte geben Sie Ihre Antwort oberhalb dieser Zeile ein ===",
        "> > ----- Répondre au-dessus de cette ligne -----",
        "Please reply above this line",
    ],
)
def test_a_delimiter_is_found_with_marks_around_and_before_it(line: str) -> None:
    assert delimiter(["Thanks.", "", line, "Body"]) == (2, 3)


def test_a_wrapped_one_is_taken_whole() -> None:
    assert delimiter(["Yes.", "> ##- Please type your reply", "> above this line -##", "> Body"]) == (1, 3)


@pytest.mark.parametrize(
    "line",
    [
        "Your mail says that one should reply above this line, but my program puts it below.",
        "## Heading -- reply",
        "--",
        "",
        "##- " + "x" * 400 + " -##",
    ],
)
def test_who_speaks_of_it_writes_none(line: str) -> None:
    assert delimiter(["Thanks.", line, "More."]) is None
