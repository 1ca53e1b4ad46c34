"""Mails that are made to keep their reader busy: each a few MB, each aimed at another of its loops."""

from __future__ import annotations


def heads(*lines: bytes) -> bytes:
    return b"\r\n".join([*lines, b"", b""])


BOMBS = {
    "nested multiparts": b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(1000)
    ),
    "20,000 recipients": heads(b"To: " + b", ".join(b"p%d@example.org" % n for n in range(20_000))),
    "open brackets": heads(b"From: " + b"(" * 50_000),
    "open quotes": heads(b"To: " + b'"a" ' * 20_000),
    "encoded words": heads(b"Subject: " + b"=?utf-8?q?a?= " * 20_000),
    "half encoded words": heads(b"Subject: " + b"=?" * 50_000),
    "header lines": b"X: y\r\n" * 200_000,
    "fields": b"x:\r\n" * 65_000,
    "no fields": b"a b c\n" * 43_000,
    "folds": heads(b"Subject: x" + b"\r\n y" * 100_000),
    "parameters": heads(b"Content-Type: text/plain" + b"; a*0*=x" * 10_000),
    "backslashes": heads(b'Content-Type: text/plain; a="' + b"\\" * 60_000),
    "parts": heads(b"Content-Type: multipart/mixed; boundary=a") + b"--a\r\n\r\n" * 500_000,
    "near boundaries": heads(b"Content-Type: multipart/mixed; boundary=a") + b"--aX\r\n" * 500_000,
    "padding": heads(b"Content-Type: a/b", b"Content-Transfer-Encoding: base64") + b"A=" * 3_000_000,
    "only padding": heads(b"Content-Type: a/b", b"Content-Transfer-Encoding: base64") + b"=" * 6_000_000,
    "short lines": heads(b"Content-Type: a/b", b"Content-Transfer-Encoding: base64") + b"A\n" * 3_000_000,
    "long boundary": heads(b'Content-Type: multipart/mixed; boundary="' + b"ab" * 30_000 + b'"')
    + (b"--" + b"ab" * 29_999 + b"\n") * 100,
    "deep html": heads(b"Content-Type: text/html") + b"<div>" * 150_000,
    "attributes": heads(b"Content-Type: text/html") + b"<p " + b" ".join(b"a%d=b" % n for n in range(50_000)),
    "open tags": heads(b"Content-Type: text/html") + b"<div a=" * 100_000,
    "ampersands": heads(b"Content-Type: text/html") + b"&" * 500_000,
    "ids": heads(b"References: " + b"<a@b> " * 10_000),
    "newlines": heads(b"Content-Type: text/plain") + b"\n" * 1_000_000,
    "quotes": heads(b"Content-Type: text/plain") + b"> " * 400_000 + b"\r\nOn x wrote:\r\n" * 40_000,
    "labels": heads(b"Subject: Fwd: x") + b"From: a\r\n" * 100_000,
}
