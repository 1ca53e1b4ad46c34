"""The mailboxes of the running configuration: made into units, and changed by a plan while the others run on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.lowlevel
import anyio.to_thread

from mailwicket.config.exposed import AT_ONCE, secrets
from mailwicket.config.incoming import Incoming
from mailwicket.config.outgoing import Outgoing
from mailwicket.config.secret import Secret
from mailwicket.config.settings import Settings
from mailwicket.errors import UnknownError
from mailwicket.flow.backend import Door
from mailwicket.flow.budget import Budget, Hit
from mailwicket.flow.configured import policy_of
from mailwicket.flow.dkim import DkimCheck
from mailwicket.flow.importing import NO_UNIT, Way
from mailwicket.flow.intake import Intake
from mailwicket.flow.judge import Judge, Rulebook
from mailwicket.flow.observe import Unwatched
from mailwicket.flow.reading import Reading
from mailwicket.flow.telling import Telling
from mailwicket.model import Reason
from mailwicket.ports import JoinsTransaction, Net, Source
from mailwicket.rules.policy import Policy
from mailwicket.service.plan import BACKEND, Plan, enabled, servers
from mailwicket.service.roster import Roster
from mailwicket.service.supervisor import Supervisor
from mailwicket.service.units import Unit, UnitState
from mailwicket.store.parked import IMPORT
from mailwicket.store.store import Store

PREFIX: Final = "incoming/"


@dataclass(frozen=True, slots=True)
class Crew:
    """What works for one mailbox."""

    unit: Unit
    work: Intake
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
        self._roster: Roster[Crew] = Roster(PREFIX, store)
        self.units = self._roster.units
        """By name, as `status` shows them; disabled mailboxes too."""
        self.desk = desk
        self._store = store
        self._reading = reading
        self._net = net
        self._sources = sources
        self.telling: Telling | None = None
        """Who tells people of what mail does."""
        self._budget = Budget()
        self._dkim = DkimCheck()
        self._told: tuple[Settings, Policy] | None = None
        self._settings: Settings

    def man(self, settings: Settings) -> None:
        """Make a crew for every enabled mailbox of *settings*; none is started."""
        policy = self.policy(settings)
        self._roster.man([self._make(name, config, policy) for name, config in enabled(settings).items()])
        self._list(settings)

    async def start(self, supervisor: Supervisor) -> None:
        """Start every crew."""
        await self._roster.start(supervisor)

    def recruit(self, plan: Plan, settings: Settings) -> Mapping[str, Crew]:
        """Return the crews, by unit, that *plan* wants for *settings*. Nobody notices yet.

        Raises:
            Exception: an adapter could not be made.
        """
        policy, mailboxes = self.policy(settings), enabled(settings)
        return {PREFIX + name: self._make(name, mailboxes[name], policy) for name in self._roster.wanted(plan)}

    async def follow(self, plan: Plan, settings: Settings, crews: Mapping[str, Crew], supervisor: Supervisor) -> None:
        """Carry out *plan*, which leads to *settings*, with *crews*. Who is not named in it notices nothing."""
        policy, mailboxes = self.policy(settings), enabled(settings)
        for unit, crew in {**self._roster.hands, **crews}.items():
            if (name := unit.removeprefix(PREFIX)) in mailboxes:
                crew.judge.adopt(self._rulebook(name, policy, self.telling), self.desk)
        await self._roster.follow(plan, crews, supervisor)
        self._list(settings)

    def way(self, name: str, settings: Settings) -> Way:
        """Return what becomes of mail that is handed over for the mailbox *name*, a disabled one too, or for none.

        Nobody is sent mail about it: an archive would wake people who wrote years ago.

        Raises:
            UnknownError: there is no such mailbox.
        """
        policy = self.policy(settings)
        if name == NO_UNIT:
            judge = Judge(self._store, self.desk, self._rulebook(IMPORT, policy), Unwatched())
            return Way(judge, Incoming.model_fields["max_mail_bytes"].default)
        if (config := settings.incoming.get(name)) is None:
            raise UnknownError(f"there is no mailbox {name}; there are: {', '.join(settings.incoming) or 'none'}")
        judge = Judge(self._store, self.desk, self._rulebook(name, policy), self._roster.unit(name, config))
        return Way(judge, config.max_mail_bytes)

    def judge(self, name: str) -> Judge:
        """Return who decides parked mail of the mailbox *name*, which may be gone; `""` for none."""
        rulebook = self._rulebook(name or IMPORT, self.policy(self._settings))
        unit = self.units.get(PREFIX + name) or Unwatched()
        return Judge(self._store, self.desk, rulebook, unit)

    def settle(self, name: str) -> None:
        """Have the server's copies of the mailbox *name* say soon what we know, if it is connected."""
        if (crew := self._roster.hands.get(PREFIX + name)) is not None:
            crew.work.wake()

    def done(self, name: str, reason: Reason) -> None:
        """Count a mail of the mailbox *name* that ended by *reason* without being decided."""
        if (unit := self.units.get(PREFIX + name)) is not None:
            unit.done(reason)

    def is_fetched(self, name: str) -> bool:
        """Tell whether the mailbox *name* is read now."""
        unit = self.units.get(PREFIX + name)
        return unit is not None and unit.state is UnitState.RUNNING

    def _make(self, name: str, config: Incoming, policy: Policy) -> Crew:
        unit = self._roster.unit(name, config)
        source = self._sources[config.protocol](name, config, self._net)
        judge = Judge(self._store, self.desk, self._rulebook(name, policy, self.telling), unit)
        return Crew(unit, Intake(name, source, self._store, self._reading, judge, unit), judge)

    def policy(self, settings: Settings) -> Policy:
        """Return what *settings* say to the rules."""
        if self._told is None or self._told[0] is not settings:
            self._told = settings, policy_of(settings, self._store.keys)
        return self._told[1]

    def _rulebook(self, name: str, policy: Policy, telling: Telling | None = None) -> Rulebook:
        return Rulebook(name, policy, self._budget, self._dkim, telling)

    def filter_hits(self) -> Mapping[Hit, int]:
        """Return how many mails met each entry of the filters."""
        return self._budget.hits()

    def _list(self, settings: Settings) -> None:
        """Have `units` say what the configuration says, in its order."""
        self._settings = settings
        self._roster.list(settings.incoming, lambda config: "email_to_ticket_paused" if config.enabled else "disabled")


