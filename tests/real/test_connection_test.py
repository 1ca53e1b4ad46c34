"""`mailwicket test` and `init` against a real server: the right stage is named, and nothing changes there."""

from __future__ import annotations

import itertools
import json
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.lab import mailmix
from tests.lab.dovecot import Dovecot, running
from tests.lab.imap_server import PASSWORD
from tests.lab.processes import mortal, until
from tests.lab.terminal import Terminal

pytestmark = pytest.mark.real

CANARY = "canary-Pa55w0rd"
NUMBERS = itertools.count(1)
STAGES = {
    "ssl": ["configuration", "dns", "tcp", "tls", "greeting", "auth", "folder", "after", "read"],
    "tls": ["configuration", "dns", "tcp", "greeting", "starttls", "auth", "folder", "after", "read"],
    "none": ["configuration", "dns", "tcp", "greeting", "auth", "folder", "after", "read"],
}


class Box:
    """A mailbox with a few mails, and a conf.d for it that no daemon has loaded."""

    def __init__(self, dovecot: Dovecot, directory: Path, mails: int = 3) -> None:
        self.dovecot = dovecot
        self.user = f"tested{next(NUMBERS)}"
        self.conf = directory / "conf.d"
        self.conf.mkdir()
        dovecot.fill(self.user, mailmix.small(mails))

    def test(self, security: str = "ssl", **keys: Any) -> tuple[int, dict[str, dict[str, Any]]]:
        """Run the command on `[incoming.box]`; return its exit status and the stages by name."""
        table = {
            key: value for key, value in self.dovecot.box(self.user, security, **keys).items() if value is not None
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
        path = self.conf / "10-box.toml"
        path.write_text("\n".join(["[incoming.box]", *lines]) + "\n")
        path.chmod(0o600)
        ended = command("test", "box", "--json", "--conf", self.conf)
        (told,) = json.loads(ended.stdout)
        assert told["unit"] == "incoming/box"
        assert [stage["name"] for stage in told["stages"]] == STAGES[security]
        return ended.returncode, {stage["name"]: stage for stage in told["stages"]}

    def failed(self, name: str, security: str = "ssl", **keys: Any) -> dict[str, Any]:
        """Return the stage *name*, which failed as the first and only one."""
        status, stages = self.test(security, **keys)
        at = STAGES[security].index(name)
        expected = [*["ok"] * at, "failed", *["skipped"] * (len(stages) - at - 1)]
        assert [stage["state"] for stage in stages.values()] == expected, stages
        assert status == 1
        assert stages[name]["fix"]
        return stages[name]

    def picture(self) -> dict[str, Any]:
        """All that another client can see of the mailbox, and its files."""
        maildir = self.dovecot.home(self.user) / "Maildir"
        with self.dovecot.session(self.user) as imap:
            flags = imap.fetch("1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE)")[1] if self.dovecot.uids(self.user) else []
            folders = sorted(imap.list()[1])
        files = sorted(str(path.relative_to(maildir)) for path in maildir.rglob("*.lab*"))
        return {"flags": flags, "folders": folders, "files": files}


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it; no password is in what it says."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAILWICKET")}
    line = [sys.executable, "-m", "mailwicket", *map(str, words)]
    ended = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60, env=environ)
    for password in (PASSWORD, CANARY):
        assert password not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended


@pytest.fixture
def box(dovecot: Dovecot, tmp_path: Path) -> Iterator[Box]:
    made = Box(dovecot, tmp_path)
    yield made
    dovecot.forget(made.user)


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path, for the socket in it."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


# --- the test of a connection ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("security", ["ssl", "tls", "none"])
def test_every_stage_of_a_good_mailbox_is_ok_and_nothing_is_changed_there(box: Box, security: str) -> None:
    before = box.picture()
    status, stages = box.test(security)
    assert status == 0
    assert {stage["state"] for stage in stages.values()} == {"ok"}, stages
    assert all(stage["fix"] is None for stage in stages.values())
    assert stages["folder"]["detail"] == "INBOX: 3 mails, 3 unseen"
    assert stages["auth"]["detail"] == f"AUTHENTICATE PLAIN as {box.user}@example.net"
    assert stages["read"]["detail"].startswith("the last mail: ")
    if security != "none":
        told = stages["tls" if security == "ssl" else "starttls"]["detail"]
        assert told.startswith("TLSv1.3, certificate for localhost, 127.0.0.1, issued by trustme")
        assert told.endswith("days left")
    assert box.picture() == before
    assert box.dovecot.uids(box.user, criterion="UNSEEN") == box.dovecot.uids(box.user)


