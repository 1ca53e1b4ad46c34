"""Aimed at what finds the parts and undoes their encodings."""

from __future__ import annotations

from typing import Final

from tests.lab.bombs.heads import heads

BOMBS: Final = {
    "nested multiparts": b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(1000)
    ),
    "header lines": b"X: y\r\n" * 200_000,
    "fields": b"x:\r\n" * 65_000,
    "no fields": b"a b c\n" * 43_000,
    "parts": heads(b"Content-Type: multipart/mixed; boundary=a") + b"--a\r\n\r\n" * 500_000,
    "near boundaries": heads(b"Content-Type: multipart/mixed; boundary=a") + b"--aX\r\n" * 500_000,
    "padding": heads(b"Content-Type: a/b", b"Content-Transfer-Encoding: base64") + b"A=" * 3_000_000,
    "only padding": heads(b"Content-Type: a/b", b"Content-Transfer-Encoding: base64") + b"=" * 6_000_000,
    "short lines": heads(b"Content-Type: a/b", b"Content-Transfer-Encoding: base64") + b"A\n" * 3_000_000,
    "long boundary": heads(b'Content-Type: multipart/mixed; boundary="' + b"ab" * 30_000 + b'"')
    + (b"--" + b"ab" * 29_999 + b"\n") * 100,
}
