"""Metrics, read from the daemon when they are asked for. Names are a contract: docs/runbook.md."""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime

import anyio
import anyio.to_thread
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from mailwicket.errors import StoreError
from mailwicket.flow.budget import Hit
from mailwicket.service.alerts import Alert, alerts_of
from mailwicket.service.looplag import LoopLag
from mailwicket.service.report import Report
from mailwicket.service.units import Unit, UnitState
from mailwicket.store.parked import Waiting

STATES = [(state, str(state)) for state in UnitState]


class Metrics:
    """What `/metrics` answers, made at the moment of the scrape: nothing is counted twice."""

    def __init__(
        self,
        report: Callable[[], Report],
        lag: LoopLag,
        waiting: Callable[[], Awaitable[Sequence[Waiting]]] | None = None,
    ) -> None:
        """Show what *report* tells, how late the event loop was, and what is *waiting* in quarantine."""
        self._report = report
        self._lag = lag
        self._waiting = waiting
        self._process = ProcessCollector(registry=CollectorRegistry())
        self._one_at_a_time = anyio.CapacityLimiter(1)

    async def text(self) -> bytes:
        """Return Prometheus' text format.

        With 1,000 mailboxes that is 20,000 lines and takes 0.2 s: in a thread, the event loop is held for a few
        milliseconds at a time.

        Raises:
            StoreError: the database does not answer.
        """
        figures = Figures(self._report(), self._lag.last_s, self._lag.max_s, await self._ask_waiting())
        return await anyio.to_thread.run_sync(self._write, figures, limiter=self._one_at_a_time)

    async def _ask_waiting(self) -> Sequence[Waiting]:
        try:
            return () if self._waiting is None else await self._waiting()
        except StoreError:
            return ()  # `mailwicket_store_up` says so

    def _write(self, figures: Figures) -> bytes:
        registry = CollectorRegistry()
        registry.register(figures)
        registry.register(self._process)
        return generate_latest(registry)


class Figures(Collector):
    """Our own figures at one moment; the process' own bear Prometheus' usual names."""

    def __init__(self, report: Report, lag_s: float, lag_max_s: float, waiting: Sequence[Waiting] = ()) -> None:
        """Show what *report* tells, how late the event loop was, last and at worst, and what is *waiting*.

        Made in the event loop, whose clock mailboxes go by.
        """
        self._report = report
        self._waiting = waiting
        self._silences_s = {unit.name: unit.silence_s for unit in report.all_units}
        self._lag_s = lag_s
        self._lag_max_s = lag_max_s

    def collect(self) -> Iterator[Metric]:
        """Yield every family. Units may change meanwhile."""
        report = self._report
        yield from _of_units(report.all_units)
        what, silences_s = "Seconds since the server's last byte", self._silences_s
        yield _each(report.all_units, "silence_seconds", what, lambda unit: silences_s.get(unit.name))
        yield from _of_the_house(report)
        yield from _of_quarantine(self._waiting)
        yield _of_filters(report.filter_hits)
        yield _of_alerts(alerts_of(report))
        yield from _of_logins(report)
        build = GaugeMetricFamily("mailwicket_build_info", "1, with what runs", labels=["version", "python"])
        build.add_metric([report.version, platform.python_version()], 1)
        yield build
        yield GaugeMetricFamily("mailwicket_loop_lag_seconds", "How late the event loop was last", self._lag_s)
        yield GaugeMetricFamily(
            "mailwicket_loop_lag_max_seconds", "How late the event loop was at worst since start", self._lag_max_s
        )


def _of_the_house(report: Report) -> Iterator[Metric]:
    lately = 0 if report.parked_lately is None else report.parked_lately.mails
    yield GaugeMetricFamily("mailwicket_quarantine_mails", "Mails that wait for a person", report.parked)
    yield GaugeMetricFamily("mailwicket_quarantine_new_mails", "Those parked within a day, counted to 1,000", lately)
    yield GaugeMetricFamily(
        "mailwicket_store_up", "1 while the store takes writes", float(report.store_trouble is None)
    )
    yield GaugeMetricFamily("mailwicket_outbox_mails", "Mails that wait to be sent", report.waiting_mails)
    yield GaugeMetricFamily(
        "mailwicket_outbox_oldest_seconds", "For how long the oldest of them has waited", report.oldest_waiting_s or 0
    )
    yield GaugeMetricFamily(
        "mailwicket_outbox_paused_addresses", "Addresses to which nothing is sent", report.paused_addresses
    )
    if report.disk is not None:
        yield GaugeMetricFamily("mailwicket_store_disk_size_bytes", "The disk of state_dir", report.disk.size_bytes)
        yield GaugeMetricFamily("mailwicket_store_disk_free_bytes", "Room left on it for us", report.disk.free_bytes)
        yield GaugeMetricFamily("mailwicket_store_database_bytes", "The database file", report.disk.database_bytes)
    yield GaugeMetricFamily(
        "mailwicket_backend_up", "1 while the backend takes tickets", float(report.backend_trouble is None)
    )
    yield GaugeMetricFamily("mailwicket_config_generation", "How often conf.d was taken over", report.generation)
    yield GaugeMetricFamily(
        "mailwicket_config_refused", "1 while the conf.d on disk has errors", float(bool(report.errors))
    )
    refused = GaugeMetricFamily("mailwicket_config_refused_timestamp_seconds", "Since when, if it has")
    if report.refused_since is not None:
        refused.add_metric([], report.refused_since.timestamp())
    yield refused