@pytest.mark.parametrize("after", ["delete", "move:Done"])
def test_what_would_change_the_mailbox_is_only_looked_at(box: Box, after: str) -> None:
    box.dovecot.fill(box.user, [], folder="Done")
    before = box.picture()
    status, _ = box.test(after=after)
    assert status == 0
    assert box.picture() == before


def test_an_empty_mailbox_is_good(dovecot: Dovecot, tmp_path: Path) -> None:
    status, stages = Box(dovecot, tmp_path, mails=0).test()
    assert status == 0
    assert stages["read"]["detail"] == "the folder is empty: nothing to read, and nothing wrong"


def test_a_unit_that_is_not_enabled_is_tested_as_well(box: Box) -> None:
    status, stages = box.test(enabled=False)
    assert status == 0
    assert stages["configuration"]["detail"].endswith("; the unit is not enabled")


def test_a_wrong_password_fails_at_the_login_and_is_said_once(box: Box) -> None:
    stage = box.failed("auth", password=CANARY)
    assert "refused login" in stage["detail"]
    assert "[AUTHENTICATIONFAILED]" in stage["detail"]
    log = (box.dovecot.base / "dovecot.log").read_text()
    assert log.count(f"user=<{box.user}>, method=PLAIN") == 1


@pytest.mark.parametrize(("security", "name"), [("ssl", "tls"), ("tls", "starttls")])
def test_an_unknown_authority_fails_before_the_password_is_said(box: Box, security: str, name: str) -> None:
    stage = box.failed(name, security, ca_file=None)
    assert "for localhost, 127.0.0.1, issued by trustme" in stage["detail"]
    assert "ca_file" in stage["fix"]
    assert box.user not in (box.dovecot.base / "dovecot.log").read_text()


