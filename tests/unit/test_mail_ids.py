"""The ids of mails are found between whatever stands beside them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.ids import IDS_MAX, ids


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<a@b>", ["a@b"]),
        ("<a@b><c@d>", ["a@b", "c@d"]),
        ("<a@b>, <c@d>;<e@f>", ["a@b", "c@d", "e@f"]),
        ("<<a@b>>", ["a@b"]),
        ("< a@b >", ["a@b"]),
        ("<a-long-\tid@b>", ["a-long-id@b"]),
        ("<1234>", ["1234"]),
        ("1234", ["1234"]),
        ("a@b c@d", ["a@b", "c@d"]),
        ("a@b, c@d", ["a@b", "c@d"]),
        ("<a@b", ["a@b"]),
        ("a@b>", ["a@b"]),
        ('"a@b"', ["a@b"]),
        ('Message of "Mon, 1 Jan" <a@b>', ["a@b"]),
        ("<a@b> (from c@d)", ["a@b"]),
        ("<[a]@b>", ["[a]@b"]),
        ('<"a b"@c>', ['"ab"@c']),
        ("<your mail of Monday>", []),
        ("your mail of Monday to a@b", []),
        ("=?utf-8?q?=3Ca=40b=3E?=", ["a@b"]),
        ("<>", []),
        ("<" + "a" * 1500 + "@b>", []),
        ("", []),
        ("\ud800<a@b>", ["a@b"]),
        ("<a\ud800@b>", ["a?@b"]),
    ],
)
def test_ids_are_found_without_their_brackets(value: str, expected: list[str]) -> None:
    assert list(ids(value)) == expected


def test_of_very_many_ids_the_first_and_the_newest_stay() -> None:
    found = ids(" ".join(f"{n}@x" for n in range(500)))
    assert (len(found), found[0], found[1], found[-1]) == (IDS_MAX, "0@x", "301@x", "499@x")


IDS = st.from_regex(r"[!-;=?-~]{1,40}@[a-z.]{1,20}", fullmatch=True)


@given(st.lists(IDS, max_size=8), st.sampled_from(["", " ", "\t", ", "]))
def test_what_stands_in_brackets_is_found(expected: list[str], mark: str) -> None:
    assert list(ids(mark.join(f"<{one}>" for one in expected))) == expected
