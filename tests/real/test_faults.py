"""The disk refuses at a step: an outage of ours, so mail waits on its server, and no mail is blamed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import partial

import pytest
from tests.lab import mailmix
from tests.lab.dovecot import Dovecot
from tests.lab.processes import side_by_side, until
from tests.lab.stand import Stand

pytestmark = pytest.mark.real

PLACES = ("segment.write", "segment.sync", "spool.write", "spool.sync", "spool.rename", "raw.rename", "commit.before")
WORDS = {"eio": "Input/output error", "enospc": "No space left on device", "emfile": "Too many open files"}


def feed(seed: int) -> list[bytes]:
    large = (mailmix.large(1_200_000, seed * 10 + number) for number in range(2))
    return [*mailmix.mix(20, seed, largest_bytes=30_000), mailmix.anonymous(seed), *large]


def outage(stand: Stand, action: str) -> str | None:
    """What was told at the first failure, if it says unit, what happened and what comes next."""
    lines = (line for line in stand.daemon.told("error") if WORDS[action] in line)
    line = next(lines, "")
    told = line.startswith("incoming/box: ") and "; mail waits on its server, next try in " in line
    return line if told else None


def waits_while_it_lasts(stand: Stand, place: str, action: str) -> None:
    """The unit waits and says so; nothing on the server says that it was taken."""
    daemon = stand.daemon
    daemon.start(f"{place}:0:{action}")
    until(lambda: outage(stand, action), 20, what="the outage")
    until(lambda: daemon.unit()["state"] == "waiting", 5, what="waiting")
    unit = daemon.unit()
    assert unit["reason"] == ("disk_full" if action == "enospc" else "disk_error")
    assert WORDS[action] in unit["said"]
    assert json.loads(daemon.get("/api/v1/status"))["store"] == {"ok": False, "error": unit["said"]}
    stand.assert_nothing_is_marked_without_its_commit()
    assert stand.unseen()
    assert daemon.stop() == 0


def gets_over_one(stand: Stand, place: str, action: str) -> None:
    """The same process goes on by itself."""
    daemon = stand.daemon
    told = len(daemon.told("error"))
    daemon.start(f"{place}:1:{action}")
    daemon.wait_until_settled(len(stand.made))
    assert len(daemon.told("error")) == told + 1
    assert daemon.unit()["state"] == "running"
    assert json.loads(daemon.get("/api/v1/status"))["store"]["ok"]
    assert daemon.stop() == 0


def refuse(stand: Stand, place: str, long: str, once: str) -> None:
    """At *place* the disk refuses, first for *long* (until the daemon is started anew), then *once*."""
    seed = PLACES.index(place)
    stand.lay(feed(seed))
    waits_while_it_lasts(stand, place, long)
    gets_over_one(stand, place, once)
    assert stand.daemon.ask("SELECT sum(attempts) FROM intake_row") == [(0,)], "a mail was blamed"
    assert set(stand.daemon.reasons()) <= {"created", "reply_public", "joined_late", "no_sender"}
    assert list((stand.daemon.state_dir / "spool").iterdir()) == [], "large mails were left in the spool"
    assert stand.close().parked == 1
    stand.discard()


def test_a_disk_that_refuses_holds_the_mail_on_its_server_and_is_got_over(
    stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    longs = zip(PLACES, itertools.cycle(WORDS), strict=False)
    side_by_side([partial(refuse, stands(dovecot), place, long, "eio") for place, long in longs], at_once=3)


def test_a_disk_that_refuses_a_parked_mail_its_file_is_not_that_mails_fault(stand: Stand) -> None:
    stand.lay([mailmix.anonymous(1), *mailmix.small(3)])
    stand.daemon.start("raw.rename:0:enospc")
    until(lambda: outage(stand, "enospc"), 20, what="the outage")
    assert stand.daemon.stop() == 0
    stand.run(4)
    assert stand.daemon.ask("SELECT sum(attempts) FROM intake_row") == [(0,)], "a mail was blamed"
    assert stand.daemon.reasons()[0] == "no_sender"
    assert stand.close().parked == 1


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_every_refusal_of_the_disk_at_every_step_is_got_over(stands: Callable[..., Stand], dovecot: Dovecot) -> None:
    cases = [*itertools.product(PLACES, WORDS)]
    side_by_side([partial(refuse, stands(dovecot), place, action, action) for place, action in cases])
    print(f"refusals of the disk: {len(cases)} cases (place, error), each for long and once: all got over")
