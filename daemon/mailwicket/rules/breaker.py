"""When an outgoing server counts as broken, and when as mended. Pure: a moment and what happened in, the state out.

Three failures of the server in a row open the breaker, or one that a human must mend (a refused login). While it is
open no mail is handed to the server; once a minute somebody connects and logs in, and two good probes in a row close
it. What a server says of one mail or one recipient never counts. Source: behaviour.md 3.9.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

FAILURES_MAX: Final = 3
PROBE: Final = timedelta(seconds=60)
GOOD_PROBES: Final = 2
GOOD_PROBES_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a server is held to be broken."""

    reason: str
    """A reason code of a unit."""
    said: str


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of one server."""

    failures: int = 0
    """Server-level ones in a row."""
    opened_at: datetime | None = None
    """None: closed."""
    why: Failure | None = None
    """The last failure."""
    next_probe: datetime | None = None
    good_probes: int = 0
    wanted_probes: int = GOOD_PROBES
    """So many good ones in a row close it: more after each time that it was closed and took no mail all the same, as a
    server does that refuses our sender to whoever logs in."""

    @property
    def is_open(self) -> bool:
        """Whether mail goes by another server."""
        return self.opened_at is not None

    def took(self) -> Breaker:
        """Return the state after the server took a mail, or refused one for the mail's own sake."""
        return self if self.is_open else _SOUND

    def failed(self, now: datetime, failure: Failure, *, permanent: bool = False) -> Breaker:
        """Return the state after a failure of the server; *permanent*: a human must mend it."""
        failures = self.failures + 1
        if self.is_open:
            return replace(self, failures=failures, why=failure, good_probes=0, next_probe=now + PROBE)
        if not permanent and failures < FAILURES_MAX:
            return replace(self, failures=failures, why=failure)
        return replace(self, failures=failures, opened_at=now, why=failure, good_probes=0, next_probe=now + PROBE)

    def probed(self, now: datetime) -> Breaker:
        """Return the state after a probe went well: closed, when enough of them did."""
        if not self.is_open:
            return self
        good = self.good_probes + 1
        if good < self.wanted_probes:
            return replace(self, good_probes=good, next_probe=now + PROBE)
        return Breaker(wanted_probes=min(self.wanted_probes * 2, GOOD_PROBES_MAX))

    def probe_due(self, now: datetime) -> bool:
        """Tell whether it is time to connect and log in."""
        return self.next_probe is not None and now >= self.next_probe


_SOUND: Final = Breaker()
