"""`mailwicket demo`: as the person sees it who runs it first, and as the program that reads its JSON."""

from __future__ import annotations

import imaplib
import json
import os
import re
import shlex
import signal
import smtplib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from anyio import to_thread
from tests.lab.processes import mortal, until

from mailwicket.demo.samples import samples
from mailwicket.demo.smtp_sink import smtp_sink
from mailwicket.demo.stage import staged
from mailwicket.demo.verdict import Verdicts
from mailwicket.errors import MailwicketError
from mailwicket.mail.parse import parse
from mailwicket.service.units import Unit, UnitState

PRINTER, INVOICE = "Printer on the second floor prints blank pages", "Invoice 2041 shows an error when I open it"
FATES = [
    ("printer.1@mail.example.com", PRINTER, "created", 1),
    ("20261102073105.2041@mail.example.com", INVOICE, "created", 2),
    ("printer.2@mail.example.com", f"Re: {PRINTER}", "reply_cc", 1),
    ("vpn-7f31@smtp.example.net", "VPN asks for a code that never comes \N{EN DASH} urgent", "created", 3),
    ("vacation.88@mail.example.com", f"Auto: Re: {PRINTER}", "auto_reply_attached", 1),
    ("20261102081001.3F2A1@mx.example.net", "Undelivered Mail Returned to Sender", "backscatter", None),
    (None, "Türöffner an Tor 3 hört nicht mehr auf zu summen", "created", 4),
    ("office-331@smtp.example.net", "Fwd: Delivery note 7718 lacks a page", "created", 5),
    ("20261102073105.2041@mail.example.com", INVOICE, "duplicate", 2),
    ("printer.3@mail.example.com", f"Re: {PRINTER}", "reply_public", 1),
    ("form@www.example.org", "Contact form: new badge", "created", 6),
    ("form@www.example.org", "Contact form: projector in room 2.11", "created", 7),
]


@pytest.fixture
def place() -> Iterator[Path]:
    """Where the demonstration makes its folder: a short path, for the socket in it."""
    with TemporaryDirectory() as directory:
        yield Path(directory)


