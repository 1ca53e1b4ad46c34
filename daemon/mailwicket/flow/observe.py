"""What the flow tells whoever watches it: status, metrics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from mailwicket.errors import BlockedError, StoreError
from mailwicket.model import Reason


class Observer(Protocol):
    """Watches one source. Calls come from the event loop and must not block."""

    async def outlast(self, failure: StoreError) -> None:
        """Our own store failed; the connection is kept. Return when it may be tried again."""
        ...

    def connected(self, silence_s: Callable[[], float]) -> None:
        """The mailbox is open; *silence_s* tells how many seconds ago the server's last byte came."""
        ...

    def backlog(self, mails: int, oldest_at: datetime | None) -> None:
        """So many mails are seen and not yet decided, the first of them at *oldest_at*."""
        ...

    def done(self, reason: Reason) -> None:
        """A mail was decided and committed."""
        ...

    def caught_up(self) -> None:
        """Everything that the server showed is decided and settled."""
        ...

    def unread(self, mails: int, untaken: int) -> None:
        """The server marks so many *mails* as unread; of these, so many are *untaken*: we never had them."""
        ...


class DeskObserver(Protocol):
    """Watches the desk that all sources share. Calls come from the event loop and must not block."""

    def works(self) -> None:
        """The desk took an effect, or answered about one; called each time."""
        ...

    def waits(self, failure: Exception, pause_s: float) -> None:
        """The desk is out, or has a bug; nothing is sent for *pause_s* seconds, and mail waits in the journal."""
        ...

    def tries(self) -> None:
        """The pause is over, or somebody unblocked it: one effect is sent to see."""
        ...

    def blocked(self, failure: BlockedError) -> None:
        """A human must act; nothing is sent until then, and mail waits in the journal."""
        ...


class CourierObserver(Protocol):
    """Watches one outgoing server. Calls come from the event loop and must not block."""

    def idle(self) -> None:
        """Nothing is known against the server, and nothing is asked of it now."""
        ...

    def works(self) -> None:
        """We are connected and logged in."""
        ...

    def sent(self) -> None:
        """A mail was taken for all its recipients."""
        ...

    def refused(self) -> None:
        """A mail, or a recipient of one, was refused for good."""
        ...

    def waits(self, failure: Exception, pause_s: float) -> None:
        """The server failed; it is tried again in *pause_s* seconds."""
        ...

    def blocked(self, failure: BlockedError) -> None:
        """A human must act; the server is only probed until then."""
        ...

    def tries(self) -> None:
        """The server is probed now."""
        ...

    def probed(self, pause_s: float) -> None:
        """It let us in, which is not yet enough; the next probe is in *pause_s* seconds."""
        ...


class Unwatched:
    """An `Observer` for what nobody watches: mail that is handed over for no mailbox."""

    async def outlast(self, failure: StoreError) -> None:
        """Nobody waits."""
        raise failure

    def connected(self, silence_s: Callable[[], float]) -> None:
        """Nobody is told."""

    def backlog(self, mails: int, oldest_at: datetime | None) -> None:
        """Nobody is told."""

    def done(self, reason: Reason) -> None:
        """Nobody is told."""

    def caught_up(self) -> None:
        """Nobody is told."""

    def unread(self, mails: int, untaken: int) -> None:
        """Nobody is told."""
