"""Bytes of a charset become text: by their label as browsers read it, and where it lies, by what they are."""

# ruff: noqa: RUF001 - letters that look alike are what this is about

from __future__ import annotations

import codecs
import random
import time
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwicket.mail import charset
from mailwicket.mail.charset import clean, fits, to_text
from mailwicket.mail.charset_labels import CODECS, codec_of
from mailwicket.mail.guess import guessed
from mailwicket.mail.header import Header


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


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("utf8", "utf-8"),
        ("UTF_8", "utf-8"),
        ('UTF-8"', "utf-8"),
        ('"utf-8;"', "utf-8"),
        ("charset=utf-8", "utf-8"),
        ("en_US.UTF-8", "utf-8"),
        ("utf-8//translit", "utf-8"),
        (" iso-8859-1 (Western)", "cp1252"),
        ("ISO_8859-1:1987", "cp1252"),
        ("ansi_x3.110-1983", "ascii"),
        ("Windows-1251", "cp1251"),
        ("cp-850", "cp850"),
        ("x-sjis", "cp932"),
        ("ms949", "cp949"),
        ("x-gbk", "gb18030"),
        ("Big5-HKSCS", "big5hkscs"),
        ("koi8-u", "koi8-u"),
        ("macintosh", "mac_roman"),
        ("x-mac-cyrillic", "mac_cyrillic"),
        ("TIS-620", "cp874"),
        ("iso-8859-8-i", "iso8859_8"),
        ("unicode-1-1-utf-7", "utf-7"),
        ("hz-gb-2312", "hz"),
        ("x-unknown", None),
        ("idna", None),
        ("punycode", None),
        ("unicode_escape", None),
        ("base64", None),
        ("", None),
        ("=", None),
        ("x" * 10_000, None),
    ],
)
def test_a_label_is_known_with_whatever_stands_around_it(label: str, codec: str | None) -> None:
    assert codec_of(label) == codec


def test_every_label_names_a_codec_of_text() -> None:
    for codec in set(CODECS.values()):
        assert isinstance(b"+".decode(codec, "replace"), str)


@pytest.mark.parametrize(
    ("content", "label", "text"),
    [
        ("привет".encode(), "koi8-r", "привет"),
        ("故障です".encode(), "shift_jis", "故障です"),
        ("故障です".encode("cp932"), "iso-2022-jp", "故障です"),
        ("香港嘅".encode("big5hkscs"), "big5", "香港嘅"),
        ("привет, насос".encode("cp1251"), "us-ascii", "привет, насос"),
        ("привет, насос".encode("cp1251"), "x-unknown", "привет, насос"),
        ("привет\n".encode("utf-16-le"), "utf-16", "привет\n"),
        ("hello there".encode("utf-16-be"), "utf-16", "hello there"),
        ("hello".encode("utf-32"), "utf-32", "hello"),
        ("hello".encode("utf-16"), None, "hello"),
        (b"hello", "utf-16", "hello"),
        (b"\xef\xbb\xbfhello", "utf-8", "hello"),
        (b"\x1b$B8N>c\x1b(B", "us-ascii", "故障"),
        (b"\x1b$B8N>c\x1b(B", None, "故障"),
        (b"\x1b$B8N>c", "iso-2022-jp", "故障"),
        (b"\x1b$B-j\x1b(B x", "iso-2022-jp", "㈱ x"),
        (b"\x1b(I1\x1b(B", "iso-2022-jp", "ｱ"),
        (b"\x1b$(D0!\x1b$B-j\x1b(B", "iso-2022-jp", "丂㈱"),
        (b"\x1b$(Q.!\x1b$B-j\x1b(B\x1b$(P!!\x1b$B-j", "iso-2022-jp-3", None),
        (b"\x1bx\x1b$A\x1b", "iso-2022-jp", None),
        (b"\x0e0!\x0f a", "iso-2022-kr", "가 a"),
        (b"Gr\xc3\xb6\xc3\x9fe \xc3\xbcber \xc3\xa4\xc3\xb6 \xe9", "utf-8", "Größe über äö \ufffd"),
        (b'<meta charset="iso-8859-2"><p>\xb3', None, '<meta charset="iso-8859-2"><p>ł'),
        ("你好吗".encode()[:-1], "utf-8", "你好\ufffd"),
        ("你好吗".encode()[:-1], None, "你好\ufffd"),
        ("水泵坏了，".encode("gbk")[:-1] + b"\n", "gb2312", "水泵坏了\ufffd\n"),
        (b"caf\xe9", "utf-8", "café"),
        (b"a\x81\x8d", "iso-8859-1", "a\ufffd\ufffd"),
        (b"\x80 \xc4\xe3", "gb2312", None),
    ],
)
def test_a_text_is_read_in_the_charset_that_is_meant(content: bytes, label: str | None, text: str | None) -> None:
    found = to_text(content, label)
    assert found == (found if text is None else text)
    assert found == clean(found)


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=80))
def test_what_is_utf8_is_read_under_every_label_of_one_alphabet(text: str) -> None:
    for label in (None, "", "utf-8", "us-ascii", "iso-8859-1", "windows-1251", "koi8-r", "x-unknown"):
        assert to_text(text.encode(), label) == text.removeprefix("\ufeff")


