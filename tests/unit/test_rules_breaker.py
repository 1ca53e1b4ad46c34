"""When an outgoing server counts as broken."""

from __future__ import annotations

from datetime import timedelta

from tests.fakes import NOON

from mailwicket.rules.breaker import GOOD_PROBES, GOOD_PROBES_MAX, PROBE, Breaker, Failure

DOWN = Failure("unreachable", "no route")
REFUSED = Failure("login_refused", "535 no")
SECOND = timedelta(seconds=1)


def opened() -> Breaker:
    return Breaker().failed(NOON, REFUSED, permanent=True)


def test_three_failures_in_a_row_open_it() -> None:
    breaker = Breaker().failed(NOON, DOWN).failed(NOON + SECOND, DOWN)
    assert (breaker.is_open, breaker.failures) == (False, 2)
    breaker = breaker.failed(NOON + 2 * SECOND, DOWN)
    assert breaker.is_open
    assert (breaker.opened_at, breaker.why) == (NOON + 2 * SECOND, DOWN)


def test_a_mail_that_is_taken_between_failures_begins_the_count_anew() -> None:
    breaker = Breaker().failed(NOON, DOWN).failed(NOON, DOWN).took().failed(NOON, DOWN).failed(NOON, DOWN)
    assert not breaker.is_open


def test_one_failure_that_a_human_must_mend_opens_it() -> None:
    assert opened().is_open
    assert opened().why == REFUSED


def test_it_is_probed_once_a_minute() -> None:
    breaker = opened()
    assert not Breaker().probe_due(NOON)
    assert not breaker.probe_due(NOON + PROBE - SECOND)
    assert breaker.probe_due(NOON + PROBE)
    again = breaker.failed(NOON + PROBE, DOWN)
    assert not again.probe_due(NOON + PROBE + SECOND)
    assert again.probe_due(NOON + 2 * PROBE)
    assert again.opened_at == NOON  # since when it is broken does not begin anew with each probe


def test_two_good_probes_close_it() -> None:
    breaker = opened().probed(NOON + PROBE)
    assert (breaker.is_open, breaker.good_probes) == (True, 1)
    breaker = breaker.probed(NOON + 2 * PROBE)
    assert (breaker.is_open, breaker.failures) == (False, 0)


def test_a_bad_probe_takes_the_good_one_before_back() -> None:
    breaker = opened().probed(NOON + PROBE).failed(NOON + 2 * PROBE, DOWN).probed(NOON + 3 * PROBE)
    assert breaker.is_open
    assert not breaker.probed(NOON + 4 * PROBE).is_open


def test_a_server_that_lets_us_in_and_takes_nothing_is_left_alone_for_longer_each_time() -> None:
    breaker, wanted = Breaker(), []
    for _ in range(8):
        breaker = breaker.failed(NOON, REFUSED, permanent=True)
        probes = 0
        while breaker.is_open:
            breaker, probes = breaker.probed(NOON), probes + 1
        wanted.append(probes)
    assert wanted == [GOOD_PROBES, 4, 8, 16, 32, 64, GOOD_PROBES_MAX, GOOD_PROBES_MAX]
    assert breaker.took() == Breaker()


def test_what_was_under_way_when_it_opened_does_not_close_it() -> None:
    assert opened().took().is_open


def test_a_probe_of_a_sound_server_changes_nothing() -> None:
    assert Breaker(failures=1).probed(NOON) == Breaker(failures=1)
