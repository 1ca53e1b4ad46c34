"""Bytes of a charset become text: by their label as browsers read it, and where it lies, by what they are."""

from __future__ import annotations

import codecs
import random
from itertools import product

import pytest

from mailwicket.mail import charset
from mailwicket.mail.charset import clean, to_text
from mailwicket.mail.charset_labels import codec_of


def test_what_is_not_cleaned_has_nothing_to_clean() -> None:
    """Every two bytes, every four of GB 18030 and a million by chance, in pieces so that none hides behind another."""
    pairs = [bytes(pair) for pair in product(range(1, 256), repeat=2)]
    chance = random.Random(3)
    strewn = [bytes(chance.choices(b"\x1b$(B@J!0~\x0e\x0f\x81\xed\xa0\x80\xffa", k=8)) for _ in range(20_000)]
    for name in charset._TAME:
        assert codecs.lookup(name).name == name
        errors = "strict" if name == "utf-8" else "replace"
        for piece in pairs + strewn:
            try:
                text = piece.decode(name, errors)
            except UnicodeDecodeError:
                continue
            assert text == clean(text)
    first, second = range(0x81, 0xFF), range(0x30, 0x3A)
    text = b"".join(map(bytes, product(first, second, first, second))).decode("gb18030", "replace")
    assert text == clean(text)


@pytest.mark.parametrize("label", ["utf-8", "iso-8859-1", "koi8-r", "gb2312", "iso-2022-jp", "utf-7", "utf-16"])
def test_no_text_holds_nul_whatever_it_is_labelled(label: str) -> None:
    name = codec_of(label) or label
    text = to_text("a\0b".encode(name), label)
    assert text == "ab"
