"""What `mailwicket demo` prints: the tickets, what became of each mail and why, and what to try next."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from mailwicket.cli.table import console
from mailwicket.cli.terminal import one_line
from mailwicket.cli.tickets import TICKETS
from mailwicket.demo.samples import DIRECTORY
from mailwicket.demo.stage import ADDRESS
from mailwicket.demo.verdict import Verdict
from mailwicket.model import Reason

READABLE_COLUMNS: Final = 110
"""In a wider line the eye does not find from a subject to its ticket."""

TICKET_COLUMNS: Final = len("ticket 9999")
REASON_COLUMNS: Final = max(map(len, Reason))
MARGIN: Final = " " * 4
JOINT: Final = " · "

ALL_ALIKE: Final = ("Status", "Updated (UTC)")
"""Columns that tell nothing apart when every ticket is a second old."""

QUESTION: Final = "From: you@example.net\\nSubject: Hello\\n\\nIs anybody there?"
ANSWER: Final = (
    "From: you@example.net\\nSubject: Re: Printer\\nIn-Reply-To: <printer.3@mail.example.com>\\n\\nOn my way."
)


def show_json(tickets: Sequence[dict[str, Any]], decided: Sequence[Verdict]) -> None:
    """Print one object for programs: its keys are a contract."""
    keys = ("message_id", "subject", "reason", "ticket")
    mails = [{key: getattr(verdict, key) for key in keys} for verdict in decided]
    print(json.dumps({"tickets": tickets, "mails": mails}))


def show_result(tickets: list[dict[str, Any]], decided: Sequence[Verdict]) -> None:
    """Print *tickets* as a table, and how each mail came to its end."""
    console = _console()
    _say(console, f"{len(decided)} mails lay in the mailbox {ADDRESS}. They became {len(tickets)} tickets.", "bold")
    TICKETS.show(tickets, without=ALL_ALIKE)
    _say(console, "What became of each mail, and why", "bold")
    print()
    width = min(console.width, READABLE_COLUMNS)
    for verdict in decided:
        _say(console, _headline(verdict, width))
        for line in _wrapped(_steps(verdict), width - len(MARGIN)):
            _say(console, MARGIN + line, "dim")
    print()


def show_what_next(conf: Path, smtp_port: int) -> None:
    """Print commands to copy: each is one line, however narrow the terminal is."""
    console = _console()
    command, options = _command(), f"--conf {shlex.quote(str(conf))}"
    curl = f"curl smtp://127.0.0.1:{smtp_port} --mail-from you@example.net --mail-rcpt {ADDRESS} -T"
    _say(console, f"Now it waits for mail on SMTP port {smtp_port} of this machine. From a second terminal:", "bold")
    for what, commands in {
        "open a ticket; the same again is known as a copy": [_sending(QUESTION, smtp_port)],
        "answer a mail of ticket 1 as a stranger: for technicians only": [_sending(ANSWER, smtp_port)],
        "send a mail from a file; this one came before": [f"{curl} {shlex.quote(str(DIRECTORY / '02-invoice.eml'))}"],
        "see the tickets, all of one ticket, how the daemon is": [
            f"{command} {words} {options}" for words in ("tickets list", "tickets show 1", "status")
        ],
    }.items():
        print()
        _say(console, f"  # {what}", "dim")
        for line in commands:
            print(f"  {line}")
    print()
    _say(console, "Ctrl-C ends it.", "bold")
    print(flush=True)


def _sending(mail: str, port: int) -> str:
    """A command that sends *mail*, which is the inside of a Python string, with what every Python brings."""
    program = f'import smtplib; smtplib.SMTP("127.0.0.1", {port}).sendmail("you@example.net", "{ADDRESS}", "{mail}")'
    return f"python3 -c {shlex.quote(program)}"


def show_arrival(verdict: Verdict) -> None:
    """Print one line for a mail that came while we watched."""
    console = _console()
    became = f"{_ticket(verdict)}, {verdict.reason}: {_subject(verdict)}"
    line = Text(f"{datetime.now().astimezone():%H:%M:%S}  {became}")
    line.append(f"  ({JOINT.join(_steps(verdict))})", "dim")
    if sys.stdout.isatty():
        line.truncate(console.width, overflow="ellipsis")
    _say(console, line)
    sys.stdout.flush()


def _headline(verdict: Verdict, width: int) -> str:
    room = width - len(MARGIN) - TICKET_COLUMNS - REASON_COLUMNS - 4
    subject = Text(_subject(verdict))
    subject.truncate(room, overflow="ellipsis")
    cells = (set_cell_size(subject.plain, room), _ticket(verdict).ljust(TICKET_COLUMNS), verdict.reason)
    return f"{verdict.intake_id:>2}  {'  '.join(cells)}"


def _subject(verdict: Verdict) -> str:
    return one_line(verdict.subject) or "(no subject)"


def _ticket(verdict: Verdict) -> str:
    if verdict.ticket is not None:
        return f"ticket {verdict.ticket}"
    return "parked" if verdict.parked else "no ticket"


def _steps(verdict: Verdict) -> list[str]:
    """The steps of the decision as questions and answers; who wrote the mail only where that decided it."""
    told = [step for step in verdict.trace if step.rule != "author" or step is verdict.trace[-1]]
    return [one_line(f"{step.rule}? {step.answer}") for step in told]


def _wrapped(steps: Sequence[str], width: int) -> Iterator[str]:
    """Lines of whole steps; one that is too long for a line has it for itself."""
    line = ""
    for step in steps:
        if line and cell_len(line + JOINT + step) > width:
            yield line
            line = ""
        line += JOINT * bool(line) + step
    yield line


def _command() -> str:
    """How another terminal calls us, whatever its PATH holds."""
    script = Path(sys.executable).with_name("mailwicket")
    return shlex.quote(str(script)) if script.exists() else f"{shlex.quote(sys.executable)} -m mailwicket"


def _console() -> Console:
    return console()


def _say(console: Console, words: str | Text, style: str = "") -> None:
    """Print as it stands: no markup in it, nothing wrapped."""
    console.print(Text(words, style) if isinstance(words, str) else words, soft_wrap=True)
