"""The outgoing side of a desk in memory: real rounds and breakers over doubles of servers, by a clock that is set.

What the daemon does while time passes is done here at the moments at which it would be, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from mailwicket.config.outgoing import Outgoing
from mailwicket.errors import BlockedError, TransientError
from mailwicket.flow.carrying import BATCH, Pace
from mailwicket.flow.handing import Aftermath, ConnectionOverError, Handing, Office
from mailwicket.flow.rounds import Round
from mailwicket.flow.switchboard import Exchange, Switchboard
from mailwicket.flow.writing import Writing
from mailwicket.model import MessageId
from mailwicket.ports import Transaction
from mailwicket.rehearsal.sent import Sent
from mailwicket.rehearsal.wire import Wire
from mailwicket.rules.breaker import PROBE
from mailwicket.store import outbox
from mailwicket.store.outbox import Claimed, SentAs

T = TypeVar("T")

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
INSTANT: Final = timedelta(microseconds=1)
DAY: Final = timedelta(hours=24)


class Clock:
    """The scenario's."""

    def __init__(self, now: datetime) -> None:
        """Show *now*."""
        self.now = now

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now

    @property
    def tick(self) -> float:
        """The same in seconds."""
        return (self.now - EPOCH).total_seconds()


class Desk(Aftermath, Protocol):
    """Whose mail it is."""

    def is_fetched(self, source: str) -> bool:
        """Tell whether the mailbox *source* is looked at now."""
        ...


@dataclass(frozen=True, slots=True)
class Works:
    """All that takes mail to one server."""

    config: Outgoing
    wire: Wire
    round: Round
    handing: Handing
    pace: Pace


