"""The resolver is silent, late or wrong: mailboxes with a known place run on, the others come back by themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from tests.lab import mailmix
from tests.lab.dovecot import Dovecot
from tests.lab.needs import allowed
from tests.lab.processes import until
from tests.lab.resolver import Resolver
from tests.lab.stall import lag_watched
from tests.lab.stand import Stand

pytestmark = pytest.mark.real

NAMED = [f"named{number}" for number in range(12)]
STEP_S = 120 * 1.5 + 10
"""The longest pause between two tries, and how long a machine under load takes for one."""


@pytest.fixture
def stand(stands: Callable[..., Stand], own_dovecot: Dovecot) -> Stand:
    """A mailbox whose server is an address, and twelve whose servers are names."""
    made = stands(own_dovecot)
    boxes = {name: own_dovecot.box(f"{made.user}-{name}", server=f"{name}.example.org") for name in NAMED}
    made.daemon.configure({"box": own_dovecot.box(made.user), **boxes})
    return made


@pytest.fixture
def resolver(stand: Stand) -> Iterator[Resolver]:
    with allowed("a resolver for one process"):
        one = Resolver({f"{name}.example.org": "127.0.0.1" for name in NAMED}, stand.daemon)
    yield one
    stand.daemon.end()
    one.close()


def named(stand: Stand) -> list[tuple[str, str | None]]:
    units = stand.daemon.units()
    return [(units[f"incoming/{name}"]["state"], units[f"incoming/{name}"]["reason"]) for name in NAMED]


def lose_names(stand: Stand, resolver: Resolver, modes: Sequence[str], each_s: float) -> None:
    daemon, dovecot = stand.daemon, stand.dovecot
    resolver.mode = "well"
    daemon.start_and_answer()
    until(lambda: set(named(stand)) == {("running", None)}, 30, what="all mailboxes")
    threads, mails = daemon.threads(), 0
    with lag_watched(daemon, f"resolver out for {len(modes) * each_s:.0f} s"):
        most = 0
        resolver.mode = "silent"
        for name in NAMED:
            dovecot.kick(f"{stand.user}-{name}")
        before = resolver.asked
        for mode in modes:
            resolver.mode = mode
            stand.lay(mailmix.small(5, seed=mails + 1))
            mails += 5
            daemon.wait_until_settled(mails, limit_s=20)  # the one that needs no name
            end = time.monotonic() + each_s
            while time.monotonic() < end:
                most = max(most, daemon.threads())
                assert daemon.lives_within_s() < 5
                time.sleep(0.1)
        assert resolver.asked > before
        assert not {("running", None)} & set(named(stand))
        resolver.mode, since = "well", time.monotonic()
        until(lambda: set(named(stand)) == {("running", None)}, STEP_S, 0.1, "all mailboxes again")
        back_s = time.monotonic() - since
    assert daemon.stop() == 0
    print(f"resolver out: {stand.close()}; threads {threads}, at most {most}; all back after {back_s:.1f} s")
    assert most <= threads + 10, "threads pile up"
    words = [line for line in daemon.told("warning") if "named0" in line]
    assert any("is not reachable" in line or "did not answer in time" in line for line in words), words
    assert daemon.told("error") == []


def test_a_resolver_that_is_out_holds_nobody_up_whose_place_is_known(stand: Stand, resolver: Resolver) -> None:
    resolver.be_asked("timeout:1 attempts:1")  # a second of silence says what ten do
    lose_names(stand, resolver, ("silent", "denies", "lies"), each_s=1)


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_a_resolver_that_is_out_for_ten_minutes_is_outlasted(stand: Stand, resolver: Resolver) -> None:
    lose_names(stand, resolver, ("silent", "late", "refuses", "denies", "lies"), each_s=120)
