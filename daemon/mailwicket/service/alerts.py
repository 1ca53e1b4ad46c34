"""What a person must mend, read from a report. Pure; `herald` tells people. Causes: docs/runbook.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from mailwicket.service.ending import Ending
from mailwicket.service.units import BACKEND_REASON, STORE_REASONS, Unit, UnitState
from mailwicket.timestamp import timestamp

if TYPE_CHECKING:  # a report tells of its alerts
    from mailwicket.service.report import Report

AT_ONCE: Final = timedelta(minutes=1)
"""What blocks a unit or the store has a line of the log of its own; who mends it in that moment need not be called."""

FAILING: Final = timedelta(minutes=30)
"""Servers are restarted, networks fail: that mends itself, as a rule sooner."""

RECOVERED: Final = timedelta(minutes=5)
"""A connection that holds so long works, even if it has not done everything yet."""

BACKEND: Final = timedelta(minutes=5)
CONFIG: Final = timedelta(minutes=10)
"""Nobody's work in progress any more; `status` calls it critical from then on, too."""

UNTAKEN: Final = timedelta(minutes=10)

REPEAT: Final = timedelta(days=1)
"""So often people are told of what still stands."""


class Cause(StrEnum):
    """Why people are told. Names are a contract: they stand in a metric."""

    UNIT_BLOCKED = "unit_blocked"
    UNIT_FAILING = "unit_failing"
    FAILOVER = "failover"
    SENDING_DOWN = "sending_down"
    MAIL_UNTAKEN = "mail_untaken"
    BACKEND_DOWN = "backend_down"
    STORE_DOWN = "store_down"
    CONFIG_REFUSED = "config_refused"
    QUARANTINE_GROWING = "quarantine_growing"
    CREDENTIAL_ENDING = "credential_ending"


CRITICAL: Final = frozenset(
    {Cause.UNIT_BLOCKED, Cause.SENDING_DOWN, Cause.BACKEND_DOWN, Cause.STORE_DOWN, Cause.CONFIG_REFUSED}
)
"""No mail of some mailbox becomes a ticket, mail of ours waits, or what an admin wants is not what runs."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that stands. In a person's words: what is the matter (*said*), and what to do."""

    cause: Cause
    unit: str | None
    since: datetime
    said: str
    do: str

    @property
    def severity(self) -> str:
        """`critical` or `warning`."""
        return "critical" if self.cause in CRITICAL else "warning"

    @property
    def key(self) -> tuple[Cause, str | None]:
        """What makes it the same alert as one before."""
        return self.cause, self.unit

    def told(self) -> Mapping[str, Any]:
        """Return it for JSON."""
        return {
            "cause": self.cause,
            "severity": self.severity,
            "unit": self.unit,
            "since": timestamp(self.since),
            "said": self.said,
            "do": self.do,
        }


def alerts_of(report: Report) -> list[Alert]:
    """Return what stands at the moment of *report*, the worst first."""
    found = [*_of_the_house(report)]
    for unit in report.all_units:
        found.extend(_of_unit(unit, report.at))
    nearest = sorted(report.endings, key=lambda one: one.ends_at, reverse=True)
    for ending in {one.name: one for one in nearest}.values():
        found.extend(_of_ending(ending, report.at))
    return sorted(found, key=lambda alert: alert.severity)


def fresh(standing: Sequence[Alert], told: Mapping[tuple[str, str | None], datetime], now: datetime) -> Sequence[Alert]:
    """Return of which of the alerts that are *standing* people are to hear now; *told*: by key, when they did last.

    At most once a day for each cause and unit, however often it ends and begins anew meanwhile.
    """
    return [one for one in standing if one.key not in told or abs(now - told[one.key]) >= REPEAT]


def by_cause(alerts: Iterable[Alert]) -> Mapping[Cause, list[Alert]]:
    """Return *alerts* by their causes."""
    found: dict[Cause, list[Alert]] = defaultdict(list)
    for alert in alerts:
        found[alert.cause].append(alert)
    return found


def _store_down(reason: str, since: datetime) -> Alert:
    """Return the alert for a store that takes no writes because of *reason*."""
    do = {
        "disk_full": "make room on the disk of state_dir",
        "disk_hangs": "look at the storage of state_dir: a write does not return",
        "store_locked": "end whoever holds the database: a backup, or a shell",
        "store_damaged": "put the backup back (docs/runbook.md)",
    }.get(reason, "see the system's log for errors of the disk of state_dir")
    said = f"our own store takes no writes ({reason}), mail waits on its servers"
    return Alert(Cause.STORE_DOWN, None, since, said, f"{do}; all else happens by itself")


