"""The composition root: the only file that knows every part. Start in order, change in order, stop in order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from aiohttp.web import RouteDef

from mailwicket import __version__
from mailwicket.config.load import Loaded
from mailwicket.config.settings import Settings
from mailwicket.errors import UnknownError
from mailwicket.flow.acting import Acting
from mailwicket.flow.backend import Door
from mailwicket.flow.configured import policy_of
from mailwicket.flow.importing import Importing
from mailwicket.flow.judge import utc_now
from mailwicket.flow.quarantine import Parking
from mailwicket.flow.reading import Reading
from mailwicket.flow.reclaim import Reclaim
from mailwicket.flow.whatif import differences
from mailwicket.net.attachments import AttachmentFiles
from mailwicket.net.machine import Machine
from mailwicket.ports import Desk, HoldsConnections, JoinsTransaction, Sender, Source
from mailwicket.service import footprint, logs
from mailwicket.service.alertmail import AlertMail, Watched
from mailwicket.service.clock import ClockWatch
from mailwicket.service.couriers import Couriers
from mailwicket.service.crier import Crier
from mailwicket.service.desk import DeskUnit
from mailwicket.service.fleet import Fleet, stale_secrets
from mailwicket.service.herald import Herald, tell_log
from mailwicket.service.looplag import LoopLag
from mailwicket.service.metrics import Metrics
from mailwicket.service.notify import Notifier
from mailwicket.service.oauth import REASONS as LOGIN_REASONS
from mailwicket.service.oauth import OAuthDesk
from mailwicket.service.outgoing import Outgoing
from mailwicket.service.overview import Overview, Scene
from mailwicket.service.plan import BACKEND, Plan, adopted, applications, compare, servers
from mailwicket.service.record import Record
from mailwicket.service.reload import FILES, ConfDir, Reloaded, Reloader
from mailwicket.service.report import Report
from mailwicket.service.supervisor import Supervisor
from mailwicket.service.units import Unit
from mailwicket.store import journal, tokens
from mailwicket.store.audit import Deed
from mailwicket.store.parked import waiting
from mailwicket.store.store import Store
from mailwicket.timestamp import timestamp
from mailwicket.web.access import Access
from mailwicket.web.announce import Announcements
from mailwicket.web.api import Api
from mailwicket.web.audit import Audit
from mailwicket.web.endpoint import Endpoint
from mailwicket.web.mails import Mails
from mailwicket.web.oauth import OAuthRoutes
from mailwicket.web.outbox import OutboxApi
from mailwicket.web.quarantine import Quarantine
from mailwicket.web.tickets import Tickets

log = logging.getLogger(__name__)

LOCAL_REASONS = frozenset({"secret_missing", "certificate", "oauth_settings"})
"""What blocks a unit on this machine, as far as anybody knows: a reload tries again, it costs no failed login.

