"""`mailwicket import`: mails in files become tickets of the running daemon, each once, however often it is run."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

import typer

from mailwicket.cli.asking import NO_TALK, UnixConnection, door, no_answer
from mailwicket.cli.run import Conf
from mailwicket.mail.mbox import Dialect

if TYPE_CHECKING:
    from mailwicket.cli.mailfiles import Found

BATCH_MAILS: Final = 250
BATCH_BYTES: Final = 8 * 1024 * 1024
"""As the daemon works on them; two batches are under way: one is read while one is decided."""

ANSWER_S: Final = 600.0
"""A batch is decided within a second; a database that somebody holds is waited for."""

USAGE: Final = 2

SHOWN_FAULTS: Final = 1000
"""So many of them are told one by one."""


class Stopped(Exception):  # noqa: N818 - the daemon did, or refused: no error of ours
    """The daemon does not take more; the text says why."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good
        """Running it again would end in the same way."""


@dataclass
class Summary:
    """What became of the mails."""

    read: int = 0
    """Mails found in the files and answered for."""
    known: int = 0
    left_out: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    errors: list[dict[str, str]] = field(default_factory=list)
    stopped: str | None = None
    for_good: bool = False

    def told(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "read": self.read,
            "known": self.known,
            "new": sum(self.reasons.values()),
            "reasons": dict(sorted(self.reasons.items())),
            "left_out": self.left_out,
            "errors": self.errors,
            "stopped": self.stopped,
        }


@dataclass
class Batch:
    """Mails for one request."""

    chunks: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    mails: int = 0

    def add(self, heading: bytes, pieces: list[bytes], size_bytes: int) -> None:
        """Add a mail."""
        self.chunks += (heading, *pieces, b"\n")
        self.size_bytes += len(heading) + size_bytes + 1
        self.mails += 1


def import_(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="mbox, Maildir, .eml, or a directory of .eml.")
    ],
    *,
    unit: Annotated[
        str, typer.Option("--unit", metavar="NAME", help="Treat them as if they had come to this incoming server.")
    ] = "",
    dialect: Annotated[
        Dialect, typer.Option("--dialect", help="How an mbox quotes lines that begin with From.")
    ] = Dialect.MBOXRD,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    conf: Conf = None,
) -> None:
    """Hand mails in files to the running daemon; run it again after any interruption: what is known stays as it is."""
    from mailwicket.cli.terminal import be_lenient

    be_lenient()
    summary = Summary()
    with _progress(paths) as done:
        sending = Sending(door(conf).path, unit.removeprefix("incoming/"), summary)
        try:
            for path in paths:
                sending.send_all(path, dialect, done)
            sending.finish()
        except Stopped as stopped:
            summary.stopped, summary.for_good = str(stopped), stopped.for_good
        except KeyboardInterrupt:
            summary.stopped = "stopped"
        finally:
            sending.close()
    _tell(summary, as_json=as_json)
    raise typer.Exit(1 if summary.errors or summary.stopped else 0)


