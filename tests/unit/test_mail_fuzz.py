"""Any bytes in, one line of JSON out: mutations of every mail of the corpus."""

from __future__ import annotations

import json
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailwicket.mail.explain import explain
from mailwicket.mail.parse import parse

SEEDS: Final = [path.read_bytes() for path in sorted((Path(__file__).parent.parent / "corpus").glob("*.eml"))]
TOKENS: Final = [
    b"\r\n", b"\n\n", b"\r", b"\0", b"--", b"Content-Type: multipart/mixed; boundary=x\n", b"--x\n", b"--x--\n",
    b"=?utf-8?q?=", b"?=", b"=?iso-2022-jp?B?GyRC?=", b"charset=utf-16", b"charset=utf-7", b"=\n", b"=C3",
    b"Content-Transfer-Encoding: base64\n", b"filename*0*=utf-8''%", b"begin 644 a\n", b"end\n", b"From ", b"> ",
    b"<div>", b"<!--", b"&#x0;", b"</", b"\xff\xfe", b"\x1b$B", b"~{", b"From: ", b"wrote:\n",
    b"-----Original Message-----\n", b"Final-Recipient: rfc822;", b"<", b"(", b'"', b",", b"Date: ",
    b"9" * 40, b" " * 300,
]  # fmt: skip
FLOODS: Final = [
    b" ", b"\t", b"\xc2\xa0", b"(", b")", b"[", b"]", b"<", b">", b"> ", b"-", b"- ", b"_", b"=", b"* ", b":", b": ",
    b"\n ", b"\n> ", b"\n\n", b"\n", b"&", b"&nbsp;", b"=20", b"=\n", b"a ", b"A.", b"1 ", b"1:", b"@", b"a@b ",
    b"a@b.c, ", b"<a@b> ", b'"', b"\\", b";", b"; a=", b",", b", ", b"=?utf-8?q?a?= ", b"=?", b"On ", b"wrote: ",
    b"From: ", b"\nFrom: ", b"Re: ", b"[a] ", b"<b>", b"<div>", b"</div>", b"<a href=x>", b"\r", b"\r\n ",
    b"\xd0\xb0 ", b"http://a/ ", b"#", b"|", b"\x1b$B", b"%41", b"--x\n",
]  # fmt: skip
SLOWEST_S: Final = 5.0
GROWTH_BYTES: Final = 64 * 1024 * 1024
WARM_UP: Final = 500


def line_of(raw: bytes) -> str:
    """What `mailwicket explain --json` prints of *raw*; it fails where a consumer would."""
    line = json.dumps(explain(parse(raw)), ensure_ascii=False)
    line.encode()  # no lone surrogate
    assert "\n" not in line
    assert "\\u0000" not in line
    return line


def cut(chance: random.Random, raw: bytearray) -> None:
    begin = chance.randrange(len(raw) + 1)
    del raw[begin : begin + chance.choice((1, 2, 10, 100, 10_000))]


def repeat(chance: random.Random, raw: bytearray) -> None:
    begin = chance.randrange(len(raw) + 1)
    piece = raw[begin : begin + chance.choice((1, 20, 200))]
    raw[begin:begin] = piece * chance.choice((1, 2, 30))


def splice(chance: random.Random, raw: bytearray) -> None:
    other = chance.choice(SEEDS)
    begin, at = chance.randrange(len(other)), chance.randrange(len(raw) + 1)
    raw[at:at] = other[begin : begin + chance.choice((10, 100, 1000))]


def insert(chance: random.Random, raw: bytearray) -> None:
    at = chance.randrange(len(raw) + 1)
    raw[at:at] = chance.choice(TOKENS)


def spoil(chance: random.Random, raw: bytearray) -> None:
    for _ in range(chance.choice((1, 3, 20))):
        if raw:
            raw[chance.randrange(len(raw))] = chance.randrange(256)


def flood(chance: random.Random, raw: bytearray) -> None:
    """What nobody writes ten thousand times over is where patterns go back and forth."""
    at = chance.randrange(len(raw) + 1)
    raw[at:at] = chance.choice(FLOODS) * chance.choice((300, 2000, 10_000))


MUTATIONS: Final[list[Callable[[random.Random, bytearray], None]]] = [cut, repeat, splice, insert, spoil] * 20 + [flood]


def mutated(chance: random.Random) -> bytes:
    raw = bytearray(chance.choice(SEEDS))
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        chance.choice(MUTATIONS)(chance, raw)
    return bytes(raw)


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize(
    "count", [3_000, pytest.param(1_000_000, marks=[pytest.mark.torture, pytest.mark.timeout(3600)])]
)
def test_mutations_of_real_shapes_neither_crash_nor_hang_nor_grow(count: int) -> None:
    chance = random.Random(4711)
    slowest_s, worst, before = 0.0, b"", 0
    for number in range(count):
        raw = mutated(chance)
        begun = time.thread_time()
        try:
            line_of(raw)
        except BaseException:
            print(f"mutation {number} of seed 4711: {raw!r}")
            raise
        if (took_s := time.thread_time() - begun) > slowest_s:
            slowest_s, worst = took_s, raw
        if number == min(WARM_UP, count // 2):
            before = peak_bytes()
    grown = peak_bytes() - before
    print(
        f"{count} mutations: the slowest {slowest_s * 1000:.0f} ms of {len(worst)} bytes, grown {grown / 2**20:.0f} MiB"
    )
    assert slowest_s < SLOWEST_S, worst[:2000]
    assert grown < GROWTH_BYTES


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=2000), st.lists(st.sampled_from(TOKENS), max_size=60).map(b"".join)))
def test_any_bytes_become_one_line(raw: bytes) -> None:
    line_of(raw)


@settings(max_examples=200)
@given(st.text(max_size=200), st.text(max_size=400))
def test_what_is_written_in_utf_8_is_read_again(subject: str, text: str) -> None:
    written = "".join(c for c in subject if c.isprintable() and c != "\N{ZERO WIDTH NO-BREAK SPACE}").strip()
    body = text.encode("utf-8", "replace")
    raw = b"Subject: " + written.encode("utf-8", "replace") + b"\nContent-Type: text/plain; charset=utf-8\n\n" + body
    told = json.loads(line_of(raw))
    if "=?" not in written:
        assert told["subject"].split() == written.encode("utf-8", "replace").decode().split()