def _of_the_house(report: Report) -> Iterator[Alert]:
    if (store := report.store_trouble) is not None and report.at - store.reason_since >= AT_ONCE:
        yield _store_down(store.reason or "", store.reason_since)
    if (backend := report.backend_trouble) is not None and report.at - backend.reason_since >= BACKEND:
        said = f"the backend {report.backend} takes no tickets, mail waits"
        yield Alert(
            Cause.BACKEND_DOWN, None, backend.reason_since, said, "have it running again; mail is taken up by itself"
        )
    if report.refused_since is not None and report.at - report.refused_since >= CONFIG:
        said = f"conf.d is refused ({_count(len(report.errors), 'error')}), what ran runs on"
        do = 'mend it; "mailwicket check" tells every error'
        yield Alert(Cause.CONFIG_REFUSED, None, report.refused_since, said, do)
    if report.parked_lately is not None:
        said = f"{_count(report.parked_lately.mails, 'mail')} parked within a day, {report.parked} wait for a person"
        do = f"see why (docs/states.md has the reason codes of the log); each waits {report.parked_keep_days} days"
        yield Alert(Cause.QUARANTINE_GROWING, None, report.parked_lately.first_at, said, do)


def _of_outgoing(unit: Unit, now: datetime) -> Iterator[Alert]:
    """People hear of a server that is broken although another stands in: else nobody would ever mend it."""
    if unit.broken_since is None or now - unit.broken_since < AT_ONCE:
        return
    do = f'see why (mailwicket status); it is probed each minute, "mailwicket unblock {unit.name}" tries it at once'
    if unit.stand_in is not None:
        said = f"{unit.name} does not work ({unit.reason}), its mail goes by outgoing/{unit.stand_in}"
        yield Alert(Cause.FAILOVER, unit.name, unit.broken_since, said, do)
    else:
        said = f"{unit.name} does not work ({unit.reason}), its mail waits"
        yield Alert(Cause.SENDING_DOWN, unit.name, unit.broken_since, said, do)


def _of_ending(ending: Ending, now: datetime) -> Iterator[Alert]:
    since = ending.told_from
    if now < since:
        return
    days = ending.days_left(now)
    when = f"ends in {_count(days, 'day')}" if days >= 0 else "has ended"
    do = {
        "secret": "make a new one with the provider, put it into client_secret and its day into client_secret_expires",
        "certificate": "make a new one, register it with the provider, put it into certificate and key",
        "grant": f'nobody used it for long: "mailwicket oauth login {ending.name}", or take it out of conf.d',
    }[ending.what]
    if ending.life is not None:
        do = (
            f'"mailwicket oauth login {ending.name}"; its provider ends it (Google: a project that stands on "Testing")'
        )
    yield Alert(
        Cause.CREDENTIAL_ENDING, f"oauth/{ending.name}", since, f"the {ending.what} of oauth {ending.name} {when}", do
    )


def _of_unit(unit: Unit, now: datetime) -> Iterator[Alert]:
    if unit.name.startswith("outgoing/"):
        yield from _of_outgoing(unit, now)
        return
    if unit.state is UnitState.BLOCKED and now - unit.since >= AT_ONCE:
        said = f"{unit.name} is blocked ({unit.reason}), its mail waits on {unit.server}"
        do = (
            f'mend that; a change in conf.d is taken up at once, one in a secret by "mailwicket reload", else '
            f'"mailwicket unblock {unit.name}"'
        )
        yield Alert(Cause.UNIT_BLOCKED, unit.name, unit.since, said, do)
    elif unit.failing_since is not None and now - unit.failing_since >= FAILING and _fails(unit, now):
        said = f"{unit.name} does not get through ({unit.reason or 'connection_lost'})"
        do = f"see whether {unit.server} is up and can be reached from here; it is tried on by itself"
        yield Alert(Cause.UNIT_FAILING, unit.name, unit.failing_since, said, do)
    if unit.untaken_since is not None and now - unit.untaken_since >= UNTAKEN:
        mails = _count(unit.untaken_mails or 0, "unread mail")
        said = f"{unit.server} shows {mails} that {unit.name} never took"
        do = "move them to another folder and back, so that they are new; and report it"
        yield Alert(Cause.MAIL_UNTAKEN, unit.name, unit.untaken_since, said, do)


def _fails(unit: Unit, now: datetime) -> bool:
    """Tell whether the trouble is of its own, and lasts: what takes an hour to do everything is well meanwhile."""
    if unit.reason in STORE_REASONS or unit.reason == BACKEND_REASON:
        return False
    return unit.state is not UnitState.RUNNING or now - unit.since < RECOVERED


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
