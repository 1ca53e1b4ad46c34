"""`mailwicket announce` and `announcements`: writing to many, by the running daemon."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any, Final

import typer

from mailwicket.cli import books
from mailwicket.cli.asking import Door, door
from mailwicket.cli.run import Conf
from mailwicket.cli.table import Shown
from mailwicket.cli.terminal import be_lenient, block, give_up, minute, one_line

app = typer.Typer(
    help="What was written to many: list and show work with and without a running daemon.", no_args_is_help=True
)

ROUTE: Final = "/api/v1/announcements"
USAGE: Final = 2
LOOK_S: Final = 0.5
SHOWN_MAX: Final = 20

Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs; its keys are a contract.")]
Number = Annotated[int, typer.Argument(metavar="ID", help="The announcement's number.", min=1, max=2**63 - 1)]

_HEADER: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*:.*(?:\n|\Z)|[ \t]+\S.*(?:\n|\Z))+(?=\n|\Z)")
"""A header as a mail has it, up to the empty line."""

_FIELD: Final = re.compile(r"^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)
_OF_MAIL: Final = re.compile(
    r"subject|from|to|cc|bcc|date|sender|reply-to|message-id|in-reply-to|references|mime-version|(?:content|list|x)-.*"
    r"|received|return-path|user-agent|delivered-to|dkim-signature|authentication-results|auto-submitted|precedence",
    re.IGNORECASE,
)
"""Names of a header's fields: another word before a colon is text."""

_FIRST: Final = re.compile(r"subject:[ \t]*(.*?)[ \t]*(?:\n|\Z)", re.IGNORECASE)
SUBJECT_CHARS: Final = 100
"""Of a first line that was not meant as a subject."""

_HEADING: Final = re.compile(r"#[ \t]+(.*?)[ \t#]*(?:\n|\Z)")


def announce(  # noqa: PLR0913 - options of a command
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help='Markdown; its first line is "Subject: ...", a heading or the subject. "-" is standard input.',
        ),
    ],
    *,
    to: Annotated[
        list[str],
        typer.Option(
            "--to",
            metavar="WHOM",
            help="requesters, technicians, all, group:NAME, company:NAME or addresses; "
            "several between commas, or more than once.",
        ),
    ],
    subject: Annotated[str, typer.Option("--subject", help="In the place of what FILE says.")] = "",
    by: Annotated[str, typer.Option("--by", metavar="ADDR", help="Who writes; he gets none himself.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell who would get it; send nothing.")] = False,
    wait: Annotated[
        bool | None,
        typer.Option("--wait/--no-wait", help="Wait until it is sent; unset: on a terminal. It goes on without you."),
    ] = None,
    as_json: Json = False,
    conf: Conf = None,
) -> None:
    """Write to many: to each a mail of his own, after all mail about tickets. Interrupting this stops nothing."""
    be_lenient()
    told_subject, text = _read(file)
    if not (subject or told_subject):
        give_up('no subject: the first line of FILE is "Subject: ..." or "# ...", or --subject says it', USAGE)
    body = {"to": to, "subject": subject or told_subject, "text": text, "by": by, "dry_run": dry_run}
    daemon = door(conf)
    answer = daemon.ask("POST", ROUTE, body)
    if not answer.is_good:
        give_up(one_line(answer.problem))
    told: Shown = answer.told
    if dry_run:
        _tell_dry(told, as_json=as_json)
        return
    if not as_json:
        print(f"announcement {told['id']}: {_recipients(told)}")
    if sys.stderr.isatty() if wait is None else wait:
        told = _wait(daemon, told)
        if not as_json:
            print(_standing(told))
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
    if told["failed"]:
        raise typer.Exit(1)


@app.command("list")
def list_(*, as_json: Json = False, conf: Conf = None) -> None:
    """List the newest 200 announcements and how they stand, the newest last."""
    from mailwicket.store.announcements import listed

    with books.reading(conf) as tx:
        found = listed(tx)
    be_lenient()
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for one in found:
        print(f"{one['id']:>4}  {minute(one['at'])} UTC  {_standing(one)}  {one_line(one['subject'])}")
    if not found:
        print("no announcements")


@app.command("show")
def show(number: Number, *, as_json: Json = False, conf: Conf = None) -> None:
    """Show one announcement: its words, and how it stands with each person."""
    from mailwicket.store.announcements import AnnouncementId, people, shown

    one = AnnouncementId(number)
    books.show(conf, lambda tx: {**shown(tx, one), "people": people(tx, one)}, _sheet, as_json=as_json)


@app.command("cancel")
def cancel(number: Number, *, conf: Conf = None) -> None:
    """Write to nobody any more; what is sent stays sent."""
    answer = door(conf).ask("POST", f"{ROUTE}/{number}/cancel")
    if not answer.is_good:
        give_up(one_line(answer.problem))
    print(f"announcement {number} {_standing(answer.told)}")


