"""The units of one kind of server, and who works for them: changed by a plan while the others run on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

import anyio
import anyio.lowlevel

from mailwicket.service.plan import Act, Change, Plan
from mailwicket.service.supervisor import Supervisor, Work
from mailwicket.service.units import Unit, UnitState
from mailwicket.store import journal
from mailwicket.store.store import Store


class Hand(Protocol):
    """Who works for one unit."""

    @property
    def unit(self) -> Unit: ...  # noqa: D102
    @property
    def work(self) -> Work: ...  # noqa: D102


class Server(Protocol):
    """A table of conf.d that makes a unit."""

    @property
    def server(self) -> str: ...  # noqa: D102
    @property
    def port(self) -> int: ...  # noqa: D102


H = TypeVar("H", bound=Hand)
S = TypeVar("S", bound=Server)


class Roster(Generic[H]):
    """Units by name, as `PREFIX/NAME`."""

    def __init__(self, prefix: str, store: Store) -> None:
        """Know nobody yet; *store* knows which units are held."""
        self.units: dict[str, Unit] = {}
        """As `status` shows them; disabled ones too."""
        self.hands: dict[str, H] = {}
        """Of the enabled ones."""
        self._prefix = prefix
        self._store = store

    def unit(self, name: str, config: Server) -> Unit:
        """Return the unit of this NAME; one that there was keeps what it counted."""
        full = self._prefix + name
        return self.units.get(full) or Unit(full, _place(config))

    def man(self, hands: Iterable[H]) -> None:
        """Take *hands* on; none is started."""
        found = {one.unit.name: one for one in hands}
        self._hold(found.values(), self._store.read(journal.held_units))
        self.hands |= found

    async def start(self, supervisor: Supervisor) -> None:
        """Start everybody; the endpoint answers while a thousand begin."""
        for one in self.hands.values():
            supervisor.start(one.unit, one.work)
            await anyio.lowlevel.checkpoint()

    def concerns(self, plan: Plan) -> list[Change]:
        """Return what *plan* changes here."""
        return [change for change in plan.changes if change.unit.startswith(self._prefix)]

    def wanted(self, plan: Plan) -> list[str]:
        """Return for which units, by NAME, *plan* wants new hands."""
        return [change.unit.removeprefix(self._prefix) for change in self.concerns(plan) if change.act is not Act.STOP]

    async def follow(self, plan: Plan, hands: Mapping[str, H], supervisor: Supervisor) -> None:
        """Carry out *plan* with new *hands*, by unit. Who is not named in it notices nothing."""
        self._hold(hands.values(), self._store.read(journal.held_units) if hands else ())
        async with anyio.create_task_group() as tasks:
            for change in self.concerns(plan):
                tasks.start_soon(self._carry_out, change, hands.get(change.unit), supervisor)

    async def _carry_out(self, change: Change, hand: H | None, supervisor: Supervisor) -> None:
        """Stop the old one first: two would fetch every mail, or send it, twice."""
        await supervisor.stop(change.unit)
        if hand is None:
            self.hands.pop(change.unit, None)
        else:
            self.hands[change.unit] = hand
            hand.unit.failures = 0
            supervisor.start(hand.unit, hand.work)

    def list(self, servers: Mapping[str, S], why_idle: Callable[[S], str]) -> None:
        """Have `units` say what *servers*, by NAME, say, in their order; *why_idle* tells why one has nobody."""
        listed: dict[str, Unit] = {}
        for name, config in servers.items():
            hand = self.hands.get(self._prefix + name)
            unit = hand.unit if hand else self.unit(name, config)
            unit.server = _place(config)
            if hand is None:
                unit.become(UnitState.STOPPED, why_idle(config))
            listed[unit.name] = unit
        self.units.clear()
        self.units.update(listed)

    @staticmethod
    def _hold(hands: Iterable[H], held: Iterable[str]) -> None:
        known = frozenset(held)
        for one in hands:
            one.unit.held = one.unit.name in known


def _place(config: Server) -> str:
    return f"{config.server}:{config.port}"
