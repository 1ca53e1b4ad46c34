"""`mailwicket tickets note`, `assign`, `close` and the like: what people do at the desk, by the running daemon."""

from __future__ import annotations

import base64
import json
import mimetypes
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mailwicket.cli import tickets
from mailwicket.cli.asking import Answer, ask_each, door
from mailwicket.cli.run import Conf
from mailwicket.cli.terminal import be_lenient, give_up, one_line

app = tickets.app  # one noun, one group of commands

ROUTE = "/api/v1/tickets"

Json = Annotated[bool, typer.Option("--json", help="Print the ticket as JSON, one line each.")]
Number = Annotated[int, typer.Argument(metavar="N", help="The ticket's number.", min=1, max=2**63 - 1)]
Numbers = Annotated[list[int], typer.Argument(metavar="N...", help="Numbers of tickets.", min=1, max=2**63 - 1)]
By = Annotated[str, typer.Option("--by", metavar="ADDR", help="The technician who does it.")]
Text = Annotated[str, typer.Argument(metavar="TEXT", help='"-" reads it from standard input.')]


@app.command("reply")
def reply(  # noqa: PLR0913 - options of a command
    number: Number,
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help='Markdown; "-", or none: from standard input.')] = "-",
    *,
    by: By = "",
    outgoing: Annotated[
        str, typer.Option("--outgoing", metavar="NAME", help="The server that sends it, where that may be chosen.")
    ] = "",
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", metavar="FILE", help="Goes along; more than once.")
    ] = None,
    as_json: Json = False,
    conf: Conf = None,
) -> None:
    """Answer the requester, with copies to the CCs."""
    body: dict[str, Any] = {"text": _read(text), "by": by, "outgoing": outgoing}
    if attach:
        body["attachments"] = _attached(attach)
    _act(conf, [number], "reply", body, _answered, as_json=as_json)


@app.command("note")
def note(number: Number, text: Text, *, by: By = "", as_json: Json = False, conf: Conf = None) -> None:
    """Add a note for technicians."""
    _act(conf, [number], "note", {"text": _read(text), "by": by}, "has another note", as_json=as_json)


@app.command("assign")
def assign(  # noqa: PLR0913 - options of a command
    number: Number,
    to: Annotated[str, typer.Argument(metavar="[ADDR]", help="A technician of the directory.")] = "",
    *,
    nobody: Annotated[bool, typer.Option("--nobody", help="Take it from whoever has it.")] = False,
    by: By = "",
    as_json: Json = False,
    conf: Conf = None,
) -> None:
    """Give a ticket to a technician."""
    if bool(to) == nobody:
        give_up("assign wants a technician's address, or --nobody", 2)
    said = f"is assigned to {to}" if to else "is assigned to nobody"
    _act(conf, [number], "assign", {"to": to, "by": by}, said, as_json=as_json)


@app.command("close")
def close(numbers: Numbers, *, by: By = "", as_json: Json = False, conf: Conf = None) -> None:
    """Close tickets."""
    _act(conf, numbers, "close", {"by": by}, "is closed", as_json=as_json)


@app.command("reopen")
def reopen(numbers: Numbers, *, by: By = "", as_json: Json = False, conf: Conf = None) -> None:
    """Open closed or deleted tickets again, or such as are no spam after all."""
    _act(conf, numbers, "reopen", {"by": by}, "is open", as_json=as_json)


@app.command("merge")
def merge(
    number: Number,
    into: Annotated[int, typer.Argument(metavar="INTO", help="The ticket that survives.", min=1, max=2**63 - 1)],
    *,
    by: By = "",
    as_json: Json = False,
    conf: Conf = None,
) -> None:
    """Merge a ticket into another: its mail and its people go there from now on."""
    _act(conf, [number], "merge", {"to": str(into), "by": by}, f"is merged into ticket {into}", as_json=as_json)


@app.command("delete")
def delete(numbers: Numbers, *, by: By = "", as_json: Json = False, conf: Conf = None) -> None:
    """Take tickets away; they are not listed any more, and a reply opens a new one. `reopen` brings them back."""
    _act(conf, numbers, "delete", {"by": by}, "is deleted", as_json=as_json)


