"""Files that stand in a text are found where they are files, and only there."""

from __future__ import annotations

import binascii
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail import uuencode
from mailwicket.mail.decode import decode, decoded
from mailwicket.mail.uuencode import BLOCKS_MAX, LINES_MAX, MISSED_MAX, blocks, undone


def encoded(content: bytes, name: bytes = b"a.bin", line_end: bytes = b"\n", *, blanks: bool = False) -> bytes:
    lines = [b"begin 644 " + name]
    lines += [
        binascii.b2a_uu(content[at : at + 45], backtick=not blanks).rstrip(b"\n") for at in range(0, len(content), 45)
    ]
    return line_end.join([*lines, b" " if blanks else b"`", b"end", b""])


def found(text: bytes) -> list[tuple[bytes, bytes]]:
    return [(one.name, decode(text[one.begin : one.end], "x-uuencode")) for one in blocks(text, 0, len(text))]


@given(st.binary(min_size=1, max_size=500), st.sampled_from([b"\n", b"\r\n"]))
def test_a_file_comes_out_as_it_went_in(content: bytes, line_end: bytes) -> None:
    text = b"Before." + line_end + encoded(content, b"a b.bin", line_end) + b"After." + line_end
    assert found(text) == [(b"a b.bin", content)]
    one = blocks(text, 0, len(text))[0]
    assert text[: one.begin] + text[one.end :] == b"Before." + line_end + b"After." + line_end


def test_zeros_may_be_blanks_that_were_cut_off_on_the_way() -> None:
    content = bytes(90) + b"#x#"
    text = encoded(content, blanks=True)
    assert found(text) == [(b"a.bin", content)]
    cut = b"\n".join(line.rstrip() for line in text.split(b"\n"))
    assert found(cut) == [(b"a.bin", content)]


def test_a_sum_behind_each_line_is_passed_over() -> None:
    text = encoded(b"Cat" * 20).replace(b"\n`\n", b"?\n`\n")
    assert found(text) == [(b"a.bin", b"Cat" * 20)]


@pytest.mark.parametrize("mode", [b"644", b"0644", b"755", b"600"])
def test_each_mode_begins_a_file(mode: bytes) -> None:
    assert found(encoded(b"Cat").replace(b"644", mode)) == [(b"a.bin", b"Cat")]


@pytest.mark.parametrize(
    "text",
    [
        b"begin 644 a\n#0V%T\n`\n",
        b"begin 644 a\n`\nend\n",
        b"begin 644 a\nend\n",
        b"begin 644\n#0V%T\n`\nend\n",
        b"begin 999 a\n#0V%T\n`\nend\n",
        b"begin 644 a\nnot so # short\n`\nend\n",
        b"begin 644 a\n#0V%TTTT\n`\nend\n",
        b"begin 644 a\n#\n`\nend\n",
        b"> begin 644 a\n> #0V%T\n> `\n> end\n",
        b"we begin 644 a\n#0V%T\n`\nend\n",
        b"Begin 100 steps # from here\nend\n",
        b"",
    ],
)
def test_what_only_looks_like_a_file_stays_text(text: bytes) -> None:
    assert found(text) == []


def test_several_files_are_found_in_order_up_to_a_limit() -> None:
    text = b"".join(encoded(b"x%d" % n, b"n%d" % n) + b"words `\n" for n in range(BLOCKS_MAX + 5))
    assert found(text) == [(b"n%d" % n, b"x%d" % n) for n in range(BLOCKS_MAX)]


def test_a_file_that_breaks_off_hides_none_behind_it() -> None:
    text = b"begin 644 a\n#0V%T\n" + encoded(b"Dog", b"b")
    assert found(text) == [(b"b", b"Dog")]


def test_behind_very_many_lines_that_only_look_like_a_files_first_none_is_looked_for() -> None:
    text = encoded(b"Cat", b"a") + b"begin 644 `\n" * MISSED_MAX + encoded(b"Dog", b"b")
    assert found(text) == [(b"a", b"Cat")]


def test_of_lines_shorter_than_any_encoder_writes_some_are_read() -> None:
    assert len(decode(b"!00\n" * (LINES_MAX + 9), "x-uuencode")) == LINES_MAX


def test_the_windows_of_the_search_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"x" * 50 + b"\n" + encoded(b"Cat" * 40)
    for window in range(1, 80):
        monkeypatch.setattr(uuencode, "WINDOW_BYTES", window)
        assert found(text) == [(b"a.bin", b"Cat" * 40)]


def test_slices_of_a_large_file_are_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    content = random.Random(1).randbytes(3000)
    text = encoded(content)
    for size in (64, 100, 1000):
        monkeypatch.setattr(uuencode, "SLICE_BYTES", size)
        assert b"".join(undone(text, 0, len(text))) == content


def test_lines_without_a_beginning_are_a_file_too() -> None:
    assert decode(b"#0V%T\n`\n", "x-uuencode") == b"Cat"
    assert decode(b"#0V%T\r\n#0V%T", "x-uuencode") == b"CatCat"


@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_to_an_end(noise: bytes) -> None:
    assert isinstance(decode(noise, "x-uuencode"), bytes)
    for one in blocks(noise, 0, len(noise)):
        assert 0 <= one.begin < one.end <= len(noise)


def test_a_large_file_is_read_in_time_with_its_length() -> None:
    text = encoded(bytes(range(256)) * 8000)
    begun = time.process_time()
    [one] = blocks(text, 0, len(text))
    assert sum(map(len, decoded(text, one.begin, one.end, "x-uuencode"))) == 256 * 8000
    assert time.process_time() - begun < 1