def environ(place: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAILWICKET", "COLUMNS"))}
    return {**kept, "TMPDIR": str(place)}


def play(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = mortal([sys.executable, "-m", "mailwicket", "demo", *words])
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environ(place))


class Staying:
    """The demonstration as a process that stays, with what it has printed so far."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._out, self._err = place / "out", place / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            command = mortal([sys.executable, "-m", "mailwicket", "demo"])
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env=environ(place))

    @property
    def printed(self) -> str:
        return self._out.read_text(encoding="utf-8")

    @property
    def complained(self) -> str:
        return self._err.read_text(encoding="utf-8")

    def shows(self, words: str, limit_s: float = 30) -> None:
        def there() -> bool:
            assert self.process.poll() is None, f"it ended: {self.complained}"
            return words in self.printed

        until(there, limit_s, what=repr(words))

    def commands(self, words: str) -> list[list[str]]:
        """The commands that it printed with *words* in them, as a shell reads them."""
        lines = re.findall(r"^  (\S.*)$", self.printed, re.MULTILINE)
        return [shlex.split(line) for line in lines if words in line and not line.startswith("#")]

    @property
    def smtp_port(self) -> int:
        found = re.search(r"SMTP port (\d+)", self.printed)
        assert found
        return int(found[1])

    @property
    def imap(self) -> dict[str, Any]:
        """The `[incoming.support]` of its conf.d."""
        ((*_, conf),) = self.commands("status --conf")
        text = (Path(conf) / "demo.toml").read_text(encoding="utf-8")
        table: dict[str, Any] = tomllib.loads(text)["incoming"]["support"]
        return table

    def send(self, mail: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=10) as client:
            client.sendmail("you@example.net", "support@example.org", mail)

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)

    def left_behind(self) -> list[str]:
        return sorted(path.name for path in self.place.iterdir() if path not in {self._out, self._err})


@pytest.fixture
def staying(place: Path) -> Iterator[Staying]:
    demo = Staying(place)
    try:
        demo.shows("Ctrl-C ends it.")
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.wait()


# --- once


@pytest.mark.parametrize("words", [("--once", "--json"), ("--json",)])
def test_programs_get_one_object_and_every_mail_has_its_reason(place: Path, words: tuple[str, ...]) -> None:
    result = play(place, *words)
    assert (result.returncode, result.stderr, result.stdout.count("\n")) == (0, "", 1)
    told = json.loads(result.stdout)
    assert set(told) == {"tickets", "mails"}
    keys = ("message_id", "subject", "reason", "ticket")
    assert told["mails"] == [dict(zip(keys, fate, strict=True)) for fate in FATES]
    assert [(ticket["number"], ticket["entries"]) for ticket in told["tickets"]] == [
        (1, 4), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1),
    ]  # fmt: skip
    assert told["tickets"][0]["message_ids"] == [
        "printer.1@mail.example.com",
        "printer.2@mail.example.com",
        "vacation.88@mail.example.com",
        "printer.3@mail.example.com",
    ]
    assert list(place.iterdir()) == []


def test_people_get_the_tickets_and_what_became_of_each_mail_and_why(place: Path) -> None:
    result = play(place, "--once")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("12 mails lay in the mailbox support@example.org. They became 7 tickets.\n")
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    for number, (_, subject, reason, ticket) in enumerate(FATES, 1):
        became = f"ticket {ticket}" if ticket else "parked"
        expected = rf"{number:>2}  {re.escape(subject)} +{became} +{reason}"
        assert len([line for line in lines if re.fullmatch(expected, line)]) == 1, expected
    for why in (
        "    duplicate? the same Message-ID and content came before, intake 2",
        "    duplicate? new Message-ID · bounce? of a mail that no ticket holds",
        "    flags? same_id_other_content",
    ):
        assert lines.count(why) == 1, why
    assert sum("automatic? Auto-Submitted: auto-replied (vacation)" in line for line in lines) == 1
    assert "SMTP port" not in result.stdout
    assert list(place.iterdir()) == []


def test_a_reader_who_leaves_early_gets_no_traceback(place: Path) -> None:
    command = mortal([sys.executable, "-m", "mailwicket", "demo"])
    reading, writing = os.pipe()
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, env=environ(place)) as process:
        os.close(writing)
        os.read(reading, 10)
        os.close(reading)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (1, b"")
    assert list(place.iterdir()) == []


def test_a_folder_that_it_cannot_use_is_told_in_a_line(place: Path) -> None:
    deep = place / ("x" * 100)
    deep.mkdir()
    result = play(deep, "--once")
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(r"mailwicket: conf\.d/demo\.toml:\d+: http\.listen: item 1: .* 107 bytes .*\n", result.stderr)
    assert list(deep.iterdir()) == []


# --- staying


def test_a_mail_that_is_sent_while_it_stays_becomes_a_ticket_and_its_answer_joins_it(staying: Staying) -> None:
    staying.send("From: you@example.net\nSubject: The gate\nMessage-ID: <gate@example.net>\n\nis open.")
    steps = [
        "duplicate? new Message-ID",
        "authentication? no verifier is configured (trusted_authserv_ids)",
        "thread? cites nothing",
        "automatic? no",
    ]
    staying.shows(f"ticket 8, created: The gate  ({' · '.join(steps)})\n")
    staying.send("From: you@example.net\nSubject: Re: The gate\nIn-Reply-To: <gate@example.net>\n\nIt is shut.")
    staying.shows("ticket 8, reply_public: Re: The gate  (")
    staying.send("Subject: nobody\n\nsays this")
    staying.shows("parked, no_sender: nobody  (duplicate? no Message-ID; new content · author? none ")
    assert (staying.end(), staying.complained) == (0, "")
    assert staying.printed.endswith("\nStopped. Nothing is left behind.\n")
    assert staying.left_behind() == []


def test_the_commands_that_it_prints_work_from_a_second_terminal(staying: Staying) -> None:
    def run(*command: str) -> str:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert ended.stderr == ""
        return ended.stdout

    question, answer = staying.commands("smtplib")
    for _, *rest in (question, question, answer):  # "python3" is the one that runs the tests
        run(sys.executable, *rest)
    staying.shows("ticket 8, created: Hello  (")
    staying.shows("ticket 8, duplicate: Hello  (duplicate? no Message-ID; the same content came before)")
    staying.shows("ticket 1, collaboration_stranger: Re: Printer  (")
    (*_, known), = staying.commands("curl smtp:")  # fmt: skip
    staying.send(Path(known).read_text(encoding="utf-8"))
    staying.shows(f"ticket 2, duplicate: {INVOICE}  (")
    (listing,), (showing,), (asking,) = map(staying.commands, ("tickets list", "tickets show", "status --conf"))
    assert "   8   open     Hello  " in run(*listing)
    assert [ticket["entries"] for ticket in json.loads(run(*listing, "--json"))] == [5, 1, 1, 1, 1, 1, 1, 1]
    assert "\nOn my way.\n" in run(*showing)
    assert "page.png (image/png, 95 bytes)" in run(*showing)
    assert "store: good   backend desk: good   quarantine: 1" in run(*asking)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_clients_that_stay_connected_do_not_hold_its_end(staying: Staying, number: int) -> None:
    table = staying.imap
    with closing(smtplib.SMTP("127.0.0.1", staying.smtp_port, timeout=10)) as half_a_mail:
        half_a_mail.ehlo()
        half_a_mail.docmd("MAIL FROM:<>")
        half_a_mail.docmd("RCPT TO:<support@example.org>")
        half_a_mail.docmd("DATA")
        half_a_mail.send("Subject: hal")
        client = imaplib.IMAP4("127.0.0.1", table["port"], timeout=10)
        client.login(table["email"], Path(table["password"]["file"]).read_text(encoding="utf-8"))
        client.select()
        client.send(b"a IDLE\r\n")
        assert client.readline().startswith(b"+")
        assert (staying.end(number), staying.complained) == (0, "")
        client.shutdown()
    assert staying.left_behind() == []


def test_an_impatient_person_gets_the_same_clean_end(staying: Staying) -> None:
    def still_there() -> bool:
        staying.process.send_signal(signal.SIGINT)  # does nothing to a process that has ended
        return staying.process.poll() is not None

    until(still_there, 20, 0.002, "its end")
    assert (staying.process.returncode, staying.complained) == (0, "")
    assert staying.left_behind() == []


def test_it_stops_when_it_was_asked_before_it_listened() -> None:
    code = (
        "import anyio, os, signal\n"
        "from mailwicket.demo.stop import StopRequest\n"
        "stop = StopRequest()\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "anyio.run(stop.wait)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "print('clean')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "clean\n", "")


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["", "you@example.net"])
async def test_a_sent_mail_is_delivered_as_it_is_with_its_reverse_path_on_top(path: str) -> None:
    delivered: list[bytes] = []

    async def deliver(raw: bytes) -> None:
        delivered.append(raw)

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.sendmail(path, ["anybody@example.com", "another@example.com"], b"A: \xff\r\n\r\n.\r\n")

    async with smtp_sink(deliver) as port:
        await to_thread.run_sync(send)
    assert delivered == [b"Return-Path: <" + path.encode() + b">\r\nA: \xff\r\n\r\n.\r\n"]


# --- what it needs


@pytest.mark.parametrize("missing", [("aiosmtpd",), ("pymap",), ("aiosmtpd", "pymap")])
def test_without_its_extra_it_says_what_to_install(missing: tuple[str, ...]) -> None:
    hide = "".join(f"sys.modules[{name!r}] = None; " for name in missing)
    code = f"import sys; {hide}sys.argv[1:] = ['demo']; from mailwicket.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    line = f"mailwicket: the demo needs {' and '.join(missing)}, not installed here: pip install 'mailwicket[demo]'\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", line)


def test_nothing_outside_its_room_needs_the_extra() -> None:
    code = (
        "import importlib, pkgutil, sys, mailwicket\n"
        "sys.modules['aiosmtpd'] = sys.modules['pymap'] = sys.modules['proxyprotocol'] = None\n"
        "skipped = ('mailwicket.demo.', 'mailwicket.__main__', 'mailwicket.cli.playbill')\n"
        "names = [one.name for one in pkgutil.walk_packages(mailwicket.__path__, 'mailwicket.')]\n"
        "found = [importlib.import_module(name) for name in names if not name.startswith(skipped)]\n"
        "print(len(found) > 50)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.stdout, ended.stderr) == ("True\n", "")


def test_the_sample_mails_are_as_a_server_has_them_and_name_nobody() -> None:
    assert [parse(raw).subject for raw in samples()] == [subject for _, subject, _, _ in FATES]
    for raw in samples():
        assert raw.count(b"\n") == raw.count(b"\r\n")
        hosts = re.findall(rb"@([A-Za-z0-9.-]+)", raw)
        assert [host for host in hosts if not re.search(rb"(^|\.)example\.(org|net|com)$", host)] == []


# --- what it does when things go wrong


@pytest.mark.anyio
async def test_mails_that_do_not_become_tickets_in_time_end_it_with_a_line(place: Path) -> None:
    heard: list[int] = []
    async with staged(place, samples()[:1]) as stage:
        verdicts = Verdicts(stage.daemon)
        with pytest.raises(MailwicketError, match=r"^1 of 2 mails were decided within 1 s; incoming/support is run"):
            await verdicts.first(2, 1, heard.append)
        assert [verdict.subject for verdict in await verdicts.more()] == [PRINTER]
    assert heard[-1] == 1


@pytest.mark.anyio
async def test_a_unit_that_a_human_must_mend_ends_it_at_once() -> None:
    unit = Unit("incoming/support", "127.0.0.1:143")
    unit.become(UnitState.BLOCKED, "login_refused", "127.0.0.1 refused login")
    daemon: Any = SimpleNamespace(units={unit.name: unit})
    with pytest.raises(MailwicketError, match=r"^incoming/support is blocked: 127\.0\.0\.1 refused login$"):
        await Verdicts(daemon).first(1, 30, lambda _: None)
