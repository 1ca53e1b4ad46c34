"""`mailwicket import` against a running daemon: each mail once, whoever is killed in the middle."""

from __future__ import annotations

import json
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import mail
from tests.lab import mailmix
from tests.lab.daemon import MIB, Daemon
from tests.lab.ledger import close_books
from tests.lab.processes import until
from typer.testing import CliRunner

from mailwicket.cli import app

BOX = {"email": "support@example.net", "server": "127.0.0.1", "port": 9, "security": "none", "password": "x"}
HEADING = b"From ada@example.org Thu Jan  1 10:00:00 2026\n"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with one mailbox, whose server is never there."""
    one = Daemon(tmp_path / "lab", {"support": {**BOX, "group": "first line", "enabled": False}})
    yield one
    one.end()


def mbox(path: Path, mails: Sequence[bytes]) -> Path:
    with path.open("wb") as file:
        for raw in mails:
            unix = raw.replace(b"\r\n", b"\n")
            file.write(HEADING + re.sub(rb"(?m)^(>*From )", rb">\1", unix) + b"\n")
    return path


def run(daemon: Daemon, *words: str | Path) -> dict[str, Any]:
    """Run the command in this process: it need not start each time."""
    told = CliRunner().invoke(app, ["import", *map(str, words), "--json", "--conf", str(daemon.conf)])
    summary: dict[str, Any] = json.loads(told.stdout.splitlines()[0])
    assert told.exit_code == (1 if summary["errors"] or summary["stopped"] else 0)
    return summary


def started(daemon: Daemon, *words: str | Path) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "mailwicket", "import", *map(str, words), "--json", "--conf", str(daemon.conf)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# --- what it reads


def test_an_mbox_becomes_tickets_once_and_nothing_is_shown_in_a_pipe(daemon: Daemon, tmp_path: Path) -> None:
    mails = [*mailmix.mix(300, largest_bytes=40_000), mailmix.anonymous()]
    file = mbox(tmp_path / "mbox", mails)
    daemon.start_and_answer()
    told = daemon.command("import", str(file))
    assert (told.returncode, told.stderr) == (0, "")
    counts = dict(reversed(line.split(None, 1)) for line in told.stdout.splitlines())  # type: ignore[misc]
    assert counts["no_sender"] == "1"
    assert counts["known before"] == "0"
    assert sum(map(int, counts.values())) == 301
    again = run(daemon, file)
    assert (again["read"], again["known"], again["new"]) == (301, 301, 0)
    assert daemon.stop() == 0
    books = close_books(daemon.state_dir, mails)
    assert books.balanced, str(books)
    assert daemon.ask("SELECT DISTINCT received FROM desk_entry") == [("2026-01-01T10:00:00.000000Z",)]


def test_a_maildir_is_read_in_the_order_of_delivery_and_each_answer_finds_its_ticket(
    daemon: Daemon, tmp_path: Path
) -> None:
    maildir = tmp_path / "Maildir"
    for name in ("cur", "new", "tmp", ".Sent/cur"):
        (maildir / name).mkdir(parents=True)
    thread = [
        mail(f"mail {n}", message_id=f"{n}@example.org", **({"in_reply_to": f"{n - 1}@example.org"} if n else {}))
        for n in range(6)
    ]
    for number, raw in enumerate(thread):
        second = 1767225690 + number
        folder, flags = ("new", "") if number % 2 else ("cur", ":2,S")
        (maildir / folder / f"{second}.M{9 - number}P1.host{flags}").write_bytes(raw.replace(b"\r\n", b"\n"))
    (maildir / "tmp" / "1767225600.half").write_bytes(thread[0][:20])
    (maildir / "cur" / ".hidden").write_bytes(b"x")
    (maildir / ".Sent" / "cur" / "1767225600.M1P1.host:2,S").write_bytes(thread[0])
    daemon.start_and_answer()
    summary = run(daemon, maildir, "--unit", "support")
    assert summary["reasons"] == {"created": 1, "reply_public": 5}
    assert summary["errors"] == []
    rows = daemon.ask('SELECT "group", created FROM desk_ticket')
    assert rows == [("first line", "2026-01-01T00:01:30.000000Z")]
    assert daemon.stop() == 0
    assert close_books(daemon.state_dir, thread).balanced


def test_files_of_one_mail_each_are_read_oldest_first_and_what_is_no_mail_is_told(
    daemon: Daemon, tmp_path: Path
) -> None:
    directory = tmp_path / "mails"
    directory.mkdir()
    question = mail("Pump", message_id="q@example.org", received="from a by b; Thu, 01 Jan 2026 08:00:00 +0000")
    answer = mail("Re: Pump", message_id="a@example.org", in_reply_to="q@example.org")  # at 10:00, says its Date
    (directory / "z.eml").write_bytes(question)
    (directory / "a.EML").write_bytes(answer)
    (directory / "b.eml").write_bytes(b"\x89PNG\r\n\x1a\nnothing of a mail")
    (directory / "c.eml").write_bytes(b"")
    (directory / "d.eml").symlink_to(directory / "gone")
    (directory / "notes.txt").write_bytes(b"x")
    alone = tmp_path / "one.eml"
    alone.write_bytes(mail("alone", message_id="1@example.org"))
    (tmp_path / "empty").mkdir()
    daemon.start_and_answer()
    summary = run(daemon, directory, alone, tmp_path / "empty", tmp_path / "nowhere")
    assert summary["reasons"] == {"created": 2, "reply_public": 1}
    wrong = {Path(one["where"]).name: one["error"] for one in summary["errors"]}
    assert set(wrong) == {"b.eml", "c.eml", "empty", "nowhere"}
    assert wrong["nowhere"] == "No such file or directory"
    assert "no header field" in wrong["b.eml"]
    assert daemon.ask("SELECT received FROM desk_entry WHERE entry = 1") == [("2026-01-01T08:00:00.000000Z",)]
    told = daemon.command("import", str(directory))
    assert told.returncode == 1
    assert sorted(line.split(": ")[0] for line in told.stderr.splitlines()) == ["mailwicket"] * 2


def test_large_mails_are_taken_whole_and_of_too_large_ones_the_headers(daemon: Daemon, tmp_path: Path) -> None:
    daemon.configure({"support": {**BOX, "enabled": False, "max_mail_bytes": 12 * MIB}})
    mails = [*mailmix.small(3), mailmix.large(9 * MIB, 1), *mailmix.small(3, seed=2)]
    file = mbox(tmp_path / "mbox", [*mails, mailmix.large(14 * MIB, 2)])
    daemon.start_and_answer()
    summary = run(daemon, file, "--unit", "incoming/support")
    assert summary["reasons"].pop("too_large_truncated") == 1
    assert sum(summary["reasons"].values()) == 7
    assert run(daemon, file, "--unit", "support")["known"] == 8
    assert list((daemon.state_dir / "spool").iterdir()) == []
    assert daemon.stop() == 0
    ((head,),) = daemon.ask("SELECT raw_sha256 FROM intake WHERE headers_only")
    assert close_books(daemon.state_dir, [*mails, head]).balanced


def test_an_mbox_with_a_note_and_a_bad_place_says_where(daemon: Daemon, tmp_path: Path) -> None:
    note = b"From: x\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\nx\n"
    file = tmp_path / "mbox"
    file.write_bytes(HEADING + note + b"\n" + HEADING + HEADING + mail(message_id="1@example.org"))
    daemon.start_and_answer()
    summary = run(daemon, file)
    assert (summary["read"], summary["left_out"]) == (1, 1)
    place = len(HEADING + note) + 1
    assert summary["errors"] == [{"where": f"{file}: mail 2 at byte {place}", "error": "empty"}]


# --- who is not there


def test_without_a_daemon_or_its_mailbox_it_says_so(daemon: Daemon, tmp_path: Path) -> None:
    file = mbox(tmp_path / "mbox", [*mailmix.small(2)])
    told = daemon.command("import", str(file))
    assert told.returncode == 1
    assert "is the daemon running?" in told.stderr
    daemon.start_and_answer()
    told = daemon.command("import", str(file), "--unit", "nowhere")
    assert told.returncode == 1
    assert told.stderr == "mailwicket: there is no mailbox nowhere; there are: support\n"  # again would not help
    assert daemon.ask("SELECT count(*) FROM intake_row") == [(0,)]
    assert daemon.command("import").returncode == 2
    assert daemon.command("import", str(file), "--dialect", "mboxes").returncode == 2


def test_a_terminal_is_shown_how_far_it_is(daemon: Daemon, tmp_path: Path) -> None:
    file = mbox(tmp_path / "mbox", [*mailmix.mix(200)])
    daemon.start_and_answer()
    ours, theirs = pty.openpty()
    line = [sys.executable, "-m", "mailwicket", "import", str(file), "--conf", str(daemon.conf)]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=theirs, env=environ)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # so a terminal says that nobody is at its other end
            break
    os.close(ours)
    assert process.wait(20) == 0
    assert b"MB/s" in shown


# --- deaths


FEED = 1_200


@pytest.fixture(scope="module")
def feed() -> list[bytes]:
    mails = [*mailmix.mix(FEED - 2, seed=9, largest_bytes=60_000), mailmix.anonymous(9)]
    mails.insert(FEED // 2, mailmix.large(9 * MIB, 9))
    return mails


def wait_until_at_work(daemon: Daemon, command: subprocess.Popen[str], known: int) -> None:
    """Return when more mails are seen than were *known*, or it was done before that could be asked."""
    until(lambda: len(daemon.ask("SELECT 1 FROM intake_row")) > known or command.poll() is not None, 20, 0.002)


def finish(daemon: Daemon, file: Path, feed: list[bytes]) -> None:
    """Run it once more, undisturbed, and close the books."""
    daemon.start_and_answer()
    summary = run(daemon, file)
    assert summary["read"] == len(feed)
    assert summary["errors"] == []
    assert run(daemon, file)["known"] == len(feed)
    assert daemon.stop() == 0
    books = close_books(daemon.state_dir, feed)
    assert books.balanced, str(books)


@pytest.mark.torture
def test_a_daemon_killed_again_and_again_loses_and_doubles_nothing(
    daemon: Daemon, tmp_path: Path, feed: list[bytes]
) -> None:
    chance = random.Random(20261124)
    file = mbox(tmp_path / "mbox", feed)
    amid = 0
    for _ in range(5):
        daemon.start_and_answer()
        known = len(daemon.ask("SELECT 1 FROM intake_row"))
        command = started(daemon, file)
        wait_until_at_work(daemon, command, known)
        time.sleep(chance.expovariate(1 / 0.08))
        daemon.kill()
        out, _ = command.communicate(timeout=30)
        amid += json.loads(out)["stopped"] is not None
        if json.loads(out)["stopped"] is None:
            break
    print(f"{amid} deaths of the daemon amid an import of {len(feed)}")
    assert amid >= 2
    finish(daemon, file, feed)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.torture)])
def test_a_command_killed_again_and_again_loses_and_doubles_nothing(
    daemon: Daemon, tmp_path: Path, feed: list[bytes], number: signal.Signals
) -> None:
    chance = random.Random(number)
    file = mbox(tmp_path / "mbox", feed)
    daemon.start_and_answer()
    codes = []
    for _ in range(4):
        known = len(daemon.ask("SELECT 1 FROM intake_row"))
        command = started(daemon, file)
        wait_until_at_work(daemon, command, known)
        time.sleep(chance.uniform(0, 0.02))
        command.send_signal(number)
        out, err = command.communicate(timeout=30)
        codes.append(command.returncode)
        if number == signal.SIGINT and command.returncode:
            assert json.loads(out)["stopped"] == "stopped"
            assert "run it again for the rest" in err
        if command.returncode == 0:
            break
    assert any(codes), "it was always done before"
    assert daemon.stop() == 0
    finish(daemon, file, feed)


PLACES = (
    *(f"commit.{when}:{hit}" for when in ("before", "after") for hit in (1, 2, 3, 4)),
    "segment.write:1", "segment.sync:1", "segment.synced:1", "spool.write:2", "spool.sync:1", "spool.rename:1",
    "raw.rename:1", "raw.rename:2", "intake.fetched:1", "intake.decided:1",
    "intake.committed:1", "intake.in_hand:1",
)  # fmt: skip
"""Some are passed at the start already: what was left over is decided there."""


@pytest.mark.parametrize("half", [0, pytest.param(1, marks=pytest.mark.torture)])
def test_deaths_at_every_step_lose_and_double_nothing(daemon: Daemon, tmp_path: Path, half: int) -> None:
    everything: list[bytes] = []
    all_of_it = tmp_path / "all"
    for number, place in enumerate(PLACES[half::2]):
        mails = [*mailmix.small(10 if number % 2 or "in_hand" in place else 24, seed=number), mailmix.anonymous(number)]
        if place.startswith(("spool", "raw")):
            mails.append(mailmix.large(9 * MIB, number))
        file = mbox(tmp_path / "mbox", mails)
        everything += mails
        daemon.start(f"{place}:die")
        try:
            until(daemon.answers, 20, 0.005)
            run(daemon, file)
        except RuntimeError:
            pass  # it died at its start
        assert daemon.died(), place
    finish(daemon, mbox(all_of_it, everything), everything)


def test_a_mail_over_which_readers_die_is_parked_and_the_others_go_on(daemon: Daemon, tmp_path: Path) -> None:
    mails = [*mailmix.small(60, seed=3)]
    file = mbox(tmp_path / "mbox", mails)
    daemon.start("reader.in_hand:30:die")
    until(daemon.answers, 20, 0.005)
    summary = run(daemon, file)
    assert summary["read"] == 60
    assert sum("a reader died" in line for line in daemon.told("error")) > 0
    assert daemon.stop() == 0
    finish(daemon, file, mails)


# --- memory


def peak_bytes(daemon: Daemon, file: Path) -> tuple[int, int]:
    """Return how much memory an import of *file* takes: the command's peak and the daemon's."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"
    )
    line = [sys.executable, "-m", "mailwicket", "import", str(file), "--conf", str(daemon.conf)]
    told = subprocess.run([sys.executable, "-c", code, *line], capture_output=True, text=True, check=True)
    return int(told.stdout), daemon.memory_peak_bytes()


