"""The mailboxes of the running configuration: made into units, and changed by a plan while the others run on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.lowlevel
import anyio.to_thread

from mailwicket.config.exposed import AT_ONCE, secrets
from mailwicket.config.incoming import Incoming
from mailwicket.config.secret import Secret
from mailwicket.config.settings import Settings
from mailwicket.errors import UnknownError
from mailwicket.flow.backend import Door
from mailwicket.flow.budget import Budget
from mailwicket.flow.configured import policy_of
from mailwicket.flow.dkim import DkimCheck
from mailwicket.flow.importing import NO_UNIT, SOURCE, Way
from mailwicket.flow.intake import Intake
from mailwicket.flow.judge import Judge, Rulebook
from mailwicket.flow.observe import Unwatched
from mailwicket.flow.reading import Reading
from mailwicket.ports import JoinsTransaction, Net, Source
from mailwicket.rules.policy import Policy
from mailwicket.service.plan import BACKEND, Act, Change, Plan, enabled
from mailwicket.service.supervisor import Supervisor
from mailwicket.service.units import Unit, UnitState
from mailwicket.store import journal
from mailwicket.store.store import Store

PREFIX: Final = "incoming/"


@dataclass(frozen=True, slots=True)
class Crew:
    """What works for one mailbox."""

    unit: Unit
    intake: Intake
    judge: Judge


class Fleet:
    """All mailboxes, enabled ones with a crew."""

    def __init__(
        self,
        store: Store,
        reading: Reading,
        net: Net,
        sources: Mapping[str, Callable[..., Source]],
        desk: JoinsTransaction | Door,
    ) -> None:
        """Bring mail to *desk* by the adapters in *sources*. Starts nothing."""
        self.units: dict[str, Unit] = {}
        """By name, as `status` shows them; disabled mailboxes too."""
        self.desk = desk
        self._store = store
        self._reading = reading
        self._net = net
        self._sources = sources
        self._crews: dict[str, Crew] = {}
        self._budget = Budget()
        self._dkim = DkimCheck()

    def man(self, settings: Settings) -> None:
        """Make a crew for every enabled mailbox of *settings*; none is started."""
        held = self._store.read(journal.held_units)
        policy = self._policy(settings)
        for name, config in enabled(settings).items():
            crew = self._crews[PREFIX + name] = self._make(name, config, policy)
            crew.unit.held = crew.unit.name in held
        self._list(settings)

    async def start(self, supervisor: Supervisor) -> None:
        """Start every crew; the endpoint answers while a thousand begin."""
        for crew in self._crews.values():
            supervisor.start(crew.unit, crew.intake)
            await anyio.lowlevel.checkpoint()

    def recruit(self, plan: Plan, settings: Settings) -> Mapping[str, Crew]:
        """Return the crews, by unit, that *plan* wants for *settings*. Nobody notices yet.

        Raises:
            Exception: an adapter could not be made.
        """
        policy, mailboxes = self._policy(settings), enabled(settings)
        names = [change.unit.removeprefix(PREFIX) for change in _ours(plan) if change.act is not Act.STOP]
        return {PREFIX + name: self._make(name, mailboxes[name], policy) for name in names}

    async def follow(self, plan: Plan, settings: Settings, crews: Mapping[str, Crew], supervisor: Supervisor) -> None:
        """Carry out *plan*, which leads to *settings*, with *crews*. Who is not named in it notices nothing."""
        policy, mailboxes = self._policy(settings), enabled(settings)
        for unit, crew in {**self._crews, **crews}.items():
            if (name := unit.removeprefix(PREFIX)) in mailboxes:
                crew.judge.adopt(self._rulebook(name, policy), self.desk)
        held = self._store.read(journal.held_units) if crews else ()
        for unit, crew in crews.items():
            crew.unit.held = unit in held
        async with anyio.create_task_group() as tasks:
            for change in _ours(plan):
                tasks.start_soon(self._carry_out, change, crews.get(change.unit), supervisor)
        self._list(settings)

    def way(self, name: str, settings: Settings) -> Way:
        """Return what becomes of mail that is handed over for the mailbox *name*, a disabled one too, or for none.

        Raises:
            UnknownError: there is no such mailbox.
        """
        policy = self._policy(settings)
        if name == NO_UNIT:
            judge = Judge(self._store, self.desk, self._rulebook(SOURCE, policy), Unwatched())
            return Way(judge, Incoming.model_fields["max_mail_bytes"].default)
        if (config := settings.incoming.get(name)) is None:
            raise UnknownError(f"there is no mailbox {name}; there are: {', '.join(settings.incoming) or 'none'}")
        judge = Judge(self._store, self.desk, self._rulebook(name, policy), self._unit(name, config))
        return Way(judge, config.max_mail_bytes)

    def retry(
        self, reasons: Collection[str], supervisor: Supervisor, among: Collection[str] | None = None
    ) -> list[str]:
        """Try the units again that one of *reasons* blocks, of those named in *among*; return their names."""
        blocked = [unit for unit in self.units.values() if unit.state is UnitState.BLOCKED and unit.reason in reasons]
        if among is not None:
            blocked = [unit for unit in blocked if unit.name in among]
        for unit in blocked:
            supervisor.keeper(unit.name).unblock()
        return [unit.name for unit in blocked]

    async def _carry_out(self, change: Change, crew: Crew | None, supervisor: Supervisor) -> None:
        """Stop the old crew first: two of them would fetch every mail twice."""
        await supervisor.stop(change.unit)
        if crew is None:
            self._crews.pop(change.unit, None)
        else:
            self._crews[change.unit] = crew
            crew.unit.failures = 0
            supervisor.start(crew.unit, crew.intake)

    def _make(self, name: str, config: Incoming, policy: Policy) -> Crew:
        unit = self._unit(name, config)
        source = self._sources[config.protocol](name, config, self._net)
        judge = Judge(self._store, self.desk, self._rulebook(name, policy), unit)
        return Crew(unit, Intake(name, source, self._store, self._reading, judge, unit), judge)

    def _unit(self, name: str, config: Incoming) -> Unit:
        """Return the unit of this name; one that there was keeps what it counted."""
        return self.units.get(PREFIX + name) or Unit(PREFIX + name, f"{config.server}:{config.port}")

    def _policy(self, settings: Settings) -> Policy:
        return policy_of(settings, self._store.keys)

    def _rulebook(self, name: str, policy: Policy) -> Rulebook:
        return Rulebook(name, policy, self._budget, self._dkim)

    def _list(self, settings: Settings) -> None:
        """Have `units` say what the configuration says, in its order."""
        listed: dict[str, Unit] = {}
        for name, config in settings.incoming.items():
            crew = self._crews.get(PREFIX + name)
            unit = crew.unit if crew else self._unit(name, config)
            unit.server = f"{config.server}:{config.port}"
            if crew is None:
                unit.become(UnitState.STOPPED, "email_to_ticket_paused" if config.enabled else "disabled")
            listed[unit.name] = unit
        self.units.clear()
        self.units.update(listed)


def _ours(plan: Plan) -> list[Change]:
    return [change for change in plan.changes if change.unit.startswith(PREFIX)]


async def stale_secrets(settings: Settings, forms: Collection[str]) -> dict[str, list[str]]:
    """Return by unit which secrets of *forms* read otherwise now than when its connection was made."""
    asked = [
        (PREFIX + name, str(path[0]), secret)
        for name, config in enabled(settings).items()
        for path, secret in secrets(config)
        if secret.form in forms
    ]
    asked += [(BACKEND, str(path[0]), one) for path, one in secrets(settings.backend) if one.form in forms]

    def look() -> list[bool]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(Secret.is_stale, (secret for _, _, secret in asked)))

    found: dict[str, list[str]] = {}
    if asked:
        for (unit, key, _), is_stale in zip(
            asked, await anyio.to_thread.run_sync(look, abandon_on_cancel=True), strict=True
        ):
            if is_stale:
                found.setdefault(unit, []).append(key)
    return found