def _secrets_of(settings: Settings, config: Incoming | Outgoing) -> Iterator[tuple[str, Secret]]:
    """Yield the secrets by which a server is reached and logged in to, with the key of its table that leads there."""
    for path, secret in secrets(config):
        yield str(path[0]), secret
    if config.via is not None:
        yield from (("proxy", secret) for _, secret in secrets(config.via.proxy))
    if config.auth == "oauth" and config.oauth in settings.oauth:
        yield from (("oauth", secret) for _, secret in secrets(settings.oauth[config.oauth]))


async def stale_secrets(settings: Settings, forms: Collection[str]) -> dict[str, list[str]]:
    """Return by unit which secrets of *forms* read otherwise now than when its connection was made."""
    asked = [
        (unit, key, secret)
        for unit, config in servers(settings).items()
        for key, secret in _secrets_of(settings, config)
        if secret.form in forms
    ]
    asked += [(BACKEND, str(path[0]), one) for path, one in secrets(settings.backend) if one.form in forms]

    once = list({id(secret): secret for _, _, secret in asked}.values())  # a thousand units may share one

    def look() -> list[bool]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(Secret.is_stale, once))

    told = await anyio.to_thread.run_sync(look, abandon_on_cancel=True) if once else []
    stale = {id(secret) for secret, is_stale in zip(once, told, strict=True) if is_stale}
    found: dict[str, list[str]] = {}
    for unit, key, secret in asked:
        if id(secret) in stale and key not in found.get(unit, ()):
            found.setdefault(unit, []).append(key)
    return found
