"""How a mailbox is let in at a server that counts and wants tokens: what an adapter is handed for that."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Bearer(Protocol):
    """Brings the tokens (RFC 6750) by which one mailbox logs in in place of a password."""

    async def token(self) -> str:
        """Return a token that is good for some minutes at least.

        Never log it, put it into no error, say it to no other server than the mailbox's own.

        Raises:
            TransientError: time mends it.
            BlockedError: a human must act: sign in, consent, settings.
        """
        ...

    def invalidate(self) -> None:
        """The server did not take the last token: the next one is another."""
        ...

    def challenged(self, claims: str) -> None:
        """The server wants a token with *claims* (OpenID Connect Core 5.5): the next sign-in asks for them."""
        ...

    @property
    def is_fresh(self) -> bool:
        """Whether the last token was minted when it was asked for: where that is refused, a new one mends nothing."""
        ...

    @property
    def left_s(self) -> float:
        """Seconds until the last token ends, and with it the session that some servers opened by it."""
        ...


class Lane(Protocol):
    """The turns of one mailbox at a server that counts requests: its own, and those of its application together."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait for a turn, and hold it while one request is made and its answer read.

        Raises:
            TransientError: the server asked for a pause that is not over (`throttled`, `retry_after_s`).
        """
        ...

    def rest(self, for_s: float | None, *, application: bool) -> None:
        """The server asked for a pause of *for_s* seconds: for this mailbox, and with *application* for all of it."""
        ...