def grows(daemon: Daemon, tmp_path: Path, mib: int) -> None:
    small = peak_bytes_of_a_small_file(daemon, tmp_path)
    raws: list[bytes] = []
    file = tmp_path / "mbox"
    size, seed = 0, 100
    with file.open("wb") as opened:
        while size < mib * MIB:
            seed += 1
            raws = [*mailmix.mix(100, seed, largest_bytes=4 * MIB)]
            mbox(tmp_path / "part", raws)
            with (tmp_path / "part").open("rb") as part:
                shutil.copyfileobj(part, opened)
            size = opened.tell()
    began = time.monotonic()
    large = peak_bytes(daemon, file)
    seconds = time.monotonic() - began
    growth = [(after - before) / MIB for before, after in zip(small, large, strict=True)]
    print(
        f"mbox of {size / MIB:.0f} MiB in {seconds:.1f} s: the command's memory grew by {growth[0]:.0f} MiB to "
        f"{large[0] / MIB:.0f}, the daemon's by {growth[1]:.0f} MiB to {large[1] / MIB:.0f}"
    )
    assert growth[0] < 80
    assert growth[1] < 120


def peak_bytes_of_a_small_file(daemon: Daemon, tmp_path: Path) -> tuple[int, int]:
    file = mbox(tmp_path / "small", [*mailmix.small(30)])
    daemon.start_and_answer()
    return peak_bytes(daemon, file)


def test_memory_does_not_grow_with_the_file(daemon: Daemon, tmp_path: Path) -> None:
    grows(daemon, tmp_path, 40)


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_memory_does_not_grow_with_a_file_of_200_mib(daemon: Daemon, tmp_path: Path) -> None:
    grows(daemon, tmp_path, 200)
