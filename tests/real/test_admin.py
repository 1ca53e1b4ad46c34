"""The admin endpoint of the running daemon: closed to the world, open to the admin."""

from __future__ import annotations

import json
import ssl
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.lab.daemon import Daemon
from tests.lab.processes import free_ports, until

pytestmark = pytest.mark.real

TOKEN = "canary-token-4711"
ALL = "0.0.0.0"  # noqa: S104 - that is what is tested


class Desk:
    """A daemon that listens for other machines, with lock and seal, and one mailbox whose server is down."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        self.certificate = directory / "http.pem"
        self.trust = ssl.create_default_context()
        authority.configure_trust(self.trust)
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(self.certificate)
        self.port, nobody = free_ports(2)
        box = {"email": "box@example.org", "server": "127.0.0.1", "port": nobody, "password": "x", "security": "none"}
        self.daemon = Daemon(directory / "d", {"box": box})
        self.daemon.configure({"box": box}, http=self.http())

    def http(self, **changes: Any) -> dict[str, Any]:
        listen = [f"unix:{self.daemon.socket}", f"{ALL}:{self.port}"] if hasattr(self, "daemon") else []
        values = {"listen": listen, "admin_token": TOKEN, "tls_certificate": str(self.certificate)}
        return values | changes

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
        request = urllib.request.Request(f"https://localhost:{self.port}{path}", method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, context=self.trust, timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except urllib.error.URLError:
            return 0, ""

    def start(self) -> None:
        """Start it and wait until it answers over TCP, too."""
        self.daemon.start_and_answer()
        until(lambda: self.ask("/livez")[0] == 200, 10, what="its answer over TCP")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.daemon.end()


def test_every_route_of_the_running_daemon_is_closed_to_the_world_and_open_to_the_admin(desk: Desk) -> None:
    desk.start()
    routes = json.loads(desk.daemon.get("/api/v1/"))
    admin = [one for one in routes if one["path"] not in {"/livez", "/readyz", "/metrics", "/oauth/callback"}]
    assert len(admin) >= 10
    good = {"Authorization": f"Bearer {TOKEN}"}
    for one in admin:
        path = one["path"].replace("{unit}", "incoming/box")
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({**good, "Host": "evil.example.org"}, 403),
            ({**good, "Origin": "https://evil.example.org"}, 403),
        ):
            answer, body = desk.ask(path, one["method"], **headers)
            assert answer == status, (one, headers)
            assert TOKEN not in body
    assert desk.ask("/api/v1/status", **good)[0] == 200
    assert desk.ask("/api/v1/units/incoming/box/pause", "POST", **good)[0] == 200
    assert desk.ask("/livez")[0] == 200
    assert desk.ask("/oauth/callback?state=x&code=y")[0] == 400  # open, and only for who is waited for
    assert desk.ask("/oauth/callback", Host="evil.example.org")[0] == 403
    assert TOKEN not in desk.daemon.log


def test_a_token_that_changes_is_taken_up_by_a_reload_and_the_old_one_is_over(desk: Desk) -> None:
    desk.start()
    (desk.daemon.conf / "90-token.toml").write_text('[http]\nadmin_token = "another-token-0815"\n')
    until(lambda: desk.ask("/api/v1/status", Authorization="Bearer another-token-0815")[0] == 200, 10, 0.3)
    assert desk.ask("/api/v1/status", Authorization=f"Bearer {TOKEN}")[0] == 401
    assert desk.daemon.post("/api/v1/reload")[0] == 200


def test_the_socket_is_for_the_daemons_user_and_group(desk: Desk) -> None:
    desk.start()
    assert stat.S_IMODE(desk.daemon.socket.stat().st_mode) == 0o660


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"admin_token": None, "tls_certificate": None}, "without admin_token and tls_certificate"),
        ({"admin_token": None}, "without admin_token"),
        ({"tls_certificate": None}, "without tls_certificate"),
    ],
)
def test_listening_for_other_machines_without_lock_or_seal_ends_with_78_and_one_line_why(
    desk: Desk, changes: dict[str, Any], words: str
) -> None:
    desk.daemon.configure({}, http=desk.http(**changes))
    ended = desk.daemon.command("run")
    assert ended.returncode == 78
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.endswith(f": http: listens for other machines {words}\n")
    assert not desk.daemon.state_dir.exists()


def test_a_certificate_that_is_none_ends_with_78_and_one_line_why(desk: Desk) -> None:
    desk.certificate.write_text("canary-4711")
    ended = desk.daemon.command("run")
    assert ended.returncode == 78
    assert "no PEM certificate with its key" in ended.stderr.splitlines()[-1]
    assert "canary" not in ended.stderr


def test_a_token_that_cannot_be_had_closes_the_api_over_tcp_and_mail_goes_on(desk: Desk, tmp_path: Path) -> None:
    desk.daemon.configure({}, http=desk.http(admin_token={"file": str(tmp_path / "absent")}))
    path = desk.daemon.conf / "10-test.toml"
    path.write_text(path.read_text().replace('{"file": ', "{ file = ").replace('absent"}', 'absent" }'))
    desk.start()
    for token in ("", "None", "x"):
        assert desk.ask("/api/v1/status", Authorization=f"Bearer {token}")[0] == 401
    assert desk.daemon.post("/api/v1/reload")[0] == 200
    assert any("admin_token" in line for line in desk.daemon.told("error"))
    (tmp_path / "absent").write_text("there-at-last-4711\n")
    desk.daemon.post("/api/v1/reload")
    assert desk.ask("/api/v1/status", Authorization="Bearer there-at-last-4711")[0] == 200


def test_a_taken_port_ends_with_1_so_that_systemd_tries_again_and_says_the_address(desk: Desk) -> None:
    desk.start()
    other = desk.daemon.directory / "other"
    listen = json.dumps([f"127.0.0.1:{desk.port}"])
    other.mkdir()
    (other / "10.toml").write_text(f'[daemon]\nstate_dir = "{other}/state"\n[http]\nlisten = {listen}\n')
    command = [sys.executable, "-m", "mailwicket", "run", "--conf", str(other)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 1
    said = f"mailwicket: http.listen: cannot listen on 127.0.0.1:{desk.port}: Address already in use"
    assert ended.stderr.splitlines()[-1] == said
