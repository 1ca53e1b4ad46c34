"""Aimed at what looks for quotes, signatures and forwarded mails."""

from __future__ import annotations

from typing import Final

from tests.lab.bombs.heads import heads

BOMBS: Final = {
    "newlines": heads(b"Content-Type: text/plain") + b"\n" * 1_000_000,
    "quotes": heads(b"Content-Type: text/plain") + b"> " * 400_000 + b"\r\nOn x wrote:\r\n" * 40_000,
    "labels": heads(b"Subject: Fwd: x") + b"From: a\r\n" * 100_000,
}
