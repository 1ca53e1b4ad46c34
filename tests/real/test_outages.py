"""The server goes away and comes back: told once each, and nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.lab import mailmix
from tests.lab.dovecot import Dovecot
from tests.lab.processes import until
from tests.lab.stand import Stand

pytestmark = pytest.mark.real


def told_of(stand: Stand, words: str, *levels: str) -> list[str]:
    return [line for line in stand.daemon.told(*levels) if words in line]


def test_a_server_that_is_down_at_the_start_is_tried_again_until_it_is_there(
    stands: Callable[..., Stand], own_dovecot: Dovecot
) -> None:
    stand = stands(own_dovecot)
    stand.lay(mailmix.small(10))
    own_dovecot.stop()
    stand.daemon.start_and_answer()
    until(lambda: stand.daemon.unit()["state"] == "waiting", 10, what="waiting")
    unit = stand.daemon.unit()
    assert unit["reason"] == "unreachable"
    assert unit["said"] == f"127.0.0.1:{own_dovecot.imap} is not reachable: Connection refused"
    assert stand.daemon.command("status").returncode == 1
    own_dovecot.start()
    stand.daemon.wait_until_settled(10)
    assert stand.daemon.stop() == 0
    stand.close()
    (line,) = told_of(stand, "not reachable", "warning")
    assert line.startswith("incoming/box: ")
    assert "; next try in " in line
    assert len(told_of(stand, "is back", "info")) == 1


def test_a_server_that_is_killed_amid_a_batch_and_comes_back_costs_nothing(
    stands: Callable[..., Stand], own_dovecot: Dovecot
) -> None:
    stand = stands(own_dovecot)
    stand.lay(mailmix.mix(600, seed=7, largest_bytes=60_000))
    stand.daemon.start()
    until(lambda: stand.daemon.count("settled"), 20, 0.001, "the first mail")
    own_dovecot.crash()
    left = 600 - stand.daemon.count("settled")
    assert left > 0, "the batch was over"
    until(lambda: stand.daemon.unit()["state"] == "waiting", 10, what="waiting")
    own_dovecot.start()
    stand.daemon.wait_until_settled(600)
    assert stand.daemon.stop() == 0
    stand.close()
    lost = stand.daemon.told("warning")
    assert 1 <= len(lost) <= 2, lost  # the loss, and the refused connection where a try came before the server
    assert all(f"127.0.0.1:{own_dovecot.imap}" in line and "; next try in " in line for line in lost)
    assert len(told_of(stand, "is back", "info")) == 1
    assert stand.daemon.told("error") == []
