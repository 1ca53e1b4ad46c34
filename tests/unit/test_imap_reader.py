"""The stream of a server, cut into responses: the same however it arrives, and never more than there is room for."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwicket.net.imap.reader import Response, ResponseReader, Room, Skipped, UnreadableError

STREAM = (
    b"* OK ready {5}\r\n"  # announces nothing: human words
    b'* 1 FETCH (UID 9 BODY[] {12}\r\n* a \r\n)("x\\ FLAGS (\\Seen))\r\n'
    b'* 2 FETCH (X-LABEL "a* b (" UID 10 BODY[] {0}\r\n)\r\n'
    b"* 3 FETCH (UID 11 BODY[HEADER] {2}\r\n\r\n BODY[TEXT] ~{3}\r\n\x00\r\n)\r\n"
    b"\r\n"
    b"+ idling {3}\r\n"
    b"A7 OK done {99}\r\n"
)
RESPONSES: list[Response] = [
    [b"* OK ready {5}"],
    [b"* 1 FETCH (UID 9 BODY[] {12}", b'* a \r\n)("x\\ ', b"FLAGS (\\Seen))"],
    [b'* 2 FETCH (X-LABEL "a* b (" UID 10 BODY[] {0}', b"", b")"],
    [b"* 3 FETCH (UID 11 BODY[HEADER] {2}", b"\r\n", b" BODY[TEXT] ~{3}", b"\x00\r\n", b")"],
    [b""],
    [b"+ idling {3}"],
    [b"A7 OK done {99}"],
]


def read(*pieces: bytes, room: Room | None = None) -> list[Response]:
    found: list[Response] = []
    reader = ResponseReader(found.append)
    if room is not None:
        reader.give_room(room)
    for piece in pieces:
        reader.feed(piece, len(piece))
    return found


def test_a_stream_in_one_piece_is_cut_into_its_responses() -> None:
    assert read(STREAM) == RESPONSES


def test_a_stream_byte_by_byte_gives_the_same_responses() -> None:
    assert read(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == RESPONSES


@pytest.mark.parametrize("at", range(1, len(STREAM)))
def test_a_stream_in_two_pieces_gives_the_same_responses(at: int) -> None:
    assert read(STREAM[:at], STREAM[at:]) == RESPONSES


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_any_split_of_a_stream_gives_the_same_responses(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert read(*(STREAM[low:high] for low, high in pairwise(edges))) == RESPONSES


@given(st.binary(max_size=300), st.integers(1, 20))
@settings(max_examples=300)
def test_any_bytes_give_responses_or_an_error_and_the_same_for_every_split(stream: bytes, size: int) -> None:
    def outcome(*pieces: bytes) -> list[Response] | str:
        try:
            return read(*pieces)
        except UnreadableError as error:
            return str(error)

    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert outcome(stream) == outcome(*pieces)


def test_the_buffer_may_be_written_over_after_each_piece() -> None:
    found: list[Response] = []
    reader = ResponseReader(found.append)
    buffer = bytearray(64)
    for at in range(0, len(STREAM), 7):
        piece = STREAM[at : at + 7]
        buffer[: len(piece)] = piece
        reader.feed(buffer, len(piece))
        buffer[:] = b"#" * len(buffer)
    assert found == RESPONSES


def test_a_line_over_its_limit_ends_reading_whether_it_ends_or_not() -> None:
    room = Room(line_bytes=100)
    assert read(b"* " + b"x" * 98 + b"\r\n", room=room) == [[b"* " + b"x" * 98]]
    with pytest.raises(UnreadableError, match="line of more than 100"):
        read(b"* " + b"x" * 99 + b"\r\n", room=room)
    with pytest.raises(UnreadableError, match="line of more than 100"):
        read(b"* ", b"x" * 60, b"x" * 60, room=room)


def test_a_huge_literal_is_refused_before_a_byte_of_it_came() -> None:
    with pytest.raises(UnreadableError, match="literal of 9999999999 bytes"):
        read(b"* 1 FETCH (BODY[] {9999999999}\r\n")
    with pytest.raises(UnreadableError, match="literal of"):
        read(b"* 1 FETCH (BODY[] {99999999999999999999}\r\n")


def test_a_literal_without_room_is_let_pass_and_what_follows_is_read() -> None:
    room = Room(keep_bytes=4, literal_bytes=100)
    stream = b"* 1 FETCH (UID 1 BODY[] {5}\r\nabcde)\r\n* 2 FETCH (UID 2 BODY[] {4}\r\nabcd)\r\n"
    expected = [
        [b"* 1 FETCH (UID 1 BODY[] {5}", Skipped(5), b")"],
        [b"* 2 FETCH (UID 2 BODY[] {4}", b"abcd", b")"],
    ]
    assert read(stream, room=room) == expected
    assert read(*(stream[at : at + 1] for at in range(len(stream))), room=room) == expected


def test_literals_together_are_kept_only_as_far_as_there_is_room() -> None:
    room = Room(keep_bytes=10, kept_bytes=15, literal_bytes=100)
    found = read(b"* 1 FETCH (A {10}\r\n0123456789 B {10}\r\n0123456789 C {5}\r\n01234)\r\n", room=room)
    assert found[0][1::2] == [b"0123456789", Skipped(10), b"01234"]


def test_a_flood_of_lines_ends_reading() -> None:
    with pytest.raises(UnreadableError, match="in lines"):
        read(b"* 1 FETCH (FLAGS ())\r\n" * 10_000, room=Room(text_bytes=1_000_000))


def test_nothing_is_read_behind_a_stop() -> None:
    found: list[Response] = []

    def take(response: Response) -> None:
        found.append(response)
        if response == [b"A1 OK go ahead"]:
            reader.stop()

    reader = ResponseReader(take)
    stream = b"A1 OK go ahead\r\n* CAPABILITY AUTH=PLAIN\r\n"
    reader.feed(stream, len(stream))
    assert found == [[b"A1 OK go ahead"]]
    assert reader.injected


def test_fifty_thousand_lines_take_linear_time() -> None:
    lines = b"".join(b"* %d FETCH (UID %d FLAGS (\\Seen))\r\n" % (n, n) for n in range(50_000))
    begun = time.process_time()
    assert len(read(lines)) == 50_000
    assert time.process_time() - begun < 2  # 0.05 s on the machine it was written on; quadratic would take minutes


def test_a_line_that_comes_in_small_pieces_takes_linear_time() -> None:
    room = Room(line_bytes=1_000_000, text_bytes=2_000_000)
    line = b"* SEARCH " + b"1234567 " * 100_000
    begun = time.process_time()
    assert read(*(line[at : at + 100] for at in range(0, len(line), 100)), b"\r\n", room=room) == [[line]]
    assert time.process_time() - begun < 2
