"""The names under which mail programs label text, and what is really written under them."""

from __future__ import annotations

import re
from typing import Final

LABEL_MAX_CHARS: Final = 100

# The WHATWG encoding standard's labels, and those that mail programs write besides: codec to names. Where a charset
# has a superset that is written under its name, the superset reads it. Only letters and digits of a name count.
_NAMES: Final = {
    "utf-8": "utf-8 utf8 utf-8-mac utf8mb4 utf-8n unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8 "
    "cp65001 65001 utf uft-8 utf-08 uf8 unicode-2-0-utf-8 csutf8 utf-8-bom utf-8-sig cesu-8 iso-10646-utf-8",
    "ascii": "us-ascii ascii us ansi_x3.4-1968 ansi_x3.4-1986 ansi_x3.110-1983 iso646-us iso_646.irv:1991 iso-ir-6 "
    "iso-ir-99 ibm367 cp367 csascii",
    "cp1252": "iso-ir-100 cp819 ibm819 csisolatin1 iso-8859-1 iso8859-1 iso_8859-1:1987 latin-1 "
    "latin1 l1 cp1252 windows-1252 x-cp1252 win-1252 ansi-1252 ms-ansi ansi 1252 cswindows1252 8859-1 iso-885901 "
    "iso-8859-1-windows-3.0-latin-1 iso-8859-1-windows-3.1-latin-1 windows-1252-1",
    "cp1250": "cp1250 windows-1250 x-cp1250 win-1250 ms-ee 1250 ansi-1250",
    "cp1251": "cp1251 windows-1251 x-cp1251 win-1251 ms-cyrl 1251 ansi-1251 windows-cyrillic",
    "cp1253": "cp1253 windows-1253 x-cp1253 win-1253 ms-greek 1253",
    "cp1254": "cp1254 windows-1254 x-cp1254 win-1254 ms-turk 1254 iso-8859-9 iso_8859-9:1989 iso-ir-148 latin5 l5 "
    "latin-5 csisolatin5",
    "cp1255": "cp1255 windows-1255 x-cp1255 win-1255 ms-hebr 1255",
    "cp1256": "cp1256 windows-1256 x-cp1256 win-1256 ms-arab 1256",
    "cp1257": "cp1257 windows-1257 x-cp1257 win-1257 winbaltrim 1257",
    "cp1258": "cp1258 windows-1258 x-cp1258 win-1258 1258",
    "cp874": "cp874 windows-874 dos-874 tis-620 tis620-2533 tis620.2529-1 iso-8859-11 iso-ir-166 thai ibm874 874",
    "iso8859_2": "iso-8859-2 iso_8859-2:1987 iso-ir-101 latin2 latin-2 l2 csisolatin2 8859-2",
    "iso8859_3": "iso-8859-3 iso_8859-3:1988 iso-ir-109 latin3 latin-3 l3 csisolatin3",
    "iso8859_4": "iso-8859-4 iso_8859-4:1988 iso-ir-110 latin4 latin-4 l4 csisolatin4",
    "iso8859_5": "iso-8859-5 iso_8859-5:1988 iso-ir-144 cyrillic csisolatincyrillic",
    "iso8859_6": "iso-8859-6 iso-8859-6-e iso-8859-6-i iso_8859-6:1987 iso-ir-127 arabic asmo-708 ecma-114 "
    "csisolatinarabic csiso88596e csiso88596i",
    "iso8859_7": "iso-8859-7 iso_8859-7:1987 iso-ir-126 greek greek8 ecma-118 elot-928 sun-eu-greek csisolatingreek",
    "iso8859_8": "iso-8859-8 iso-8859-8-e iso-8859-8-i iso_8859-8:1988 iso-ir-138 hebrew visual logical "
    "csisolatinhebrew csiso88598e csiso88598i dos-862-visual",
    "iso8859_10": "iso-8859-10 iso-ir-157 latin6 latin-6 l6 csisolatin6",
    "iso8859_13": "iso-8859-13 latin7 latin-7 l7",
    "iso8859_14": "iso-8859-14 latin8 latin-8 l8 iso-ir-199 iso-celtic",
    "iso8859_15": "iso-8859-15 latin9 latin-9 l9 csisolatin9 latin-0 8859-15 iso-8859-15-windows",
    "iso8859_16": "iso-8859-16 latin10 l10 iso-ir-226",
    "koi8-r": "koi8-r koi8 koi cskoi8r",
    "koi8-u": "koi8-u koi8-ru",
    "koi8_t": "koi8-t",
    "kz1048": "kz-1048 rk1048 strk1048-2002 ptcp154-kz",
    "ptcp154": "ptcp154 pt154 cp154 cyrillic-asian csptcp154",
    "mac_roman": "macintosh mac macroman x-mac-roman csmacintosh apple-roman",
    "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian mac-cyrillic maccyrillic",
    "mac_greek": "x-mac-greek macgreek",
    "mac_turkish": "x-mac-turkish macturkish",
    "mac_latin2": "x-mac-ce x-mac-centraleurroman x-mac-croatian x-mac-romanian maclatin2 maccentraleurope",
    "mac_iceland": "x-mac-icelandic maciceland",
    "cp437": "ibm437 cp437 437 cspc8codepage437",
    "cp737": "ibm737 cp737",
    "cp775": "ibm775 cp775",
    "cp850": "ibm850 cp850 850 cspc850multilingual",
    "cp852": "ibm852 cp852 852 cspcp852",
    "cp855": "ibm855 cp855 855",
    "cp857": "ibm857 cp857 857",
    "cp858": "ibm858 ibm00858 cp858 cp00858",
    "cp860": "ibm860 cp860",
    "cp861": "ibm861 cp861",
    "cp862": "ibm862 cp862 dos-862",
    "cp863": "ibm863 cp863",
    "cp864": "ibm864 cp864 dos-720-arabic",
    "cp865": "ibm865 cp865",
    "cp866": "ibm866 cp866 866 csibm866 dos-866",
    "cp869": "ibm869 cp869",
    "cp037": "ibm037 cp037",
    "cp500": "ibm500 cp500",
    "cp1140": "ibm1140 cp1140 ibm01140",
    "hp_roman8": "hp-roman8 roman8 r8",
    "cp1125": "cp1125 ibm1125 cp866u ruscii",
    "cp720": "cp720 dos-720",
    "gb18030": "gb18030 gb18030-2000 gb18030-2005 gbk x-gbk gb2312 gb_2312 gb_2312-80 gb2312-80 gb2312-1980 chinese "
    "csgb2312 csiso58gb231280 iso-ir-58 euc-cn euccn cp936 ms936 windows-936 936 cn-gb x-euc-cn gb gb2312-8bit csgbk "
    "csgb18030 zh-cn",
    "hz": "hz hz-gb-2312 hzgb hz-gb",
    "cp950": "big5 big-5 cn-big5 csbig5 x-x-big5 x-big5 ms950 cp950 windows-950 950 big5-eten big5-tw zh-tw cn-big-5",
    "big5hkscs": "big5-hkscs big5hk big5hkscs-2004 big5-hkscs:2004 hkscs",
    "cp949": "euc-kr euckr ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 ks-c-5601 korean cseuckr csksc56011987 "
    "iso-ir-149 windows-949 ms949 cp949 949 uhc x-windows-949 ksx1001 ks_x_1001 5601 cp51949 ks_c_5861-1992 ko",
    "johab": "johab cp1361 ms1361",
    "iso2022_kr": "iso-2022-kr csiso2022kr iso2022kr",
    "cp932": "shift_jis shift-jis sjis x-sjis ms_kanji csshiftjis windows-31j cp932 ms932 932 windows-932 "
    "x-ms-cp932 cswindows31j shift_jisx0213 shift_jis-2004 mskanji sift_jis s-jis pck cp943 ibm943 x-shift-jis",
    "euc_jp": "euc-jp x-euc-jp x-euc eucjp ujis cseucpkdfmtjapanese eucjp-ms eucjp-win cp51932 x-euc-jp-linux "
    "euc-jp-ms euc-jis-2004 euc-jisx0213 extended_unix_code_packed_format_for_japanese",
    "iso2022_jp": "iso-2022-jp csiso2022jp iso2022jp jis jis7 iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 "
    "iso-2022-jp-2004 iso-2022-jp-ms iso-2022-jp-ext csiso2022jp2 cp50220 cp50221 cp50222 x-iso-2022-jp junet "
    "iso-2022-7bit ascii-jis",
    "utf-7": "utf-7 utf7 unicode-1-1-utf-7 unicode11utf7 x-unicode20utf7 csunicode11utf7 cp65000 65000 utf-7-imap "
    "unicode-2-0-utf-7 csutf7",
    "utf-16": "utf-16 utf16 unicode ucs-2 ucs2 csunicode iso-10646-ucs-2 iso-10646 u16 csutf16",
    "utf-16-le": "utf-16le utf16le unicodefeff unicode-little ucs-2le utf16-le x-utf-16le utf-16-le csutf16le",
    "utf-16-be": "utf-16be utf16be unicodefffe unicode-big ucs-2be utf16-be utf-16-be csutf16be",
    "utf-32": "utf-32 utf32 ucs-4 ucs4 iso-10646-ucs-4 csucs4",
    "utf-32-le": "utf-32le utf32le ucs-4le",
    "utf-32-be": "utf-32be utf32be ucs-4be",
}  # fmt: skip

_OTHER: Final = re.compile(r"[^a-z0-9]+")
_FIRST: Final = re.compile(r"[a-z0-9_.:+()-]+")

CODECS: Final = {_OTHER.sub("", name): codec for codec, names in _NAMES.items() for name in names.split()}
"""A label, letters and digits only, to Python's codec: never one that is no charset (idna, unicode_escape)."""


def codec_of(label: str) -> str | None:
    """Return the codec that reads what is written under *label*; None for a label that says nothing."""
    word = _FIRST.search(label[:LABEL_MAX_CHARS].casefold().strip().removeprefix("charset="))
    if word is None:
        return None
    key = _OTHER.sub("", word[0])
    for prefix in ("", "x", "cs"):
        if key.startswith(prefix) and (codec := CODECS.get(key.removeprefix(prefix))):
            return codec
    return "utf-8" if key.endswith("utf8") else None  # "en_US.UTF-8"
