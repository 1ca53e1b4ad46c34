"""What `/metrics` tells."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.fakes import NOON, report

from mailwicket.errors import StoreError
from mailwicket.model import Reason
from mailwicket.service.looplag import LoopLag
from mailwicket.service.metrics import Metrics
from mailwicket.service.report import ParkedLately, Report
from mailwicket.service.units import Unit, UnitState
from mailwicket.store.parked import Waiting

HELD_S = 0.05


async def scrape(told: Report, lag: LoopLag | None = None) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels, in the order of their names."""
    text = (await Metrics(lambda: told, lag or LoopLag()).text()).decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_unit_shows_state_backlog_silence_success_and_reasons() -> None:
    unit = Unit("incoming/box", "imap.example.org:993")
    unit.become(UnitState.STARTING)
    unit.connected(lambda: 1.5)
    unit.backlog(12, NOON)
    unit.done(Reason.CREATED)
    unit.done(Reason.CREATED)
    unit.caught_up()
    unit.unread(5, 2)
    found = await scrape(report(unit))
    assert found["mailwicket_unit_state", "running", "incoming/box"] == 1
    assert found["mailwicket_unit_state", "blocked", "incoming/box"] == 0
    assert found["mailwicket_unit_backlog_mails", "incoming/box"] == 12
    assert found["mailwicket_unit_backlog_oldest_timestamp_seconds", "incoming/box"] == NOON.timestamp()
    assert found["mailwicket_unit_unread_mails", "incoming/box"] == 5
    assert found["mailwicket_unit_untaken_mails", "incoming/box"] == 2
    assert found["mailwicket_unit_silence_seconds", "incoming/box"] == 1.5
    assert found["mailwicket_mails_total", "created", "incoming/box"] == 2
    for name in ("last_success", "start", "since"):
        assert abs(found[f"mailwicket_unit_{name}_timestamp_seconds", "incoming/box"] - time.time()) < 10


async def test_a_mailbox_is_asked_for_its_silence_where_its_clock_is() -> None:
    unit = Unit("incoming/box", "graph.example.org:443")
    unit.become(UnitState.STARTING)
    begun_at = anyio.current_time() - 7
    unit.connected(lambda: anyio.current_time() - begun_at)  # raises in any thread but the event loop's
    assert 7 <= (await scrape(report(unit)))["mailwicket_unit_silence_seconds", "incoming/box"] < 60


async def test_what_is_not_known_of_a_unit_is_not_told_and_its_beginning_is() -> None:
    unit = Unit("incoming/box", "imap.example.org:993")
    unit.become(UnitState.STARTING)
    unit.failures = 3
    unit.become(UnitState.WAITING, "unreachable", "said")
    found = await scrape(report(unit))
    for name in ("last_success_timestamp_seconds", "silence_seconds", "unread_mails", "untaken_mails"):
        assert (f"mailwicket_unit_{name}", "incoming/box") not in found
    assert ("mailwicket_unit_backlog_oldest_timestamp_seconds", "incoming/box") not in found
    assert ("mailwicket_unit_start_timestamp_seconds", "incoming/box") in found, "else nobody could be alarmed"
    assert found["mailwicket_unit_failures", "incoming/box"] == 3
    unit.become(UnitState.PAUSED, "by_admin")
    assert ("mailwicket_unit_start_timestamp_seconds", "incoming/box") not in await scrape(report(unit))


async def test_the_quarantine_is_told_by_reason_and_not_at_all_while_the_store_is_out() -> None:
    parked = [Waiting(Reason.FILTER_IGNORED, 3, NOON), Waiting(Reason.NO_SENDER, 1, NOON)]

    async def waiting() -> list[Waiting]:
        if not parked:
            raise StoreError("database: disk I/O error", reason="disk_error")
        return parked

    metrics = Metrics(report, LoopLag(), waiting)
    lines = (await metrics.text()).decode().splitlines()
    assert 'mailwicket_quarantine_waiting_mails{reason="filter_ignored"} 3.0' in lines
    oldest = [
        line for line in lines if line.startswith('mailwicket_quarantine_oldest_timestamp_seconds{reason="no_sender"}')
    ]
    assert float(oldest[0].split()[1]) == NOON.timestamp()
    parked.clear()
    assert "mailwicket_quarantine_waiting_mails{" not in (await metrics.text()).decode()


