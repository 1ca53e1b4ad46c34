"""Mailbox names on the wire: modified UTF-7 (RFC 3501 5.1.3), and arguments that need quotes."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import Final

_RUN: Final = re.compile(r"[^ -~]+|&")
_ENCODED: Final = re.compile(r"&([A-Za-z0-9+,]*)-")


def encode_utf7(name: str) -> str:
    """Return *name* as printable US-ASCII; unpaired surrogates stay what they are."""
    return _RUN.sub(_encode_run, name)


def _encode_run(found: re.Match[str]) -> str:
    run = found[0]
    if run == "&":
        return "&-"
    encoded = b64encode(run.encode("utf-16-be", "surrogatepass")).decode("ascii")
    return f"&{encoded.rstrip('=').replace('/', ',')}-"


def decode_utf7(name: str) -> str:
    """Return what *name* stands for; what is no modified UTF-7 stays as it is."""
    return _ENCODED.sub(_decode_run, name)


def _decode_run(found: re.Match[str]) -> str:
    run = found[1]
    if not run:
        return "&"
    try:
        return b64decode(run.replace(",", "/") + "=" * (-len(run) % 4)).decode("utf-16-be")
    except ValueError:
        return found[0]


def quoted(text: str) -> str:
    """Return *text* as a quoted string (RFC 3501 9). It must be printable US-ASCII."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def mailbox_argument(name: str) -> str:
    """Return the folder *name* as an argument of SELECT, MOVE, COPY or CREATE."""
    return quoted(encode_utf7(name))