class Post:
    """What the outbox of a desk sends, in order."""

    def __init__(self, tx: Transaction, clock: Clock, desk: Desk, writing: Writing) -> None:
        """Send what *tx* holds, by no server yet; *desk* is told what became of it."""
        self.board = Switchboard(Exchange(), desk.is_fetched)
        self.sent: list[Sent] = []
        self.alerts: list[str] = []
        """Units of which people were told, in order."""
        self._alerted: dict[str, tuple[str, datetime]] = {}
        self._tx = tx
        self._clock = clock

        async def write(mail: Claimed, sent_as: SentAs) -> bytes:
            return writing.write(mail, sent_as)

        self._office = Office(self.board, write, desk, clock, lambda: 0.0)
        self._wires: dict[str, Wire] = {}
        self._works: dict[str, Works] = {}

    @property
    def ids(self) -> list[MessageId]:
        """The Message-IDs, in order; a mail that left in pieces counts once."""
        return list(dict.fromkeys(one.message_id for one in self.sent))

    def first(self, number: int) -> Sent:
        """Return the mail with this *number*, from 0, as it left first."""
        message_id = self.ids[number]
        return next(one for one in self.sent if one.message_id == message_id)

    # --- configuration and servers

    def adopt(self, exchange: Exchange) -> None:
        """Send by another configuration, as after a reload: a server that changed begins anew."""
        before, self._works = self._works, {}
        self.board.adopt(exchange)
        for name, config in exchange.servers.items():
            if config.enabled:
                known = before.get(name)
                self._works[name] = known if known and known.config == config else self._hire(name, config)
        self._alerted = {
            name: told for name, told in self._alerted.items() if self._works.get(name) is before.get(name)
        }
        primary = self.board.map.primary
        outbox.adopt(self._tx, self.board.servers, primary.name if primary else None)

    def _hire(self, name: str, config: Outgoing) -> Works:
        is_asked = "rate_per_minute" in config.model_fields_set  # not the one that a kind of server has by itself
        pace = Pace(config.rate_per_minute if is_asked else None, config.connections)
        return Works(config, self.wire(name), Round(name, self._office), Handing(name, self._office), pace)

    def wire(self, name: str) -> Wire:
        """Return the double of the server *name*; it stays as it is whatever the configuration says."""
        return self._wires.setdefault(name, Wire(name))

    # --- time

    def work(self, until: datetime) -> None:
        """Do all that is due up to *until*, each at its moment."""
        self._settle()
        while (at := self._next(until)) is not None:
            self._clock.now = at
            self._settle()

    def _next(self, until: datetime) -> datetime | None:
        """Return when there is something to do again, up to *until*."""
        now = self._clock.now
        found = [at for at in self._moments(now) if now < at <= until]
        end = min(found, default=until)
        for one in self._works.values():
            if (probe := one.round.next_probe) is None or probe > end:
                continue
            # What a server says that lets nobody in is known: of such probes only the last is made.
            rest = timedelta() if one.wire.lets_in else (end - probe) // PROBE * PROBE
            found.append(max(probe + rest, now + INSTANT))
        return min(found, default=None)

    def _moments(self, now: datetime) -> Iterator[datetime]:
        if (at := outbox.next_moment(self._tx, now)) is not None:
            yield at
        for one in self._works.values():
            for wait_s in (one.round.rests_until - self._clock.tick, one.pace.wait_s(self._clock.tick)):
                if wait_s > 0:
                    yield now + max(timedelta(seconds=wait_s), INSTANT)

    def _settle(self) -> None:
        """Do what is due now, until nothing is; at one moment, mail leaves in the order in which it was queued."""
        begun = len(self.sent)
        while any(self._turn(one) for one in list(self._works.values())):
            pass
        self.sent[begun:] = sorted(self.sent[begun:], key=lambda one: one.number)

    # --- one server's turn, as `flow.delivery` does it

    def _turn(self, one: Works) -> bool:
        """Do what there is to do for a server now; tell whether there was anything."""
        if one.round.has_too_old(self._tx):
            one.round.give_up(self._tx)
            return True
        if (probe := one.round.next_probe) is not None:
            return probe <= self._clock.now and self._try(one, self._probe)
        if one.pace.wait_s(self._clock.tick) > 0 or not one.round.is_wanted(self._tx, self._clock.tick):
            return False
        return self._try(one, self._carry)

    def _try(self, one: Works, do: Callable[[Works], None]) -> bool:
        outages = one.round.outages
        try:
            one.wire.connect()
            do(one)
        except (TransientError, BlockedError) as failure:
            was_open = one.round.next_probe is not None
            one.round.failed(failure, outages, self._clock.tick)
            if one.round.next_probe is not None and not was_open:
                self._alert(one.round.name, failure.reason)
        except ConnectionOverError:
            pass
        return True

    def _probe(self, one: Works) -> None:
        one.round.let_in()

    def _carry(self, one: Works) -> None:
        name = one.round.name
        while covers := self.board.covers(name):
            if one.pace.wait_s(self._clock.tick) > 0:
                return
            limit = BATCH if one.pace.is_free else 1
            mails = outbox.claim(self._tx, name, covers, self._clock.now, limit)
            if not mails:
                return
            try:
                while mails:
                    self._hand(one, mails.pop(0))
            finally:
                outbox.release(self._tx, [mail.outbox_id for mail in mails])

    def _hand(self, one: Works, mail: Claimed) -> None:
        async def begin(_mail: Claimed, _sent_as: SentAs) -> None:
            one.pace.take(self._clock.tick)

        one.wire.taken.clear()
        ending = at_once(one.handing.hand(mail, begin, lambda _mail, to, raw: one.wire.submit(to, raw)))
        reached = [address for address, status in ending.attempt.statuses.items() if status.is_taken]
        if reached:
            envelope, raw = one.wire.taken[-1]
            told = mail.message_id, mail.event, one.round.name, envelope.reverse_path, reached, mail.received_at
            self.sent.append(Sent(mail.outbox_id, *told, self._clock.now, raw))
            self._alerted.pop(one.round.name, None)
        self._office.conclude(self._tx, mail, ending.attempt)
        if ending.raises is not None:
            raise ending.raises

    def _alert(self, name: str, reason: str) -> None:
        """Tell people of a server that is broken, of one outage once a day."""
        told, at = self._alerted.get(name, ("", EPOCH))
        if told != reason or self._clock.now - at >= DAY:
            self.alerts.append(f"outgoing/{name}")
            self._alerted[name] = reason, self._clock.now


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a *coroutine* that has nothing to wait for."""
    with closing(coroutine):
        try:
            waits_for = coroutine.send(None)
        except StopIteration as done:
            result: T = done.value
            return result
    raise RuntimeError(f"it waits for {waits_for}")
