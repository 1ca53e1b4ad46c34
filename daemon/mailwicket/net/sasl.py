"""SASL as the mail protocols say it: responses in base64, and which mechanism takes a token. No I/O."""

from __future__ import annotations

import binascii
import contextlib
import json
from base64 import b64decode, b64encode
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Response:
    """What is said for a mechanism that wants one response."""

    mechanism: str
    text: bytes
    """In base64."""
    on_challenge: bytes = b""
    """What is said to a challenge behind it, which tells why it is refused: the server says no only then."""


def plain(username: str, password: str) -> Response:
    """RFC 4616."""
    return Response("PLAIN", b64encode(f"\0{username}\0{password}".encode()))


def xoauth2(username: str, token: str) -> Response:
    """Google's and Microsoft's way to say a token; *username* may be a shared mailbox, the token another's."""
    return Response("XOAUTH2", b64encode(f"user={username}\x01auth=Bearer {token}\x01\x01".encode()))


def oauthbearer(username: str, token: str, host: str, port: int) -> Response:
    """RFC 7628 3.1; 3.2.3 for the answer to a challenge."""
    name = username.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 4
    told = f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01"
    return Response("OAUTHBEARER", b64encode(told.encode()), b"AQ==")


def bearing(offered: Collection[str], username: str, token: str, host: str, port: int) -> Response | None:
    """Say *token* by a mechanism of those *offered* (upper case): XOAUTH2 first, Exchange knows no other.

    None: the server takes no tokens.
    """
    if "XOAUTH2" in offered:
        return xoauth2(username, token)
    return oauthbearer(username, token, host, port) if "OAUTHBEARER" in offered else None


def read_challenge(text: bytes) -> dict[str, Any]:
    """Return the JSON object of a challenge that tells why a token is refused (RFC 7628 3.2.2); {} if it is none."""
    with contextlib.suppress(ValueError, binascii.Error):
        content = json.loads(b64decode(text.strip()))
        if isinstance(content, dict):
            return content
    return {}


def told_by(challenge: dict[str, Any]) -> str:
    """Return the status in a *challenge* as the end of a server's words, to be cleaned as they; "" without one."""
    status = challenge.get("status")
    return f"; status {status.encode('utf-8', 'replace').decode()}" if isinstance(status, str) else ""


def forms(secret: str, *responses: Response) -> frozenset[bytes]:
    """Return *secret* in every form that goes out, or that a server may make of it."""
    if not secret:
        return frozenset()
    raw = secret.encode()
    return frozenset({raw, *(one.rstrip(b"=") for one in (b64encode(raw), *(one.text for one in responses)))})
