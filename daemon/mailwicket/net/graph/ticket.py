"""What a token for Graph says of itself, for a person: whose it is, and what it opens. Never a proof of anything.

Tokens are their server's own affair (RFC 6749 1.4): those of personal accounts cannot be read, others are JWTs today.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from mailwicket.config.graph import SERVERS
from mailwicket.net.graph.place import SIGNED_IN
from mailwicket.net.oauth.claims import GRAPH_ID, read_claims

CLOUDS: Final = frozenset(SERVERS.values())
"""Tokens of one are nothing to another."""

WRITES: Final = ("Mail.ReadWrite", "Mail.ReadWrite.Shared")
SENDS: Final = ("Mail.Send", "Mail.Send.Shared")
READS: Final = (*WRITES, "Mail.Read", "Mail.Read.Shared")
EVERY: Final = frozenset({"Mail.ReadWrite", "Mail.Read", "Mail.Send"})


@dataclass(frozen=True, slots=True)
class Ticket:
    """The claims of one token that matter here."""

    audience: str
    """Empty: it does not say."""
    user: str | None
    """Who signed in; None of an application's own token."""
    application: str
    permissions: Sequence[str]

    @property
    def is_of_application(self) -> bool:
        """Whether nobody signed in."""
        return self.user is None

    @property
    def who(self) -> str:
        """Whose it is, in words."""
        return f"the application {self.application} itself" if self.user is None else self.user or "whoever signed in"

    @property
    def permissions_shown(self) -> str:
        """Its permissions about mail."""
        return ", ".join(one for one in self.permissions if one.startswith("Mail.")) or "no permission about mail"

    @property
    def opens_every_mailbox(self) -> bool:
        """Whether a permission of the whole tenant stands in it; one that Exchange limits stands in no token."""
        return not EVERY.isdisjoint(self.permissions)

    @property
    def may_send(self) -> Sequence[str]:
        """The permissions to send that it names."""
        return [one for one in self.permissions if one in SENDS]

    @property
    def only_sends(self) -> bool:
        """Whether it names a permission to send and none to keep drafts."""
        return bool(self.may_send) and not any(one in WRITES for one in self.permissions)

    @property
    def may_only_send(self) -> bool:
        """Whether a refused draft may mean that: an application's right to send may stand in Exchange alone."""
        keeps_drafts = any(one in WRITES for one in self.permissions)
        return not keeps_drafts and (self.is_of_application or bool(self.may_send))

    def is_for(self, server: str) -> bool:
        """Tell whether *server* is meant, or the cloud that stands behind it where it is none itself."""
        named = urlsplit(self.audience).hostname if "://" in self.audience else self.audience
        stands_before = server.casefold() not in CLOUDS and named in CLOUDS
        return stands_before or named in {server.casefold(), GRAPH_ID}

    def missing(self, mailbox: str, *, changes: bool) -> str | None:
        """Return the permission that a person's token lacks for *mailbox*; an application's may stand in Exchange."""
        if self.user is None:
            return None
        is_own = mailbox == SIGNED_IN or not self.user or mailbox.casefold() == self.user.casefold()
        wanted: Collection[str] = WRITES if changes else READS
        if not is_own:
            wanted = [one for one in wanted if one.endswith(".Shared")]
        held = {one.casefold() for one in self.permissions}
        if any(one.casefold() in held for one in wanted):
            return None
        return "Mail.ReadWrite" + ("" if is_own else ".Shared")


def read_ticket(token: str) -> Ticket | None:
    """Read *token*, unverified; None where it is no JWT."""
    claims = read_claims(token)
    if claims is None:
        return None

    def text(*names: str) -> str:
        return next((claims[name] for name in names if isinstance(claims.get(name), str)), "")

    roles = claims.get("roles")
    is_delegated = isinstance(claims.get("scp"), str)
    permissions = (
        text("scp").split() if is_delegated else [str(one) for one in roles] if isinstance(roles, list) else []
    )
    user = text("upn", "preferred_username", "unique_name") if is_delegated else None
    return Ticket(text("aud"), user, text("app_displayname", "appid", "azp"), permissions)
