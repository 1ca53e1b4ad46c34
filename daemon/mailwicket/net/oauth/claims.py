"""What a token says of itself, for a person who tests a connection; unverified, and never a proof of anything.

A token is its server's own affair (RFC 6749 1.4): some are JWTs (RFC 9068), others nobody else can read.
"""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, Final

from mailwicket.oneline import cut, printable

GRAPH_ID: Final = "00000003-0000-0000-c000-000000000000"
"""The application id of Microsoft Graph, in every cloud: an audience may be named by it."""

SHOWN_CHARS: Final = 200
CHALLENGE_CHARS: Final = 4096
USERS: Final = ("upn", "preferred_username", "unique_name", "email", "sub")
APPLICATIONS: Final = ("app_displayname", "appid", "azp", "client_id")


def read_claims(token: str) -> Mapping[str, Any] | None:
    """Return the claims of *token*; None where it is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def shown_claims(token: str) -> str:
    """Say in a line for whom a token is, what it allows and whose it is, by the names of its claims."""
    claims = read_claims(token)
    if claims is None:
        return "only its server can read it"
    permissions = {name: _words(claims.get(name)) for name in ("scp", "scope", "roles")}
    told = [f"aud {_words(claims.get('aud')) or 'none'}"]
    told += [f"{name} {words}" for name, words in permissions.items() if words]
    whose = next((words for name in (*USERS, *APPLICATIONS) if (words := _words(claims.get(name)))), "")
    if permissions["roles"]:  # an application's own: its subject is a number
        whose = next((words for name in APPLICATIONS if (words := _words(claims.get(name)))), whose)
    return ", ".join([*told, *([f"of {whose}"] if whose else [])])


def asked_claims(challenge: str) -> str:
    """Return the claims that *challenge* wants, as JSON; "" where it has none.

    Microsoft's token endpoint writes them so, Graph in base64.
    """
    text = challenge.strip()
    if len(text) > CHALLENGE_CHARS:
        return ""
    if not text.startswith("{"):
        try:
            text = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_" if {"-", "_"} & set(text) else None).decode()
        except ValueError:
            return ""
    try:
        return text if isinstance(json.loads(text), dict) else ""
    except (ValueError, RecursionError):
        return ""


def audience_of(token: str) -> str:
    """Return for whom a token is; "" where it does not say."""
    claims = read_claims(token)
    return "" if claims is None else _words(claims.get("aud"))


def _words(value: object) -> str:
    """Return text, or a list of it, as printable words."""
    text = " ".join(str(one) for one in value) if isinstance(value, list) else value if isinstance(value, str) else ""
    return cut(printable(text), SHOWN_CHARS)
