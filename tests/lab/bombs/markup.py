"""Aimed at what reads HTML."""

from __future__ import annotations

from typing import Final

from tests.lab.bombs.heads import heads

BOMBS: Final = {
    "deep html": heads(b"Content-Type: text/html") + b"<div>" * 150_000,
    "attributes": heads(b"Content-Type: text/html") + b"<p " + b" ".join(b"a%d=b" % n for n in range(50_000)),
    "open tags": heads(b"Content-Type: text/html") + b"<div a=" * 100_000,
    "ampersands": heads(b"Content-Type: text/html") + b"&" * 500_000,
}
