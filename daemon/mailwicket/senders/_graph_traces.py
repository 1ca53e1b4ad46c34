"""What a sender at Graph knows of mails that may have been sent, and of drafts that wait.

It makes the look into the mailbox sharper, and nothing is lost with it; no row of ours says more than the mailbox.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import anyio

KNOWN_MAX: Final = 1000
"""Of each kind."""


@dataclass(slots=True)
class Trace:
    """What is known of a mail that may have been sent."""

    since: float
    """When that was first asked, by the event loop's clock."""
    draft: str | None
    """Its draft; None where it may have none."""
    vanished: bool = False
    """The last look found it nowhere."""


@dataclass(frozen=True, slots=True)
class Laid:
    """A whole draft that could not be sent yet."""

    draft: str
    digest: str
    """Of the mail that it holds."""


class Traces:
    """The traces of one sender, over all its connections."""

    def __init__(self, clock: Callable[[], float] = anyio.current_time) -> None:
        """Know of none; *clock* tells seconds, and never goes back."""
        self.clock = clock
        self._known: OrderedDict[str, Trace] = OrderedDict()
        self._laid: OrderedDict[str, Laid] = OrderedDict()
        self._removed: OrderedDict[str, None] = OrderedDict()
        self._doubtful: OrderedDict[str, None] = OrderedDict()
        self._swept_at: float | None = None

    def keep(self, message_id: str | None, draft: str | None = None) -> Trace:
        """Return the trace of a mail, begun now where there was none; *draft* is what was ordered to be sent now."""
        now = self.clock()
        trace = self._known.setdefault(message_id or "", Trace(now, draft))
        if draft is not None and draft != trace.draft:
            trace.since, trace.draft, trace.vanished = now, draft, False
        _bound(self._known)
        return trace

    def remove(self, draft: str) -> None:
        """*draft* is about to be removed: that it is gone proves nothing from now on, and nobody sends it any more."""
        self._removed[draft] = None
        _bound(self._removed)

    def proves_sent(self, draft: str | None) -> bool:
        """Tell whether *draft*, which is nowhere to be found, was sent: nothing else makes it vanish but ourselves."""
        return draft is not None and draft not in self._removed

    def forget(self, message_id: str) -> None:
        """It is decided."""
        self._known.pop(message_id, None)

    def doubt(self, message_id: str | None) -> None:
        """A mail may have a draft that nobody will send: the answer to its making was lost."""
        if message_id is not None:
            self._doubtful[message_id] = None
            _bound(self._doubtful)

    def is_doubtful(self, message_id: str) -> bool:
        """Tell whether that is so."""
        return message_id in self._doubtful

    def end_doubt(self, message_id: str) -> None:
        """It was looked for."""
        self._doubtful.pop(message_id, None)

    def put_laid(self, message_id: str | None, laid: Laid) -> None:
        """Keep a draft for the next attempt; of a mail without an id it is found by none."""
        if message_id is not None:
            self._laid[message_id] = laid
            _bound(self._laid)

    def take_laid(self, message_id: str | None) -> Laid | None:
        """Return the draft that was kept, once; None where we had it removed since."""
        laid = self._laid.pop(message_id, None) if message_id is not None else None
        return None if laid is None or laid.draft in self._removed else laid

    def sweeps(self, every_s: float) -> bool:
        """Tell whether it is time to look for what was left behind, and count that as done now."""
        now = self.clock()
        if self._swept_at is not None and now - self._swept_at < every_s:
            return False
        self._swept_at = now
        return True


def _bound(known: OrderedDict[str, Any]) -> None:
    while len(known) > KNOWN_MAX:
        known.popitem(last=False)
