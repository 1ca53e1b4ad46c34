"""Somebody else's desk: built, installed and run as any package is, by nothing but what docs/plugins.md says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from tests.fakes import mail
from tests.lab.daemon import Daemon
from tests.waiting import becomes

from mailwicket.demo.imap_server import LOOPBACK, imap_server

ROOT = Path(__file__).parents[2]
PACKAGE = Path(__file__).with_name("mailwicket-logbook")
USER, PASSWORD = "desk@example.org", "canary-4711"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the package installed, as pip does it; no index is asked."""
    directory = tmp_path_factory.mktemp("site")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--no-cache-dir"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(directory), str(PACKAGE)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return directory


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are started now see the package."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH")))))


def conf(directory: Path, port: int, **keys: str) -> Daemon:
    box = {
        "email": USER,
        "server": LOOPBACK,
        "port": port,
        "security": "none",
        "password": PASSWORD,
        "start_from": "all",
        "poll_s": 1,
    }
    backend = {"type": "logbook", "path": str(directory / "logbook.jsonl"), **keys}
    return Daemon(directory / "daemon", {"box": box}, backend=backend)


@pytest.mark.usefixtures("installed")
def test_check_accepts_a_configuration_for_it_and_tells_its_mistakes_as_for_ours(tmp_path: Path) -> None:
    told = conf(tmp_path, 143).command("check")
    assert (told.returncode, told.stderr) == (0, "")
    assert "1 incoming, 0 outgoing, backend logbook: good" in told.stdout
    other = tmp_path / "other"
    told = conf(other, 143, paht="x").command("check")
    assert told.returncode == 1
    assert "backend.paht: unknown key (nearest known key: path)" in told.stderr


def test_without_it_its_name_is_not_known(tmp_path: Path) -> None:
    told = conf(tmp_path, 143).command("check")
    assert told.returncode == 1
    assert 'backend.type: is not installed; "desk" or "webhook"' in told.stderr


@pytest.mark.usefixtures("installed")
def test_the_contract_suite_passes_on_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-k", "logbook", "--basetemp", str(tmp_path / "suite")]
    told = subprocess.run(
        [*command, "tests/contract/test_desks.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout
    assert "21 passed" in told.stdout
    assert "skipped" not in told.stdout


@pytest.mark.usefixtures("installed")
async def test_a_daemon_brings_mail_into_it_and_a_kill_doubles_nothing(tmp_path: Path) -> None:
    logbook = tmp_path / "logbook.jsonl"
    async with imap_server(USER, PASSWORD) as server:
        for number in range(20):
            answer = {"in_reply_to": f"{number - 1}@example.org"} if number % 2 else {}
            text = f"mail {number}\r\n"
            await server.append(mail(f"matter {number // 2}", text, message_id=f"{number}@example.org", **answer))
        daemon = conf(tmp_path, server.port)
        try:
            daemon.start()
            await becomes(lambda: logbook.exists() and logbook.read_bytes().count(b"\n") >= 5, 30)
            await anyio.to_thread.run_sync(daemon.kill)
            await anyio.to_thread.run_sync(daemon.start_and_answer)
            await becomes(lambda: daemon.count("settled") == 20, 30)
            told = await anyio.to_thread.run_sync(daemon.command, "status")
            assert "backend" in told.stdout
            assert await anyio.to_thread.run_sync(daemon.stop) == 0
        finally:
            daemon.end()
    entries = [json.loads(line) for line in logbook.read_text(encoding="ascii").splitlines()]
    assert [entry["kind"] for entry in entries] == ["create", "append"] * 10
    assert [entry["ticket"] for entry in entries] == [n // 2 + 1 for n in range(20)]
    texts = [(entry["what"].get("entry") or entry["what"])["text"].strip() for entry in entries]
    assert texts == [f"mail {n}" for n in range(20)]
    assert daemon.told("error") == []
    assert PASSWORD not in daemon.log
