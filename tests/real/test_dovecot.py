"""The daemon as a process against a real Dovecot."""

from __future__ import annotations

import hashlib
import imaplib
import json
import random
import signal
import time
from pathlib import Path

import pytest
from tests.fakes import mail
from tests.real.conftest import PASSWORD, Daemon, Dovecot, until

from mailwicket.failpoint import NAMES

pytestmark = pytest.mark.real


def mixed(count: int, seed: int) -> list[bytes]:
    """Mails of many sizes, a few over the spool's limit; every third answers an earlier one."""
    chance = random.Random(seed)
    mails = []
    for n in range(count):
        size = 1_500_000 if n % 200 == 150 else chance.choice((300, 3_000, 9_000, 40_000))
        line = chance.randbytes(30).hex() + "\r\n"
        answer = {"in_reply_to": f"{seed}.{n - 3}@example.org"} if n % 3 == 2 and n > 3 else {}
        number = {"message_id": f"{seed}.{n}@example.org", "x_test_id": str(n), **answer}
        mails.append(mail(f"matter {n}", line * (size // len(line) + 1), **number))
    return mails


def on_server(dovecot: Dovecot, user: str) -> list[bytes]:
    with imaplib.IMAP4("127.0.0.1", dovecot.imap) as imap:
        imap.login(user, PASSWORD)
        imap.select("INBOX", readonly=True)
        _, found = imap.uid("FETCH", "1:*", "(BODY.PEEK[])")
    return [part[1] for part in found if isinstance(part, tuple)]


def unseen(dovecot: Dovecot, user: str) -> int:
    with imaplib.IMAP4("127.0.0.1", dovecot.imap) as imap:
        imap.login(user, PASSWORD)
        imap.select("INBOX", readonly=True)
        _, found = imap.uid("SEARCH", "UNSEEN")
    return len(found[0].split())


def assert_each_once(daemon: Daemon, mails: list[bytes]) -> None:
    """Lost, doubled, torn and ghost: none."""
    wanted = sorted(hashlib.sha256(raw).hexdigest() for raw in mails)
    assert sorted(hashlib.sha256(raw).hexdigest() for raw in daemon.raw()) == wanted
    assert sorted(digest for (digest,) in daemon.ask("SELECT raw_sha256 FROM desk_entry")) == wanted


def test_2000_mixed_mails_become_tickets_each_once_with_the_servers_bytes(dovecot: Dovecot, tmp_path: Path) -> None:
    dovecot.fill("mixed", mixed(2000, 1))
    daemon = Daemon(tmp_path, dovecot, "mixed")
    daemon.start()
    until(lambda: daemon.settled() == 2000, 90)
    served = on_server(dovecot, "mixed")
    assert len(served) == 2000
    assert_each_once(daemon, served)
    assert unseen(dovecot, "mixed") == 0
    status = daemon.command("status", "--json")
    assert status.returncode == 0
    assert json.loads(status.stdout)["units"][0]["state"] == "running"
    assert daemon.stop() == 0
    listed = json.loads(daemon.command("tickets", "list", "--all", "--json").stdout)
    assert sum(ticket["entries"] for ticket in listed) == 2000


def test_a_mail_that_arrives_while_the_daemon_idles_becomes_a_ticket_at_once(dovecot: Dovecot, tmp_path: Path) -> None:
    dovecot.fill("idle", [mail("first", message_id="first@example.org")])
    daemon = Daemon(tmp_path, dovecot, "idle", poll_s=60)
    daemon.start()
    until(lambda: daemon.settled() == 1, 20)
    dovecot.deliver("idle", mail("second", message_id="second@example.org"))
    until(lambda: daemon.settled() == 2, 10)
    daemon.stop()


def test_a_refused_login_blocks_the_unit_and_status_is_critical(dovecot: Dovecot, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, dovecot, "refused", password="wrong")
    daemon.start()
    until(lambda: daemon.command("status").returncode == 2, 20)
    unit = json.loads(daemon.command("status", "--json").stdout)["units"][0]
    assert (unit["state"], unit["reason"]) == ("blocked", "login_refused")
    assert "127.0.0.1" in unit["said"]
    daemon.stop()
    assert "wrong" not in (tmp_path / "log").read_text().replace("what is wrong", "")


def test_a_second_daemon_on_one_state_directory_exits_75(dovecot: Dovecot, tmp_path: Path) -> None:
    dovecot.fill("twice", [mail(message_id="twice@example.org")])
    daemon = Daemon(tmp_path, dovecot, "twice")
    daemon.start()
    until(lambda: daemon.settled() == 1, 20)
    assert daemon.command("run").returncode == 75
    daemon.stop()


UNUSED_HERE = {"segment.unlink"}  # reclaiming: nothing is old enough in these tests


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNUSED_HERE])
def test_a_kill_at_a_failpoint_loses_and_doubles_nothing(dovecot: Dovecot, tmp_path: Path, name: str) -> None:
    user = "fp-" + name.replace(".", "-")
    large = mail("large", "x" * 70 + "\r\n" * 1_200_000, message_id=f"large.{name}@example.org")
    dovecot.fill(user, [*mixed(40, NAMES.index(name) + 100), large])
    daemon = Daemon(tmp_path, dovecot, user)
    daemon.start(f"{name}:1:die")
    assert daemon.process is not None
    assert daemon.process.wait(20) == -signal.SIGKILL
    daemon.start()
    until(lambda: daemon.settled() == 41, 30)
    daemon.stop()
    assert_each_once(daemon, on_server(dovecot, user))


def test_random_kills_lose_and_double_nothing(dovecot: Dovecot, tmp_path: Path) -> None:
    seed = 20261124
    chance = random.Random(seed)
    dovecot.fill("kills", mixed(400, seed))
    daemon = Daemon(tmp_path, dovecot, "kills")
    for _ in range(8):
        daemon.start()
        assert daemon.process is not None
        time.sleep(0.5 + chance.expovariate(2.0))
        daemon.stop(signal.SIGKILL)
    daemon.start()
    until(lambda: daemon.settled() == 400, 60)
    daemon.stop()
    assert_each_once(daemon, on_server(dovecot, "kills"))
