"""Mails inside a mail, as far as a forward needs them: who wrote them, about what, and what they say."""

from __future__ import annotations

from typing import Final

from mailwicket.mail.address import people
from mailwicket.mail.attachment import Leaf, bare, leaf
from mailwicket.mail.body import Body, is_body, may_be_body
from mailwicket.mail.decode import AS_THEY_ARE, Raw, decode
from mailwicket.mail.head import lines_as_lf, split_header, start_of
from mailwicket.mail.header import moment, words
from mailwicket.mail.parts import leaves
from mailwicket.model import Enclosed

ENCLOSED_MAX: Final = 5

INNER_MAX_BYTES: Final = 1024 * 1024
"""So much of one that is encoded is read: it has to be decoded first."""

MAILS: Final = frozenset({"message/rfc822", "message/global"})


def is_mail(one: Leaf) -> bool:
    """Tell whether *one* is a mail; one that a report returns is not what anybody passes on."""
    if one.part.around.report:
        return False
    kind = one.part.content_type
    if kind in MAILS:
        return True
    return kind in {"application/octet-stream", "application/x-eml", "text/plain", "message/x-eml"} and (
        one.name is not None and (bare(one.name) or "").casefold().endswith(".eml")
    )


def enclosed(raw: Raw, one: Leaf) -> Enclosed | None:
    """Read the mail that *one* is; None for a file that is only called one."""
    begin, end = one.part.begin, one.part.end
    if one.encoding not in AS_THEY_ARE:
        raw = decode(raw[begin : min(end, begin + INNER_MAX_BYTES)], one.encoding)
        raw, begin = lines_as_lf(raw), start_of(raw)
        end = len(raw)
    header, first = split_header(raw, begin, end)
    author = next(iter(people(header.get("from"))), None)
    if author is None and one.part.content_type not in MAILS:
        return None
    body, last_resort = Body(), None
    for part in leaves(raw, header, first, end, []):
        inner = leaf(raw, part)
        if is_body(inner):
            body.take(raw, inner)
        elif last_resort is None and may_be_body(inner):
            last_resort = inner
    if not body.pieces and last_resort is not None:
        body.take(raw, last_resort)
    text = body.read()[0] if body.pieces else ""
    return Enclosed(author, words(header.get("subject")), text, moment(header.get("date")))
