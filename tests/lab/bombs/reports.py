"""Aimed at what reads delivery reports and looks for the marks of machines: the evidence first, then the bait."""

from __future__ import annotations

from typing import Final

from tests.lab.bombs.heads import heads

_FROM: Final = (b"Return-Path: <>", b"From: Mail Delivery System <MAILER-DAEMON@example.org>", b"To: desk@example.net")
_TITLE: Final = b"Subject: Undelivered Mail Returned to Sender"
_NOTICE: Final = heads(*_FROM, _TITLE, b"Content-Type: text/plain") + b"could not be delivered\n"
_STATUS: Final = heads(
    *_FROM, _TITLE, b"Content-Type: multipart/report; report-type=delivery-status; boundary=b"
) + heads(b"--b", b"Content-Type: message/delivery-status")

BOMBS: Final[dict[str, bytes]] = {
    "notice of one word": _NOTICE + b"a" * 1_000_000,
    "notice of words without an end": _NOTICE + (b"a" * 990 + b"@\n") * 1000,
    "notice of at signs": _NOTICE + b"@" * 500_000,
    "notice of quotes": _NOTICE + b'@"a' * 300_000,
    "notice of recipients": _NOTICE + b"".join(b"<p%d@example.org>:\n no\n" % n for n in range(60_000)),
    "notice of one line of recipients": _NOTICE + b" to a@example.org" * 60_000,
    "notice of replies": _NOTICE + b"550 5.1.1 550 5.1.1 550 @\n" * 40_000,
    "notice of blanks": _NOTICE + b" " * 500_000 + b" \n" * 250_000,
    "notice of blanks before addresses": _NOTICE + (b" " * 900 + b"<a@b> \n") * 1000,
    "notice of fields": _NOTICE + b"Received: x\nz\n" * 70_000,
    "notice of ids": _NOTICE + b"Message-ID: \n <" * 70_000,
    "notice of marks": _NOTICE + b"-----original\n" * 70_000,
    "notice of names": _NOTICE + b"following:\n abc    def\n" * 50_000,
    "notice of brackets": _NOTICE + b"<" * 300_000 + b"a@b" + b">" * 300_000,
    "status of recipients": _STATUS + b"".join(b"Final-Recipient: rfc822;p%d@b\n\n" % n for n in range(60_000)),
    "status of folds": _STATUS + b"Final-Recipient: rfc822;\n" + b" x\n" * 500_000,
    "status of comments": _STATUS + b"Final-Recipient: x\nAction: " + b"(" * 500_000 + b"\n",
    "status of commented lines": _STATUS + b"Final-Recipient: x\nAction: (((((((((((((((((((\n\n" * 20_000,
    "status of digits": _STATUS + b"Final-Recipient: x\nStatus: " + b"5.1." * 100_000 + b"\n",
    "status of equal signs": _STATUS + (b"Final-Recipient: " + b"=" * 1990 + b"\n\n") * 500,
    "status of lone line ends": _STATUS + b"Action: failed\r" * 60_000,
    "failed recipients": heads(*_FROM, b"X-Failed-Recipients: " + b", ".join([b"a@example.org"] * 10_000)) + b"failed",
    "encoded author": heads(b"From: " + b"=?utf-8?q?daemon?= " * 3000, b"Precedence: " + b"(" * 60_000) + b"failed",
    "absent": heads(b"Subject: [" + b"[a" * 30_000, b"In-Reply-To: <a@b>") + b"\n" * 500_000 + b">",
}
