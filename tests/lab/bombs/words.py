"""Aimed at what reads header fields."""

from __future__ import annotations

from typing import Final

from tests.lab.bombs.heads import heads

BOMBS: Final = {
    "20,000 recipients": heads(b"To: " + b", ".join(b"p%d@example.org" % n for n in range(20_000))),
    "open brackets": heads(b"From: " + b"(" * 50_000),
    "open quotes": heads(b"To: " + b'"a" ' * 20_000),
    "encoded words": heads(b"Subject: " + b"=?utf-8?q?a?= " * 20_000),
    "half encoded words": heads(b"Subject: " + b"=?" * 50_000),
    "folds": heads(b"Subject: x" + b"\r\n y" * 100_000),
    "parameters": heads(b"Content-Type: text/plain" + b"; a*0*=x" * 10_000),
    "backslashes": heads(b'Content-Type: text/plain; a="' + b"\\" * 60_000),
    "ids": heads(b"References: " + b"<a@b> " * 10_000),
}
