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
    "colons alone": _PLAIN + b":\n" * 500_000,
    "attributions in a row": _PLAIN + b"On 2 Nov 2026 at 10:11 Ada\nwrote:\n" * 40_000,
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
    "separators": heads(b"Subject: x") + b"---------- Forwarded message ---------\r\n" * 50_000,
    "separators and labels": heads(b"Subject: Fwd: x")
    + b"---------- Forwarded message ---------\r\nTo: a\r\nDate: b\r\n" * 30_000,
    "original messages": heads(b"Subject: I: x") + b"-----Original Message-----\r\nFrom: a\r\nTo: b\r\n" * 30_000,
    "folded labels": heads(b"Subject: Fwd: x") + (b"To: a,\r\n" + b" b,\r\n" * 99) * 2_000,
    "labels apart": heads(b"Subject: Fwd: x")
    + b"To: a\r\n\r\nDate: b\r\n\r\nReply-To: c\r\n\r\nCc: d\r\n\r\n" * 20_000,
    "dashes": heads(b"Subject: Fwd: x") + b"-" * 1_000_000 + b"\r\n" + b"--x-\r\n" * 100_000,
    "colons": heads(b"Subject: Fwd: x") + (b"----- Forwarded message ----- " + b"To: " * 240 + b"\r\n") * 1_000,
    "near sentences": heads(b"Subject: x")
    + b"begin forwar and weiterge and transf and inoltr and doorgestu and pr:\r\n" * 14_000,
    "attributions": heads(b"Subject: Fwd: x")
    + b"\r\nOn 2 Jun 2021 at 10:59 <a@example.org\r\nand more of it\r\n" * 18_000,
    "ats": heads(b"Subject: Fwd: x") + (b"From: " + b"a@" * 490 + b"\r\nTo: b\r\nSubject: c\r\nDi:\r\n") * 900,
    "forwards in forwards": heads(b"Subject: Fwd: x")
    + b"".join(
        b"---------- Forwarded message ---------\r\nFrom: <p%d@example.org>\r\nTo: a\r\n" % n for n in range(15_000)
    ),
    "ends": heads(b"Subject: Fwd: x")
    + b"----- Forwarded message from a@example.org -----\r\n\r\n" * 10_000
    + b"----- End forwarded message -----\r\n" * 10_000,
    "quotes of a forward": heads(b"Subject: Fwd: x")
    + b">" * 900
    + b" From: a@example.org\r\n"
    + b">" * 900
    + b" Subject: b\r\n"
    + (b">" * 990 + b" c\r\n") * 1_000,
    "tables": heads(b"Subject: Fwd: x") + b"| From | a\r\n| a | b | To | c\r\n" * 40_000,
    "runs that go on": heads(b"Subject: Fwd: x")
    + (b"----- Forwarded message ----- From: a To: b Cc: c\r\n" + b"Sent: d Reply-To: e " * 7 + b"\r\n") * 5_000,
    "groupwise": heads(b"Subject: Fwd: x") + b"\r\n>>> , , , , , , , , , , , , , , , , , , , , 1 >>\r\n" * 20_000,
    "frames": heads(b"Subject: Fwd: x")
    + b"----" * 50
    + b"a" * 80
    + b"\r\nFrom: a@b\r\nTo: c\r\nSubject: d\r\n" * 20_000,
    "blanks in a subject": heads(b"Subject: [" + b" " * 60_000 + b"pumps] The pump leaks"),
}
