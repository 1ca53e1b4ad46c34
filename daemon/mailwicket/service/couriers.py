"""The outgoing servers of the running configuration: made into units, and changed by a plan while the others run on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import anyio

from mailwicket.config.outgoing import Outgoing
from mailwicket.config.settings import Settings
from mailwicket.errors import BlockedError
from mailwicket.flow.carrying import take_over
from mailwicket.flow.configured import exchange_of, policy_of, telling_of
from mailwicket.flow.delivery import Courier
from mailwicket.flow.handing import Office
from mailwicket.flow.posting import Posting
from mailwicket.flow.switchboard import Exchange, Switchboard
from mailwicket.flow.telling import Telling
from mailwicket.flow.writing import Writing
from mailwicket.ports import Net, Sender, Transaction
from mailwicket.rules.policy import Policy
from mailwicket.service.plan import Act, Change, Plan
from mailwicket.service.supervisor import Supervisor
from mailwicket.service.units import STORE_REASONS, Unit, UnitState
from mailwicket.store import journal, outbox, outlist
from mailwicket.store.attempts import Attempt, Noted
from mailwicket.store.outbox import Claimed
from mailwicket.store.store import Store

PREFIX: Final = "outgoing/"


class CourierUnit:
    """Writes what a courier tells (`flow.observe.CourierObserver`) into its unit."""

    def __init__(self, unit: Unit) -> None:
        """Keep *unit*."""
        self._unit = unit

    def idle(self) -> None:
        """Nothing is asked of the server now."""
        self._unit.become(UnitState.RUNNING)

    def works(self) -> None:
        """A loss that was told is over; our own store's only when something was written."""
        if self._unit.reason not in STORE_REASONS:
            self._unit.recovered(self._unit.server)
            self._unit.become(UnitState.RUNNING)

    def sent(self) -> None:
        """A mail was taken."""
        self._unit.sent_mails += 1
        self._unit.caught_up()

    def refused(self) -> None:
        """A mail, or a recipient of one, was refused for good."""
        self._unit.refused_mails += 1

    def waits(self, failure: Exception, pause_s: float) -> None:
        """The server failed."""
        self._unit.waits(failure, pause_s)

    def blocked(self, failure: BlockedError) -> None:
        """A human must act."""
        self._unit.blocks(failure)

    def tries(self) -> None:
        """It is as it was until the probe has ended: what it is, it is since then."""

    def probed(self, pause_s: float) -> None:
        """The next probe tells more."""
        self._unit.next_try = datetime.now(UTC) + timedelta(seconds=pause_s)


@dataclass(frozen=True, slots=True)
class Hired:
    """Who works for one server."""

    unit: Unit
    courier: Courier