def test_an_authority_of_somebody_else_fails_as_well(box: Box, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    assert "ca_file" in box.failed("tls", ca_file=str(other))["fix"]


@pytest.mark.parametrize(
    ("security", "port", "name", "fix"),
    [
        ("ssl", "imap", "tls", 'speaks in the clear: security = "tls"'),
        ("tls", "imaps", "greeting", 'speaks TLS from the first byte: security = "ssl"'),
        ("ssl", "lmtp", "tls", "mend port"),
    ],
)
def test_the_wrong_security_for_a_port_is_recognised(box: Box, security: str, port: str, name: str, fix: str) -> None:
    assert fix in box.failed(name, security, port=getattr(box.dovecot, port))["fix"]


def test_a_folder_that_is_not_there_is_told_with_the_nearest(box: Box) -> None:
    box.dovecot.fill(box.user, [], folder="Support")
    stage = box.failed("folder", folder="Suport")
    assert "does not open the folder Suport" in stage["detail"]
    assert stage["fix"] == "mend folder; nearest there: Support"


def test_a_target_that_is_not_there_is_told_and_not_made(box: Box) -> None:
    before = box.picture()
    stage = box.failed("after", after="move:Done")
    assert stage["detail"].endswith("has no folder Done to move to")
    assert box.picture() == before


def expired(server: Dovecot) -> None:
    """Give it a certificate that ended yesterday."""
    authority = trustme.CA()
    now = datetime.now(UTC)
    leaf = authority.issue_cert("127.0.0.1", not_before=now - timedelta(days=30), not_after=now - timedelta(days=1))
    authority.cert_pem.write_to_path(server.ca_file)
    leaf.private_key_pem.write_to_path(server.base / "server.key")
    (server.base / "server.pem").write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    server.stop()
    server.start()


def test_certificates_that_have_expired_or_bear_another_name(tmp_path: Path) -> None:
    with running("mail.example.org") as server:
        box = Box(server, tmp_path)
        stage = box.failed("tls")
        assert "for mail.example.org, issued by" in stage["detail"]
        assert "set server to one of its names (mail.example.org)" in stage["fix"]
        expired(server)
        for security, name in (("ssl", "tls"), ("tls", "starttls")):
            stage = box.failed(name, security)
            assert "certificate has expired; for 127.0.0.1" in stage["detail"]
            assert f"ended {datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}" in stage["detail"]
            assert "renewed" in stage["fix"]


# --- the first conf.d -----------------------------------------------------------------------------------------------


def flags(box: Box, place: Path) -> list[str | Path]:
    return [
        *("--email", f"{box.user}@example.net", "--server", "127.0.0.1", "--port", str(box.dovecot.imaps)),
        *("--ca-file", box.dovecot.ca_file, "--start-from", "all", "--state-dir", place / "state"),
    ]


def run_until_seen(box: Box, conf: Path, count: int) -> None:
    """Run the daemon until it has marked so many mails, and stop it."""
    environ = {**os.environ, "MAILWICKET__HTTP__LISTEN": json.dumps([f"unix:{conf.parent}/state/admin.sock"])}
    line = mortal([sys.executable, "-m", "mailwicket", "run", "--conf", str(conf)])
    process = subprocess.Popen(line, env=environ, stderr=subprocess.PIPE)
    try:
        until(lambda: len(box.dovecot.uids(box.user, criterion="SEEN")) == count, 30, 0.1, "marking the mails")
    finally:
        process.terminate()
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said


def test_init_writes_a_conf_d_tests_it_and_the_daemon_runs_with_it(box: Box, place: Path) -> None:
    conf = place / "conf.d"
    secret = place / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    ended = command("init", conf, *flags(box, place), "--password-file", secret)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "INBOX: 3 mails, 3 unseen" in ended.stdout
    assert f"mailwicket run --conf {conf}" in ended.stdout
    assert command("check", "--conf", conf).returncode == 0
    assert command("test", "--conf", conf).returncode == 0
    assert box.dovecot.uids(box.user, criterion="SEEN") == []
    run_until_seen(box, conf, 3)
    tickets = json.loads(command("tickets", "list", "--json", "--conf", conf).stdout)
    assert sum(ticket["entries"] for ticket in tickets) == 3
    again = command("init", conf, *flags(box, place), "--password-file", secret)
    assert again.returncode == 1
    assert "nothing was written" in again.stderr


def test_init_keeps_its_files_where_the_login_is_refused(box: Box, place: Path) -> None:
    conf = place / "conf.d"
    secret = place / "secret"
    secret.write_text(CANARY)
    secret.chmod(0o600)
    ended = command("init", conf, *flags(box, place), "--password-file", secret)
    assert ended.returncode == 1
    assert "failed   auth" in ended.stdout
    assert "the files are kept" in ended.stdout
    secret.write_text(PASSWORD)
    assert command("test", "--conf", conf).returncode == 0


def test_init_at_a_terminal_leads_to_a_good_connection(box: Box, place: Path) -> None:
    conf = place / "conf.d"
    line = [sys.executable, "-m", "mailwicket", "init", conf, *flags(box, place)[4:]]
    with Terminal(list(map(str, line)), {**os.environ, "COLUMNS": "200"}) as terminal:
        terminal.answer("Address of the mailbox: ", f"{box.user}@example.net")
        terminal.answer("IMAP server [imap.example.net]: ", "127.0.0.1")
        terminal.answer("User name [", "")
        terminal.answer("Password (not shown): ", PASSWORD)
        terminal.answer("Folder [INBOX]: ", "")
        terminal.answer("[seen]: ", "leave")
        assert terminal.end() == 0, terminal.shown
        assert PASSWORD not in terminal.shown
        assert "mails are left as they are" in terminal.shown
    assert command("test", "--conf", conf).returncode == 0


def test_the_trust_store_of_the_environment_counts(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(box.dovecot.ca_file))
    assert ssl.get_default_verify_paths().cafile == str(box.dovecot.ca_file)
    status, _ = box.test(ca_file=None)
    assert status == 0
