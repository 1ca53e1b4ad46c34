"""What Graph is given of a mail: MIME that a request can hold, and the files that follow it one by one. Pure.

A draft that is made from MIME keeps the fields that no property of Graph's can set (In-Reply-To, References,
Auto-Submitted) and both forms of the body; a draft from JSON would lose them. So a mail that is too large for a request
is made lighter by its files, which are hung on the draft afterwards, and is not written anew as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from mailwicket.errors import PermanentError
from mailwicket.mail import fields
from mailwicket.mail.address import people
from mailwicket.mail.attachment import leaf, listed
from mailwicket.mail.body import is_body
from mailwicket.mail.decode import decode
from mailwicket.mail.head import split_header
from mailwicket.mail.ids import ids
from mailwicket.mail.parts import leaves
from mailwicket.model import Address, Attachment
from mailwicket.rules.own import canonical

MIME_BYTES: Final = 3_000_000
"""A request may hold about 4 MB, and MIME goes in base64."""

LIGHTER: Final = 4
"""By how much a mail is made lighter that a server did not take."""

FILE_BYTES: Final = 150 * 1024 * 1024
"""No attachment may be larger."""

_RECIPIENTS: Final = re.compile(rb"^(?:to|cc|bcc):[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class File:
    """A file that is hung on the draft."""

    name: str
    content_type: str
    content: bytes = field(repr=False)
    content_id: str | None
    """Set for a picture that stands in the HTML as `cid:`."""


@dataclass(frozen=True, slots=True)
class Load:
    """A mail as it is handed over."""

    mime: bytes = field(repr=False)
    files: Sequence[File] = ()


def message_id_of(raw: bytes) -> str | None:
    """Return the id of the mail with its angle brackets; None where it has none."""
    found = ids(split_header(raw, 0, len(raw))[0].get("message-id"))
    return f"<{found[0]}>" if found else None


def addressed(raw: bytes, forward_paths: Sequence[str]) -> bytes:
    """Return *raw* for *forward_paths* and nobody else: Graph has no envelope, and sends to whom To, Cc and Bcc name.

    A mail that some have already names the others alone. Whom it does not name becomes a Bcc, which Exchange takes off.

    Raises:
        ValueError: there is no recipient.
    """
    if not forward_paths:
        raise ValueError("an envelope without recipients")
    header, begin = split_header(raw, 0, len(raw))
    to, cc = people(header.get("to")), people(header.get("cc"))
    named = {canonical(one.address) for one in (*to, *cc)}
    wanted = {canonical(path): path for path in forward_paths}
    if named == wanted.keys() and "bcc" not in header:
        return raw
    lists = {
        "To": [one for one in to if canonical(one.address) in wanted],
        "Cc": [one for one in cc if canonical(one.address) in wanted],
        "Bcc": [Address(None, path) for address, path in wanted.items() if address not in named],
    }
    written = [fields.people(name, some).encode() + b"\r\n" for name, some in lists.items() if some]
    return b"".join([*written, _RECIPIENTS.sub(b"", raw[:begin]), raw[begin:]])


def others_left_out(raw: bytes, forward_paths: Sequence[str]) -> frozenset[str] | None:
    """Return whom alone *raw* is for, canonical, where it names others too; None where it leaves out nobody.

    Those others had it before, perhaps from this mailbox: a copy of it that is not for these alone says nothing.
    """
    header, _ = split_header(raw, 0, len(raw))
    wanted = frozenset(map(canonical, forward_paths))
    named = {canonical(one.address) for name in ("to", "cc") for one in people(header.get(name))}
    return None if named <= wanted else wanted


def is_light(mime: bytes) -> bool:
    """Tell whether no server finds *mime* too large, so that there is no use in making it lighter still."""
    return len(mime) <= MIME_BYTES // LIGHTER


def load(raw: bytes, *, lighter: bool = False) -> Load:
    """Return *raw* as it is handed over: its largest files apart, until its MIME has MIME_BYTES at most.

    *lighter*: a part of that, for a server that did not take it.

    Raises:
        PermanentError: its words alone are too large for a request, or a file of it for Exchange.
    """
    limit = MIME_BYTES // LIGHTER if lighter else MIME_BYTES
    if len(raw) <= limit:
        return Load(raw)
    left, apart = len(raw), []
    for one in sorted(_files(raw), key=lambda one: (one.inline, one.span[0] - one.span[1])):  # the largest first
        if left <= limit:
            break
        left -= one.span[1] - one.span[0]
        apart.append(one)
    if left > limit:
        words = f"the words of the mail alone have {left} bytes, and Microsoft Graph takes {limit} at a time"
        raise PermanentError(words)
    apart.sort(key=lambda one: one.span)
    return Load(_without(raw, apart), [_file(raw, one) for one in apart])


def _files(raw: bytes) -> Iterator[Attachment]:
    """Yield what stands in a multipart and is not its body."""
    header, begin = split_header(raw, 0, len(raw))
    for part in leaves(raw, header, begin, len(raw), []):
        one = leaf(raw, part)
        if part.around.depth and not is_body(one):
            yield listed(raw, one)


def _without(raw: bytes, apart: Sequence[Attachment]) -> bytes:
    """Cut parts out of their multiparts, each with the boundary before it."""
    kept, at = [], 0
    for one in apart:
        kept.append(raw[at : raw.rfind(b"\r\n--", 0, one.span[0])])
        at = one.span[1]
    return b"".join([*kept, raw[at:]])


def _file(raw: bytes, one: Attachment) -> File:
    if one.size > FILE_BYTES:
        raise PermanentError(f"a file of {one.size} bytes; Exchange takes {FILE_BYTES} at most")
    content = decode(raw[slice(*one.span)], one.encoding)
    return File(one.filename or "unnamed", one.content_type, content, one.content_id if one.inline else None)
