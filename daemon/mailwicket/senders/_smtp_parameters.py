"""What is said with an envelope: the extensions that this mail needs and this server offers. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from aiosmtplib.protocol import normalize_message_line_endings

from mailwicket.errors import PermanentError
from mailwicket.outgoing import Envelope, RecipientStatus

PATH: Final = re.compile(
    r'(?:"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"|[^\s"<>\x00-\x1f\x7f]+)@[^\s"<>\x00-\x1f\x7f]+'
)
"""RFC 5321 4.1.2, as far as no other command can be made of it."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What stands behind MAIL FROM and RCPT TO."""

    body: bytes
    """The mail with CR LF line ends."""
    mail: str
    rcpt: str
    reverse_path: str
    forward_paths: Mapping[str, str]
    """As they are said, by how they are given."""
    unsayable: Mapping[str, RecipientStatus]
    """Those that cannot be said to this server."""


def parameters(peer: str, offers: Mapping[str, str], envelope: Envelope, raw: bytes) -> Parameters:
    """Return what is said for *envelope* and *raw* to a server that *offers* extensions.

    Raises:
        PermanentError: it cannot take this mail.
        ValueError: there is no recipient.
    """
    if not envelope.forward_paths:
        raise ValueError("an envelope without recipients")
    body = _body(raw)
    options: list[str] = []
    if "size" in offers:
        _check_size(peer, offers["size"], len(body))
        options.append(f"SIZE={len(body)}")
    if not body.isascii():
        if "8bitmime" not in offers:
            raise PermanentError(f"{peer} takes no mail with 8-bit characters (8BITMIME)")
        options.append("BODY=8BITMIME")
    reverse = _said(envelope.reverse_path) if envelope.reverse_path else ""
    if reverse is None:
        raise PermanentError(f"{peer}: no mail can be sent from {envelope.reverse_path!r}, which is no address")
    paths = {path: _said(path) for path in dict.fromkeys(envelope.forward_paths)}
    international = "smtputf8" in offers
    plain = reverse.isascii() and (body.isascii() or body[: body.find(b"\r\n\r\n")].isascii())
    if not international and not plain:
        raise PermanentError(
            f"{peer} takes no addresses or header fields beyond ASCII (SMTPUTF8), and this mail has some"
        )
    if international and not (plain and all((said or "").isascii() for said in paths.values())):
        options.append("SMTPUTF8")
    tells = "dsn" in offers and reverse  # RFC 3461 4.1: nobody is told of what has no return path
    sayable = {path: said for path, said in paths.items() if said is not None and (international or said.isascii())}
    return Parameters(
        body,
        "".join(f" {one}" for one in [*options, *(["RET=HDRS"] if tells else [])]),
        " NOTIFY=FAILURE,DELAY" if tells else "",
        reverse,
        sayable,
        {path: _unsayable(said) for path, said in paths.items() if path not in sayable},
    )


def _body(raw: bytes) -> bytes:
    """Return *raw* with CR LF line ends, one at its end: by a lone CR or LF a second mail would be smuggled."""
    ends = raw.count(b"\r\n")
    if raw.endswith(b"\r\n") and raw.count(b"\r") == ends == raw.count(b"\n"):  # as what we write ourselves
        return raw
    return bytes(normalize_message_line_endings(raw))


def _check_size(peer: str, told: str, size_bytes: int) -> None:
    """RFC 1870 3: 0, or nothing, is no limit."""
    limit = int(told) if told.isascii() and told.isdigit() and len(told) < 20 else 0
    if 0 < limit < size_bytes:
        raise PermanentError(f"{peer} takes mails of {limit} bytes at most, and this one has {size_bytes}")


@lru_cache(maxsize=1024)
def _said(path: str) -> str | None:
    """Return *path* with its domain in ASCII where it has such a form (RFC 5891); None where it is no address."""
    if PATH.fullmatch(path) is None:
        return None
    local, _, domain = path.rpartition("@")
    if domain.isascii():
        return path
    try:
        return f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        return None


def _unsayable(said: str | None) -> RecipientStatus:
    if said is None:
        return RecipientStatus(553, "is no address that can be sent to", "5.1.3")  # RFC 3463 3.2
    return RecipientStatus(553, "the server takes no addresses beyond ASCII (SMTPUTF8)", "5.6.7")  # RFC 6531 3.5
