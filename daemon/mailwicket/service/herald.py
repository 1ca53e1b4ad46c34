"""Tells people what they must mend: when it begins, once a day while it stands, and when it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import anyio

from mailwicket.service.alerts import REPEAT, Alert, Cause, alerts_of, by_cause
from mailwicket.service.report import Report

log = logging.getLogger(__name__)

PERIOD_S: Final = 5

LOGGED: Final = 10
"""A server that is down blocks or fails a thousand mailboxes at once: so many are named for each cause."""


@dataclass(frozen=True, slots=True)
class News:
    """What people were not told yet."""

    at: datetime
    begun: Sequence[Alert]
    repeated: Sequence[Alert]
    """Told a day ago, and they still stand."""
    over: Sequence[Alert]

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.begun or self.repeated or self.over)


Teller = Callable[[News], None]
"""A way to people. Called on the event loop, must neither block nor raise; the log is one."""


class Herald:
    """Watches the reports, and remembers what was told."""

    def __init__(self, report: Callable[[], Report], tellers: Iterable[Teller], clock: Callable[[], datetime]) -> None:
        """Tell of what *report* shows by each of *tellers*."""
        self._report = report
        self._tellers = tuple(tellers)
        self._clock = clock
        self._standing: dict[tuple[Cause, str | None], tuple[Alert, datetime]] = {}
        """What stands, and when people were told of it last."""

    async def run(self) -> None:
        """Look every few seconds until cancelled."""
        while True:
            self.look()
            await anyio.sleep(PERIOD_S)

    @property
    def standing(self) -> Sequence[Alert]:
        """What stood at the last look."""
        return [alert for alert, _ in self._standing.values()]

    def wake(self) -> bool:
        """It looks often enough."""
        return False

    def look(self) -> News:
        """Look now, tell what is news, and return it."""
        now = self._clock()
        current = {alert.key: alert for alert in alerts_of(self._report())}
        begun = [alert for key, alert in current.items() if key not in self._standing]
        repeated = [
            current[key] for key, (_, told_at) in self._standing.items() if key in current and now - told_at >= REPEAT
        ]
        over = [alert for key, (alert, _) in self._standing.items() if key not in current]
        told_now = {alert.key for alert in (*begun, *repeated)}
        self._standing = {
            key: (alert, now if key in told_now else self._standing[key][1]) for key, alert in current.items()
        }
        news = News(now, begun, repeated, over)
        if news:
            for tell in self._tellers:
                tell(news)
        return news


def tell_log(news: News) -> None:
    """Write one line for each, and for many of one cause how many more there are."""
    for words, alerts in (("alert", news.begun), ("alert stands", news.repeated)):
        for cause, some in by_cause(alerts).items():
            level = logging.ERROR if some[0].severity == "critical" else logging.WARNING
            for alert in some[:LOGGED]:
                since = alert.since.strftime("%Y-%m-%dT%H:%M:%SZ")
                log.log(level, "%s %s: %s since %s; %s", words, cause, alert.said, since, alert.do)
            _tell_rest(level, words, cause, some)
    for cause, some in by_cause(news.over).items():
        for alert in some[:LOGGED]:
            minutes = (news.at - alert.since) // timedelta(minutes=1)
            log.info("alert over %s%s: it stood for %s min", cause, f" {alert.unit}" if alert.unit else "", minutes)
        _tell_rest(logging.INFO, "alert over", cause, some)


def _tell_rest(level: int, words: str, cause: Cause, alerts: Sequence[Alert]) -> None:
    if len(alerts) > LOGGED:
        log.log(level, '%s %s: %s more units, "mailwicket status" tells all', words, cause, len(alerts) - LOGGED)