def _of_quarantine(waiting: Collection[Waiting]) -> Iterator[Metric]:
    mails = GaugeMetricFamily("mailwicket_quarantine_waiting_mails", "Those of one reason", labels=["reason"])
    oldest = GaugeMetricFamily(
        "mailwicket_quarantine_oldest_timestamp_seconds", "When the first of them was parked", labels=["reason"]
    )
    for one in waiting:
        mails.add_metric([one.reason], one.mails)
        oldest.add_metric([one.reason], one.oldest_at.timestamp())
    yield from (mails, oldest)


def _of_filters(hits: Mapping[Hit, int]) -> Metric:
    what = "Mails that met an entry of a filter since the start"
    family = CounterMetricFamily("mailwicket_filter_hits_total", what, labels=["unit", "entry"])
    for (source, entry), count in hits.items():
        family.add_metric([f"incoming/{source}", entry], count)
    return family


def _of_alerts(alerts: Collection[Alert]) -> Metric:
    family = GaugeMetricFamily("mailwicket_alert", "1 while a person must mend something", labels=["cause", "unit"])
    for alert in alerts:
        family.add_metric([alert.cause, alert.unit or ""], 1)
    return family


def _of_logins(report: Report) -> Iterator[Metric]:
    ends = GaugeMetricFamily(
        "mailwicket_oauth_ends_timestamp_seconds",
        "When a secret, certificate or sign-in ends",
        labels=["oauth", "what"],
    )
    for one in report.endings:
        ends.add_metric([one.name, one.what], one.ends_at.timestamp())
    asked = CounterMetricFamily("mailwicket_oauth_tokens", "Tokens asked for, by outcome", labels=["oauth", "outcome"])
    for (name, outcome), count in report.tokens.items():
        asked.add_metric([name, outcome], count)
    yield from (ends, asked)


def _of_units(units: Collection[Unit]) -> Iterator[Metric]:
    state = GaugeMetricFamily("mailwicket_unit_state", "1 for the state a unit is in", labels=["unit", "state"])
    mails = CounterMetricFamily("mailwicket_mails", "Mails decided, by reason", labels=["unit", "reason"])
    for unit in units:
        for one, name in STATES:
            state.add_metric([unit.name, name], 1.0 if unit.state is one else 0.0)
        for reason, count in list(unit.reasons.items()):
            mails.add_metric([unit.name, reason], count)
    yield from (state, mails)
    yield from _of_outgoing([unit for unit in units if unit.name.startswith("outgoing/")])
    yield _each(units, "backlog_mails", "Seen, not yet decided", lambda unit: unit.backlog_mails)
    yield _each(
        units,
        "backlog_oldest_timestamp_seconds",
        "When the mail that waits longest for its decision was seen",
        lambda unit: _seconds(unit.backlog_since),
    )
    yield _each(
        units, "unread_mails", "Unread on the server, of those that are ours to take", lambda unit: unit.unread_mails
    )
    yield _each(units, "untaken_mails", "Those of them that were never taken", lambda unit: unit.untaken_mails)
    yield _each(
        units,
        "last_success_timestamp_seconds",
        "When everything shown was last done",
        lambda unit: _seconds(unit.last_success),
    )
    yield _each(
        units,
        "start_timestamp_seconds",
        "Since when it tries: not stopped, paused or blocked",
        lambda unit: _seconds(unit.started_at),
    )
    yield _each(units, "since_timestamp_seconds", "When it came into its state", lambda unit: _seconds(unit.since))
    yield _each(units, "failures", "Failures in a row", lambda unit: unit.failures)


def _of_outgoing(units: Collection[Unit]) -> Iterator[Metric]:
    sent = CounterMetricFamily(
        "mailwicket_outgoing_mails", "Mails that a server took, or refused", labels=["unit", "outcome"]
    )
    for unit in units:
        sent.add_metric([unit.name, "sent"], unit.sent_mails)
        sent.add_metric([unit.name, "refused"], unit.refused_mails)
    yield sent
    yield _each(
        units,
        "breaker_open",
        "1 while mail goes by another server, or waits",
        lambda unit: float(unit.broken_since is not None),
    )


def _each(units: Collection[Unit], name: str, what: str, value: Callable[[Unit], float | None]) -> Metric:
    """Return `mailwicket_unit_NAME{unit}` of those units that have a value."""
    family = GaugeMetricFamily(f"mailwicket_unit_{name}", what, labels=["unit"])
    for unit in units:
        if (number := value(unit)) is not None:
            family.add_metric([unit.name], number)
    return family


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
