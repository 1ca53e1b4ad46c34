"""Alerts by mail to `alert_to`, through the outbox and by any server that works: once a day for each cause and unit."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import anyio

from mailwicket.flow.posting import Moment, Post, Posting
from mailwicket.mail.wording import Context, Passage
from mailwicket.outgoing import Event
from mailwicket.ports import Transaction
from mailwicket.rules.notify import Happened
from mailwicket.service.alerts import Alert, by_cause, fresh
from mailwicket.service.herald import News
from mailwicket.store.alerts import mailed, note_mailed
from mailwicket.store.store import Store
from mailwicket.timestamp import timestamp

log = logging.getLogger(__name__)

PERIOD_S: Final = 30
"""At the latest it is looked again what stands: what waits for GATHER has no news of its own."""

GATHER: Final = timedelta(minutes=10)
"""A server that is down blocks mailbox after mailbox: after a mail of one cause the next one tells of all since."""

NAMED: Final = 50


@dataclass(frozen=True, slots=True)
class Watched:
    """What an `AlertMail` asks, as it is at that moment."""

    standing: Callable[[], Sequence[Alert]]
    """What people must mend."""
    posting: Callable[[], Posting]
    to: Callable[[], Sequence[str]]
    """`alert_to`."""


class AlertMail:
    """Puts into the outbox what people must hear."""

    def __init__(self, store: Store, watched: Watched, clock: Callable[[], datetime]) -> None:
        """Look at *watched*, and remember in *store* what was told."""
        self._store = store
        self._watched = watched
        self._clock = clock
        self._called = anyio.Event()

    def tell(self, _news: News) -> None:
        """There is news (`service.herald.Teller`)."""
        self.wake()

    async def run(self) -> None:
        """Look whenever there is news until cancelled.

        Raises:
            StoreError: our disk; the log tells of alerts all the same.
        """
        while True:
            called = self._called
            await self.look()
            with anyio.move_on_after(PERIOD_S):
                await called.wait()

    def wake(self) -> bool:
        """Look now."""
        called, self._called = self._called, anyio.Event()
        called.set()
        return True

    async def look(self) -> Sequence[Alert]:
        """Queue a mail for each cause of which people are to hear now; return what they are told.

        Raises:
            StoreError: our disk.
        """
        posting, to, now = self._watched.posting(), self._watched.to(), self._clock()
        standing = self._watched.standing()
        if not (to and standing and posting.sends):
            return ()
        due = _due(standing, self._store.read(mailed), now)
        if not due:
            return ()

        def job(tx: Transaction) -> None:
            for some in due:
                subject, text = words_of(some, socket.gethostname())
                happened = Happened(Event.ALERT, None, subject, audience=to)
                moment = Moment(tx, f"alert-{some[0].cause}-{timestamp(now)}", now)
                posting.post(moment, Post(happened, Context(words=Passage(text))))
                note_mailed(tx, [one.key for one in some], now)

        await self._store.write(job)
        posting.wake()
        told = [alert for some in due for alert in some]
        log.info("alerts are mailed alerts=%s to=%s", len(told), len(to))
        return told


def _due(standing: Sequence[Alert], told: dict[tuple[str, str | None], datetime], now: datetime) -> list[list[Alert]]:
    """What people are to hear now, a list for each mail."""
    last = {cause: max(at for (one, _), at in told.items() if one == cause) for cause, _ in told}
    return [
        some
        for cause, some in by_cause(fresh(standing, told, now)).items()
        if cause not in last or abs(now - last[cause]) >= GATHER
    ]


def words_of(alerts: Sequence[Alert], host: str) -> tuple[str, str]:
    """Return subject and text of the mail about *alerts*, which are of one cause; nothing that mail says is in it."""
    first = alerts[0]
    more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    lines = []
    for one in alerts[:NAMED]:
        lines += [f"{_sentence(one.said)}", f"Since {one.since:%Y-%m-%d %H:%M} UTC.", f"To do: {one.do}.", ""]
    if len(alerts) > NAMED:
        lines += [f"{len(alerts) - NAMED} more of the same kind.", ""]
    lines.append(
        f'mailwicket on {host}: "mailwicket status" tells how it is now. You hear of this once a day while it stands.'
    )
    return f"[{first.severity}] {first.said}{more}", "\n".join(lines)


def _sentence(said: str) -> str:
    return f"{said[:1].upper()}{said[1:]}."
