"""Metrics, read from the units when they are asked for. Names are a contract: docs/runbook.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mailwicket.service.looplag import LoopLag
from mailwicket.service.units import Unit, UnitState


class Units(Collector):
    """Collects from *units* and *lag* at the moment of the scrape: nothing is counted twice."""

    def __init__(self, units: Mapping[str, Unit], lag: LoopLag, parked: Callable[[], int]) -> None:
        """*parked* tells how many mails wait in quarantine."""
        self._units = units
        self._lag = lag
        self._parked = parked

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        state = GaugeMetricFamily("mailwicket_unit_state", "1 for the state a unit is in", labels=["unit", "state"])
        backlog = GaugeMetricFamily("mailwicket_unit_backlog_mails", "Seen, not yet decided", labels=["unit"])
        silence = GaugeMetricFamily(
            "mailwicket_unit_silence_seconds", "Seconds since the server's last byte", labels=["unit"]
        )
        success = GaugeMetricFamily(
            "mailwicket_unit_last_success_timestamp_seconds", "When everything shown was last done", labels=["unit"]
        )
        mails = CounterMetricFamily("mailwicket_mails", "Mails decided, by reason", labels=["unit", "reason"])
        for unit in self._units.values():
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
        yield GaugeMetricFamily("mailwicket_quarantine_mails", "Mails that wait for a person", self._parked())
        yield GaugeMetricFamily("mailwicket_loop_lag_seconds", "How late the event loop was last", self._lag.last_s)
        yield GaugeMetricFamily(
            "mailwicket_loop_lag_max_seconds", "How late the event loop was at worst since start", self._lag.max_s
        )


def registry_of(units: Mapping[str, Unit], lag: LoopLag, parked: Callable[[], int]) -> CollectorRegistry:
    """Return the registry that `/metrics` shows."""
    registry = CollectorRegistry()
    registry.register(Units(units, lag, parked))
    return registry