@given(st.binary(max_size=200), st.sampled_from([None, *sorted(CODECS)]))
@settings(max_examples=500)
def test_any_bytes_are_text_under_any_label(content: bytes, label: str | None) -> None:
    text = to_text(content, label)
    assert text == clean(text)


@given(
    st.binary(max_size=60),
    st.sampled_from(sorted(one for one in set(CODECS.values()) if one[:5] not in {"utf-1", "utf-3"})),
)
def test_where_a_slice_ends_changes_nothing(content: bytes, codec: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charset, "SLICE_BYTES", 7)
        sliced = charset._replaced(content, codec)
    assert sliced.replace("\ufffd", "") == content.decode(codec, "replace").replace("\ufffd", "")


def test_a_codec_fits_what_it_reads_without_a_doubt() -> None:
    assert fits("насос".encode("koi8-r"), "koi8-r")
    assert not fits("насос".encode("koi8-r"), "utf-8")
    assert not fits(b"a", "x-unknown")
    assert not fits(b"a", None)
    assert not fits(b"ab", "utf-16")


def test_a_field_is_read_in_the_charset_of_the_body_where_that_fits() -> None:
    subject = "水泵".encode("gbk")
    for kind, text in ((b"text/plain; charset=gb2312", "水泵"), (b"text/plain; charset=utf-8", "水泵")):
        assert Header(b"Subject: " + subject + b"\r\nContent-Type: " + kind).get("subject") == text
    assert Header(b"Subject: \x1b$B8N>c\x1b(B").get("subject") == "故障"
    assert Header(b"Content-Type: text/plain; name=\xe4").get("content-type") == "text/plain; name=ä"


def test_fields_show_together_in_which_language_they_are() -> None:
    fields = {"From": "Сергей <s@example.org>", "Subject": "Счёт", "To": "Юлия Щукина <y@example.org>"}
    for codec in ("cp1251", "koi8-r"):
        header = Header(b"\r\n".join(f"{name}: {text}".encode(codec) for name, text in fields.items()))
        assert {name: header.get(name.casefold()) for name in fields} == fields


PHRASES = [
    ("cp1252", "Größe|é|Ärger über die Tür – “schön”|L’été dernier à Noël, ça va?|España mañana ¿qué?|ÄÖÜ|Zoë"),
    ("cp1252", "São Paulo não está|questões|Blåbærgrød på øen|It’s “quoted” – 10 €|naïve|Ça alors"),
    ("cp1252", "MÜLLER|JOSÉ|GARCÍA NÚÑEZ|5 m³|£5|20 µm|½ price|Ñ|ª|1º|Þór|œuvre|a – b|© 2026"),
    ("cp1251", "Привет, как дела?|НОВЫЙ ЗАКАЗ|насос|Тест|Доброго дня, її ключ|Hello, мир"),
    ("koi8-r", "Привет, как дела?|НОВЫЙ ЗАКАЗ|насос|Тест|Заявка 7"),
    ("iso8859_5", "Привет, как дела?"),
    ("cp866", "Привет, как дела?"),
    ("cp1253", "Καλημέρα σας, η αντλία|Δοκιμή"),
    ("cp1255", "שלום לכולם, מה שלומכם|בדיקה"),
    ("cp1256", "مرحبا بكم في المكتب|اختبار"),
    ("cp874", "สวัสดีครับ ทดสอบ|ทดสอบ"),
    ("cp932", "こんにちは、電車の予約です|テスト|件名テスト|会議資料"),
    ("euc_jp", "こんにちは、電車の予約です|テスト|会議資料"),
    ("gb18030", "你好，请查看附件|测试|水泵坏了|张三"),
    ("cp950", "你好，請查看附件|測試|水泵壞了"),
    ("cp949", "안녕하세요, 펌프가 고장났습니다|테스트|홍길동"),
    ("cp1250", "Zażółć gęślą jaźń|Příliš žluťoučký kůň|Łódź|Gyűjtő őrült"),
    ("cp1254", "Şikayet: ışık yanmıyor"),
]


@pytest.mark.parametrize(("codec", "phrase"), [(codec, one) for codec, many in PHRASES for one in many.split("|")])
def test_a_phrase_without_a_label_is_read(codec: str, phrase: str) -> None:
    assert to_text(phrase.encode(codec), None) == phrase


def test_a_guess_looks_at_a_sample_only_even_if_that_ends_within_a_character() -> None:
    for phrase in ("故障です。", "故障です、"):
        content = b"x" + phrase.encode("cp932") * 20_000
        begun = time.process_time()
        assert guessed(content) == "cp932"
        assert time.process_time() - begun < 0.5
    assert guessed(b"\x80") == guessed(b"") == "cp1252"