class Couriers:
    """All outgoing servers, enabled ones with a courier."""

    def __init__(
        self,
        store: Store,
        net: Net,
        senders: Mapping[str, Callable[..., Sender]],
        is_fetched: Callable[[str], bool],
        desk: Callable[[], object] = lambda: None,
    ) -> None:
        """Send by the adapters in *senders*; *is_fetched* tells whether a mailbox (NAME) is read. Starts nothing.

        *desk* shows what becomes of the mail, where it lives in our store.
        """
        self.units: dict[str, Unit] = {}
        """By name, as `status` shows them; disabled servers too."""
        self.board = Switchboard(Exchange(), is_fetched)
        self.telling = Telling(Posting(Policy(), {}, self.board))
        """Puts into the outbox what people hear, by the configuration of the moment."""
        self._store = store
        self._desk = desk
        self._senders = senders
        self._net = net
        self._writing = Writing(store.raw, net.attachment_dir)
        self._office = Office(self.board, self._writing, self)
        self._hired: dict[str, Hired] = {}

    def ended(self, tx: Transaction, mail: Claimed, attempt: Attempt, noted: Noted, now: datetime) -> None:
        """See `flow.handing.Aftermath`: by the configuration of the moment."""
        self.telling.ended(tx, mail, attempt, noted, now)

    def man(self, settings: Settings) -> None:
        """Make a courier for every enabled server of *settings*; none is started."""
        self.adopt(settings)
        held = self._store.read(journal.held_units)
        for name, config in settings.outgoing.items():
            if config.enabled:
                hired = self._hired[PREFIX + name] = self._hire(name, config)
                hired.unit.held = hired.unit.name in held
        self._list(settings)

    def adopt(self, settings: Settings) -> None:
        """Decide by *settings* from now on who hears of what, and by which server."""
        policy = policy_of(settings, self._store.keys)
        self.board.adopt(exchange_of(settings, self._store.keys))
        self.telling = telling_of(settings, policy, self.board, self._writing, desk=self._desk)

    async def start(self, supervisor: Supervisor) -> None:
        """Take over what a daemon that died had in hand, and start every courier."""
        for server in self._store.slips.servers():
            await self._store.write(partial(take_over, self._store, self._office, server))
            self._store.slips.clear(server)
        await self._adopt_mail()
        for hired in self._hired.values():
            supervisor.start(hired.unit, hired.courier)

    def recruit(self, plan: Plan, settings: Settings) -> Mapping[str, Hired]:
        """Return the couriers, by unit, that *plan* wants for *settings*. Nobody notices yet.

        Raises:
            Exception: an adapter could not be made.
        """
        names = [change.unit.removeprefix(PREFIX) for change in _ours(plan) if change.act is not Act.STOP]
        return {PREFIX + name: self._hire(name, settings.outgoing[name]) for name in names}

    async def follow(self, plan: Plan, settings: Settings, hired: Mapping[str, Hired], supervisor: Supervisor) -> None:
        """Carry out *plan*, which leads to *settings*; `adopt` came before."""
        held = self._store.read(journal.held_units) if hired else ()
        for unit, one in hired.items():
            one.unit.held = unit in held
        async with anyio.create_task_group() as tasks:
            for change in _ours(plan):
                tasks.start_soon(self._carry_out, change, hired.get(change.unit), supervisor)
        self._list(settings)
        if _ours(plan):
            await self._adopt_mail()
        self.board.wake()

    async def _carry_out(self, change: Change, hired: Hired | None, supervisor: Supervisor) -> None:
        await supervisor.stop(change.unit)
        if hired is None:
            self._hired.pop(change.unit, None)
        else:
            self._hired[change.unit] = hired
            hired.unit.failures = 0
            supervisor.start(hired.unit, hired.courier)

    async def _adopt_mail(self) -> None:
        """What waits, if anything does, goes by the servers that there are now."""
        servers, primary = self.board.servers, self.board.map.primary
        if self._store.read(outlist.backlog):
            await self._store.write(lambda tx: outbox.adopt(tx, servers, primary.name if primary else None))

    def look(self) -> dict[str, outlist.Backlog]:
        """Have the units say how it is with them now; return what waits for each server (NAME).

        Raises:
            StoreError: the database does not answer.
        """
        waiting = self._store.read(outlist.backlog)
        for name, unit in self.units.items():
            short = name.removeprefix(PREFIX)
            backlog = waiting.get(short)
            unit.backlog(backlog.mails if backlog else 0, backlog.oldest_at if backlog else None)
            if backlog is None and unit.state is UnitState.RUNNING:
                unit.last_success = datetime.now(UTC)
            unit.broken_since = self.board.breaker(short).opened_at
            unit.stand_in = self.board.stand_in(short) if unit.broken_since else None
        return waiting

    def _hire(self, name: str, config: Outgoing) -> Hired:
        unit = self._unit(name, config)
        sender = self._senders[config.protocol](name, config, self._net)
        courier = Courier(
            name,
            sender,
            self._store,
            self._office,
            CourierUnit(unit),
            connections=config.connections,
            rate_per_minute=config.rate_per_minute,
        )
        return Hired(unit, courier)

    def _unit(self, name: str, config: Outgoing) -> Unit:
        """Return the unit of this name; one that there was keeps what it counted."""
        return self.units.get(PREFIX + name) or Unit(PREFIX + name, f"{config.server}:{config.port}")

    def _list(self, settings: Settings) -> None:
        listed: dict[str, Unit] = {}
        for name, config in settings.outgoing.items():
            hired = self._hired.get(PREFIX + name)
            unit = hired.unit if hired else self._unit(name, config)
            unit.server = f"{config.server}:{config.port}"
            if hired is None:
                unit.become(UnitState.STOPPED, "disabled")
            listed[unit.name] = unit
        self.units.clear()
        self.units.update(listed)


def _ours(plan: Plan) -> list[Change]:
    return [change for change in plan.changes if change.unit.startswith(PREFIX)]
