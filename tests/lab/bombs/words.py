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
    "ids in halves": heads(b"References: " + b"<a " * 20_000),
    "addresses in halves": heads(b"To: @" + b"<" * 60_000),
    "brackets in quotes": heads(b"To: @" + b'<"' * 30_000),
    "names in brackets": heads(b"From: " + b"<a " * 20_000 + b"<a@example.org>"),
    "escaped quotes": heads(b'From: @"' + b'\\"' * 30_000),
    "comments in comments": heads(b"From: a@example.org " + b"(" * 30_000 + b")" * 29_999),
    "addresses without end": heads(b"To: @ " + b"a" * 60_000),
    "names without commas": heads(b"To: " + b"A," * 30_000 + b"<a@example.org>"),
    "groups": heads(b"To: " + b"a:" * 20_000 + b"a@example.org;"),
    "blanks in a name": heads(b"From: a" + b" " * 60_000 + b"<a@example.org"),
    "people in 5,000 fields": heads(*[b"To: a@example.org"] * 5000),
    "words without end": heads(b"Subject: " + b"=?a?q?" * 10_000 + b"?="),
    "words cut anywhere": heads(b"Subject: " + b"=?utf-8?b?YWJ?= " * 4000),
    "one long word": heads(b"Subject: =?utf-8?q?" + b"=C3=A4" * 10_000 + b"?="),
    "questions in a word": heads(b"Subject: =?utf-8?q?" + b"a?=3F" * 12_000 + b"?="),
    "quotes in quotes": heads(b"Content-Type: text/plain" + b';a="x"y"z' * 7000),
    "parameters without quotes": heads(b'Content-Type: text/plain; x="' + b'a" b' * 15_000),
    "a date of colons": heads(b"Date: " + b" : " * 20_000),
    "a date of comments": heads(b"Date: " + b"(" * 30_000 + b")" * 30_000),
    "blanks before a fold": heads(b"Subject: x" + b" " * 100_000 + b"\r\n y"),
    "escapes of ISO 2022": heads(b"Content-Type: text/plain; charset=iso-2022-jp") + b"\x1b$B-!" * 200_000,
    "letters of no charset": heads(b"Content-Type: text/plain") + bytes(range(128, 256)) * 8000,
    "letters of every charset": heads(b"Content-Type: text/plain; charset=x") + b"\xc4\xe3\xba\xc3 a\xe9b " * 100_000,
    "pairs of UTF-7": heads(b"Content-Type: text/plain; charset=utf-7") + b"+2D3cAA-" * 100_000,
    "labels": heads(*[b"Subject: =?%s?q?=e4?=" % (b"x" * 60)] * 2000),
    "semicolons of a parameter": heads(b"Content-Type: text/plain" + b";" * 60_000),
    "parameters without equals": heads(b"Content-Type: text/plain" + b";1:" * 20_000),
    "forgotten semicolons": heads(b"Content-Type: text/plain; a=b" + b" <a href=x>" * 5_000),
}
