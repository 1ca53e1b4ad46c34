"""What a token opens, and who brings the tokens of one server to its adapter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mailwicket.config.oauth import OAuth, resource_of
from mailwicket.model import Use
from mailwicket.net.oauth.grant import Access


@dataclass(frozen=True, slots=True)
class Door:
    """What one token opens."""

    name: str
    """NAME of `[oauth.NAME]`."""
    use: Use
    mailbox: str
    proxy: str | None = None
    """NAME of the `[proxy.NAME]` by which the server is reached that the token is for: it is asked for by the same."""

    def key(self, oauth: OAuth) -> str:
        """Return under which name its token is kept: a service account has one for each mailbox."""
        resource = resource_of(self.use)
        return f"{resource} {self.mailbox}" if oauth.grant == "service_account" else resource


class HandsOut(Protocol):
    """Who has all tokens (`net.oauth.tokens.Tokens`)."""

    async def access(self, door: Door) -> Access: ...  # noqa: D102
    def drop(self, door: Door, token: str) -> None: ...  # noqa: D102
    def challenge(self, name: str, claims: str) -> None: ...  # noqa: D102
    def now(self) -> float: ...  # noqa: D102


class Bearer:
    """Brings the tokens of one mailbox; see `admission.Bearer`."""

    def __init__(self, tokens: HandsOut, door: Door) -> None:
        """Bring what opens *door*. Asks for nothing yet."""
        self._tokens = tokens
        self._door = door
        self._last: Access | None = None
        self._is_new = False

    async def token(self) -> str:
        """Return a token that is good for minutes at least; see `Tokens.access` for errors."""
        asked_at = self._tokens.now()
        self._last = await self._tokens.access(self._door)
        self._is_new = self._last.minted_at >= asked_at
        return self._last.token

    def invalidate(self) -> None:
        """The server did not take the last token: the next one is another."""
        if self._last is not None:
            self._tokens.drop(self._door, self._last.token)

    def challenged(self, claims: str) -> None:
        """See `admission.Bearer`."""
        self._tokens.challenge(self._door.name, claims)

    @property
    def is_fresh(self) -> bool:
        """Whether the last token was minted when it was asked for, not before."""
        return self._is_new

    @property
    def left_s(self) -> float:
        """Seconds until the last token ends; 0 where it has, or where there was none."""
        return 0.0 if self._last is None else max(0.0, self._last.expires_at - self._tokens.now())
