"""What was granted, held against what is needed: scopes of a person's grant, roles of an application's own. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mailwicket.config.oauth import PLAIN_SCOPES, SIGNED_IN, OAuth, scopes
from mailwicket.model import Use
from mailwicket.net.oauth.claims import read_claims
from mailwicket.net.oauth.grant import Kept

ROLES: Final[dict[Use, str]] = {
    "imap": "IMAP.AccessAsApp",
    "pop3": "POP.AccessAsApp",
    "smtp": "SMTP.SendAsApp",
    "graph": "Mail.ReadWrite",
    "graph_send": "Mail.Send",
}
"""Microsoft's permissions of an application's own, as its tokens name them."""

IN_EXCHANGE: Final = frozenset({"SMTP.SendAsApp", "Mail.ReadWrite", "Mail.Send"})
"""Exchange may grant these by a role of its own (RBAC for Applications), and then no token tells of it."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What is needed and what was granted."""

    needed: Sequence[str]
    granted: Sequence[str]
    missing: Sequence[str] = ()

    def __str__(self) -> str:
        """For a person, in a line."""
        missing = f"; MISSING: {' '.join(self.missing)}" if self.missing else ""
        return f"granted: {' '.join(self.granted) or 'nothing named'}{missing}"


def compared(oauth: OAuth, uses: Collection[Use], kept: Kept) -> Compared:
    """Return what *kept* lacks for *uses*; nothing is missing where nothing is known of what was granted."""
    if oauth.grant in SIGNED_IN:
        found = of_person(oauth, uses, kept.granted)
        return found if kept.refresh is not None else Compared(found.needed, found.granted)
    if oauth.is_microsoft:
        return of_application(uses, (one.token for one in kept.access.values()))
    return Compared(scopes(oauth, uses), kept.granted)


def of_person(oauth: OAuth, uses: Collection[Use], granted: Sequence[str]) -> Compared:
    """Compare scopes, which some servers write in another letter case, and Microsoft without Graph's host."""
    needed = [one for one in scopes(oauth, uses) if one not in PLAIN_SCOPES]
    known = {_plain(oauth, one) for one in granted}
    return Compared(needed, granted, [one for one in needed if _plain(oauth, one) not in known])


def of_application(uses: Collection[Use], tokens: Iterable[str]) -> Compared:
    """Compare the roles that Microsoft's *tokens* name; a token for one door tells nothing of another's."""
    needed = [role for use, role in ROLES.items() if use in uses]
    claims = [one for one in map(read_claims, tokens) if one is not None]
    granted = list(dict.fromkeys(str(role) for one in claims for role in one.get("roles") or ()))
    if not claims:
        return Compared(needed, granted)
    return Compared(needed, granted, [one for one in needed if one not in granted and one not in IN_EXCHANGE])


def _plain(oauth: OAuth, scope: str) -> str:
    graph = f"{oauth.preset.graph}/".casefold()
    folded = scope.casefold()
    return folded.removeprefix(graph) if len(graph) > 1 else folded
