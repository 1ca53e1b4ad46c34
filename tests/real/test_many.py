"""Many mailboxes of one server in one daemon; `make bench-idle` has the same with a thousand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes import mail
from tests.lab.daemon import Daemon
from tests.lab.dovecot import Dovecot
from tests.lab.processes import until
from tests.lab.tap import Tap

pytestmark = pytest.mark.real

COUNT = 60
LOGINS_AT_ONCE = 5


@pytest.fixture
def tap(dovecot: Dovecot) -> Iterator[Tap]:
    tap = Tap(dovecot.imaps, COUNT)
    yield tap
    tap.end()


def test_60_tls_mailboxes_idle_log_in_a_few_at_a_time_and_each_has_its_mail(
    dovecot: Dovecot, tap: Tap, tmp_path: Path
) -> None:
    users = [f"many{number}" for number in range(COUNT)]
    boxes = {}
    for user, port in zip(users, tap.ports, strict=True):
        dovecot.fill(user, [])
        boxes[user] = dovecot.box(user, "ssl", poll_s=300, port=port)
    daemon = Daemon(tmp_path / "many", boxes)
    daemon.patches = {"LAB_LOGINS_AT_ONCE": str(LOGINS_AT_ONCE)}
    try:
        begun = time.monotonic()
        daemon.start_and_answer()
        until(lambda: tap.tell()["idling"] == COUNT, 30, 0.02, "all mailboxes' idling")
        seen = tap.tell()
        print(
            f"{COUNT} mailboxes idle after {max(seen['idling_at']) - begun:.2f} s, {daemon.memory_bytes() / 2**20:.0f} "
            f"MiB, loop late by {daemon.metric('mailwicket_loop_lag_max_seconds') * 1000:.0f} ms at most"
        )
        assert 2 <= seen["opening_peak"] <= LOGINS_AT_ONCE
        for number, user in enumerate(users):
            dovecot.deliver(user, mail(f"matter {number}", message_id=f"{number}@example.org"))
        until(lambda: daemon.ask("SELECT count(*) FROM intake WHERE state = 'settled'") == [(COUNT,)], 60, 0.05, "mail")
        found = daemon.ask("SELECT i.source, t.subject FROM intake AS i JOIN desk_ticket AS t ON t.number = i.ticket")
        assert sorted(found) == sorted((user, f"matter {number}") for number, user in enumerate(users))
        assert daemon.told("warning", "error") == []
        assert daemon.stop() == 0
    finally:
        daemon.end()
        for user in users:
            dovecot.forget(user)
