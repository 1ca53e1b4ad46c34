"""The service under systemd: what it is told, what it says of our files, and what its sandbox lets the daemon do."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.lab import mailmix, sandbox
from tests.lab.dovecot import PASSWORD, Dovecot
from tests.lab.processes import until
from tests.lab.stand import Stand

from mailwicket.app import GRACE_S
from mailwicket.cli.run import BUSY_EXIT, CONFIG_EXIT
from mailwicket.config.settings import Daemon as DaemonSettings
from mailwicket.config.settings import Http

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "mailwicket.service"
SANDBOX = [sys.executable, str(ROOT / "tests/lab/sandbox.py"), str(UNIT)]
EXPOSURE_MAX = 1.5


def need(holds: object, what: str) -> None:
    """As with Dovecot: where a change is judged nothing is left out."""
    if holds:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(autouse=True)
def _systemd() -> None:
    need(shutil.which("systemd-analyze"), "systemd is missing: tests/real/install")


# --- the unit file


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    path = tmp_path / UNIT.name
    path.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(encoding="utf-8")))
    path.chmod(0o644)
    return path


def analyze(*words: str | Path) -> str:
    told = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60)
    return told.stdout + told.stderr


def test_systemd_has_nothing_to_say_about_the_unit(copy: Path) -> None:
    assert [line for line in analyze("verify", copy).splitlines() if "mailwicket" in line] == []


def test_systemd_would_tell_of_a_mistake_in_the_unit(copy: Path) -> None:
    copy.write_text(copy.read_text() + "\n[Service]\nRestartStep=5\n")
    assert "RestartStep" in analyze("verify", copy)


def test_the_exposure_is_below_the_limit(copy: Path) -> None:
    told = analyze("security", "--offline=true", copy)
    level = re.search(r"Overall exposure level for mailwicket\.service: ([0-9.]+)", told)
    assert level is not None, told
    print(f"exposure {level[1]}")
    assert float(level[1]) < EXPOSURE_MAX


def test_the_unit_says_what_the_daemon_does() -> None:
    told = {name: values[-1] for name, values in sandbox.directives(UNIT).items()}
    assert told["RestartPreventExitStatus"].split() == [str(CONFIG_EXIT)]
    assert str(BUSY_EXIT) not in told["RestartPreventExitStatus"]
    assert int(told["TimeoutStopSec"]) > DaemonSettings().stop_timeout_s + GRACE_S
    assert DaemonSettings().state_dir == Path("/var/lib", told["StateDirectory"])
    assert Http().listen[0] == f"unix:/run/{told['RuntimeDirectory']}/admin.sock"
    assert told["User"] == told["Group"] == "mailwicket"
    program = told["ExecStart"].removesuffix(" run")
    assert f"{program} " in (ROOT / "docs" / "production.md").read_text(encoding="utf-8")


# --- user and directories


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system of its own, with a configuration that an editor left unreadable for the daemon."""
    need(os.geteuid() == 0, "owners are set by root alone")
    (tmp_path / "root/etc/mailwicket/conf.d").mkdir(parents=True)
    for name in ("conf.d/10-incoming.toml", "conf.d/10-incoming.toml~", "support.password", "http.key"):
        (tmp_path / "root/etc/mailwicket" / name).touch(mode=0o600)
    for command in (
        ["systemd-sysusers", ROOT / "systemd/mailwicket.sysusers.conf"],
        ["systemd-tmpfiles", "--create", ROOT / "systemd/mailwicket.tmpfiles.conf"],
    ):
        told = subprocess.run(
            [command[0], f"--root={tmp_path / 'root'}", *command[1:]],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert "mailwicket.tmpfiles.conf:" not in told.stderr, told.stderr
    return tmp_path / "root"


def test_the_user_may_neither_log_in_nor_do_anything_but_serve(root: Path) -> None:
    (line,) = [one for one in (root / "etc/passwd").read_text().splitlines() if one.startswith("mailwicket:")]
    _, _, number, group, _, home, shell = line.split(":")
    assert 0 < int(number) < 1000
    assert (home, shell) == ("/var/lib/mailwicket", "/usr/sbin/nologin")
    groups = [one.split(":") for one in (root / "etc/group").read_text().splitlines()]
    assert [(one[2], one[3]) for one in groups if one[0] == "mailwicket"] == [(group, "")]
    assert [one[0] for one in groups if "mailwicket" in one[3].split(",")] == []


def test_root_writes_the_configuration_the_daemon_reads_it_and_nobody_else(root: Path) -> None:
    group = next(
        int(line.split(":")[2])
        for line in (root / "etc/group").read_text().splitlines()
        if line.startswith("mailwicket:")
    )
    found = {
        str(path.relative_to(root / "etc")): (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid, path.stat().st_gid)
        for path in [root / "etc/mailwicket", *(root / "etc/mailwicket").rglob("*")]
    }
    assert found == {
        "mailwicket": (0o750, 0, group),
        "mailwicket/conf.d": (0o750, 0, group),
        "mailwicket/conf.d/10-incoming.toml": (0o640, 0, group),
        "mailwicket/conf.d/10-incoming.toml~": (0o600, 0, 0),
        "mailwicket/support.password": (0o640, 0, group),
        "mailwicket/http.key": (0o600, 0, 0),
        "mailwicket/credentials": (0o700, 0, 0),
    }


# --- the daemon


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """systemd's end of the notification socket: the messages that have come so far."""
    path = tmp_path / "notify"
    messages: list[str] = []
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as end:
        end.bind(str(path))
        end.settimeout(0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", "2000000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)

        def received() -> list[str]:
            while True:
                try:
                    messages.append(end.recv(65536).decode())
                except BlockingIOError:
                    return messages

        yield received


def states(told: list[str]) -> list[str]:
    """The changes of state, without times."""
    return [re.sub(r"(?s)(MONOTONIC_USEC=)\d+", r"\1", one) for one in told if not one.startswith(("STATUS", "WATCH"))]


def test_systemd_is_told_of_start_units_life_reload_and_stop(stand: Stand, told: Callable[[], list[str]]) -> None:
    daemon = stand.daemon
    daemon.launcher = SANDBOX
    daemon.start()
    until(lambda: "STATUS=1 of 1 units run" in told(), 30, what="the status")
    assert daemon.answers()
    until(lambda: told().count("WATCHDOG=1") > 2, 10, what="signs of life")

    before = len(told())
    os.kill(daemon.running.pid, signal.SIGSTOP)
    time.sleep(2)
    assert len(told()) <= before + 1, "somebody else speaks for a daemon that hangs"
    os.kill(daemon.running.pid, signal.SIGCONT)

    (daemon.conf / "20-wrong.toml").write_text("[daemon]\nstop_timeout = 3\n")
    os.kill(daemon.running.pid, signal.SIGHUP)
    until(lambda: "conf.d is refused: " in "".join(states(told())), 30, what="the refusal")
    assert daemon.stop() == 0
    started, reloading, reloaded, *others, stopping = states(told())
    assert started.startswith("READY=1\nSTATUS=0 of 1 units run")
    assert reloading == "RELOADING=1\nMONOTONIC_USEC="
    assert re.fullmatch(r"READY=1\nSTATUS=1 of 1 units run; conf\.d is refused: .*20-wrong\.toml:2: .*", reloaded)
    assert set(others) <= {reloading, reloaded}, "the change of the file is seen, too"
    assert stopping == f"STOPPING=1\nEXTEND_TIMEOUT_USEC={(10 + GRACE_S) * 1_000_000}\nSTATUS=stopping"


def test_a_daemon_that_cannot_start_is_never_ready(stand: Stand, told: Callable[[], list[str]]) -> None:
    daemon = stand.daemon
    (daemon.conf / "20-wrong.toml").write_text("[daemon]\nstop_timeout = 3\n")
    daemon.start()
    assert daemon.running.wait(30) == CONFIG_EXIT
    assert told() == []


def test_the_daemon_its_reader_and_the_commands_for_secrets_work_under_the_filters_of_the_unit(
    stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    """Whatever system call the unit does not allow ends the process here."""
    stand = stands(dovecot, security="ssl")
    command = f'password = {{ command = ["/bin/sh", "-c", "echo {PASSWORD}"] }}'
    conf = stand.daemon.conf / "10-test.toml"
    conf.write_text(conf.read_text().replace(f'password = "{PASSWORD}"', command))
    assert command in conf.read_text()
    stand.daemon.launcher = SANDBOX
    stand.lay(mailmix.mix(120, seed=5, largest_bytes=3_000_000))
    stand.daemon.start_and_answer()
    stand.daemon.wait_until_settled(120)
    assert "Seccomp:\t2\n" in Path(f"/proc/{stand.daemon.running.pid}/status").read_text()
    assert stand.daemon.command("status").returncode == 0
    stand.lay(mailmix.small(1, seed=6))
    stand.daemon.wait_until_settled(121)
    assert stand.daemon.stop() == 0
    stand.close()
    assert stand.daemon.told("warning", "error") == []


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("import os; os.nice(1)", -signal.SIGSYS),
        ("import mmap; mmap.mmap(-1, 4096, prot=7)", 1),
        ("import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", 1),
        ("import ctypes; assert ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)() == 7", 0),
    ],
)
def test_the_filters_forbid_what_they_are_there_to_forbid(program: str, status: int) -> None:
    command = [*SANDBOX, sys.executable, "-c", program]
    assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False, timeout=60).returncode == status
