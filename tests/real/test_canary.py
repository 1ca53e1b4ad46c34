"""A canary secret in every place where a secret may be: it sings in no log, metric, error or answer."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.lab.daemon import Daemon
from tests.lab.dovecot import Dovecot
from tests.lab.processes import free_ports, until

pytestmark = pytest.mark.real

CANARY = 'cAnary+4711/sings"so\\loud'
TOKEN = "cAnary-token-0815"
MISTYPED = "cAnary-mistyped-1234"


def forms(secret: str) -> set[str]:
    """What a careless program makes of a secret."""
    raw = secret.encode()
    plain = base64.b64encode(f"\0canary\0{secret}".encode()).decode()
    return {
        secret,
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        plain.rstrip("="),
        secret.replace("\\", "\\\\").replace('"', '\\"'),
        raw.hex(),
    }


FORMS = {form for secret in (CANARY, TOKEN, MISTYPED) for form in forms(secret)}


class Heard:
    """Everything that was said, by who said it."""

    def __init__(self) -> None:
        self.said: dict[str, str] = {}

    def note(self, who: str, *texts: str | bytes) -> None:
        for text in texts:
            self.said[who] = self.said.get(who, "") + (text if isinstance(text, str) else text.decode(errors="replace"))

    def songs(self) -> list[tuple[str, str]]:
        return [(who, form) for who, text in self.said.items() for form in FORMS if form in text]


@pytest.fixture
def daemon(dovecot: Dovecot, tmp_path: Path) -> Iterator[Daemon]:
    """Five mailboxes with the same wrong password in five places, and every way to fail beside them."""
    place = tmp_path / "secrets"
    place.mkdir()
    (place / "password").write_text(CANARY)
    boxes = {
        form: dovecot.box(f"canary{form}", security=security, password=None)
        for form, security in {
            "literal": "none", "file": "ssl", "env": "tls", "command": "ssl", "credential": "none",
        }.items()
    }  # fmt: skip
    boxes["closed"] = {**dovecot.box("canaryclosed"), "port": free_ports(1)[0], "password": CANARY}
    boxes["wrongca"] = {**dovecot.box("canaryca", security="ssl"), "ca_file": None, "password": CANARY}
    boxes["nofolder"] = {**dovecot.box("canaryfolder"), "folder": "Nowhere"}
    daemon = Daemon(tmp_path / "d", boxes, daemon={"log_level": "debug"})
    secrets = {
        "literal": json.dumps(CANARY),
        "file": f'{{ file = "{place}/password" }}',
        "env": '{ env = "LAB_CANARY" }',
        "command": f'{{ command = ["cat", "{place}/password"] }}',
        "credential": '{ credential = "password" }',
    }
    written = "".join(f"[incoming.{form}]\npassword = {secret}\n" for form, secret in secrets.items())
    (daemon.conf / "20-secrets.toml").write_text(f'[http]\nadmin_token = "{TOKEN}"\n{written}')
    (daemon.conf / "20-secrets.toml").chmod(0o600)
    daemon.patches = {"LAB_CANARY": CANARY, "CREDENTIALS_DIRECTORY": str(place)}
    yield daemon
    daemon.end()


def test_a_canary_secret_is_found_in_no_log_metric_error_or_answer(daemon: Daemon, dovecot: Dovecot) -> None:
    heard = Heard()
    daemon.start_and_answer()
    states = {"closed": "waiting"}
    for name in ("literal", "file", "env", "command", "credential", "closed", "wrongca", "nofolder"):
        daemon.wait_until(lambda unit: unit["state"] == states.get(name, "blocked"), name, 30)  # noqa: B023 - called at once
    arguments = Path(f"/proc/{daemon.running.pid}/cmdline").read_bytes()
    for route in json.loads(daemon.get("/api/v1/")):
        path = route["path"].replace("{unit}", "incoming/literal")
        heard.note(f"{route['method']} {path}", daemon.ask_http(route["method"], path)[1])
    (daemon.conf / "90-broken.toml").write_text(
        f'[http]\nadmin_tokn = "{MISTYPED}"\n[incoming.literal]\npasword = "{MISTYPED}"\nport = "{MISTYPED}"\n'
        f'[incoming."{TOKEN[:3]}"]\nemail = "{MISTYPED}"\n[[incoming.file.password]]\nx = "{MISTYPED}"\n'
    )
    heard.note("reload of a broken conf.d", daemon.ask_http("POST", "/api/v1/reload")[1])
    heard.note("plan of a broken conf.d", daemon.get("/api/v1/plan"))
    until(lambda: daemon.metric("mailwicket_config_refused") == 1, 5, what="the refusal")
    for words in (["check"], ["check", "--json"], ["status"], ["status", "--json"], ["plan"], ["reload"], ["test"]):
        said = command(daemon, *words)
        heard.note(f"mailwicket {' '.join(words)}", said.stdout, said.stderr)
    (daemon.conf / "90-broken.toml").write_text("[http\n" + f'x = "{MISTYPED}"\n')
    for words in (["check"], ["test", "--json"]):
        said = command(daemon, *words)
        heard.note(f"mailwicket {' '.join(words)} without TOML", said.stdout, said.stderr)
    (daemon.conf / "90-broken.toml").unlink()
    said = command(daemon, "test", "--json")
    assert json.loads(said.stdout)[0]["ok"] is False
    heard.note("mailwicket test --json", said.stdout, said.stderr)
    for unit in ("literal", "wrongca"):
        heard.note("unblock", command(daemon, "unblock", unit).stdout)
    for path in ("/livez", "/readyz", "/metrics", "/api/v1/status"):
        heard.note(path, daemon.get(path))
    daemon.running.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert daemon.stop() == 0
    heard.note("the log", daemon.log)
    heard.note("its arguments", arguments)
    for path in daemon.state_dir.rglob("*"):
        if path.is_file():
            heard.note(f"state: {path.name}", path.read_bytes().decode("latin-1"))
    assert len(heard.said) > 25
    assert heard.said["the log"].count("refused login") >= 5, "the canary was tried"
    assert heard.songs() == []


def command(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    """As `daemon.command`, in the environment that the daemon has."""
    return subprocess.run(
        [sys.executable, "-m", "mailwicket", *words, "--conf", str(daemon.conf)],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        env={**os.environ, **daemon.patches},
    )
