"""Aimed at what reads HTML."""

from __future__ import annotations

from typing import Final

from tests.lab.bombs.heads import heads

_HEAD: Final = heads(b"Content-Type: text/html; charset=utf-8")

MARKUP: Final = {
    "deep html": b"<div>" * 150_000,
    "attributes": b"<p " + b" ".join(b"a%d=b" % n for n in range(50_000)),
    "attributes of one tag": b"<p " + b" ".join(b"a%d=b" % n for n in range(50_000)) + b">x",
    "attributes of many tags": (b"<p " + b" ".join(b"a%d=b" % n for n in range(1500)) + b">x") * 80,
    "open tags": b"<div a=" * 100_000,
    "open tags and one end": b"<div a=" * 100_000 + b">",
    "open quotes in tags": b"<a b='" * 150_000 + b"'>'",
    "quotes of both kinds": b"<a b=\"<a b='" * 80_000 + b">",
    "one long address": b'<a href="' + b"x" * 1_000_000,
    "ampersands": b"&" * 500_000,
    "half entities": b"&notit" * 170_000,
    "a number without end": b"&#" + b"9" * 1_000_000 + b"; &#x" + b"f" * 100_000,
    "comments without end": b"<!--" * 250_000,
    "comments that end and begin": b"<!-->" * 200_000,
    "sections without end": b"<![CDATA[" * 110_000,
    "style sheets without end": b"<style>" * 150_000,
    "all kinds without end": b"<title><script><textarea><xmp><iframe><noembed>" * 20_000,
    "one style sheet": b"<style>" + b"p{margin :" * 100_000 + b"</style>x",
    "formatting without end": b"".join(b"<font color=%d>" % n for n in range(1000)) + b"<p>x" * 100_000,
    "formatting around ends": b"<b></p>" * 100_000,
    "ends of another": b"<i>" * 100_000 + b"</b>" * 100_000,
    "crossed tags": b"<b><div></b><i></div></i>" * 40_000,
    "options in groups": b"<option><optgroup>" * 50_000,
    "quotes in quotes": b"<blockquote>x" * 80_000,
    "lists in lists": b"<ul><li>x" * 100_000,
    "tables in tables": b"<table><tr><td>x" * 60_000,
    "rows": b"<table>" + b"<tr><td>a<td>b" * 70_000,
    "cells": b"<table><tr>" + b"<td>a" * 200_000,
    "hidden in hidden": b"<div hidden>" * 80_000 + b"x",
    "styles": b"<p style='display:block;max-height:0 ;overflow:hidden ;font-size:0 ;margin:0'>x" * 12_000,
    "one long style": b"<p style='" + b"display:" * 120_000 + b"'>x",
    "links without end": b"<a href=https://x.example/>x" * 35_000,
    "quotes that are marked": b"<blockquote type=cite>x</blockquote>" * 28_000,
    "quotes of Gmail": b"<div class=gmail_quote>" * 43_000,
    "headers of Outlook": b"<div style='border-top:solid 1pt'><b>a:</b></div>" * 20_000,
    "attributions": b"On 1/1/2026 a@b.example wrote:<blockquote>x</blockquote>" * 17_000,
    "pictures in addresses": b'<img src="data:image/png;base64,' * 30_000,
    "empty lines as they are": b"<pre>" + b"\n" * 1_000_000,
    "blanks": b"<p>" + b" \n" * 500_000 + b"x",
    "unseen letters": b"\xe2\x80\x8b\xe2\x80\x8c" * 170_000,
    "names": b"<" + b"a" * 1_000_000 + b">x",
    "slashes": b"<p" + b"/" * 1_000_000 + b">x",
    "words": b"word " * 200_000,
}
BOMBS: Final = {name: _HEAD + body for name, body in MARKUP.items()}
