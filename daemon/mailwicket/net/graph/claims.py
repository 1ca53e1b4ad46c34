"""What an access token says of itself. Pure, and believed by nobody but a person who reads a test's report.

A token is opaque to whoever bears it (RFC 6749 1.4). Entra's are JWT (RFC 7519), mostly; any other says nothing.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

GRAPH_APP_ID: Final = "00000003-0000-0000-c000-000000000000"
"""Microsoft Graph itself, as an audience."""

CLOUDS: Final = frozenset(
    {"graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"}
)
"""What is said to any other server (a gateway, a double) is its own business."""

SENDING: Final = frozenset({"Mail.Send", "Mail.Send.Shared"})
WRITING: Final = frozenset({"Mail.ReadWrite", "Mail.ReadWrite.Shared"})
READING: Final = WRITING | {"Mail.Read", "Mail.Read.Shared"}


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a token; empty where it says nothing."""

    audience: str = ""
    scopes: frozenset[str] = frozenset()
    """`scp`: what a person let the application do."""
    roles: frozenset[str] = frozenset()
    """`roles`: what the application may do by itself. RBAC for Applications adds to that, and stands in no token."""
    expires: datetime | None = None
    person: str = ""

    @property
    def permissions(self) -> frozenset[str]:
        """Scopes and roles."""
        return self.scopes | self.roles

    @property
    def sends_only(self) -> bool:
        """Whether it names the right to send, and none to keep drafts."""
        return not self.permissions.isdisjoint(SENDING) and self.permissions.isdisjoint(WRITING)

    def is_for(self, server: str) -> bool:
        """Tell whether Graph at *server* takes it, as far as it says: a token for IMAP is not, nor another cloud's."""
        audience = self.audience.casefold().rstrip("/").rpartition("/")[2]
        if audience in {"", GRAPH_APP_ID, server.casefold()}:
            return True
        return server.casefold() not in CLOUDS and not audience.startswith("outlook.")

    def told(self, now: datetime) -> str:
        """Return it in a line for a person."""
        if not self.audience and not self.permissions:
            return "opaque: it says nothing of itself"
        whose = f"of {self.person}" if self.person else "of the application"
        names = " ".join(sorted(self.permissions)) or "no permission by name"
        left = "" if self.expires is None else f", {(self.expires - now).total_seconds() / 60:.0f} minutes left"
        return f"for {self.audience}, {whose}, with {names}{left}"


def claims_of(token: str) -> Claims:
    """Read *token*, whose signature is its server's business."""
    parts = token.split(".")
    if len(parts) != 3:
        return Claims()
    try:
        told = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return Claims()
    if not isinstance(told, dict):
        return Claims()
    person = next((_text(told.get(name)) for name in ("upn", "unique_name", "preferred_username") if name in told), "")
    roles = told.get("roles")
    return Claims(
        _text(told.get("aud")),
        frozenset(_text(told.get("scp")).split()),
        frozenset(_text(one) for one in roles) if isinstance(roles, list) else frozenset(),
        _moment(told.get("exp")),
        person,
    )


def _text(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    return "".join(c if c.isprintable() else " " for c in value)[:500] if isinstance(value, str) else ""


def _moment(value: Any) -> datetime | None:  # noqa: ANN401 - whatever JSON holds
    try:
        return datetime.fromtimestamp(value, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
