"""Content-Type and Content-Disposition as they can be used, however they are written (RFC 2045 5, RFC 2183)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from mailwicket.mail.header import Header, parameters

VALUE_MAX_CHARS: Final = 200

_PROPER: Final = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,70}/[a-z0-9][a-z0-9.+_-]{0,100}")
_PAIR: Final = re.compile(r"\s*[\"']?([^\s/;,()\"'=]{1,70})\s{0,5}/\s{0,5}([^\s/;,()\"'=]{1,100})[\"']?")
_COMMENT: Final = re.compile(r"\([^()]{0,200}\)")
_ALONE: Final = {"text": "text/plain", "html": "text/html", "multipart": "multipart/mixed"}


def content_type(header: Header, default: str) -> tuple[str, Mapping[str, str]]:
    """Return what kind of content *header* announces, and its parameters; *default* where it says nothing.

    What is no type at all is text/plain (RFC 2045 5.2).
    """
    kind, options = parameters(header.get("content-type"))
    if not kind:
        return default, options
    usable, rest = _usable(kind[:VALUE_MAX_CHARS])
    if rest:  # the semicolon is missing: `text/plain charset=utf-8`
        options = {**parameters(f"{usable};{rest}")[1], **options}
    return usable, options


def disposition(header: Header) -> tuple[str, Mapping[str, str]]:
    """Return the word that Content-Disposition says, `""` for none, and its parameters."""
    value = header.get("content-disposition")
    if not value:
        return "", {}
    word, options = parameters(value)
    if word in {"attachment", "inline", ""}:
        return word, options
    first, _, rest = _COMMENT.sub(" ", word[:VALUE_MAX_CHARS]).strip().partition(" ")
    if "=" in first:  # `filename=a.pdf`, and no word at all
        first, rest = "", word
    if "=" in rest:
        options = {**parameters(f"{first};{rest}")[1], **options}
    return first.strip("\"',"), options


@lru_cache(256)
def _usable(kind: str) -> tuple[str, str]:
    """Return type/subtype out of *kind*, which is in lower case, and what stands behind it if that is parameters."""
    if _PROPER.fullmatch(kind):
        return kind, ""
    bare = _COMMENT.sub(" ", kind)
    if found := _PAIR.match(bare):
        rest = bare[found.end() :].strip()
        return f"{found[1]}/{found[2]}", rest if "=" in rest else ""
    return _ALONE.get(bare.strip(" \"'"), "text/plain"), ""


_BY_ENDING: Final = {
    "bmp": "image/bmp", "csv": "text/csv", "doc": "application/msword", "eml": "message/rfc822", "gif": "image/gif",
    "htm": "text/html", "html": "text/html", "ics": "text/calendar", "jpeg": "image/jpeg", "jpg": "image/jpeg",
    "pdf": "application/pdf", "png": "image/png", "ppt": "application/vnd.ms-powerpoint", "rtf": "text/rtf",
    "txt": "text/plain", "vcf": "text/vcard", "xls": "application/vnd.ms-excel", "xml": "text/xml",
    "zip": "application/zip",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}  # fmt: skip


def type_by_name(name: str | None) -> str:
    """Return the type of a file of which no more than its *name* is known."""
    return _BY_ENDING.get((name or "").rpartition(".")[2].casefold(), "application/octet-stream")
