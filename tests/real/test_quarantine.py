"""Parked mail of a real mailbox: retried, its server's copy settled again, and the daemon killed at each step of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.fakes import mail
from tests.lab.dovecot import Dovecot
from tests.lab.processes import until
from tests.lab.stand import Stand
from typer.testing import CliRunner

from mailwicket.cli import app
from mailwicket.failpoint import NAMES

pytestmark = pytest.mark.real

IGNORED = {"incoming.box.filter": {"type": "ignore", "domains": ["example.com"]}}
STEPS = ("commit.before", "commit.after", "intake.in_hand", "desk.created", "quarantine.decided", "quarantine.retried")
MAILS = [mail(f"Offer {n}", author="spam@example.com", message_id=f"{n}@example.com") for n in range(3)]


def parked(stands: Callable[..., Stand], dovecot: Dovecot) -> Stand:
    """A mailbox whose mails were all parked, and a configuration that lets them in now."""
    stand = stands(dovecot, tables=IGNORED)
    stand.lay([*MAILS, mail(message_id="q@example.org")])
    stand.run(4)
    assert stand.daemon.reasons() == ["filter_ignored"] * 3 + ["created"]
    stand.daemon.configure({"box": dovecot.box(stand.user)})
    return stand


def run(stand: Stand, *words: str) -> str:
    """Run a command in this process: it need not start each time."""
    return CliRunner().invoke(app, [*words, "--conf", str(stand.daemon.conf)]).stdout


def retry_all(stand: Stand) -> list[str]:
    return run(stand, "quarantine", "retry", "--all").splitlines()


def listed(stand: Stand) -> list[int]:
    return [one["id"] for one in json.loads(run(stand, "quarantine", "list", "--json"))]


def test_the_servers_copy_of_a_retried_mail_is_settled_by_a_connection_that_idles(
    stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    stand = parked(stands, dovecot)
    daemon = stand.daemon
    daemon.start_and_answer()
    daemon.wait_until_idle()
    assert retry_all(stand) == [f"mail {n} is created, ticket {n + 1}" for n in (1, 2, 3)]
    until(lambda: daemon.count("settled") == 4, 20, what="settling")
    assert retry_all(stand) == ["nothing is parked"]
    assert daemon.stop() == 0
    assert stand.close().parked == 0


@pytest.mark.parametrize("name", STEPS)
def test_deaths_at_every_step_of_a_retry_lose_and_double_nothing(
    stands: Callable[..., Stand], dovecot: Dovecot, name: str
) -> None:
    assert name in NAMES
    stand = parked(stands, dovecot)
    daemon, deaths, hit = stand.daemon, 0, 1
    while True:  # at the first passing, the second, the third, until a run ends without
        daemon.start(f"{name}:{hit}:die")
        until(lambda: daemon.running.poll() is not None or daemon._listens(), 30, 0.01, "the daemon's answer")
        if daemon.running.poll() is None:
            retry_all(stand)
        if not daemon.ended_by_itself(lambda: daemon.count("settled") == 4 and not listed(stand)):
            break
        deaths, hit = deaths + 1, hit + 1
        assert hit < 20
    assert deaths >= (1 if name not in {"commit.before", "commit.after"} else 3)
    assert listed(stand) == []
    books = stand.close()
    assert books.parked == 0
    assert daemon.ask("SELECT count(*) FROM desk_ticket") == [(4,)]
    assert json.loads(run(stand, "audit", "verify", "--json"))["ok"]
    retries = [row["object"] for row in json.loads(run(stand, "audit", "--json")) if "retry" in row["action"]]
    assert sorted(retries) == ["1", "2", "3"]
