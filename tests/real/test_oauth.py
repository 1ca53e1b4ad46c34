"""OAuth with real processes: a mail server that takes tokens, sign-in on the command line, deaths while refreshing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.lab.daemon import Daemon
from tests.lab.dovecot import running
from tests.lab.issuer import Issuer, issuing_aside
from tests.lab.oauth_dovecot import OAuthDovecot, kind_of
from tests.lab.processes import free_ports, mortal, until
from tests.real.conftest import need_dovecot

pytestmark = pytest.mark.real

MAIL = (
    b"From: Cy <cy@example.com>\r\nTo: desk@example.net\r\nSubject: one\r\nMessage-ID: <%d@example.com>\r\n\r\nbody\r\n"
)


def application(issuer: Issuer, **keys: Any) -> dict[str, Any]:
    (port,) = free_ports(1)
    return {
        "client_id": "client-1",
        "client_secret": "secret-canary-4711",
        "authorization_url": f"{issuer.url}/authorize",
        "token_url": f"{issuer.url}/token",
        "device_url": f"{issuer.url}/device",
        "redirect_url": f"http://127.0.0.1:{port}",
        **keys,
    }


@contextmanager
def desk(
    tmp_path: Path,
    mechanisms: str = OAuthDovecot.mechanisms,
    proxy: dict[str, Any] | None = None,
    application_keys: dict[str, Any] | None = None,
    **changes: Any,
) -> Iterator[Any]:
    """An issuer, a mail server that asks it, and a daemon that is not started; its mailbox behind *proxy*."""
    need_dovecot()
    with issuing_aside(user="tokens", **changes) as issuer, running(kind=kind_of(issuer.url, mechanisms)) as dovecot:
        boxes = {"box": dovecot.token_box("tokens", **({"proxy": "office", "allow_plaintext": True} if proxy else {}))}
        tables = {"oauth.office": application(issuer, **(application_keys or {}))}
        tables |= {"proxy.office": proxy} if proxy else {}
        daemon = Daemon(tmp_path / "d", boxes, daemon={"log_level": "debug"}, **tables)
        try:
            yield issuer, dovecot, daemon
        finally:
            daemon.end()


def sign_in(daemon: Daemon, issuer: Issuer, *words: str) -> str:
    """`mailwicket oauth login`, with the URL that the browser shows pasted back."""
    command = [sys.executable, "-m", "mailwicket", "oauth", "login", "office", *words, "--conf", str(daemon.conf)]
    with subprocess.Popen(
        mortal(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as login:
        assert login.stdout is not None
        assert login.stdin is not None
        said = ""
        while "/authorize?" not in (line := login.stdout.readline()):
            assert line, login.stderr and login.stderr.read()
            said += line
        login.stdin.write(issuer.consent(line.strip()) + "\n")
        login.stdin.flush()
        rest, errors = login.communicate(timeout=30)
        assert login.returncode == 0, errors
        return said + line + rest


@pytest.mark.parametrize("mechanisms", ["plain xoauth2", "plain oauthbearer"])
def test_a_sign_in_beside_the_daemon_starts_the_mailbox_at_once(tmp_path: Path, mechanisms: str) -> None:
    with desk(tmp_path, mechanisms) as (issuer, dovecot, daemon):
        dovecot.fill("tokens", [MAIL % number for number in range(3)])
        daemon.start_and_answer()
        daemon.wait_until(lambda unit: unit["reason"] == "needs_sign_in")
        assert "signed in" in sign_in(daemon, issuer)
        daemon.wait_until_settled(3)
        status = daemon.command("oauth", "status")
        assert (status.returncode, "office: signed in (other, authorization_code)" in status.stdout) == (0, True)
        tested = json.loads(daemon.command("test", "box", "--json").stdout)
        assert tested[0]["ok"], tested
        assert daemon.stop() == 0


def test_a_sign_in_without_a_daemon_serves_the_one_that_is_started_later(tmp_path: Path) -> None:
    with desk(tmp_path) as (issuer, dovecot, daemon):
        assert "signed in" in sign_in(daemon, issuer)
        told = json.loads(daemon.command("oauth", "status", "--json").stdout)
        assert told[0]["state"] == "signed_in"
        tested = json.loads(daemon.command("test", "box", "--json").stdout)
        assert tested[0]["ok"], tested
        dovecot.fill("tokens", [MAIL % 1])
        daemon.start_and_answer()
        daemon.wait_until_settled(1)
        assert len([one for one in issuer.asked if one["grant_type"] == "refresh_token"]) == 0
        assert daemon.stop() == 0


def test_a_device_code_needs_no_browser_at_all(tmp_path: Path) -> None:
    with desk(tmp_path, pending=1) as (_, _dovecot, daemon):
        ended = daemon.command("oauth", "login", "office", "--device")
        assert ended.returncode == 0, ended.stderr
        assert "type in:  ABCD-EFGH" in ended.stdout


def test_a_browser_on_this_machine_comes_back_by_itself(tmp_path: Path) -> None:
    import urllib.request

    with desk(tmp_path) as (issuer, _, daemon):
        command = [sys.executable, "-m", "mailwicket", "oauth", "login", "office", "--conf", str(daemon.conf)]
        with subprocess.Popen(mortal(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as login:
            assert login.stdout is not None
            while "/authorize?" not in (line := login.stdout.readline()):
                assert line
            back = issuer.consent(line.strip())
            while "comes back here" not in login.stdout.readline():
                pass
            with urllib.request.urlopen(back, timeout=10) as page:  # noqa: S310 - a loopback address of ours
                assert b"signed in" in page.read()
            assert login.wait(20) == 0


def test_sessions_end_with_their_token_and_begin_anew_without_a_word(tmp_path: Path) -> None:
    with desk(tmp_path, expires_in=6) as (issuer, dovecot, daemon):
        sign_in(daemon, issuer)
        daemon.start_and_answer()
        until(lambda: dovecot.logins("tokens") >= 4, 60, 0.1, "the fourth login")
        dovecot.deliver("tokens", MAIL % 1)
        daemon.wait_until_settled(1)
        assert daemon.told("warning", "error") == []
        assert issuer.refused == 0
        assert daemon.stop() == 0


def test_a_token_that_is_withdrawn_costs_one_refused_login_and_mail_goes_on(tmp_path: Path) -> None:
    with desk(tmp_path) as (issuer, dovecot, daemon):
        sign_in(daemon, issuer)
        daemon.start_and_answer()
        daemon.wait_until_idle()
        daemon.stop()
        issuer.ends.clear()
        dovecot.deliver("tokens", MAIL % 1)
        daemon.start_and_answer()
        daemon.wait_until_settled(1)
        assert issuer.refused == 1
        assert len(daemon.told("warning")) == 1
        assert daemon.told("error") == []
        assert daemon.stop() == 0


def test_a_revoked_sign_in_blocks_its_mailbox_once_and_a_new_one_mends_it(tmp_path: Path) -> None:
    with desk(tmp_path, expires_in=3) as (issuer, dovecot, daemon):
        sign_in(daemon, issuer)
        daemon.start_and_answer()
        daemon.wait_until_idle()
        issuer.good.clear()
        daemon.wait_until(lambda unit: unit["reason"] == "needs_sign_in")
        assert "AADSTS70000" in daemon.unit()["said"]
        assert daemon.command("oauth", "status").returncode == 1
        asked = len(issuer.asked)
        assert daemon.command("unblock", "incoming/box").returncode == 0
        until(lambda: len(issuer.asked) > asked, 20, 0.05, "a question, though the refusal would stand for a minute")
        daemon.wait_until(lambda unit: unit["reason"] == "needs_sign_in")
        issuer.expires_in = 3600
        sign_in(daemon, issuer)
        dovecot.deliver("tokens", MAIL % 1)
        daemon.wait_until_settled(1)
        assert daemon.stop() == 0


def test_no_token_is_anywhere_in_clear(tmp_path: Path) -> None:
    with desk(tmp_path, expires_in=4) as (issuer, dovecot, daemon):
        said = sign_in(daemon, issuer)
        daemon.start_and_answer()
        dovecot.deliver("tokens", MAIL % 1)
        daemon.wait_until_settled(1)
        until(lambda: len(issuer.given) >= 10, 60, 0.1, "the tenth token")
        said += daemon.command("oauth", "status", "--json").stdout + daemon.command("oauth", "status").stdout
        tested = daemon.command("test", "box", "--json")
        said += tested.stdout + tested.stderr
        for path in ("/metrics", "/readyz", "/api/v1/status", "/api/v1/oauth"):
            said += daemon.get(path).decode()
        for name in ("cmdline", "environ"):
            said += Path(f"/proc/{daemon.running.pid}/{name}").read_bytes().decode(errors="replace")
        backup = daemon.directory / "backup.tar"
        assert daemon.command("backup", str(backup)).returncode == 0
        issuer.good.clear()
        daemon.wait_until(lambda unit: unit["reason"] == "needs_sign_in")
        said += daemon.log + daemon.get("/api/v1/status").decode()
        assert daemon.stop() == 0
        kept = b"".join(path.read_bytes() for path in daemon.directory.rglob("*") if path.is_file())
        secrets = [token for token in issuer.given if not token.startswith("code-")] + ["secret-canary-4711"]
        conf = (daemon.conf / "10-test.toml").read_bytes()
        for token in secrets:
            assert token not in said
            assert token.encode() not in kept.replace(conf, b"")
        assert (daemon.state_dir / "tokens.key").read_bytes() not in backup.read_bytes()
        assert len(secrets) >= 10


# --- deaths while refreshing ----------------------------------------------------------------------------------------


class Refresher:
    """The process that refreshes; it dies and is started again."""

    def __init__(self, state_dir: Path, issuer: Issuer) -> None:
        self.state_dir = state_dir
        self.issuer = issuer
        self.first = issuer.new_refresh()
        self.done = 0
        self.deaths = 0

    def run(self, refreshes: int, failpoint: str = "") -> int:
        """Let it refresh so often and kill it at any moment of the next; return how often it did."""
        command = [sys.executable, "-m", "tests.lab.refresher", str(self.state_dir), self.issuer.url]
        environ = {"MAILWICKET_FAILPOINT": failpoint} if failpoint else {}
        process = subprocess.Popen(
            mortal(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environ},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with process:
            process.stdin.write(self.first.encode() + b"\n")
            process.stdin.flush()
            begun = 0
            while begun < refreshes and process.stdout.readline():
                begun += 1
                self.first = ""
            if not failpoint:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(random.random() * 0.02)
            process.send_signal(signal.SIGKILL)
            process.stdin.close()
            process.wait()
            errors = process.stderr.read()
            assert begun or failpoint, errors
        self.done += begun
        self.deaths += 1
        return begun


def refresh_and_die(tmp_path: Path, refreshes: int, most: int) -> None:
    with issuing_aside() as issuer:
        one = Refresher(tmp_path / "state", issuer)
        random.seed(refreshes)
        while one.done < refreshes:
            one.run(random.randint(1, most))
        issued = len([token for token in issuer.given if token.startswith("refresh-")])
        print(f"{one.done} refreshes, {one.deaths} deaths, {issued} refresh tokens issued")
        assert issued > one.done
        assert one.run(1) == 1  # still signed in
        kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert not [token for token in issuer.given if token.encode() in kept]


def test_forty_refreshes_with_deaths_at_random_stay_signed_in(tmp_path: Path) -> None:
    refresh_and_die(tmp_path, 40, 6)


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_a_thousand_refreshes_with_deaths_at_random_stay_signed_in(tmp_path: Path) -> None:
    refresh_and_die(tmp_path, 1000, 30)


@pytest.mark.parametrize("place", ["tokens.received", "commit.before", "commit.after"])
def test_a_death_at_each_step_of_a_refresh_leaves_one_good_token(tmp_path: Path, place: str) -> None:
    with issuing_aside() as issuer:
        one = Refresher(tmp_path / "state", issuer)
        one.run(2)
        for hit in (1, 2):
            one.run(99, f"{place}:{hit}:die")
            assert one.run(1) == 1


def test_a_new_client_secret_in_its_file_restarts_who_logs_in_by_it_and_is_said_at_once(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("old-canary\n")
    in_file = {"client_secret": None, "client_secret.file": str(secret)}
    with desk(tmp_path, application_keys=in_file) as (issuer, dovecot, daemon):
        dovecot.fill("tokens", [MAIL % 1])
        daemon.start_and_answer()
        sign_in(daemon, issuer)
        daemon.wait_until_settled(1)
        asked = len(issuer.asked)
        secret.write_text("new-canary\n")
        told = json.loads(daemon.command("plan", "--json").stdout)
        assert [(one["unit"], one["act"], one["keys"]) for one in told["changes"]] == [
            ("incoming/box", "restart", ["oauth"])
        ]
        assert daemon.command("reload").returncode == 0
        until(lambda: len(issuer.asked) > asked, 20, 0.05, "a token by the new secret")
        assert issuer.asked[-1]["client_secret"] == "new-canary"
        daemon.wait_until(lambda unit: unit["state"] == "running")
        again = json.loads(daemon.command("plan", "--json").stdout)
        assert again["changes"] == []
        assert daemon.stop() == 0
        assert "canary" not in daemon.log
