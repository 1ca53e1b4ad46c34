"""A second server of another family: what holds against Dovecot holds against Cyrus."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.lab import mailmix
from tests.lab.cyrus import Cyrus, running
from tests.lab.daemon import Daemon
from tests.lab.ledger import close_books, digest
from tests.lab.processes import until

pytestmark = pytest.mark.real

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def cyrus() -> Iterator[Cyrus]:
    with running() as server:
        yield server


@pytest.fixture
def user() -> str:
    return f"user{next(NUMBERS)}"


@pytest.fixture
def daemon_on(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], Daemon]]:
    made: list[Daemon] = []

    def make(box: dict[str, Any]) -> Daemon:
        made.append(Daemon(tmp_path, {"box": box}))
        return made[-1]

    yield make
    for daemon in made:
        daemon.end()


def balance(daemon: Daemon, made: set[str]) -> None:
    books = close_books(daemon.state_dir, made)
    assert books.balanced, str(books)


@pytest.mark.parametrize("security", ["tls", "ssl"])
def test_a_mixed_mailbox_becomes_tickets_each_once_with_the_servers_bytes(
    cyrus: Cyrus, user: str, security: str, daemon_on: Callable[[dict[str, Any]], Daemon]
) -> None:
    cyrus.fill(user, mailmix.mix(60, seed=7, largest_bytes=1_300_000))
    made = {digest(raw) for _, raw in cyrus.served(user)}
    assert len(made) == 60
    daemon = daemon_on(cyrus.box(user, security))
    daemon.start_and_answer()
    daemon.wait_until_settled(60)
    assert daemon.stop() == 0
    balance(daemon, made)
    assert cyrus.uids(user, criterion="UNSEEN") == []


def test_a_mail_that_is_announced_is_a_ticket_without_waiting_for_the_poll(
    cyrus: Cyrus, user: str, daemon_on: Callable[[dict[str, Any]], Daemon]
) -> None:
    cyrus.fill(user, mailmix.small(1, seed=1))
    daemon = daemon_on(cyrus.box(user, poll_s=3600))
    daemon.start_and_answer()
    daemon.wait_until_settled(1)
    daemon.wait_until_idle()
    cyrus.fill(user, mailmix.small(1, seed=2))
    daemon.wait_until_settled(2, limit_s=15)
    assert daemon.stop() == 0


@pytest.mark.parametrize("failpoint", ["intake.fetched:1:die", "intake.committed:1:die", "intake.settled:1:die"])
def test_mails_are_moved_away_once_each_though_the_daemon_dies(
    cyrus: Cyrus, user: str, failpoint: str, daemon_on: Callable[[dict[str, Any]], Daemon]
) -> None:
    cyrus.fill(user, mailmix.mix(25, seed=9, largest_bytes=20_000))
    cyrus.fill(user, [], "Done/Support")
    made = {digest(raw) for _, raw in cyrus.served(user)}
    daemon = daemon_on(cyrus.box(user, after="move:Done/Support"))
    daemon.start(failpoint)
    assert daemon.died()
    daemon.start_and_answer()
    daemon.wait_until_settled(25)
    until(lambda: cyrus.uids(user) == [], 20, what="the move of the last mail")
    assert daemon.stop() == 0
    balance(daemon, made)
    assert {digest(raw) for _, raw in cyrus.served(user, "Done/Support")} == made


def test_the_connection_test_is_well_and_changes_nothing(
    cyrus: Cyrus, user: str, daemon_on: Callable[[dict[str, Any]], Daemon]
) -> None:
    cyrus.fill(user, mailmix.small(1, seed=1))
    daemon = daemon_on(cyrus.box(user, "tls", enabled=False))
    told = json.loads(daemon.command("test", "incoming/box", "--json").stdout)
    assert told[0]["ok"], told
    assert cyrus.uids(user, criterion="UNSEEN") == [1]
