"""`mailwicket init`: from flags and at a terminal. With a real server: tests/real/test_connection_test.py."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.conf import CANARY, NOTHING_SENT
from tests.lab.terminal import Terminal
from typer.testing import CliRunner, Result

from mailwicket.cli import app
from mailwicket.cli.init import _channel
from mailwicket.config import incoming

STATE = str(Path(tempfile.gettempdir(), "mailwicket-state"))  # short, for the socket in it; nothing is made there
FLAGS = ("--email", "support@example.org", "--no-test", "--state-dir", STATE)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(CANARY)
    path.chmod(0o600)
    return path


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """Modes are ours, whatever the umask."""
    before = os.umask(0)
    yield
    os.umask(before)


def init(directory: Path, *words: str | Path) -> Result:
    ended = CliRunner().invoke(app, ["init", str(directory), *map(str, words)])
    assert CANARY not in ended.output
    return ended


def unit_in(directory: Path) -> dict[str, Any]:
    told = tomllib.loads((directory / "10-incoming.toml").read_text())
    (unit,) = told["incoming"].values()
    return dict(unit)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# --- from flags -----------------------------------------------------------------------------------------------------


def test_flags_alone_give_a_conf_d_that_check_accepts(tmp_path: Path, secret: Path) -> None:
    conf = tmp_path / "new" / "conf.d"
    ended = init(conf, *FLAGS, "--password-file", secret)
    assert ended.exit_code == 0, ended.output
    assert names(conf) == ["10-incoming.toml"]
    assert [mode(path) for path in (conf.parent, conf, conf / "10-incoming.toml")] == [0o750, 0o750, 0o640]
    assert unit_in(conf) == {
        "email": "support@example.org",
        "server": "imap.example.org",
        "security": "ssl",
        "port": 993,
        "username": "support@example.org",
        "folder": "INBOX",
        "start_from": "now",
        "after": "seen",
        "password": {"file": str(secret)},
    }
    checked = CliRunner().invoke(app, ["check", "--conf", str(conf)])
    assert (checked.exit_code, checked.output) == (
        0,
        f"{NOTHING_SENT}conf.d: 1 files, 1 incoming, 0 outgoing, backend desk: good\n",
    )
    assert f"mailwicket run --conf {conf}" in ended.stdout


@pytest.mark.parametrize(
    ("flags", "channel"),
    [
        (("--port", "143"), ("tls", 143)),
        (("--security", "tls"), ("tls", 143)),
        (("--port", "1993"), ("ssl", 1993)),
        (("--security", "ssl", "--port", "143"), ("ssl", 143)),
    ],
)
def test_port_and_security_follow_from_each_other(
    tmp_path: Path, secret: Path, flags: tuple[str, ...], channel: tuple[str, int]
) -> None:
    assert init(tmp_path / "conf.d", *FLAGS, "--password-file", secret, *flags).exit_code == 0
    unit = unit_in(tmp_path / "conf.d")
    assert (unit["security"], unit["port"]) == channel


@pytest.mark.parametrize(
    ("tls_open", "clear_open", "security"),
    [(True, True, "ssl"), (True, False, "ssl"), (False, True, "tls"), (False, False, "ssl")],
)
def test_the_port_for_tls_is_tried_first_and_the_other_taken_where_it_alone_is_open(
    monkeypatch: pytest.MonkeyPatch, *, tls_open: bool, clear_open: bool, security: str
) -> None:
    with ExitStack() as stack:
        for name, is_open in (("TLS_PORT", tls_open), ("CLEAR_PORT", clear_open)):
            listener = socket.create_server(("127.0.0.1", 0))
            monkeypatch.setattr(incoming, name, listener.getsockname()[1])
            stack.enter_context(listener)
            if not is_open:
                listener.close()
        port = incoming.TLS_PORT if security == "ssl" else incoming.CLEAR_PORT
        assert _channel("127.0.0.1", None, None, knock=True) == {"security": security, "port": port}


def test_what_is_missing_is_all_told_where_nobody_can_be_asked(tmp_path: Path) -> None:
    ended = init(tmp_path / "conf.d")
    assert ended.exit_code == 2
    assert ended.stderr.splitlines() == [
        "mailwicket: --email is missing, and there is no terminal to ask at",
        "mailwicket: --password-file is missing, and there is no terminal to ask at",
    ]
    assert names(tmp_path) == []


def test_every_wrong_flag_is_told_with_what_is_allowed(tmp_path: Path, secret: Path) -> None:
    ended = init(tmp_path / "conf.d", *FLAGS, "--password-file", secret, "--port", "99999", "--after", CANARY[:3])
    assert ended.exit_code == 2
    assert ended.stderr.splitlines() == [
        'mailwicket: --port 99999 is too large; a whole number, 1 to 65535 (default 993 with "ssl", else 143)',
        'mailwicket: --after is no known word; "seen", "leave", "delete" or "move:FOLDER" (default "seen")',
    ]
    assert names(tmp_path) == ["secret"]


def test_a_password_is_no_flag() -> None:
    ended = CliRunner().invoke(app, ["init", "x", "--password", CANARY])
    assert ended.exit_code == 2
    assert "No such option" in ended.output


def test_nothing_that_exists_is_replaced(tmp_path: Path, secret: Path) -> None:
    conf = tmp_path / "conf.d"
    conf.mkdir()
    (conf / "00-daemon.toml").write_text("# mine\n")
    ended = init(conf, *FLAGS, "--password-file", secret)
    assert (ended.exit_code, names(conf)) == (1, ["00-daemon.toml"])
    assert "is a conf.d already, with 00-daemon.toml: nothing was written" in ended.stderr
    assert (conf / "00-daemon.toml").read_text() == "# mine\n"


def test_a_directory_that_is_there_keeps_its_mode_and_what_else_lies_in_it(tmp_path: Path, secret: Path) -> None:
    conf = tmp_path / "conf.d"
    conf.mkdir(0o700)
    (conf / "README").touch()
    assert init(conf, *FLAGS, "--password-file", secret).exit_code == 0
    assert (names(conf), mode(conf)) == (["10-incoming.toml", "README"], 0o700)


@pytest.mark.parametrize("place", ["file", "file/conf.d"])
def test_a_place_that_cannot_be_is_told_and_nothing_is_left(tmp_path: Path, secret: Path, place: str) -> None:
    (tmp_path / "file").touch()
    ended = init(tmp_path / place, *FLAGS, "--password-file", secret)
    assert ended.exit_code == 1
    assert "Not a directory" in ended.stderr
    assert names(tmp_path) == ["file", "secret"]


def test_a_state_directory_whose_socket_would_not_fit_is_told(tmp_path: Path, secret: Path) -> None:
    ended = init(tmp_path / "conf.d", *FLAGS, "--password-file", secret, "--state-dir", tmp_path / ("x" * 100))
    assert ended.exit_code == 1
    assert "is too long a path" in ended.stderr
    assert names(tmp_path) == ["secret"]


def test_a_password_that_everybody_may_read_is_noted(tmp_path: Path, secret: Path) -> None:
    secret.chmod(0o644)
    ended = init(tmp_path / "conf.d", *FLAGS, "--password-file", secret)
    assert ended.exit_code == 0
    assert "note: conf.d/10-incoming.toml:" in ended.stderr
    assert "everybody may read its file" in ended.stderr


def test_a_provider_that_takes_no_passwords_is_told_before(tmp_path: Path, secret: Path) -> None:
    ended = init(tmp_path / "conf.d", *FLAGS[2:], "--email", "x@outlook.com", "--password-file", secret)
    assert ended.exit_code == 1
    assert ended.stderr.startswith("note: Microsoft takes no passwords any more")
    assert 'auth = "oauth", with an [oauth.NAME] whose provider is "microsoft"' in ended.stderr


def test_a_connection_that_does_not_work_keeps_the_files_and_says_so(tmp_path: Path, secret: Path) -> None:
    words = ("--email", "x@example.org", "--server", "127.0.0.1", "--security", "none", "--port", "1", *FLAGS[3:])
    ended = init(tmp_path / "conf.d", *words, "--password-file", secret)
    assert ended.exit_code == 1
    assert names(tmp_path / "conf.d") == ["10-incoming.toml"]
    assert "failed   tcp" in ended.stdout
    assert "the files are kept" in ended.stdout
    assert f"mailwicket test x --conf {tmp_path}/conf.d" in ended.stdout


# --- at a terminal --------------------------------------------------------------------------------------------------


def sit_down(*words: str | Path) -> Terminal:
    command = [sys.executable, "-m", "mailwicket", "init", *map(str, words)]
    return Terminal(command, {**os.environ, "COLUMNS": "200", "TERM": "xterm"})


def test_a_person_is_asked_and_the_password_is_neither_shown_nor_in_conf_d(tmp_path: Path) -> None:
    conf = tmp_path / "conf.d"
    with sit_down(conf, "--no-test") as terminal:
        terminal.answer("Address of the mailbox: ", "support")
        terminal.answer("is no address", "support@example.org")
        terminal.answer("IMAP server [imap.example.org]: ", "mail.example.org")
        terminal.answer("User name [support@example.org]: ", "")
        terminal.answer("Password (not shown): ", CANARY)
        terminal.answer("Folder [INBOX]: ", "")
        terminal.answer("[now]: ", "yesterday")
        assert CANARY not in terminal.shown
        terminal.answer("is neither a known word nor a date", "all")
        terminal.answer("[seen]: ", "move:Done")
        terminal.answer("Directory to keep everything in [", STATE)
        assert terminal.end() == 0, terminal.shown
        assert CANARY not in terminal.shown
    unit = unit_in(conf)
    assert (unit["server"], unit["start_from"], unit["after"]) == ("mail.example.org", "all", "move:Done")
    secret = tmp_path / "support.password"
    assert unit["password"] == {"file": str(secret)}
    assert (secret.read_text(), mode(secret)) == (f"{CANARY}\n", 0o600)
    assert CANARY not in (conf / "10-incoming.toml").read_text()
    assert names(tmp_path) == ["conf.d", "support.password"]


def test_only_what_is_missing_is_asked_where_the_address_is_given(tmp_path: Path) -> None:
    with sit_down(tmp_path / "conf.d", *FLAGS) as terminal:
        terminal.answer("Password (not shown): ", CANARY)
        assert terminal.end() == 0, terminal.shown
    assert (tmp_path / "support.password").read_text() == f"{CANARY}\n"


def test_a_password_file_that_is_there_already_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "support.password").write_text("mine")
    with sit_down(tmp_path / "conf.d", *FLAGS) as terminal:
        terminal.answer("Password (not shown): ", CANARY)
        assert terminal.end() == 1
        assert "support.password is there already: nothing was written" in terminal.shown
    assert (tmp_path / "support.password").read_text() == "mine"
    assert names(tmp_path / "conf.d") == []


def test_a_conf_d_that_cannot_be_written_leaves_no_password_behind(tmp_path: Path) -> None:
    """The password goes first: a conf.d that names a file which is not there would be half of one."""
    program = f"""
import os
from pathlib import Path
from mailwicket.cli import newconf
from mailwicket.config.draft import Draft
place = Path({str(tmp_path)!r})
draft = Draft("a@example.org", "s", "ssl", 993, "a", "INBOX", "now", "seen", place / "a.password", None)
link = os.link
def fail(source, target):
    if Path(target).name.endswith(".toml"):
        raise OSError(28, "No space left on device", source)
    link(source, target)
newconf.os.link = fail
try:
    newconf.lay(place / "conf.d", draft, "{CANARY}")
except newconf.MailwicketError as error:
    print(error)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "No space left on device: nothing was written" in ended.stdout
    assert names(tmp_path) == ["conf.d"]
    assert names(tmp_path / "conf.d") == []


def test_a_person_who_leaves_leaves_nothing(tmp_path: Path) -> None:
    with sit_down(tmp_path / "conf.d", "--no-test") as terminal:
        terminal.answer("Address of the mailbox: ", "support@example.org")
        terminal.answer("IMAP server [", "\x04")
        assert terminal.end() == 1
    assert names(tmp_path) == []
