"""The unit file by systemd's own tools, and the daemon as systemd starts it: told over its socket, under its rules."""

from __future__ import annotations

import configparser
import ctypes
import itertools
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.lab import mailmix, sandbox
from tests.lab.daemon import Daemon
from tests.lab.dovecot import Dovecot
from tests.lab.imap_server import PASSWORD
from tests.lab.processes import until
from tests.lab.stand import Stand
from tests.lab.systemd import Systemd

from mailwicket.cli.run import CONFIG_EXIT
from mailwicket.config.settings import Daemon as DaemonSettings

pytestmark = pytest.mark.real

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNIT = "mailwicket.service"
EXPOSURE_BELOW = 1.5
NUMBERS = itertools.count(1)


def need(tool: str) -> str:
    """On a person's machine the tests may be skipped; where a change is judged they may not."""
    found = shutil.which(tool)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"{tool} is missing: tests/real/install")
    return found or pytest.skip(f"{tool} is missing: apt-get install systemd")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """A copy whose program exists."""
    text = (SYSTEMD / UNIT).read_text()
    copy = tmp_path / UNIT
    copy.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", text, flags=re.MULTILINE))
    return copy


# --- the files, by systemd's own tools


def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path) -> None:
    ended = subprocess.run(
        [need("systemd-analyze"), "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert [line for line in (ended.stdout + ended.stderr).splitlines() if "mailwicket" in line] == []


def test_systemd_would_find_something_wrong(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectClock=yes", "ProtectClok=yes"))
    ended = subprocess.run(
        [need("systemd-analyze"), "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "ProtectClok" in ended.stdout + ended.stderr


def test_the_sandbox_leaves_little_exposed(unit: Path) -> None:
    ended = subprocess.run(
        [need("systemd-analyze"), "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    overall = re.search(r"Overall exposure level for mailwicket\.service: ([0-9.]+)", ended.stdout)
    assert overall is not None, ended.stdout
    assert float(overall[1]) < EXPOSURE_BELOW, ended.stdout


def test_user_and_directories_are_made_so_that_the_daemon_reads_and_nobody_else_does(tmp_path: Path) -> None:
    sysusers, tmpfiles = need("systemd-sysusers"), need("systemd-tmpfiles")
    if os.geteuid():
        pytest.skip("owners are given away by root alone")
    for room, name in (("sysusers.d", "mailwicket.sysusers.conf"), ("tmpfiles.d", "mailwicket.tmpfiles.conf")):
        (tmp_path / "usr/lib" / room).mkdir(parents=True)
        shutil.copy(SYSTEMD / name, tmp_path / "usr/lib" / room / "mailwicket.conf")
    etc = tmp_path / "etc"
    written = [etc / "mailwicket/conf.d/10-incoming.toml", etc / "mailwicket/support.password"]
    written[0].parent.mkdir(parents=True)
    for path in written:
        path.touch(mode=0o600)
    for tool in ([sysusers], [tmpfiles, "--create"]):
        subprocess.run([*tool, f"--root={tmp_path}", "mailwicket.conf"], check=True, capture_output=True, timeout=60)
    (account,) = (etc / "passwd").read_text().splitlines()
    (group,) = (etc / "group").read_text().splitlines()
    name, _, uid, gid, _, home, shell = account.split(":")
    assert (name, home, Path(shell).name) == ("mailwicket", "/var/lib/mailwicket", "nologin")
    assert 0 < int(uid) < 1000
    assert group.split(":")[:3] == ["mailwicket", "x", gid]
    for path in (etc / "mailwicket", etc / "mailwicket/conf.d", *written):
        found = path.stat()
        mode = 0o750 if path.is_dir() else 0o640
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, int(gid), mode), path


def test_the_unit_says_what_the_program_says() -> None:
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(SYSTEMD / UNIT)
    service = parser["Service"]
    assert service["RestartPreventExitStatus"] == str(CONFIG_EXIT)
    assert int(service["TimeoutStopSec"]) > DaemonSettings().stop_timeout_s
    assert f"/var/lib/{service['StateDirectory']}" == str(DaemonSettings().state_dir)
    text = (SYSTEMD / "mailwicket.sysusers.conf").read_text()
    assert re.search(rf"^u {service['User']} ", text, re.MULTILINE)


# --- what it tells systemd


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    """Whoever is started from now on tells it."""
    listening = Systemd(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(listening.path))
    yield listening
    listening.socket.close()


@pytest.fixture
def daemons(dovecot: Dovecot, tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Make daemons with the mailbox `box`: `daemons(KEY=value)`."""
    made: list[tuple[Daemon, str]] = []

    def make(**keys: object) -> Daemon:
        user = f"systemd{next(NUMBERS)}"
        dovecot.fill(user, [])
        made.append((Daemon(tmp_path / user, {"box": dovecot.box(user, **keys)}), user))
        return made[-1][0]

    yield make
    for daemon, user in made:
        daemon.end()
        dovecot.forget(user)


def test_ready_and_stopping_are_told_around_its_life(systemd: Systemd, daemons: Callable[..., Daemon]) -> None:
    daemon = daemons()
    daemon.start()
    systemd.wait_for("READY=1", "STATUS=")
    systemd.wait_for("STATUS=1 of 1 units run")
    assert daemon.answers(), "ready means that it answers"
    assert not systemd.heard("STOPPING=1")
    assert daemon.stop() == 0
    systemd.wait_for("STOPPING=1", "EXTEND_TIMEOUT_USEC=15000000")


def test_a_reload_is_told_and_a_refused_one_shows_in_the_status(
    systemd: Systemd, daemons: Callable[..., Daemon]
) -> None:
    daemon = daemons()
    daemon.start()
    systemd.wait_for("STATUS=1 of 1 units run")
    systemd.forget()
    daemon.running.send_signal(signal.SIGHUP)
    systemd.wait_for("RELOADING=1", "MONOTONIC_USEC=")
    systemd.wait_for("READY=1", "STATUS=1 of 1 units run")
    kinds = [next(iter(one)) for one in systemd.told if "STATUS" not in one or "READY" in one]
    assert kinds == ["RELOADING", "READY"]

    mistake = daemon.conf / "90-mistake.toml"
    mistake.write_text("[daemon]\nlog_levl = 1\n")
    systemd.forget()
    daemon.running.send_signal(signal.SIGHUP)
    systemd.wait_for("READY=1", "1 of 1 units run; conf.d is refused: ", "90-mistake.toml:2: daemon.log_levl")
    mistake.unlink()
    systemd.forget()
    daemon.running.send_signal(signal.SIGHUP)
    systemd.wait_for("READY=1", "STATUS=1 of 1 units run")
    assert not systemd.heard("RELOADING=1", "refused")


def test_a_blocked_unit_is_named_in_the_status(systemd: Systemd, daemons: Callable[..., Daemon]) -> None:
    daemon = daemons(folder="Nowhere")
    daemon.start()
    systemd.wait_for("STATUS=0 of 1 units run; incoming/box blocked (")


def test_signs_of_life_come_within_the_limit(
    systemd: Systemd, daemons: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    daemon = daemons()
    daemon.start()
    for _ in range(4):
        systemd.wait_for("WATCHDOG=1")
        systemd.forget()
        systemd.wait_for("WATCHDOG=1", limit_s=1.5)
    daemon.running.send_signal(signal.SIGSTOP)
    systemd.forget()
    with pytest.raises(TimeoutError):
        systemd.wait_for("WATCHDOG=1", limit_s=1.5)
    daemon.running.send_signal(signal.SIGCONT)


def test_children_are_not_told_where_systemd_listens(
    systemd: Systemd, daemons: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    environ = tmp_path / "environ"
    told = f"tr '\\\\0' '\\\\n' < /proc/self/environ > {environ}; echo {PASSWORD}"
    daemon = daemons(password=PASSWORD)
    path = daemon.conf / "10-test.toml"
    path.write_text(path.read_text().replace(f'"{PASSWORD}"', f'{{ command = ["sh", "-c", "{told}"] }}'))
    daemon.start()
    systemd.wait_for("STATUS=1 of 1 units run")
    names = {line.partition("=")[0] for line in environ.read_text().splitlines()}
    assert "PATH" in names
    assert names & {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} == set()


def test_a_credential_of_systemd_is_a_password(
    systemd: Systemd, daemons: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/support").write_text(f"{PASSWORD}\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    daemon = daemons(password="@")
    path = daemon.conf / "10-test.toml"
    path.write_text(path.read_text().replace('"@"', '{ credential = "support" }'))
    daemon.start()
    systemd.wait_for("STATUS=1 of 1 units run")
    assert PASSWORD not in daemon.log


# --- the filters of the sandbox

SANDBOX = [sys.executable, str(Path(sandbox.__file__)), str(SYSTEMD / UNIT)]


def test_the_daemon_its_reader_and_the_commands_for_secrets_make_no_system_call_that_the_unit_forbids(
    systemd: Systemd, stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    """One that is not allowed ends the process here, where the unit answers with an error."""
    need("systemd-analyze")
    stand = stands(dovecot, security="ssl")
    daemon = stand.daemon
    path = daemon.conf / "10-test.toml"
    told = path.read_text().replace(f'"{PASSWORD}"', f'{{ command = ["/bin/sh", "-c", "echo {PASSWORD}"] }}')
    assert "command" in told
    path.write_text(told)
    daemon.launcher = SANDBOX
    stand.lay(mailmix.mix(120, seed=5, largest_bytes=3_000_000))
    daemon.start()
    systemd.wait_for("READY=1")
    assert "Seccomp:\t2\n" in Path(f"/proc/{daemon.running.pid}/status").read_text()
    until(lambda: (systemd.heard(), daemon.count("settled"))[1] == 120, 60, what="the backlog")
    path.write_text(f"{told}# changed\n")
    systemd.wait_for("RELOADING=1", limit_s=60)
    stand.lay(mailmix.small(1, seed=6))
    until(lambda: (systemd.heard(), daemon.count("settled"))[1] == 121, 30, what="the mail after the reload")
    assert daemon.command("status").returncode == 0
    assert daemon.stop() == 0
    systemd.wait_for("STOPPING=1")
    stand.close()
    assert daemon.told("error") == []


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
    need("systemd-analyze")
    command = [*SANDBOX, sys.executable, "-c", program]
    assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False, timeout=60).returncode == status


# --- MemoryDenyWriteExecute

PR_GET_MDWE = 66

UNDER_MDWE = """
import ctypes, importlib, mmap, pkgutil
libc = ctypes.CDLL(None)
assert libc.prctl(65, 1, 0, 0, 0) == 0
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
except PermissionError:
    pass
else:
    raise AssertionError("it is not in force")
import mailwicket
names = [module.name for module in pkgutil.walk_packages(mailwicket.__path__, "mailwicket.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
from mailwicket.mail.parse import parse
mail = parse(b"From: a@example.org\\r\\nContent-Type: text/html\\r\\n\\r\\n<p>Hello <b>you</b><script>x</script></p>")
print(len(names), mail.text)
"""


def test_nothing_of_ours_needs_memory_that_is_written_and_run() -> None:
    """By the kernel itself (6.3), which is stricter than the filter of system calls that systemd 252 uses for that."""
    if ctypes.CDLL(None).prctl(PR_GET_MDWE, 0, 0, 0, 0) < 0:
        pytest.skip("this kernel has no PR_SET_MDWE: Linux 6.3 and later")
    ended = subprocess.run([sys.executable, "-c", UNDER_MDWE], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    modules, text = ended.stdout.split(" ", 1)
    assert int(modules) > 100
    assert text.strip() == "Hello you"