class Sending:
    """Hands mails over in order, a batch while the one before is decided."""

    def __init__(self, path: str, unit: str, summary: Summary) -> None:
        """Ask the daemon at the socket *path*."""
        self._connection = UnixConnection(path, ANSWER_S)
        self._path = path
        self._unit = unit
        self._summary = summary
        self._batch = Batch()
        self._thread = ThreadPoolExecutor(1)
        self._under_way: Future[Sequence[dict[str, Any]]] | None = None

    def send_all(self, path: Path, dialect: Dialect, done: Any) -> None:  # noqa: ANN401 - a function
        """Hand over the mails of *path*.

        Raises:
            Stopped: the daemon is gone or refuses.
        """
        from mailwicket.cli.mailfiles import Missed, mails

        for one in mails(path, dialect, done):
            if not isinstance(one, Missed):
                self._send(one)
            elif one.is_fault:
                self._summary.errors.append({"where": one.where, "error": one.why})
            else:
                self._summary.left_out += 1

    def finish(self) -> None:
        """Hand over what is gathered, and wait for what became of it."""
        self._flush()
        self._await()

    def close(self) -> None:
        """Hang up; what was handed over is decided all the same."""
        if self._connection.sock is not None:
            with suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)  # who waits for the answer waits no longer
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._connection.close()

    def _send(self, mail: Found) -> None:
        pieces, length, digest = _measured(mail)
        received = "-" if mail.received_at is None else mail.received_at.isoformat()
        heading = f"mailwicket-mail {length} {digest} {received}\n".encode()
        if pieces is None:  # too large to gather: it goes alone, as it is read
            self.finish()
            body = (chunk for chunks in ((heading,), mail.pieces(), (b"\n",)) for chunk in chunks)
            self._note(self._post(body, len(heading) + length + 1))
            return
        if self._batch.mails == BATCH_MAILS or (self._batch.mails and self._batch.size_bytes + length > BATCH_BYTES):
            self._flush()
        self._batch.add(heading, pieces, length)

    def _flush(self) -> None:
        self._await()
        if self._batch.mails:
            batch, self._batch = self._batch, Batch()
            self._under_way = self._thread.submit(self._post, batch.chunks, batch.size_bytes)

    def _await(self) -> None:
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            self._note(under_way.result())

    def _note(self, mails: Sequence[dict[str, Any]]) -> None:
        self._summary.read += len(mails)
        for mail in mails:
            if mail["known"]:
                self._summary.known += 1
            else:
                self._summary.reasons[mail["reason"]] += 1

    def _post(self, body: Any, length: int) -> Sequence[dict[str, Any]]:  # noqa: ANN401 - chunks of bytes
        headers = {"Content-Type": "application/vnd.mailwicket.mails", "Content-Length": str(length)}
        route = f"/api/v1/mails?unit={quote(self._unit)}" if self._unit else "/api/v1/mails"
        try:
            try:
                answer = self._ask(route, body, headers)
            except ConnectionError:
                if not isinstance(body, list):
                    raise
                self._connection.close()  # the daemon hung up on a connection that was silent for long
                answer = self._ask(route, body, headers)
            told = json.loads(answer.read())
        except NO_TALK as error:
            raise Stopped(no_answer(self._path, error)) from error
        if answer.status != 200:
            why = str(told.get("detail", f"the daemon answers {answer.status}"))
            raise Stopped(why, for_good=answer.status == 404)
        mails: Sequence[dict[str, Any]] = told["mails"]
        return mails

    def _ask(self, route: str, body: Any, headers: dict[str, str]) -> http.client.HTTPResponse:  # noqa: ANN401
        self._connection.request("POST", route, body, headers)
        return self._connection.getresponse()


def _measured(mail: Found) -> tuple[list[bytes] | None, int, str]:
    """Return the bytes of *mail*, None where there are too many to be held, with their number and SHA-256."""
    digest = hashlib.sha256()
    pieces: list[bytes] | None = []
    length = 0
    for piece in mail.pieces():
        digest.update(piece)
        length += len(piece)
        if pieces is not None:
            pieces.append(piece)
            if length > BATCH_BYTES:
                pieces = None
    return pieces, length, digest.hexdigest()


# --- telling --------------------------------------------------------------------------------------------------------


def _tell(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(summary.told(), ensure_ascii=False))
    for error in islice(summary.errors, SHOWN_FAULTS):
        print(f"mailwicket: {error['where']}: {error['error']}", file=sys.stderr)
    if len(summary.errors) > SHOWN_FAULTS:
        print(f"mailwicket: and {len(summary.errors) - SHOWN_FAULTS} more like these", file=sys.stderr)
    if not as_json:
        for reason, count in summary.reasons.most_common():
            typer.echo(f"{count:>8}  {reason}")
        if summary.left_out:
            typer.echo(f"{summary.left_out:>8}  left out: notes of a mail program")
        typer.echo(f"{summary.known:>8}  known before")
    if summary.stopped is not None:
        more = "" if summary.for_good else f"; {summary.read} mails are done; run it again for the rest"
        print(f"mailwicket: {summary.stopped}{more}", file=sys.stderr)


@contextmanager
def _progress(paths: Sequence[Path]) -> Iterator[Any]:
    """Show how far it is on a terminal, and nothing in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from mailwicket.cli.mailfiles import size_bytes

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _some: None
        return
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("", total=sum(map(size_bytes, paths)))
        yield lambda some: shown.update(task, advance=some)
