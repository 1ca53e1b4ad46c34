"""Proofs that somebody received a mail of ours."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.ids import ids
from mailwicket.mail.token import MAC_BYTES, MARKS_MAX, Keyring, Token, flipped
from mailwicket.model import MessageId, TicketNumber

OLD, NEW, OTHER = (bytes([number]) * 32 for number in range(3))
RING = Keyring([NEW, OLD])
NUMBERS = st.integers(0, 10**18 - 1)
NONCES = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=1, max_size=32)


@given(ticket=NUMBERS, row=NUMBERS, internal=st.booleans(), nonce=NONCES)
def test_an_id_tells_what_it_was_made_for(ticket: int, row: int, internal: bool, nonce: str) -> None:  # noqa: FBT001
    token = Token(TicketNumber(ticket), row, internal)
    message_id = RING.message_id(token, nonce, "desk.example")
    assert RING.read_id(message_id) == token
    assert RING.read_id(MessageId(message_id.upper())) == token
    assert ids(f"<{message_id}>") == [message_id]
    assert re.fullmatch(r"[a-z0-9-]+@desk\.example", message_id)
    assert len(message_id) < 200


@given(ticket=NUMBERS, internal=st.booleans())
def test_an_address_and_a_mark_tell_their_ticket_in_any_case(ticket: int, internal: bool) -> None:  # noqa: FBT001
    number = TicketNumber(ticket)
    token = Token(number, internal=internal)
    address = RING.plus_address("support@desk.example", number, internal=internal)
    assert RING.read_address(address) == RING.read_address(address.upper()) == token
    assert len(address.partition("@")[0]) <= 64  # RFC 5321 4.5.3.1.1
    mark = RING.mark(number, internal=internal)
    assert list(RING.read_marks(f"> {mark}\n{mark.upper()}")) == [token] * 2


def test_an_answer_to_a_note_is_not_made_public_by_a_letter() -> None:
    seven = TicketNumber(7)
    address, mark = RING.plus_address("a@b", seven, internal=True), RING.mark(seven, internal=True)
    assert RING.read_address(address.replace("7n-", "7-")) is None
    assert list(RING.read_marks(mark.replace("7n-", "7-"))) == []


def test_the_mac_has_128_bits() -> None:
    assert MAC_BYTES * 8 == 128


@given(ticket=NUMBERS, bit=st.integers(0, 127))
def test_one_bit_makes_it_a_forgery(ticket: int, bit: int) -> None:
    message_id = RING.message_id(Token(TicketNumber(ticket), 1), "abc", "desk.example")
    forged = flipped(message_id, bit)
    assert forged != message_id
    assert flipped(forged, bit) == message_id
    assert RING.read_id(forged) is None


def test_the_bits_beyond_the_mac_in_its_last_letter_are_no_way_round_it() -> None:
    message_id = RING.message_id(Token(TicketNumber(1), 1), "abc", "desk.example")
    head, _, domain = message_id.partition("@")
    others = [f"{head[:-1]}{letter}@{domain}" for letter in "abcdefghijklmnopqrstuvwxyz234567"]
    assert [one for one in others if RING.read_id(MessageId(one))] == [message_id]


def test_a_proof_of_one_kind_is_none_of_another() -> None:
    seven = TicketNumber(7)
    in_address = RING.plus_address("a@b", seven).partition("-")[2].partition("@")[0]
    in_mark = RING.mark(seven).rpartition("-")[2].rstrip("]")
    in_loop = RING.loop_mark("7").rpartition("-")[2]
    assert len({in_address, in_mark, in_loop}) == 3
    assert RING.read_address(f"a+7-{in_mark}@b") is None
    assert list(RING.read_marks(f"[mw-7-{in_address}]")) == []
    assert not RING.is_loop_mark(f"7-{in_address}")


def test_keys_are_rotated_the_newest_signs_and_all_verify() -> None:
    token = Token(TicketNumber(7), 1)
    old = Keyring([OLD]).message_id(token, "abc", "desk.example")
    new = RING.message_id(token, "abc", "desk.example")
    assert old != new == Keyring([NEW]).message_id(token, "abc", "desk.example")
    assert RING.read_id(old) == RING.read_id(new) == token
    assert Keyring([OTHER]).read_id(new) is None
    assert Keyring([OTHER]).read_address(RING.plus_address("a@b", TicketNumber(7))) is None
    assert not Keyring([OTHER]).is_loop_mark(RING.loop_mark("abc"))


@pytest.mark.parametrize(
    "text", ["", "mw-", "mw-1-1-p-a-b@c", "mw-1-1-x-a-" + "a" * 26 + "@c", "mw-٣-1-p-a-" + "a" * 26 + "@c", "MW-1"]
)
def test_what_is_no_proof_is_none(text: str) -> None:
    assert RING.read_id(MessageId(text)) is None
    assert RING.read_address(text) is None
    assert list(RING.read_marks(f"[{text}]")) == []
    assert not RING.is_loop_mark(text)


@given(st.text(max_size=80))
def test_nothing_that_a_mail_holds_is_trouble(text: str) -> None:
    mac = "".join(text[:26].ljust(26, "a"))
    for one in (text, f"mw-1-1-p-a-{mac}@x", f"a+1-{mac}@x", f"[mw-1-{mac}]", f"a-{mac}"):
        assert RING.read_id(MessageId(one)) is None
        assert RING.read_address(one) is None
        assert list(RING.read_marks(one)) == []
        assert not RING.is_loop_mark(one)


def test_of_very_many_marks_the_first_are_looked_at() -> None:
    text = RING.mark(TicketNumber(1)) * (MARKS_MAX + 5)
    assert len(list(RING.read_marks(text))) == MARKS_MAX


def test_a_mark_of_the_loop_is_ours_in_any_case_and_with_blanks_around() -> None:
    assert RING.is_loop_mark(f" {RING.loop_mark('abc').upper()} ")
