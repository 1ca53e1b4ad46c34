"""Answers of many lines, in pieces of any size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailwicket.net.pop3.stuffing import Unstuffing

LINES = st.lists(st.binary(max_size=12).map(lambda raw: raw.replace(b"\r", b".").replace(b"\n", b".")), max_size=12)


def stuffed(lines: list[bytes]) -> bytes:
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"


@given(LINES, st.lists(st.integers(1, 9), min_size=1, max_size=40), st.binary(max_size=5))
def test_whatever_the_pieces_the_lines_are_those_that_were_sent(
    lines: list[bytes], sizes: list[int], behind: bytes
) -> None:
    content = stuffed(lines) + behind
    decoder, told, at, turn = Unstuffing(), b"", 0, 0
    while not decoder.finished:
        size = sizes[turn % len(sizes)]
        told += decoder.feed(content[at : at + size])
        at, turn = at + size, turn + 1
    assert told == b"".join(line + b"\r\n" for line in lines)
    assert decoder.rest + content[at:] == behind


@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"x"]), max_size=30).map(b"".join))
def test_only_the_true_end_ends_it(content: bytes) -> None:
    decoder = Unstuffing()
    decoder.feed(content)
    assert decoder.finished == (b"\r\n.\r\n" in b"\r\n" + content)
