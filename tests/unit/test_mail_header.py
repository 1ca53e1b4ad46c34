"""Fields are found, unfolded and read letter by letter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.header import Header


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (b"A: x\r\n y", "x y"),
        (b"A: x\r\n\ty", "x y"),
        (b"A: x \r\n  \t y ", "x y"),
        (b"A: x\n \n y", "x y"),
        (b"A: x\r\n \r\n y", "x y"),
        (b"A:\r\n x", "x"),
        (b"A:x  y\tz", "x  y\tz"),
        (b"A:\t\xc2\xa0x\xe3\x80\x80", "\xa0x\u3000"),
        (b"\xef\xbb\xbfA: x", "x"),
        (b"From ada Thu Jan  1 10:00:02 2026\r\n>From bob Thu Jan  1\r\nA: x", "x"),
        (b">From bob Thu Jan  1 10:00:02 2026\r\n\tmore\r\nA: x", "x"),
        (b"no field\r\n at all\r\nA: x", "x"),
        (b"a : x\r\nA: y", "x"),
        (b"A:\r\nA: y", ""),
        (b"B: x", ""),
    ],
)
def test_a_field_is_unfolded(block: bytes, text: str) -> None:
    assert Header(block).get("a") == text


def test_of_fields_that_stand_twice_the_first_counts_but_all_people_and_references() -> None:
    block = b"Subject: a\nFrom: a@b\nReferences: <a@b>\nSUBJECT: b\nfrom: c@d\nReferences:\n <c@d>\nCc: e@f\n"
    header = Header(block)
    found = {name: header.get(name) for name in ("subject", "from", "references", "cc", "to")}
    assert found == {"subject": "a", "from": "a@b,, c@d", "references": "<a@b> <c@d>", "cc": "e@f", "to": ""}
    assert ("subject" in header, "to" in header) == (True, False)


WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=10)


@given(st.lists(WORDS, min_size=1, max_size=8), st.sampled_from(["\r\n ", "\n ", "\r\n\t", " \r\n ", "\r\n    ", " "]))
def test_wherever_a_field_is_folded_it_says_the_same(pieces: list[str], fold: str) -> None:
    block = "X: y\r\nA: " + fold.join(pieces) + "\r\nB: z"
    assert Header(block.encode()).get("a") == " ".join(pieces)


@given(st.binary(max_size=300))
def test_any_bytes_are_some_fields(block: bytes) -> None:
    header = Header(block + b"\nA: x")
    assert header.get("a") == header.get("a")
    assert "\n" not in header.get("a")