@app.command("spam")
def spam(numbers: Numbers, *, by: By = "", as_json: Json = False, conf: Conf = None) -> None:
    """Mark tickets as spam: replies to them go to quarantine. `reopen` takes it back."""
    _act(conf, numbers, "spam", {"by": by}, "is spam", as_json=as_json)


@app.command("remove-cc")
def remove_cc(
    number: Number,
    address: Annotated[str, typer.Argument(metavar="ADDR", help="Who gets no more copies.")],
    *,
    by: By = "",
    as_json: Json = False,
    conf: Conf = None,
) -> None:
    """Send somebody no more copies; nobody's mail brings him back."""
    said = f"sends no more copies to {address}"
    _act(conf, [number], "remove-cc", {"to": address, "by": by}, said, as_json=as_json)


@app.command("new")
def new(  # noqa: PLR0913 - an option for each thing that a ticket has
    subject: Annotated[str, typer.Argument(metavar="SUBJECT")],
    text: Text = "",
    *,
    requester: Annotated[str, typer.Option("--requester", metavar="ADDR", help='Or "Name <ADDR>".')],
    cc: Annotated[list[str] | None, typer.Option("--cc", metavar="ADDR", help="Gets copies; more than once.")] = None,
    unit: Annotated[str, typer.Option("--unit", metavar="NAME", help="Its mailbox; else the primary one.")] = "",
    group: Annotated[str, typer.Option("--group", help="Else the mailbox's.")] = "",
    category: Annotated[str, typer.Option("--category", help="Else the mailbox's.")] = "",
    company: Annotated[str, typer.Option("--company", help="Else the requester's, else the mailbox's.")] = "",
    by: By = "",
    as_json: Json = False,
    conf: Conf = None,
) -> None:
    """Open a ticket that no mail asked for; print its number."""
    told = {"subject": subject, "text": _read(text), "requester": requester, "cc": cc or [], "unit": unit}
    told |= {"group": group, "category": category, "company": company, "by": by}
    answer = door(conf).ask("POST", ROUTE, told)
    if not answer.is_good:
        give_up(_why(answer))
    print(json.dumps(answer.told) if as_json else answer.told["number"])


def _act(  # noqa: PLR0913 - what is asked, and how it is told
    conf: Path | None,
    numbers: Sequence[int],
    do: str,
    body: dict[str, Any],
    said: str | Callable[[dict[str, Any]], str],
    *,
    as_json: bool,
) -> None:
    """Ask it for each of *numbers*; see `ask_each`."""

    def line(number: int, told: dict[str, Any]) -> str:
        return f"ticket {number} {one_line(said if isinstance(said, str) else said(told))}"

    be_lenient()
    ask_each(door(conf), f"{ROUTE}/{{}}/{do}", numbers, body, line, as_json=as_json)


def _answered(told: dict[str, Any]) -> str:
    said = f"has a reply, which goes to {', '.join(told['sent_to']) or 'nobody'}"
    if left_out := told.get("not_sent_to"):
        said += f"; nothing is sent to {', '.join(left_out)} since mails were refused there: mailwicket outbox paused"
    return said


def _attached(paths: Sequence[Path]) -> list[dict[str, str]]:
    """Return *paths* as the daemon takes them, or end the command with a line why it would not."""
    from mailwicket.flow.uploads import objection

    try:
        if (why := objection([path.stat().st_size for path in paths])) is not None:
            give_up(why)
        contents = [path.read_bytes() for path in paths]
    except OSError as error:
        give_up(f"cannot read {error.filename}: {error.strerror}")
    return [
        {
            "filename": path.name.encode(errors="replace").decode(),
            "content_type": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
            "content": base64.b64encode(content).decode(),
        }
        for path, content in zip(paths, contents, strict=True)
    ]


def _why(answer: Answer) -> str:
    return one_line(answer.problem)


def _read(text: str) -> str:
    if text != "-":
        return text
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        give_up("what comes from standard input is no text in UTF-8: a file goes along by --attach")