Secrets of an application are read whenever a token is asked for: that such a one changed shows at the next try alone.
"""

QUICK_SECRETS = frozenset({"file", "env"})
SLOW_SECRETS = frozenset({"command"})

KEEP_DAYS = frozenset({"store.raw_keep_days", "store.quarantine_keep_days"})


class Daemon:
    """Everything wired for one state directory; its configuration may change while it runs."""

    def __init__(  # noqa: PLR0913 - each kind of adapter, and who watches
        self,
        settings: Settings,
        backends: Mapping[str, Callable[..., Desk]],
        sources: Mapping[str, Callable[..., Source]],
        conf: ConfDir | None = None,
        notifier: Notifier | None = None,
        *,
        senders: Mapping[str, Callable[..., Sender]] | None = None,
    ) -> None:
        """Wire *settings*, read from *conf*, with the adapters installed; *notifier* tells systemd.

        Locks and opens the store; nothing is connected yet. Without *conf* nothing is ever read again.

        Raises:
            AlreadyRunningError: another daemon has the state directory.
            StoreError, MailwicketError: the store does not open.
        """
        self.settings = settings
        state_dir = settings.daemon.state_dir
        self.machine = Machine(state_dir)
        self._backends = backends
        self._desk = self._make_desk(settings)
        joined = self._desk if isinstance(self._desk, JoinsTransaction) else None
        self.store = Store(state_dir, [tokens.SCHEMA, *([joined.schema] if joined else [])])
        self.oauth = OAuthDesk(
            lambda: self.settings, tokens.TokenSafe(state_dir, self.store), self.machine, self._granted
        )
        if joined:
            joined.bind(self.store.write)
        self.reading = Reading(self.store)
        self.machine.clear_spool()
        self.lag = LoopLag()
        self._desk_unit = None if joined else DeskUnit(Unit(BACKEND, settings.backend.type))
        self._door = Door(self._desk, self._desk_unit) if self._desk_unit else None
        self._chores = Unit("store", str(state_dir))
        self._fleet = Fleet(self.store, self.reading, self.machine, sources, self._way)
        self._couriers = Couriers(self.store, self.machine, senders or {}, self._fleet.is_fetched, lambda: self._desk)
        self._couriers.man(settings)
        self._fleet.telling = self._couriers.telling
        self._fleet.man(settings)
        self._importing = Importing(self.store, self.reading, lambda name: self._fleet.way(name, self.settings))
        self._supervisor: Supervisor | None = None
        policy, posting = lambda: self._fleet.policy(self.settings), lambda: self._couriers.telling.posting
        self._files = AttachmentFiles(self.machine.attachment_dir)
        self._acting = Acting(self.store, lambda: self._desk, policy, utc_now, posting, self._files.keep)
        self._crier = Crier(self.store, lambda: self._couriers.telling.posting, utc_now)
        self._parking = Parking(self.store, self.reading, self._fleet, utc_now)
        self._record = Record(self.store, utc_now)
        self.notifier = notifier or Notifier({})
        self._conf = conf
        where = "" if conf is None else str(conf.directory)
        recorded = partial(self._record.reloaded, where)
        self._reloader = Reloader(conf, self._apply, self.notifier.reloading, self._tell_ready, record=recorded)
        self._slow_secrets_asked = anyio.Event()
        self._access = Access()
        self._scene = Scene(
            lambda: self.settings,
            self.store,
            self._fleet,
            self._couriers,
            self.oauth,
            self._reloader,
            self._chores,
            None if self._desk_unit is None else self._desk_unit.unit,
        )
        self._overview = Overview(self._scene, utc_now)

    @property
    def units(self) -> Mapping[str, Unit]:
        """The servers by name, as `incoming/NAME` and `outgoing/NAME`."""
        return self._scene.units

    @property
    def _way(self) -> JoinsTransaction | Door:
        """How mail comes to the desk: inside our own transactions, or through its door."""
        if self._door is not None:
            return self._door
        assert isinstance(self._desk, JoinsTransaction)  # noqa: S101 - or there would be a door
        return self._desk

    # --- its life ---------------------------------------------------------------------------------------------------

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled.

        Raises:
            BlockedError: an address of `[http] listen` cannot be had, or its certificate.
        """
        await self._access.open(self.settings.http)
        metrics = Metrics(self.report, self.lag, lambda: self.store.look(waiting))
        endpoint = Endpoint(self.ready, metrics.text, self._routes(), self._access.guard)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(endpoint.serve(self.settings.http.listen, self._access.tls))
            tasks = await stack.enter_async_context(anyio.create_task_group())
            tasks.start_soon(self.lag.run)
            tasks.start_soon(footprint.settle)
            tasks.start_soon(ClockWatch().run)
            tasks.start_soon(self._overview.watch_disk)
            self._supervisor = Supervisor(tasks)
            self._start_chores(self._supervisor, self.settings)
            self._start_telling(self._supervisor)
            self._supervisor.start(Unit("announcements", self._chores.server), self._crier)
            self._supervisor.start(Unit("import", self._chores.server), self._importing)
            await self._fleet.start(self._supervisor)
            tasks.start_soon(self._record.run)
            tasks.start_soon(self._record.started, __version__, self._conf)
            await self._couriers.start(self._supervisor)
            tasks.start_soon(self._reloader.run)
            tasks.start_soon(self._refresh_slow_secrets)
            tasks.start_soon(self._access.run)
            tasks.start_soon(self.oauth.run)
            log.info("mailwicket %s runs units=%s state_dir=%s", __version__, len(self.units), self._chores.server)
            tasks.start_soon(self._hurry_when_cancelled)
            tasks.start_soon(self.notifier.keep_alive, lambda: self.report().line())
            self._tell_ready()
            on_ready()

    def _routes(self) -> list[RouteDef]:
        return [
            *Api(self).routes(),
            *Tickets(self._acting).routes(),
            *Quarantine(self._parking).routes(),
            *Audit(self._record).routes(),
            *Mails(self._importing, self.machine.spool_dir, self._record.imported).routes(),
            *OutboxApi(Outgoing(self.store, self._couriers)).routes(),
            *OAuthRoutes(self.oauth).routes(),
            *Announcements(self._crier).routes(),
        ]

    def _start_telling(self, supervisor: Supervisor) -> None:
        """Tell people what they must mend, by the log and by mail."""
        watched = Watched(
            lambda: herald.standing, lambda: self._couriers.telling.posting, lambda: self.settings.daemon.alert_to
        )
        mail = AlertMail(self.store, watched, utc_now)
        herald = Herald(self.report, [tell_log, mail.tell], utc_now)
        supervisor.start(Unit("alerts", "people"), herald)
        supervisor.start(Unit("alerts by mail", "people"), mail)

    def _tell_ready(self) -> None:
        self.notifier.ready(self.report().line())

    async def _hurry_when_cancelled(self) -> None:
        """A stop waits neither for a reader in the middle of a batch nor for somebody who holds the database."""
        try:
            await anyio.sleep_forever()
        finally:
            self.reading.close()
            self.store.hurry()

    async def close(self) -> None:
        """Close the desk and the store; every task has ended before."""
        self.reading.close()
        await _let_go(self._desk)
        await self.oauth.close()
        await self.store.close()

    def _start_chores(self, supervisor: Supervisor, settings: Settings) -> None:
        keep = timedelta(days=settings.store.raw_keep_days)
        quarantine_keep = timedelta(days=settings.store.quarantine_keep_days)
        done = self._chores.caught_up, self._fleet.done
        reclaim = Reclaim(self.store, self._desk, keep, quarantine_keep, utc_now, *done, files=self._files)
        supervisor.start(self._chores, reclaim)

    def _granted(self, name: str) -> None:
        """Somebody signed in: who waited for that goes on at once."""
        if self._supervisor is not None:
            waited = [unit for unit, one in servers(self.settings).items() if one.oauth == name]
            self._supervisor.retry(LOGIN_REASONS, waited)

    # --- the configuration changes ----------------------------------------------------------------------------------

    def request_reload(self) -> None:
        """Have conf.d and secrets read again soon; for SIGHUP."""
        self._reloader.request()

    async def _apply(self, new: Settings) -> Plan:
        """Go over to *new*: what can fail is tried first, then units are stopped and started."""
        assert self._supervisor is not None  # noqa: S101 - the reloader runs beside it
        plan = compare(self.settings, new, await stale_secrets(self.settings, QUICK_SECRETS))
        await self._go_over(plan, adopted(self.settings, new, plan))
        self.oauth.tokens.forgive()
        retried = self._supervisor.retry(LOCAL_REASONS, [*servers(self.settings)])
        if self._door is not None and self._desk_unit is not None and self._desk_unit.unit.reason in LOCAL_REASONS:
            self._door.unblock()
            retried.append(BACKEND)
        await self._access.renew(self.settings.http)
        logs.adjust(self.settings.daemon.log_level, self.settings.daemon.log_format)
        self._slow_secrets_asked.set()
        return replace(plan, retried=tuple(retried))

    async def _go_over(self, plan: Plan, settings: Settings) -> None:
        """Carry out *plan*, which leads to *settings*: the desk first, as the mailboxes bring their mail to it.

        Raises:
            Exception: an adapter could not be made; nothing was touched.
        """
        assert self._supervisor is not None  # noqa: S101 - whoever reloads runs beside it
        before = self._desk
        desk = self._make_desk(settings) if any(change.unit == BACKEND for change in plan.changes) else before
        hired = self._couriers.recruit(plan, settings)
        crews = self._fleet.recruit(plan, settings)
        self.settings = settings  # units that start again ask for tokens by it
        self.oauth.tokens.age(applications(settings, plan))
        self._couriers.adopt(settings)
        self._fleet.telling = self._couriers.telling
        if desk is not before:
            self._take_desk(desk)
        await self._fleet.follow(plan, settings, crews, self._supervisor)
        await self._couriers.follow(plan, settings, hired, self._supervisor)
        if before is not self._desk or KEEP_DAYS & set(plan.at_once):
            await self._supervisor.stop(self._chores.name)
            self._start_chores(self._supervisor, settings)
        if before is not self._desk:
            await _let_go(before)

    def _make_desk(self, settings: Settings) -> Desk:
        choice = settings.backend
        return self._backends[choice.type](choice.type, choice.keys, self.machine)

    def _take_desk(self, desk: Desk) -> None:
        """Bring mail to *desk* from now on; it is of the same type as the one before."""
        self._desk = desk
        if isinstance(desk, JoinsTransaction):
            desk.bind(self.store.write)
        if self._door is not None:
            self._door.adopt(desk)
        self._fleet.desk = self._way

    async def _refresh_slow_secrets(self) -> None:
        """Secrets from commands may take seconds: a reload does not wait for them, and restarts whom they concern."""
        while True:
            await self._slow_secrets_asked.wait()
            self._slow_secrets_asked = anyio.Event()
            stale = await stale_secrets(self.settings, SLOW_SECRETS)
            if stale:
                async with self._reloader.lock:
                    plan = compare(self.settings, self.settings, stale)
                    log.info("secrets from commands changed: %s", ", ".join(map(str, plan.changes)))
                    try:
                        await self._go_over(plan, self.settings)
                    except Exception:
                        log.exception("a bug, what ran runs on with the secrets that it had")

    # --- what it tells ----------------------------------------------------------------------------------------------

    def report(self) -> Report:
        """Return how everything is now, also where the store cannot be asked."""
        return self._overview.report()

    def status(self) -> Mapping[str, Any]:
        """What `mailwicket status --json` prints."""
        return self.report().status()

    def ready(self) -> Mapping[str, Any]:
        """What `/readyz` answers."""
        return self.report().ready()

    async def plan(self, last: int = 0, conf: Path | None = None) -> Mapping[str, Any]:
        """What a reload would do now, and which of the *last* mails would end otherwise.

        *conf*: a directory that would take the place of our conf.d. Ours is reloaded by itself, so what is to be
        tried beforehand stands elsewhere.
        """
        loaded = await self._reloader.look(conf)
        stale = await stale_secrets(self.settings, QUICK_SECRETS | SLOW_SECRETS)
        plan = compare(self.settings, loaded.settings, stale) if loaded.settings else Plan()
        told = _told(self._reloader.generation, plan, loaded)
        if last and loaded.settings:
            rules = (self._fleet.policy(self.settings), policy_of(loaded.settings, self.store.keys))
            return {**told, "mails": await differences(self.store, rules, last, utc_now())}
        return told

    async def reload(self, who: str = FILES) -> Mapping[str, Any]:
        """Read conf.d and secrets again, as *who* asks; what was done, or the errors."""
        done = await self._reloader.reload(who)
        return _told(done.generation, done.plan or Plan(), done)

    async def act(self, unit: str, action: str, who: str) -> str:
        """Do *action* to *unit* for *who*, an admin; return what happens.

        Raises:
            UnknownError: there is no such unit.
            ConflictError: it cannot be done as the unit is.
        """
        assert self._supervisor is not None  # noqa: S101 - the endpoint is served beside it
        if unit == BACKEND and self._desk_unit is not None and self._door is not None:
            said = self._desk_unit.act(action, self._door)
            await self._record.note(Deed(who, f"unit.{action}", unit))
            return said
        if unit not in self.units:
            raise UnknownError(f"there is no unit {unit}; there are: {', '.join(self.units) or 'none'}")
        said = self._supervisor.keeper(unit).act(action)
        if action == "pause":
            await self.store.write(lambda tx: journal.hold_unit(tx, unit, timestamp(utc_now())))
        elif action == "resume":
            await self.store.write(lambda tx: journal.release_unit(tx, unit))
        await self._record.note(Deed(who, f"unit.{action}", unit))
        return said


async def _let_go(desk: Desk) -> None:
    if isinstance(desk, HoldsConnections):
        await desk.close()


def _told(generation: int, plan: Plan, read: Loaded | Reloaded) -> Mapping[str, Any]:
    errors, notes = [str(error) for error in read.errors], [str(note) for note in read.notes]
    return {"generation": generation, **plan.told(), "errors": errors, "notes": notes}
