"""What a server may do instead of an answer: hang, lie, flood, die. Each is a `Misdeed`, named for a person."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from itertools import repeat
from typing import Final

from tests.hostile.server import Misdeed, Wire

# --- hang


async def is_silent(wire: Wire, answer: bytes) -> None:
    await wire.hear_to_the_end()


def dripping(period_s: float) -> Misdeed:
    """A byte every *period_s*, for ever: no deadline that starts anew with each byte would ever pass."""

    async def drip(wire: Wire, answer: bytes) -> None:
        mail = answer.find(b"}\r\n") + 3
        await wire.send(answer[:mail] if mail > 2 else b"* OK ")
        for octet in answer[mail:] if mail > 2 else repeat(ord(".")):
            await wire.send(bytes([octet]))
            await asyncio.sleep(period_s)

    return drip


drips: Final = dripping(0.03)


HELLO: Final = b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb"
"""The beginning of a record of TLS with a ServerHello of 16 KB."""


async def drips_a_handshake(wire: Wire, answer: bytes) -> None:
    await wire.send(HELLO)
    while True:
        await wire.send(b"\x03")
        await asyncio.sleep(0.03)


async def breaks_off_in_a_handshake(wire: Wire, answer: bytes) -> None:
    await wire.send(HELLO)
    await asyncio.sleep(0.02)
    wire.reset()


# --- lie


def says(text: bytes) -> Misdeed:
    """Send *text*, `$` standing for the tag, in place of the answer."""

    async def say(wire: Wire, answer: bytes) -> None:
        await wire.send(text.replace(b"$", wire.tag.encode()))

    return say


def changes(change: Callable[[bytes], bytes]) -> Misdeed:
    """Send the answer as *change* makes it."""

    async def send(wire: Wire, answer: bytes) -> None:
        await wire.send(change(answer))

    return send


async def answers_under_another_tag(wire: Wire, answer: bytes) -> None:
    head, tag, tail = answer.rpartition(wire.tag.encode() + b" ")
    await wire.send(
        head + b"ZZZ9 " + tail if tag else answer.replace(b"* ", b"ZZZ9 ", 1).replace(b"+ ", b"ZZZ9 OK ", 1)
    )


LIES: Final[Mapping[str, Misdeed]] = {
    "answers under another tag": answers_under_another_tag,
    "answers twice": changes(lambda answer: answer + b"A9 OK once more\r\n"),
    "says NO and garbage": says(b"$ NO \xff\xfe\x1b[31m garbage " + b"\xf0\x9f" * 300 + b"\r\n"),
    "says BAD and garbage": says(b"$ BAD [X \xe2\x80\xae] \x07 what?\r\n"),
    "speaks HTTP": says(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"),
    "sends NUL": changes(lambda answer: b"\x00\x00\x01\r\n" + answer),
    "asks for more": changes(lambda answer: b"+ go on\r\n" + answer),
}

# --- flood


def floods(piece: bytes, first: bytes = b"") -> Misdeed:
    """Send *first*, then *piece* for ever."""

    async def flood(wire: Wire, answer: bytes) -> None:
        await wire.send(first)
        while True:
            await wire.send(piece)
            await asyncio.sleep(0)  # drain alone may never give way

    return flood


def in_pieces(words: bytes) -> Misdeed:
    """Send *words* before the answer, so that nobody has to hold all of them at once."""

    async def tell(wire: Wire, answer: bytes) -> None:
        for at in range(0, len(words), 65_536):
            await wire.send(words[at : at + 65_536])
            await asyncio.sleep(0)
        await wire.send(answer)

    return tell


FLOODS: Final[Mapping[str, Misdeed]] = {
    "never ends its untagged answers": floods(b"* 1 FETCH (FLAGS (\\Seen))\r\n" * 500),
    "sends a line of 10 MB": floods(b"x" * 65_536, b"* OK "),
    "announces 9999999999 bytes": says(b"* 1 FETCH (UID 1 BODY[] {9999999999}\r\n"),
    "sends literals for ever": floods(b"* 1 FETCH (UID 1 X {60000}\r\n" + b"x" * 60_000 + b")\r\n"),
}

# --- die


async def resets(wire: Wire, answer: bytes) -> None:
    wire.reset()


async def closes(wire: Wire, answer: bytes) -> None:
    wire.close()


async def says_bye(wire: Wire, answer: bytes) -> None:
    await wire.send(b"* BYE shutting down\r\n")
    wire.close()


async def breaks_off_in_a_line(wire: Wire, answer: bytes) -> None:
    await wire.send(answer[: max(1, len(answer) - 6)])
    await asyncio.sleep(0.02)
    wire.reset()


async def breaks_off_in_a_literal(wire: Wire, answer: bytes) -> None:
    await wire.send(answer[: answer.index(b"}\r\n") + 20])
    await asyncio.sleep(0.02)
    wire.reset()


async def says_bye_in_a_literal(wire: Wire, answer: bytes) -> None:
    await wire.send(answer[: answer.index(b"}\r\n") + 20] + b"\r\n* BYE shutting down\r\n")
    wire.close()


DEATHS: Final[Mapping[str, Misdeed]] = {
    "resets": resets,
    "closes": closes,
    "says BYE": says_bye,
    "breaks off in a line": breaks_off_in_a_line,
}
IN_A_LITERAL: Final[Mapping[str, Misdeed]] = {
    "breaks off in a literal": breaks_off_in_a_literal,
    "says BYE in a literal": says_bye_in_a_literal,
}
HANGS: Final[Mapping[str, Misdeed]] = {"is silent": is_silent, "drips": drips}
