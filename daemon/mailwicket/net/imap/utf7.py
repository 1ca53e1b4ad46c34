"""Mailbox names on the wire: modified UTF-7 (RFC 3501 5.1.3), and arguments that need quotes."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

_RUN: Final = re.compile(r"[^ -~]+|&")


def encode_utf7(name: str) -> str:
    """Return *name* as printable US-ASCII; unpaired surrogates stay what they are."""
    return _RUN.sub(_encode_run, name)


def _encode_run(found: re.Match[str]) -> str:
    run = found[0]
    if run == "&":
        return "&-"
    encoded = b64encode(run.encode("utf-16-be", "surrogatepass")).decode("ascii")
    return f"&{encoded.rstrip('=').replace('/', ',')}-"


def quoted(text: str) -> str:
    """Return *text* as a quoted string (RFC 3501 9). It must be printable US-ASCII."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def mailbox_argument(name: str) -> str:
    """Return the folder *name* as an argument of SELECT, MOVE, COPY or CREATE."""
    return quoted(encode_utf7(name))
