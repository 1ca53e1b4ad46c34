"""Asking the running daemon over its unix socket."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

from mailwicket.cli.terminal import give_up, one_line

ANSWER_S: Final = 60.0
"""A reload reads files and stops units; nothing that is asked here takes longer."""

NO_ANSWER: Final = 3

NO_TALK: Final = (OSError, http.client.HTTPException, ValueError)
"""What asking raises where nobody answers, or no daemon of ours."""

SOCKET: Final = re.compile(r"""^[^#\n]*["'](unix:/[^"'\n]+)["']""", re.MULTILINE)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout_s: float = ANSWER_S) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the daemon said."""

    status: int
    told: Any
    """The JSON of the body; a problem document where *status* says so."""

    @property
    def is_good(self) -> bool:
        """Whether it did what was asked."""
        return self.status < 400

    @property
    def problem(self) -> str:
        """Why it did not, in its own words."""
        return str(self.told["detail"]) if isinstance(self.told, dict) and "detail" in self.told else "no reason given"


def no_answer(path: str, error: Exception) -> str:
    """Return why the daemon at the socket *path* cannot be asked; *error* is one of NO_TALK."""
    if isinstance(error, PermissionError):
        return f"{path} may not be opened by this user: be root, the daemon's user or in its group"
    return f"no answer at {path} ({error}); is the daemon running?"


@dataclass(frozen=True, slots=True)
class Door:
    """The way to the daemon of a configuration."""

    path: str
    is_conf_broken: bool
    exit_code: int
    """Of the command, where nobody answers."""

    def is_answered(self) -> bool:
        """Tell whether a daemon listens; where this user may not ask it, one does."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(5)
            try:
                probe.connect(self.path)
            except PermissionError:
                return True
            except OSError:
                return False
            return True

    def ask(self, method: str, route: str, body: object = None) -> Answer:
        """Ask the daemon, with *body* as JSON or a text as it is; without an answer end the command with a line why."""
        connection = UnixConnection(self.path)
        try:
            if body is None or isinstance(body, str):
                connection.request(method, route, body)
            else:
                connection.request(method, route, json.dumps(body).encode(), {"Content-Type": "application/json"})
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read()))
        except NO_TALK as error:
            refused = isinstance(error, PermissionError)
            broken = ' (conf.d has errors: "mailwicket check")' if self.is_conf_broken and not refused else ""
            give_up(f"{no_answer(self.path, error)}{broken}", self.exit_code)
        finally:
            connection.close()


def door(conf: Path | None, *, exit_code: int = 1) -> Door:
    """Return the way to the daemon that *conf* names, or end the command with *exit_code* and a line why.

    A configuration with errors tells it, too: the daemon runs on the one before.
    """
    from mailwicket.cli.settings import loaded
    from mailwicket.config.where import conf_dir

    result = loaded(conf)
    if result.settings is None and not result.files:
        for error in result.errors:
            typer.echo(str(error), err=True)
        raise typer.Exit(exit_code)
    listen = result.settings.http.listen if result.settings else _listen_of_broken(conf_dir(conf, os.environ))
    sockets = [address.removeprefix("unix:") for address in listen if address.startswith("unix:")]
    if not sockets:
        give_up('[http] listen has no "unix:PATH": there is no socket to ask the daemon by', exit_code)
    return Door(sockets[0], result.settings is None, exit_code)


def _listen_of_broken(directory: Path) -> Sequence[str]:
    """Return what stands for a socket in files that are no valid configuration; the default where nothing does."""
    from mailwicket.config.settings import Http

    found: list[str] = []
    for path in sorted(directory.glob("[!.]*.toml")):
        with suppress(OSError):  # that may be why it is broken
            found += SOCKET.findall(path.read_text(encoding="utf-8", errors="replace"))
    return found or Http().listen


def ask_each(  # noqa: PLR0913 - what is asked, and how it is told
    daemon: Door,
    route: str,
    numbers: Sequence[int],
    body: dict[str, Any],
    line: Callable[[int, Any], str],
    *,
    as_json: bool,
    ends_at: int | None = None,
) -> None:
    """POST *body* to *route*, whose `{}` is each of *numbers* in turn; print a *line* of what is told, or that as JSON.

    One that is refused stops none of the others, and the exit status tells. Behind an answer of the status *ends_at*
    nothing more is asked.
    """
    refused = False
    for number in numbers:
        answer = daemon.ask("POST", route.format(number), body)
        if answer.is_good:
            print(json.dumps(answer.told) if as_json else line(number, answer.told))
            continue
        refused = True
        print(f"mailwicket: {one_line(answer.problem)}", file=sys.stderr)
        if answer.status == ends_at:
            break
    if refused:
        raise typer.Exit(1)
