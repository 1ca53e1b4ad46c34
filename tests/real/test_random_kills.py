"""Death at any moment: kill -9 back to back while mail keeps coming, and the books balance."""

from __future__ import annotations

import random
import time

import pytest
from tests.lab import mailmix
from tests.lab.processes import until
from tests.lab.stand import Stand

pytestmark = pytest.mark.real

STARTING_SHARE = 0.1  # of the kills hit the start
START_S = 0.8
MEAN_LIFE_S = 0.04  # of the others, from the first mail that is seen: what comes at a time takes about as long


def under_way(stand: Stand) -> bool:
    """Tell whether mail is seen and not settled."""
    return any(stand.daemon.count(state) for state in ("seen", "fetched", "done"))


def kill_at_random(stand: Stand, kills: int, mails: int, seed: int) -> None:
    """Before each of *kills* starts a share of *mails* arrives; the daemon lives for an exponential time."""
    chance = random.Random(seed)
    feed = [*mailmix.mix(mails - kills // 10, seed, largest_bytes=150_000)]
    feed += [mailmix.large(1_200_000, seed + number) for number in range(kills // 10)]
    chance.shuffle(feed)
    daemon = stand.daemon
    at_work = 0
    for kill in range(kills):
        stand.lay(feed[kill * mails // kills : (kill + 1) * mails // kills])
        if chance.random() < STARTING_SHARE:
            daemon.start()
            time.sleep(chance.uniform(0, START_S))
        else:
            daemon.start_and_answer()
            until(lambda: under_way(stand), 10, 0.002, "the first mail")
            time.sleep(chance.expovariate(1 / MEAN_LIFE_S))
        daemon.kill()
        stand.assert_nothing_is_marked_without_its_commit()
        at_work += under_way(stand)
    stand.run(mails)
    books = stand.close()
    print(f"random kills: {kills}, {at_work} of them amid a batch; {books}; parked {books.parked}; seed {seed}")
    assert at_work >= kills / 2, f"only {at_work} kills left mail that was seen and not settled"
    assert set(daemon.reasons()) <= {*mailmix.TAKEN, "failed_repeatedly"}


def test_8_random_kills_lose_and_double_nothing_of_270_mails(stand: Stand) -> None:
    kill_at_random(stand, 8, 270, seed=20261124)


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_100_random_kills_lose_and_double_nothing_of_2000_mails(stand: Stand) -> None:
    kill_at_random(stand, 100, 2_000, seed=20261125)
