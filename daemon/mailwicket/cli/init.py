"""`mailwicket init DIR`: a small conf.d from flags or answers, and the test of its connection."""

from __future__ import annotations

import os
import shlex
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mailwicket.cli.terminal import be_lenient, give_up

if TYPE_CHECKING:
    from mailwicket.config.draft import Draft

KNOCK_S: Final = 5
"""How long a port may take to be found open."""

STATE: Final = "state"
"""Beside conf.d, for who is not root."""


def init(  # noqa: PLR0913 - each is a key of the configuration
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The conf.d to write; new, or without *.toml.")],
    *,
    email: Annotated[str | None, typer.Option(help="The mailbox's own address.")] = None,
    server: Annotated[str | None, typer.Option(help="IMAP server; else guessed from the address.")] = None,
    port: Annotated[int | None, typer.Option(help="993 for ssl, 143 else; without both, 993 is tried first.")] = None,
    security: Annotated[str | None, typer.Option(help="ssl: TLS from the first byte; tls: STARTTLS; none.")] = None,
    username: Annotated[str | None, typer.Option(help="Who logs in; else the address.")] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="A file that holds the password; else it is asked for, without echo.")
    ] = None,
    folder: Annotated[str | None, typer.Option(help="The folder that is read; else INBOX.")] = None,
    after: Annotated[str | None, typer.Option(help="seen, leave, delete or move:FOLDER; else seen.")] = None,
    start_from: Annotated[str | None, typer.Option(help="now, all or a date; else now.")] = None,
    state_dir: Annotated[
        Path | None, typer.Option(help="Where everything is kept; else /var/lib/mailwicket, beside DIR for non-root.")
    ] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Certificates (PEM) trusted beside the system's.")] = None,
    no_test: Annotated[bool, typer.Option("--no-test", help="Write alone; touch no network.")] = False,
) -> None:
    """Write a small conf.d and test its connection, from flags or, on a terminal, from answers.

    Nothing that exists is replaced. Exit 1 when the connection does not work: the files are kept then.
    """
    from mailwicket.cli.newconf import expect_good, expect_room, lay
    from mailwicket.config.draft import server_of
    from mailwicket.errors import MailwicketError

    be_lenient()
    directory = directory.resolve()
    given = {
        "email": email,
        "server": server,
        "security": security,
        "port": port,
        "username": username,
        "folder": folder,
        "start_from": start_from,
        "after": after,
        "state_dir": None if state_dir is None else str(state_dir.absolute()),
        "ca_file": None if ca_file is None else str(ca_file.absolute()),
    }
    _expect_usable(given, password_file)
    ask = _Questions(given, everything=email is None)
    try:
        expect_room(directory)
        address = ask("email", "Address of the mailbox")
        _warn_of_provider(address)
        answers: dict[str, Any] = {
            "email": address,
            "server": ask("server", "IMAP server", server_of(address)),
            "username": ask("username", "User name", address),
            "ca_file": given["ca_file"],
        }
        password = None if password_file is not None else ask.password()
        answers["folder"] = ask("folder", "Folder", "INBOX")
        answers["start_from"] = ask(
            "start_from", "Mail that lies there already: now (none of it), all, or a date", "now"
        )
        answers["after"] = ask("after", "A mail whose ticket is on disk: seen, leave, delete or move:FOLDER", "seen")
        state = ask("state_dir", "Directory to keep everything in", _usual_state(directory))
        channel = _channel(answers["server"], security, port, knock=not no_test)
        draft = _draft(directory, {**answers, **channel}, password_file, state)
        expect_good(directory, draft)
        conf = lay(directory, draft, password)
    except MailwicketError as error:
        give_up(str(error))
    print(f"Written: {conf}")
    print(f"Password: {draft.password_file}" + ("" if password is None else " (readable for its owner alone)"))
    good = _read_back(directory) and (no_test or _test(directory, draft.unit))
    _show_what_next(directory, draft.unit, good=good)
    raise typer.Exit(0 if good else 1)


# --- what is asked


class _Questions:
    """Answers come from flags, else from a person, else they are the usual ones."""

    def __init__(self, given: dict[str, Any], *, everything: bool) -> None:
        self._given = given
        self._everything = everything

    def __call__(self, key: str, question: str, usual: str = "") -> str:
        if self._given[key] is not None:
            return str(self._given[key])
        if usual and not self._everything:
            return usual
        return str(typer.prompt(question, default=usual or None, value_proc=_checked(key), err=True))

    def password(self) -> str:
        """Ask for it without echo; it is no flag, as those stand in the list of processes."""

        def check(said: str) -> str:
            if any(unicodedata.category(one) in {"Cc", "Cs"} for one in said):  # Cs: bytes that are not UTF-8
                raise typer.BadParameter("holds a control character, or is not UTF-8")
            return said

        return str(typer.prompt("Password (not shown)", hide_input=True, value_proc=check, err=True))


