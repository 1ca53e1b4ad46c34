"""What the flow tells whoever watches it: status, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mailwicket.errors import StoreError
from mailwicket.model import Reason


class Observer(Protocol):
    """Watches one source. Calls come from the event loop and must not block."""

    async def outlast(self, failure: StoreError) -> None:
        """Our own store failed; the connection is kept. Return when it may be tried again."""
        ...

    def connected(self, silence_s: Callable[[], float]) -> None:
        """The mailbox is open; *silence_s* tells how many seconds ago the server's last byte came."""
        ...

    def backlog(self, mails: int) -> None:
        """So many mails are seen and not yet decided."""
        ...

    def done(self, reason: Reason) -> None:
        """A mail was decided and committed."""
        ...

    def caught_up(self) -> None:
        """Everything that the server showed is decided and settled."""
        ...
