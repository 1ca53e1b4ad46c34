"""A winmail.dat taken apart: its files as attachments of the mail, its body for a mail that has none of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from mailwicket.mail.attachment import Leaf, bare, cut_out
from mailwicket.mail.decode import AS_THEY_ARE, Raw, decoded
from mailwicket.mail.media import type_by_name
from mailwicket.mail.rtf import read, unpacked
from mailwicket.mail.tnef import PACKED_MAX_BYTES, File, Packed, unpack
from mailwicket.model import Attachment


class Taken(NamedTuple):
    """What came out of a winmail.dat."""

    attachments: list[Attachment]
    text: str
    html: str | None
    whole: bool
    """Nothing is lost when the winmail.dat itself is not shown."""


def take_apart(raw: Raw, one: Leaf, *, with_body: bool) -> Taken | None:
    """Return what the winmail.dat *one* holds, None where it is none or too large.

    The body is told only *with_body*: rich text grows when it is unpacked, and takes time to be read.
    """
    begin, end = one.part.begin, one.part.end
    if end - begin > PACKED_MAX_BYTES:
        return None
    content = b"".join(decoded(raw, begin, end, one.encoding))
    packed = unpack(content)
    if packed is None:
        return None
    files = [_attachment(content, file, one) for file in packed.files if file.begin]
    text, html = _body(packed) if with_body else ("", "")
    said = bool(files or text or html)
    return Taken(files, text, html or None, said and packed.whole and len(files) == len(packed.files))


def _attachment(content: bytes, file: File, one: Leaf) -> Attachment:
    """Return a file whose bytes stand in the decoded *content*, told by where they stand in the mail."""
    begin, end = one.part.begin, one.part.end
    name = bare(file.name)
    found = cut_out(
        content,
        (file.begin, file.begin + file.length),
        "",
        filename=name,
        content_type=file.content_type or type_by_name(name),
        inline=file.content_id is not None,
        content_id=file.content_id or None,
    )
    if one.encoding in AS_THEY_ARE:
        return replace(found, span=(begin + file.begin, begin + file.begin + file.length), encoding=one.encoding)
    return replace(found, span=(begin, end), encoding=f"cut:{file.begin}:{file.length}/{one.encoding}")


def _body(packed: Packed) -> tuple[str, str]:
    text, html = packed.text, packed.html
    if packed.rtf and not html:
        told, is_html = read(unpacked(packed.rtf))
        if is_html:
            html = told
        elif not text.strip():
            text = told
    return text, html