@pytest.mark.parametrize("reason", Reason)
async def test_every_reason_is_counted(reason: Reason) -> None:
    unit = Unit("incoming/box", "imap.example.org:993")
    unit.done(reason)
    assert (await scrape(report(unit)))["mailwicket_mails_total", reason.value, "incoming/box"] == 1


async def test_the_house_shows_quarantine_store_backend_configuration_and_what_runs() -> None:
    lag = LoopLag()
    lag.last_s, lag.max_s = 0.002, 0.03
    since = datetime.now(UTC) - timedelta(minutes=11)
    changes = {"parked": 9, "parked_lately": ParkedLately(4, NOON), "errors": ("x",), "refused_since": since}
    found = await scrape(report(generation=7, **changes), lag)
    assert found["mailwicket_quarantine_mails",] == 9
    assert found["mailwicket_quarantine_new_mails",] == 4
    assert found["mailwicket_store_up",] == found["mailwicket_backend_up",] == 1
    assert found["mailwicket_store_disk_size_bytes",] == 1000
    assert found["mailwicket_store_disk_free_bytes",] == 400
    assert found["mailwicket_store_database_bytes",] == 10
    assert found["mailwicket_config_generation",] == 7
    assert found["mailwicket_config_refused",] == 1
    assert found["mailwicket_config_refused_timestamp_seconds",] == since.timestamp()
    assert found["mailwicket_alert", "config_refused", ""] == 1
    assert found["mailwicket_alert", "quarantine_growing", ""] == 1
    assert (found["mailwicket_loop_lag_seconds",], found["mailwicket_loop_lag_max_seconds",]) == (0.002, 0.03)
    assert [key[2] for key in found if key[0] == "mailwicket_build_info"] == ["1.0"]
    assert found["process_open_fds",] > 3
    assert found["process_resident_memory_bytes",] > 1e6


async def test_a_configuration_that_is_good_has_no_time_of_its_refusal() -> None:
    found = await scrape(report())
    assert found["mailwicket_config_refused",] == 0
    assert ("mailwicket_config_refused_timestamp_seconds",) not in found


async def test_an_alert_of_a_unit_bears_its_name_while_it_stands() -> None:
    unit = Unit("incoming/box", "imap.example.org:993")
    at = datetime.now(UTC) + timedelta(minutes=2)
    unit.become(UnitState.BLOCKED, "login_refused", "said")
    assert (await scrape(report(unit, at=at)))["mailwicket_alert", "unit_blocked", "incoming/box"] == 1
    unit.become(UnitState.STARTING)
    assert not any(key[0] == "mailwicket_alert" for key in await scrape(report(unit, at=at)))


async def test_a_scrape_of_a_thousand_mailboxes_does_not_hold_the_event_loop() -> None:
    units = [Unit(f"incoming/box{number}", "imap.example.org:993") for number in range(1000)]
    for unit in units:
        unit.become(UnitState.STARTING)
        unit.connected(lambda: 1.5)
        unit.caught_up()
        unit.unread(0, 0)
        for reason in list(Reason)[:3]:
            unit.done(reason)
    lag = LoopLag()
    metrics = Metrics(lambda: report(*units), lag)
    held: list[float] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lag.run)
        for _ in range(5):
            await anyio.sleep(0.1)
            lag.max_s = 0
            text = await metrics.text()
            held.append(lag.max_s)
        tasks.cancel_scope.cancel()
    assert text.count(b"\n") > 15_000
    assert min(held) < HELD_S, "other work on this machine may hold one of them up, not all"


async def test_the_mails_that_met_an_entry_of_a_filter_are_counted_and_told_in_status() -> None:
    told = report(Unit("incoming/box", "imap.example.org:993"), filter_hits={("box", "keywords: lottery"): 3})
    text = (await Metrics(lambda: told, LoopLag()).text()).decode()
    assert 'mailwicket_filter_hits_total{entry="keywords: lottery",unit="incoming/box"} 3.0' in text
    assert told.status()["units"][0]["filter_hits"] == {"keywords: lottery": 3}
