"""The disk refuses at a step: an outage of ours, so mail waits on its server, and no mail is blamed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import partial

import pytest
from tests.lab import mailmix
from tests.lab.daemon import Daemon
from tests.lab.dovecot import Dovecot
from tests.lab.processes import side_by_side, until
from tests.lab.stand import Stand

pytestmark = pytest.mark.real

PLACES = ("segment.write", "segment.sync", "spool.write", "spool.sync", "spool.rename", "raw.rename", "commit.before")
WORDS = {"eio": "Input/output error", "enospc": "No space left on device", "emfile": "Too many open files"}


def feed(seed: int) -> list[bytes]:
    large = (mailmix.large(1_200_000, seed * 10 + number) for number in range(2))
    return [*mailmix.mix(20, seed, largest_bytes=30_000), mailmix.anonymous(seed), *large]


def outages(daemon: Daemon) -> list[str]:
    return [line for line in daemon.told("error") if line.startswith("incoming/box: ")]


def waits(stand: Stand, place: str, hit: int, action: str) -> None:
    """Start it: the unit waits and says so; nothing on the server says that it was taken."""
    daemon = stand.daemon
    first = hit and place.startswith("commit.")  # the record of the start is committed before any mail
    daemon.start(f"{place}:{hit + first}:{action}")
    until(lambda: outages(daemon), 20, what="the outage")
    until(lambda: daemon.unit()["state"] == "waiting", 20, 0.001, "waiting")
    unit = daemon.unit()
    assert unit["reason"] == ("disk_full" if action == "enospc" else "disk_error")
    assert WORDS[action] in unit["said"]
    assert json.loads(daemon.get("/api/v1/status"))["store"] == {"ok": False, "error": unit["said"]}
    line = outages(daemon)[0]
    assert line.startswith(f"incoming/box: {unit['said']}; mail waits on its server, next try in ")
    stand.assert_nothing_is_marked_without_its_commit()
    assert stand.unseen()


def is_got_over(stand: Stand) -> None:
    """The same process goes on by itself, and no mail was blamed."""
    daemon = stand.daemon
    told = len(daemon.told("error"))
    daemon.wait_until_settled(len(stand.made))
    assert len(daemon.told("error")) == told
    assert daemon.unit()["state"] == "running"
    assert json.loads(daemon.get("/api/v1/status"))["store"]["ok"]
    assert daemon.stop() == 0
    assert daemon.ask("SELECT sum(attempts) FROM intake_row") == [(0,)], "a mail was blamed"
    assert set(daemon.reasons()) <= {*mailmix.TAKEN, "no_sender"}
    assert list((daemon.state_dir / "spool").iterdir()) == [], "large mails were left in the spool"
    assert stand.close().parked == 1


def refuse_once(stand: Stand, place: str, action: str) -> None:
    stand.lay(feed(PLACES.index(place)))
    waits(stand, place, 1, action)
    is_got_over(stand)


def refuse_for_long(stand: Stand, place: str, action: str) -> None:
    """Until the daemon is started anew."""
    stand.lay(feed(PLACES.index(place)))
    waits(stand, place, 0, action)
    assert stand.daemon.stop() == 0
    stand.daemon.start_and_answer()
    is_got_over(stand)


def test_a_disk_that_refuses_once_holds_the_mail_on_its_server_and_is_got_over(
    stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    cases = zip(PLACES, itertools.cycle(WORDS), strict=False)
    side_by_side([partial(refuse_once, stands(dovecot), *case) for case in cases], at_once=3)


def test_a_disk_that_refuses_for_long_holds_the_mail_until_it_is_mended(
    stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    cases = [("segment.sync", "eio"), ("spool.write", "enospc"), ("commit.before", "emfile")]
    side_by_side([partial(refuse_for_long, stands(dovecot), *case) for case in cases], at_once=3)


def test_a_disk_that_refuses_a_parked_mail_its_file_is_not_that_mails_fault(stand: Stand) -> None:
    stand.lay([mailmix.anonymous(1), *mailmix.small(3)])
    stand.daemon.start("raw.rename:0:enospc")
    until(lambda: any(WORDS["enospc"] in line for line in stand.daemon.told("error")), 20, what="the outage")
    assert stand.daemon.stop() == 0
    stand.run(4)
    assert stand.daemon.ask("SELECT sum(attempts) FROM intake_row") == [(0,)], "a mail was blamed"
    assert stand.daemon.reasons()[0] == "no_sender"
    assert stand.close().parked == 1


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_every_refusal_of_the_disk_at_every_step_is_got_over(stands: Callable[..., Stand], dovecot: Dovecot) -> None:
    cases = [*itertools.product((refuse_once, refuse_for_long), PLACES, WORDS)]
    side_by_side([partial(refuse, stands(dovecot), *case) for refuse, *case in cases])
    print(f"refusals of the disk: {len(cases)} cases (once or for long, place, error): all got over")