# --- what is read and what is waited for


def _read(file: str) -> tuple[str, str]:
    """Return the subject that FILE tells, `""` where it does not, and the text."""
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        give_up(f"{file}: {error.strerror}")
    try:
        return _parted(raw.decode("utf-8-sig").replace("\r\n", "\n"), raw)
    except UnicodeDecodeError:
        give_up(f"{file}: is no UTF-8 text")


def _parted(text: str, raw: bytes) -> tuple[str, str]:
    """Part subject and text: at a header with a Subject, of a whole mail or not; else a heading, or the first line."""
    header = _HEADER.match(text)
    fields = {name.casefold(): value for name, value in _FIELD.findall(header[0])} if header else {}
    if header and "subject" in fields and all(map(_OF_MAIL.fullmatch, fields)):
        if fields.keys() & {"mime-version", "content-type", "content-transfer-encoding"}:
            from mailwicket.mail.parse import parse

            mail = parse(raw)
            return mail.subject, mail.text
        return " ".join(fields["subject"].split()), text[header.end() :].lstrip("\n")
    if (first := _FIRST.match(text)) is not None:
        return first[1], text[first.end() :].lstrip("\n")
    if heading := _HEADING.match(text.lstrip("\n")):
        return heading[1], text
    if fields and all(map(_OF_MAIL.fullmatch, fields)):  # a header, which should have told it
        return "", text
    line = re.sub(r"[*`]", "", text.strip().partition("\n")[0])
    return shorten(line, SUBJECT_CHARS, placeholder=" ..."), text


def _wait(daemon: Door, told: Shown) -> Shown:
    """Show how far it is on a terminal, until everything is sent; return how it stands then."""
    with _progress(told) as show:
        try:
            while told["state"] == "sending":
                time.sleep(LOOK_S)
                answer = daemon.ask("GET", f"{ROUTE}/{told['id']}")
                if not answer.is_good:
                    give_up(one_line(answer.problem))
                told = answer.told
                show(told)
        except KeyboardInterrupt:
            print(f'it goes on: "mailwicket announcements show {told["id"]}" tells how it stands', file=sys.stderr)
    return told


@contextmanager
def _progress(told: Shown) -> Iterator[Any]:
    """Show how far it is on a terminal, and nothing in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _told: None
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("", total=told["recipients"])

        def show(now: Mapping[str, Any]) -> None:
            done = now["sent"] + now["failed"] + now["cancelled"]
            shown.update(task, completed=done, total=now["recipients"], description=_standing(now))

        yield show


# --- how a person sees them


def _tell_dry(told: Shown, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
        return
    print(f"nothing is sent; it would go to {_recipients(told)}")
    for one in told["people"]:
        why = f"  left out: {one['left_out']}" if one["left_out"] else ""
        print(f"  {one_line(one['address'])}{why}")


def _recipients(told: Mapping[str, Any]) -> str:
    left_out = ", ".join(f"{count} {why}" for why, count in told["left_out"].items())
    count = told["recipients"]
    return f"{count} recipient{'' if count == 1 else 's'}" + (f"; left out: {left_out}" if left_out else "")


def _standing(told: Mapping[str, Any]) -> str:
    """How far it is, in one line."""
    parts = [f"{told['sent']} sent of {told['recipients']}"]
    waits = told["queued"] + told["waiting"]
    parts += [f"{count} {word}" for word, count in (("queued", waits), ("failed", told["failed"])) if count]
    if told["cancelled"] or "cancelled" in told["left_out"]:
        parts.append(f"{told['cancelled'] + told['left_out'].get('cancelled', 0)} cancelled")
    return f"{told['state']}: {', '.join(parts)}"


def _sheet(told: Shown) -> Iterator[str]:
    """The lines of an announcement for a person to read."""
    yield f"announcement {told['id']}  {one_line(told['subject'])}"
    facts = {
        "state": _standing(told),
        "to": ", ".join(told["to"]),
        "by": told["by"] or "",
        "asked": f"{minute(told['at'])} UTC by {told['actor']}",
    }
    yield from (f"{key:<6} {one_line(value)}" for key, value in facts.items() if value)
    yield ""
    yield from _people([one for one in told["people"] if one["state"] != "sent"])
    yield block(told["text"]).strip("\n")


def _people(people: Sequence[Shown]) -> Iterator[str]:
    """Those of whom there is something to say; who has it is counted above."""
    for one in people[:SHOWN_MAX]:
        said = f": {one_line(one['said'])}" if one["said"] else ""
        mail = f" (mail {one['mail']})" if one["mail"] else ""
        yield f"  {one['state']:<9} {one_line(one['address'])}{mail}{said}"
    if len(people) > SHOWN_MAX:
        yield f"  and {len(people) - SHOWN_MAX} more: --json has all"
    if people:
        yield ""
