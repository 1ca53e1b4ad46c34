"""Metrics, read from the daemon when they are asked for. Names are a contract: docs/runbook.md."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mailwicket.service.looplag import LoopLag
from mailwicket.service.report import Report
from mailwicket.service.units import Unit, UnitState


class Figures(Collector):
    """Collects at the moment of the scrape: nothing is counted twice."""

    def __init__(self, report: Callable[[], Report], lag: LoopLag) -> None:
        """Show what *report* tells, and how late the event loop was."""
        self._report = report
        self._lag = lag

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        report = self._report()
        yield from _of_units([*report.units, *([report.desk] if report.desk else [])])
        yield GaugeMetricFamily("mailwicket_quarantine_mails", "Mails that wait for a person", report.parked)
        yield GaugeMetricFamily(
            "mailwicket_store_up", "1 while the store takes writes", float(report.store_trouble is None)
        )
        yield GaugeMetricFamily(
            "mailwicket_backend_up", "1 while the backend takes tickets", float(report.backend_trouble is None)
        )
        yield GaugeMetricFamily("mailwicket_config_generation", "How often conf.d was taken over", report.generation)
        yield GaugeMetricFamily(
            "mailwicket_config_refused", "1 while the conf.d on disk has errors", float(bool(report.errors))
        )
        yield GaugeMetricFamily("mailwicket_loop_lag_seconds", "How late the event loop was last", self._lag.last_s)
        yield GaugeMetricFamily(
            "mailwicket_loop_lag_max_seconds", "How late the event loop was at worst since start", self._lag.max_s
        )


def _of_units(units: Collection[Unit]) -> Iterator[Metric]:
    state = GaugeMetricFamily("mailwicket_unit_state", "1 for the state a unit is in", labels=["unit", "state"])
    backlog = GaugeMetricFamily("mailwicket_unit_backlog_mails", "Seen, not yet decided", labels=["unit"])
    silence = GaugeMetricFamily(
        "mailwicket_unit_silence_seconds", "Seconds since the server's last byte", labels=["unit"]
    )
    success = GaugeMetricFamily(
        "mailwicket_unit_last_success_timestamp_seconds", "When everything shown was last done", labels=["unit"]
    )
    mails = CounterMetricFamily("mailwicket_mails", "Mails decided, by reason", labels=["unit", "reason"])
    for unit in units:
        for one in UnitState:
            state.add_metric([unit.name, one], 1.0 if unit.state is one else 0.0)
        backlog.add_metric([unit.name], unit.backlog_mails)
        if unit.silence_s is not None:
            silence.add_metric([unit.name], unit.silence_s)
        if unit.last_success is not None:
            success.add_metric([unit.name], unit.last_success.timestamp())
        for reason, count in unit.reasons.items():
            mails.add_metric([unit.name, reason], count)
    yield from (state, backlog, silence, success, mails)


def registry_of(report: Callable[[], Report], lag: LoopLag) -> CollectorRegistry:
    """Return the registry that `/metrics` shows."""
    registry = CollectorRegistry()
    registry.register(Figures(report, lag))
    return registry
