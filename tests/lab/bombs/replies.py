"""Aimed at what looks for quotes, signatures and forwarded mails."""

from __future__ import annotations

from typing import Final

from tests.lab.bombs.heads import heads

_PLAIN: Final = heads(b"Content-Type: text/plain")

BOMBS: Final = {
    # quotes
    "newlines": _PLAIN + b"\n" * 1_000_000,
    "quotes": _PLAIN + b"> " * 400_000 + b"\r\nOn x wrote:\r\n" * 40_000,
    "marks and words by turns": _PLAIN + b"> a\nb\n" * 200_000,
    "colons": _PLAIN + b":\n" * 500_000,
    "attributions": _PLAIN + b"On 2 Nov 2026 at 10:11 Ada\nwrote:\n" * 40_000,
    "nearly attributions": _PLAIN + b"Ada <a@b.c> at 10:11:\n" * 60_000,
    "verbs": _PLAIN + b"ada wrote\n" * 120_000,
    "long lines that end in a colon": _PLAIN + (b"@a" * 140 + b":\n") * 4_000,
    "openings within a line": _PLAIN + (b". On " * 60 + b":\n") * 4_000,
    "brackets before a colon": _PLAIN + (b"<(" * 140 + b":\n") * 4_000,
    "rules with a label": _PLAIN + b"_____\n\nFrom: a\n" * 60_000,
    "arrows around nothing": _PLAIN + (b">>> " + b"a" * 70 + b"<" + b"b" * 100 + b">>>\n") * 6_000,
    "dashes alone": _PLAIN + b"--\n---\n" * 150_000,
    "half delimiters": _PLAIN + (b"##-" + b"x" * 200 + b"\n") * 5_000,
    "half devices": _PLAIN + (b"Sent from my <" + b"a" * 80 + b"\n") * 10_000,
    "ends of links": _PLAIN + b"<\n>\n" * 250_000,
    "one line": _PLAIN + b"On 2026 wrote " * 100_000 + b":",
    # forwards
    "labels": heads(b"Subject: Fwd: x") + b"From: a\r\n" * 100_000,
}
