"""HTML as tags and text, in linear time: no tree, and no single long call that would hold the interpreter's lock."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.entities import html5
from typing import Final

MARKUP_MAX_CHARS: Final = 1024 * 1024
"""What is read of a body; no mail program writes as much."""

ATTRIBUTES_MAX_CHARS: Final = 16 * 1024
"""What is read of one tag's attributes."""

CHARSET_WITHIN_BYTES: Final = 4096
"""Where a page names its charset; some mail programs write long styles before."""

DEPTH_MAX: Final = 1500
"""nh3 takes quadratic time in the depth of the markup: 50,000 nested elements cost it seconds."""

COPIES_MAX: Final = 50_000
"""A parser opens unclosed formatting again in each block (HTML standard 13.2.4.3): a few kB grow to gigabytes."""

Token = tuple[str, str, int]
"""Name, what stands behind it, and where it ends: `""` for text, `"/div"` for an end tag.

Entities of texts are still to be read; where there are none (`xmp`), `&` is written as one.
The content of `style` comes as a tag named "style".
"""


def names(words: str) -> frozenset[str]:
    """Return the names of tags in *words*."""
    return frozenset(words.split())


# Quotes count behind `=` only (HTML standard 13.2.5.37); one that is never closed does not, or it would eat the mail.
_TAG: Final = re.compile(r"""<(/?[a-zA-Z][^\s/<>]*+)((?:[^>=]++|=\s*+"[^"]*+"|=\s*+'[^']*+'|=)*+)>""")
_SIMPLE_TAG: Final = re.compile(r"<(/?[a-zA-Z][^\s/<>]*+)([^>]*+)>")
_ATTRIBUTE: Final = re.compile(r"""([^\s"'<>/=]++)(?:\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s>]++))?""")
_BARE_NAME: Final = re.compile(r"&([a-zA-Z][a-zA-Z0-9]*+)(?!;)(=?)")
_ANY_TAG_NAME: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_LONG_NUMBER: Final = re.compile(r"&#[xX]?[0-9a-fA-F]{9,}+;?")
_CHARSET: Final = re.compile(
    rb"<meta\b[^<>]{0,200}?\bcharset\s{0,5}=\s{0,5}[\"']?\s{0,5}([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE
)
_DATA_ADDRESS: Final = re.compile(r"data:[^\"'<>\s]{200,}+", re.IGNORECASE)
_PAGE_BEGINS: Final = re.compile(r"</head|<body", re.IGNORECASE)
_ENDS: Final = {
    name: re.compile(f"</{name}(?=[\\s/>])", re.IGNORECASE)
    for name in ("script", "style", "title", "textarea", "xmp", "iframe", "noembed")
}
_SHOWN_RAW: Final = frozenset({"xmp", "textarea"})
_UNNESTED: Final = names("area base br col embed hr img input link meta source track wbr p li td th tr dd dt option")
_FORMATTING: Final = names("a b big code em font i nobr s small strike strong tt u")


def unescaped(text: str) -> str:
    """Return *text* with its character references read as browsers read them, however long a number is."""
    if "&" not in text:
        return text
    if "&#" in text:
        text = _LONG_NUMBER.sub("\ufffd", text)  # Python refuses to read a number of thousands of digits
    return html.unescape(text)


def declared_charset(content: bytes | bytearray) -> str | None:
    """Return the charset that a page names in itself, or None; for a part whose header names none.

    Source: HTML standard 13.2.3.2, which looks at the first 1024 bytes.
    """
    found = _CHARSET.search(bytes(content[:CHARSET_WITHIN_BYTES]))
    return found[1].decode("ascii") if found else None


def attributes(rest: str) -> dict[str, str]:
    """Return the attributes of a tag; the first of a name counts."""
    found: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(rest[:ATTRIBUTES_MAX_CHARS]):
        bare = value[1:-1] if value[:1] in {'"', "'"} and value[-1:] == value[:1] and len(value) > 1 else value
        found.setdefault(name.lower(), _of_value(bare))
    return found


def _of_value(value: str) -> str:
    """Read the references of an attribute: `&copy=2` in an address is none (HTML standard 13.2.5.73)."""
    return unescaped(_BARE_NAME.sub(_bare, value)) if "&" in value else value


def _bare(found: re.Match[str]) -> str:
    return found[0] if found[1] in html5 and not found[2] else f"&amp;{found[1]}{found[2]}"


def without_data(markup: str) -> str:
    """Take long `data:` addresses out: pictures, of which no word is read."""
    return _DATA_ADDRESS.sub("data:", markup) if "data:" in markup else markup


