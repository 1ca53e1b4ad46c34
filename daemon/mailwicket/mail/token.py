"""Proof that somebody received a mail of ours: a MAC over the ticket, in Message-IDs, addresses and marks in the text.

A number alone proves nothing: anybody can guess it. The MAC has 128 bits, is compared in constant time, and is written
in letters that survive programs which change case. Keys are rotated: the newest signs, all that are known verify.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from mailwicket.model import MessageId, TicketNumber

MAC_BYTES: Final = 16
MARKS_MAX: Final = 20

# ASCII: beyond it letters count as equal to ours that no MAC is made of, such as the Turkish dotless i.
_MAC: Final = r"([a-z2-7]{26})"
_ID: Final = re.compile(rf"mw-(\d{{1,18}})-(\d{{1,18}})-([pn])-([a-z2-7]{{1,32}})-{_MAC}@", re.IGNORECASE | re.ASCII)
_PLUS: Final = re.compile(rf"[^@]*\+(\d{{1,18}})(n?)-{_MAC}@", re.IGNORECASE | re.ASCII)
_MARK: Final = re.compile(rf"\[mw-(\d{{1,18}})(n?)-{_MAC}\]", re.IGNORECASE | re.ASCII)
_LOOP: Final = re.compile(rf"([a-z2-7]{{1,32}})-{_MAC}", re.IGNORECASE | re.ASCII)

Kind = Literal["id", "plus", "mark", "loop"]


@dataclass(frozen=True, slots=True)
class Token:
    """What a proof is about."""

    ticket: TicketNumber
    row: int = 0
    """The row of the outbox; 0 where only the ticket is named."""
    internal: bool = False
    """The mail was for technicians only: what answers it is, too."""


class Keyring:
    """The keys of this desk, the newest first: at least one."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Take *keys* of 32 bytes each."""
        self._keys = tuple(keys)

    def message_id(self, token: Token, nonce: str, domain: str) -> MessageId:
        """Return the id of a mail about *token*; *nonce*: up to 32 of the letters a-z and 2-7, never used twice."""
        said = f"{token.ticket}-{token.row}-{'n' if token.internal else 'p'}-{nonce}"
        return MessageId(f"mw-{said}-{self._mac('id', said)}@{domain}")

    def read_id(self, message_id: str) -> Token | None:
        """Return what an id of ours is about; None for any other."""
        if message_id[:3].casefold() != "mw-" or (found := _ID.match(message_id)) is None:
            return None
        ticket, row, kind, nonce, mac = (part.casefold() for part in found.groups())
        if not self._is_ours("id", f"{ticket}-{row}-{kind}-{nonce}", mac):
            return None
        return Token(TicketNumber(int(ticket)), int(row), kind == "n")

    def plus_address(self, address: str, ticket: TicketNumber, *, internal: bool = False) -> str:
        """Return *address* with the ticket's token (RFC 5233 sub-address): who answers there has our mail.

        *internal*: that mail is for technicians only, and so is what answers it.
        """
        local, _, domain = address.rpartition("@")
        said = _said(ticket, internal)
        return f"{local}+{said}-{self._mac('plus', said)}@{domain}"

    def read_address(self, address: str) -> Token | None:
        """Return the ticket whose token stands in *address*; None for any other."""
        if "+" not in address or (found := _PLUS.match(address)) is None:
            return None
        return self._read("plus", found)

    def mark(self, ticket: TicketNumber, *, internal: bool = False) -> str:
        """Return the mark that stands in the text of a mail about *ticket*; *internal* as above."""
        said = _said(ticket, internal)
        return f"[mw-{said}-{self._mac('mark', said)}]"

    def read_marks(self, text: str) -> Iterator[Token]:
        """Yield the tickets whose marks stand in *text*, in order, of the first MARKS_MAX."""
        if "[mw-" not in text and "[MW-" not in text:
            return
        for number, found in enumerate(_MARK.finditer(text)):
            if number >= MARKS_MAX:
                return
            if (token := self._read("mark", found)) is not None:
                yield token

    def loop_mark(self, nonce: str) -> str:
        """Return the value of `X-Mailwicket-Loop`, which all our mail bears."""
        return f"{nonce}-{self._mac('loop', nonce)}"

    def is_loop_mark(self, value: str) -> bool:
        """Tell whether *value* is one of ours: with a MAC, so that nobody silences another's mail by the field."""
        found = _LOOP.fullmatch(value.strip())
        return found is not None and self._is_ours("loop", found[1].casefold(), found[2].casefold())

    def _read(self, kind: Kind, found: re.Match[str]) -> Token | None:
        ticket, internal, mac = (part.casefold() for part in found.groups())
        if not self._is_ours(kind, f"{ticket}{internal}", mac):
            return None
        return Token(TicketNumber(int(ticket)), internal=bool(internal))

    def _mac(self, kind: Kind, said: str) -> str:
        return _mac(self._keys[0], kind, said)

    def _is_ours(self, kind: Kind, said: str, mac: str) -> bool:
        return any(hmac.compare_digest(_mac(key, kind, said), mac) for key in self._keys)


def is_of_ours(message_id: str) -> bool:
    """Tell whether *message_id* has the form of those that a desk gives its mail; that proves nothing."""
    return _ID.match(message_id) is not None


def flipped(message_id: MessageId, bit: int) -> MessageId:
    """Return an id of ours with one *bit* (0 to 127) of its MAC changed: what a forger would try."""
    head, _, rest = message_id.rpartition("-")
    letters, _, domain = rest.partition("@")
    raw = bytearray(base64.b32decode(letters.upper() + "=" * (-len(letters) % 8)))
    raw[bit // 8] ^= 1 << (bit % 8)
    return MessageId(f"{head}-{_letters(bytes(raw))}@{domain}")


def _said(ticket: TicketNumber, internal: bool) -> str:  # noqa: FBT001 - what a proof says, in two letters
    return f"{ticket}{'n' if internal else ''}"


def _mac(key: bytes, kind: Kind, said: str) -> str:
    return _letters(hmac.digest(key, f"{kind}\0{said}".encode(), "sha256")[:MAC_BYTES])


def _letters(raw: bytes) -> str:
    return base64.b32encode(raw).rstrip(b"=").decode().lower()
