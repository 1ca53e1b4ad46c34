"""The fast ways to undo an encoding give what the slow ones give."""

from __future__ import annotations

import base64
import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail import decode as module
from mailwicket.mail.decode import decode, decoded

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
LINE_ENDS = (b"\r\n", b"\n", b"\r", b"\n\n")


def letter_by_letter(body: bytes) -> bytes:
    """What base64 says, read as slowly as possible: six bits a letter, padding ends a run."""
    content, bits, held = bytearray(), 0, 0
    for letter in body.decode("latin-1"):
        if letter == "=":
            bits = held = 0
        elif letter in ALPHABET:
            bits, held = bits << 6 | ALPHABET.index(letter), held + 6
            if held >= 8:
                held -= 8
                content.append(bits >> held & 255)
                bits &= (1 << held) - 1
    return bytes(content)


def assert_base64_is_read_letter_by_letter(body: bytes, slice_bytes: int) -> None:
    for short_bytes in (0, 2**20):  # the way for long bodies alone, then with the one for short ones before it
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "SLICE_BYTES", slice_bytes)
            patch.setattr(module, "SHORT_BYTES", short_bytes)
            assert decode(body, "base64") == letter_by_letter(body)
            assert decode(bytearray(body), "base64") == letter_by_letter(body)
            assert b"".join(decoded(b"==" + body + b"AA", 2, 2 + len(body), "base64")) == letter_by_letter(body)


@given(
    content=st.binary(max_size=400),
    width=st.sampled_from([1, 4, 60, 72, 75, 76, 1000]),
    line_end=st.sampled_from(LINE_ENDS),
    last=st.sampled_from([b"", *LINE_ENDS, b"\r\n\r\n"]),
    slice_bytes=st.sampled_from([7, 33, 97, 2**20]),
    blows=st.lists(
        st.tuples(
            st.integers(0, 1000),
            st.integers(0, 3),
            st.sampled_from([b"", b"=", b"==", b"\r", b"\n", b"\r\n", b" ", b"-", b"*", b"A", b"\0", b"\xff"]),
        ),
        max_size=4,
    ),
)
def test_base64_in_lines_whole_or_damaged_is_read_letter_by_letter(
    content: bytes, width: int, line_end: bytes, last: bytes, slice_bytes: int, blows: list[tuple[int, int, bytes]]
) -> None:
    encoded = base64.b64encode(content)
    body = bytearray(line_end.join(encoded[at : at + width] for at in range(0, len(encoded), width)) + last)
    for place, length, blow in blows:
        at = place % (len(body) + 1)
        body[at : at + length] = blow
    assert_base64_is_read_letter_by_letter(bytes(body), slice_bytes)


def test_every_short_base64_is_read_letter_by_letter() -> None:
    for length in range(7):
        for letters in product(b"Aq=\n*", repeat=length):
            body = bytes(letters)
            assert decode(body, "base64") == b"".join(decoded(body, 0, length, "base64")) == letter_by_letter(body)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("excess", range(-3, 4))
def test_where_a_slice_ends_in_a_line_changes_nothing(line_end: bytes, excess: int) -> None:
    content = random.Random(excess).randbytes(57 * 40 + 1)
    body = base64.encodebytes(content).replace(b"\n", line_end)
    assert_base64_is_read_letter_by_letter(body, 10 * (76 + len(line_end)) + excess)


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit", ""])
def test_what_is_read_of_a_bytearray_is_bytes(encoding: str) -> None:
    body = bytearray(b"QUJD\r\n=41 ")
    assert type(decode(body, encoding)) is bytes
    assert [type(piece) for piece in decoded(body, 0, len(body), encoding)] != []
    assert {type(piece) for piece in decoded(body, 0, len(body), encoding)} == {bytes}