def tokens(markup: str) -> Iterator[Token]:
    """Yield the tags and texts of *markup*, comments and scripts left out.

    What ends nowhere (a comment, a quote, a style sheet) ends soon, where a browser would drop the rest of the page.
    """
    at, absent = 0, set[str]()
    while (begin := markup.find("<", at)) >= 0:
        if begin > at:
            yield "", markup[at:begin], begin
        found = None if ">" in absent else (_SIMPLE_TAG if "quotes" in absent else _TAG).match(markup, begin)
        if found is None:
            text, at = _no_tag(markup, begin, absent)
            if text:
                yield "", text, at
            continue
        at = found.end()
        name = found[1].lower()
        if name == "plaintext":
            yield name, "", at
            yield "", markup[at:].replace("&", "&amp;"), len(markup)
            return
        if name not in _ENDS:
            yield name, found[2], at
            continue
        content, at = _content(markup, name, at, absent)
        if name == "style":
            yield name, content, at
        elif name in _SHOWN_RAW:
            yield name, found[2], at
            yield "", content.replace("&", "&amp;") if name == "xmp" else content, at
            yield "/" + name, "", at
    if at < len(markup):
        yield "", markup[at:], len(markup)


def _no_tag(markup: str, begin: int, absent: set[str]) -> tuple[str, int]:
    """Read what begins with `<` and is no tag: what of it is text, and where it ends.

    What was once looked for in vain is not looked for again: that would take quadratic time.
    """
    follows = markup[begin + 1 : begin + 2]
    if follows == "!" and markup.startswith("<!--", begin):
        return "", _comment_end(markup, begin, absent)
    if follows and follows in "!?/":
        if markup.startswith("<![CDATA[", begin):
            return "", begin + len("<![CDATA[")
        if follows == "/" and markup[begin + 2 : begin + 3].isalpha():
            return _broken_tag(markup, begin, absent)
        end = -1 if ">" in absent else markup.find(">", begin)
        return ("", end + 1) if end >= 0 else _never_again(">", absent, begin)
    if follows.isascii() and follows.isalpha():
        return _broken_tag(markup, begin, absent)
    return "<", begin + 1


def _broken_tag(markup: str, begin: int, absent: set[str]) -> tuple[str, int]:
    """Leave out a tag that has no end; where it is only hidden by quotes, stop looking at them."""
    if ">" not in absent and markup.find(">", begin) >= 0:
        if "quotes" in absent:  # a letter that Python takes for one and HTML does not
            return "<", begin + 1
        absent.add("quotes")
        return "", begin
    return _never_again(">", absent, begin)


def _never_again(what: str, absent: set[str], begin: int) -> tuple[str, int]:
    absent.add(what)
    return "<", begin + 1


def _comment_end(markup: str, begin: int, absent: set[str]) -> int:
    for short in ("<!-->", "<!--->"):
        if markup.startswith(short, begin):
            return begin + len(short)
    end = -1 if "-->" in absent else markup.find("-->", begin + 4)
    if end >= 0:
        return end + 3
    absent.add("-->")
    end = -1 if ">" in absent else markup.find(">", begin)
    if end < 0:
        absent.add(">")
        return begin + 4
    return end + 1


def _content(markup: str, name: str, at: int, absent: set[str]) -> tuple[str, int]:
    """Return what stands up to the end tag of *name*, and where that ends."""
    found = None if name in absent else _ENDS[name].search(markup, at)
    if found is not None:
        end = markup.find(">", found.end())
        return markup[at : found.start()], len(markup) if end < 0 else end + 1
    absent.add(name)
    page = None if "page" in absent else _PAGE_BEGINS.search(markup, at)
    if page is not None:
        return markup[at : page.start()], page.start()
    absent.add("page")
    end = markup.find("<", at)
    end = len(markup) if end < 0 else end
    return markup[at:end], end


def would_stall(markup: str) -> bool:
    """Tell whether *markup* is made to keep a parser that builds a tree busy."""
    depth = formatting = copies = 0
    for found in _ANY_TAG_NAME.finditer(markup):  # one by one: a single long call would hold the interpreter's lock
        close, name = found.groups()
        end = found.end()
        if markup.find(">", end, end + ATTRIBUTES_MAX_CHARS) < 0 <= len(markup) - end - ATTRIBUTES_MAX_CHARS:
            return True
        name = name.lower()
        if name in _FORMATTING:
            formatting = max(0, formatting - 1) if close else formatting + 1
        else:
            copies += formatting
        if name not in _UNNESTED:
            depth = max(0, depth - 1) if close else depth + 1
        if depth > DEPTH_MAX or copies > COPIES_MAX:
            return True
    return False