def _checked(key: str) -> Callable[[str], str]:
    from mailwicket.config.draft import complaint

    def check(said: str) -> str:
        if wrong := complaint(key, said):
            raise typer.BadParameter(wrong)
        return said

    return check


def _expect_usable(given: dict[str, Any], password_file: Path | None) -> None:
    """End with status 2 where a flag is wrong, or one is missing and there is nobody to ask."""
    from mailwicket.config.draft import complaint

    said = {key: value for key, value in given.items() if value is not None}
    wrong = [f"--{key.replace('_', '-')} {words}" for key, value in said.items() if (words := complaint(key, value))]
    if not sys.stdin.isatty():
        needed = {"--email": given["email"], "--password-file": password_file}
        wrong += [
            f"{flag} is missing, and there is no terminal to ask at" for flag, value in needed.items() if not value
        ]
    for line in wrong:
        print(f"mailwicket: {line}", file=sys.stderr)
    if wrong:
        raise typer.Exit(2)


def _warn_of_provider(address: str) -> None:
    from mailwicket.config.providers import by_address

    provider = by_address(address)
    if provider is not None and provider.login:
        print(f"note: {provider.name} {provider.login}", file=sys.stderr)


# --- what is guessed


def _usual_state(directory: Path) -> str:
    from mailwicket.config.settings import Daemon

    return str(Daemon().state_dir if os.geteuid() == 0 else directory.parent / STATE)


def _channel(server: str, security: str | None, port: int | None, *, knock: bool) -> dict[str, Any]:
    """Return security and port: as said, else by each other, else by what is open."""
    from mailwicket.config.incoming import CLEAR_PORT, TLS_PORT

    if security is None and port is None and knock:
        security = "tls" if _only_clear_port_is_open(server) else "ssl"
    if security is None:
        security = "tls" if port == CLEAR_PORT else "ssl"
    return {"security": security, "port": port or (TLS_PORT if security == "ssl" else CLEAR_PORT)}


def _only_clear_port_is_open(server: str) -> bool:
    import anyio

    from mailwicket.config.incoming import CLEAR_PORT, TLS_PORT
    from mailwicket.net.dial import dial

    async def is_open(port: int) -> bool:
        try:
            (await dial(server, port, KNOCK_S)).close()
        except OSError:
            return False
        return True

    async def look() -> bool:
        return not await is_open(TLS_PORT) and await is_open(CLEAR_PORT)

    return anyio.run(look)


def _draft(directory: Path, answers: dict[str, Any], password_file: Path | None, state: str) -> Draft:
    from mailwicket.config.draft import Draft, unit_of
    from mailwicket.config.settings import UNIX_PATH_BYTES, Daemon
    from mailwicket.errors import MailwicketError

    own = directory.parent / f"{unit_of(answers['email'])}.password"
    secret = own if password_file is None else password_file.absolute()
    kept = Path(state).expanduser().absolute()
    draft = Draft(**answers, password_file=secret, state_dir=None if kept == Daemon().state_dir else kept)
    if len(os.fsencode(draft.socket)) > UNIX_PATH_BYTES:
        raise MailwicketError(f"{kept} is too long a path: a socket goes into it, of {UNIX_PATH_BYTES} bytes at most")
    return draft


# --- what is told


def _read_back(directory: Path) -> bool:
    """Tell what `check` says now: with this environment, and the files as they lie there."""
    from mailwicket.cli.settings import loaded
    from mailwicket.config.exposed import unresolved

    result = loaded(directory)
    notes = [*result.notes, *(unresolved(result.settings, result.merged) if result.settings else ())]
    for line in (*result.errors, *(f"note: {note}" for note in notes)):
        print(line, file=sys.stderr)
    return not result.errors


def _test(directory: Path, unit: str) -> bool:
    from mailwicket.cli.settings import loaded
    from mailwicket.cli.test import report, show

    print()
    reports = report({f"incoming/{unit}": loaded(directory).incoming[unit]})
    show(reports)
    return all(one.ok for one in reports)


def _show_what_next(directory: Path, unit: str, *, good: bool) -> None:
    option = f"--conf {shlex.quote(str(directory))}"
    print()
    if not good:
        print("It does not work yet; the files are kept. Mend them, and test again:")
        print(f"  mailwicket test {unit} {option}")
        return
    print("Next:")
    print(f"  mailwicket check {option}")
    print(f"  mailwicket run {option}      # in the foreground, Ctrl-C ends it")
    print(f"  mailwicket status {option}   # from a second terminal, and: mailwicket tickets list")
    print("For good, under systemd: docs/production.md. Its user must be able to read both files.")
