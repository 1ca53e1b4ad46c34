"""A private Dovecot for the tests, and the daemon as a process."""

from __future__ import annotations

import json
import os
import signal
import smtplib
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "only-for-tests"
DOVECOT = Path("/usr/sbin/dovecot")
MAIL_UID = 5000 if os.getuid() == 0 else os.getuid()

CONFIG = """
base_dir = {base}/run
state_dir = {base}/run
log_path = {base}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
instance_name = mailwicket-tests-{imap}
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %Ln
auth_failure_delay = 0
mail_location = maildir:~/Maildir
mail_max_userip_connections = 100
default_vsz_limit = 0
first_valid_uid = 1
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home={base}/mail/%n allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Dovecot:
    """A private instance below *base*."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.imap, self.lmtp = free_port(), free_port()
        (base / "run").mkdir(parents=True)
        (base / "mail").mkdir()
        for path in (base, *base.parents[:3]):
            path.chmod(path.stat().st_mode | 0o055)
        os.chown(base / "mail", MAIL_UID, MAIL_UID)
        config = base / "dovecot.conf"
        keys = {"base": base, "imap": self.imap, "lmtp": self.lmtp, "password": PASSWORD, "uid": MAIL_UID}
        config.write_text(CONFIG.format(**keys))
        with (base / "out").open("wb") as out:
            self.process = subprocess.Popen([DOVECOT, "-F", "-c", config], stdout=out, stderr=out)
        until(self._answers, 10)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.imap)) == 0

    def fill(self, user: str, mails: list[bytes]) -> None:
        """Write *mails* straight into the Maildir of *user*."""
        folder = self.base / "mail" / user / "Maildir"
        for name in ("cur", "new", "tmp"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for number, raw in enumerate(mails):
            (folder / "new" / f"{1767225600 + number}.M{number}.test").write_bytes(raw)
        for path in (self.base / "mail" / user, *(self.base / "mail" / user).rglob("*")):
            os.chown(path, MAIL_UID, MAIL_UID)

    def deliver(self, user: str, raw: bytes) -> None:
        with smtplib.LMTP("127.0.0.1", self.lmtp) as lmtp:
            lmtp.sendmail("sender@example.org", [f"{user}@example.net"], raw)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


RUNNING: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def no_process_outlives_its_test() -> Iterator[None]:
    yield
    while RUNNING:
        process = RUNNING.pop()
        process.kill()
        process.wait()


class Daemon:
    """`mailwicket run` on a configuration and state of its own."""

    def __init__(self, directory: Path, dovecot: Dovecot, user: str, **keys: Any) -> None:
        self.directory = directory
        self.conf = directory / "conf.d"
        self.conf.mkdir(parents=True)
        self.state = directory / "state"
        self.process: subprocess.Popen[bytes] | None = None
        unit = {
            "email": f"{user}@example.net", "username": user, "server": "127.0.0.1", "port": dovecot.imap,
            "security": "none", "password": PASSWORD, "start_from": "all", **keys,
        }  # fmt: skip
        listen = json.dumps([f"unix:{directory}/admin.sock"])
        lines = [f'[daemon]\nstate_dir = "{self.state}"', f"[http]\nlisten = {listen}", "[incoming.box]"]
        (self.conf / "10-test.toml").write_text(
            "\n".join(lines + [f"{name} = {json.dumps(value)}" for name, value in unit.items()])
        )

    def start(self, failpoint: str | None = None) -> None:
        environ = {**os.environ, **({"MAILWICKET_FAILPOINT": failpoint} if failpoint else {})}
        with (self.directory / "log").open("ab") as log:
            command = [sys.executable, "-m", "mailwicket", "run", "--conf", str(self.conf)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
            RUNNING.append(self.process)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mailwicket", *words, "--conf", str(self.conf)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def ask(self, question: str) -> list[Any]:
        database = sqlite3.connect(f"file:{self.state}/mailwicket.db?mode=ro", uri=True, timeout=10)
        try:
            return database.execute(question).fetchall()
        except sqlite3.OperationalError:
            return []
        finally:
            database.close()

    def settled(self) -> int:
        if not (self.state / "mailwicket.db").exists():
            return 0
        found = self.ask("SELECT count(*) FROM intake_row WHERE state = 4")
        return int(found[0][0]) if found else 0

    def raw(self) -> list[bytes]:
        """The kept bytes of every mail, as the rows name them."""
        found = []
        for file, first, length in self.ask("SELECT file, first_byte, length FROM kept ORDER BY intake_id"):
            with (self.state / "raw" / file).open("rb") as segment:
                found.append(os.pread(segment.fileno(), length, first))
        return found


def until(holds: Any, limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    if not DOVECOT.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("Dovecot is missing: tests/real/install")
        pytest.skip("Dovecot is missing: apt-get install dovecot-imapd dovecot-lmtpd")
    server = Dovecot(tmp_path_factory.mktemp("dovecot"))
    yield server
    server.stop()
