"""`mailwicket oauth login`, `status`, `admin-consent`: sign-in without a browser on the server."""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from mailwicket.cli.run import Conf
from mailwicket.cli.signing import Signing, signing
from mailwicket.cli.terminal import be_lenient, give_up, one_line

app = typer.Typer(no_args_is_help=True, help="Sign-in of mailboxes without a password.")

STEP_S: Final = 1.0
WAIT_S: Final = 15 * 60
REQUEST_BYTES: Final = 64 * 1024
REQUEST_S: Final = 5.0

PAGE: Final = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n"
    "Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of an [oauth.NAME].")]


@app.command("login")
def login(
    name: Name,
    conf: Conf = None,
    *,
    device: Annotated[
        bool | None,
        typer.Option("--device/--browser", help="By a code to type in on any other device, or by a browser."),
    ] = None,
) -> None:
    """Sign in once, with a browser that may run anywhere, or with a code on any other device; exit 1 if it fails."""
    be_lenient()
    with signing(conf) as desk:
        how = "device" if (_wants_device(desk, name) if device is None else device) else "browser"
        begun = desk.begin(name, how)
        if how == "device":
            print(f"Open {one_line(begun['url'])} anywhere, and type in:  {one_line(begun['user_code'])}")
            if begun.get("complete_url"):
                print(f"Or open, with the code in it: {one_line(begun['complete_url'])}")
        else:
            print(f"Open this in a browser, on any machine, and sign in as the mailbox's user:\n\n{begun['url']}\n")
        _see_through(desk, begun, listens=how == "browser")


@app.command("admin-consent")
def admin_consent(name: Name, conf: Conf = None) -> None:
    """Print the link by which an administrator consents for everybody, and wait until that came back."""
    be_lenient()
    with signing(conf) as desk:
        begun = desk.begin(name, "consent")
        print(f"An administrator of the tenant opens this in a browser and accepts:\n\n{begun['url']}\n")
        _see_through(desk, begun, listens=True)


@app.command("status")
def status(
    conf: Conf = None, *, as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False
) -> None:
    """Tell who is signed in, what is granted and what is missing, and what ends when; exit 1 if something is wrong."""
    be_lenient()
    with signing(conf) as desk:
        told = desk.told()
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
    else:
        print("\n\n".join("\n".join(sheet(one)) for one in told) or "conf.d has no [oauth.NAME]")
    raise typer.Exit(0 if all(_is_well(one) for one in told) else 1)


def _is_well(one: Mapping[str, Any]) -> bool:
    ended = any(days < 0 for days in one["days_left"].values())
    return not (one["state"] == "needs_sign_in" or one["missing"] or one["said"] or ended)


def sheet(one: Mapping[str, Any]) -> Sequence[str]:
    """Return the lines on one application for a person."""
    words = {"by_itself": "logs in by itself", "signed_in": "signed in", "needs_sign_in": "NOT SIGNED IN"}
    lines = [f"{one['name']}: {words[one['state']]} ({one['provider']}, {one['grant']})"]
    rows = [
        ("used by", ", ".join(one["used_by"]) or "nobody"),
        ("needed", " ".join(one["needed"])),
        ("granted", " ".join(one["granted"])),
        ("MISSING", " ".join(one["missing"])),
        ("signed in", one["signed_in_at"]),
        ("renewed", one["renewed_at"]),
        ("token until", one["token_expires_at"]),
        *((f"{what} ends", f"in {days} days" if days >= 0 else "HAS ENDED") for what, days in one["days_left"].items()),
        ("trouble", one["said"]),
    ]
    return [*lines, *(f"  {label + ':':<18} {one_line(value)}" for label, value in rows if value)]


def _wants_device(desk: Signing, name: str) -> bool:
    return any(one["name"] == name and one["grant"] == "device_code" for one in desk.told())


# --- until it came back ---------------------------------------------------------------------------------------------


def _see_through(desk: Signing, begun: Mapping[str, Any], *, listens: bool) -> None:
    """Wait until the sign-in ends: the browser comes here, to the daemon, or its URL is pasted."""
    end_at = time.monotonic() + WAIT_S
    with ExitStack() as stack, selectors.DefaultSelector() as ready:
        if listens:
            doors = _listen(begun["redirect_url"])
            for one in doors:
                ready.register(stack.enter_context(one), selectors.EVENT_READ)
            where = "comes back here by itself, or " if doors else ""
            print(f"The browser {where}shows an address that begins with {begun['redirect_url']}: paste it here if so.")
            with suppress(ValueError, OSError):  # a file cannot be waited for
                ready.register(sys.stdin, selectors.EVENT_READ)
        sys.stdout.flush()
        while time.monotonic() < end_at:
            for key, _ in ready.select(STEP_S) if ready.get_map() else _pause():
                told = _take(desk, key.fileobj, ready)
                if told is not None and told["name"] == begun["name"]:
                    _end(desk, told)
            _end(desk, desk.progress(begun["name"], begun["state"]))
    give_up("nobody came back in time; begin again")


def _pause() -> Sequence[tuple[selectors.SelectorKey, int]]:
    time.sleep(STEP_S)
    return ()


def _end(desk: Signing, told: Mapping[str, Any]) -> None:
    if told["progress"] == "done":
        print(one_line(told["said"]))
        raise typer.Exit(0)
    if told["progress"] == "failed":
        if told["wants_consent"]:
            print(f"The link for an administrator of the tenant:\n\n{desk.begin(told['name'], 'consent')['url']}\n")
        give_up(one_line(told["said"]))


def _take(desk: Signing, source: object, ready: selectors.BaseSelector) -> Mapping[str, Any] | None:
    """Read what came from a browser or from the terminal, and pass it on."""
    if isinstance(source, socket.socket):
        return _serve(desk, source)
    line = sys.stdin.readline()
    if not line:
        ready.unregister(sys.stdin)
    if not line.strip():
        return None
    told, why = desk.come_back(line.strip())
    if told is None:
        print(one_line(why), file=sys.stderr)
    return told


def _listen(redirect_url: str) -> list[socket.socket]:
    """Return sockets that wait for the browser on this machine; none where the redirect leads elsewhere."""
    from mailwicket.config.model import is_loopback

    parts = urlsplit(redirect_url)
    if parts.scheme != "http" or not is_loopback(parts.hostname or ""):
        return []
    found: list[socket.socket] = []
    for kind, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):  # a browser may take either
        with suppress(OSError):  # taken, perhaps by the daemon's own endpoint; or this machine has no such addresses
            door = socket.socket(kind, socket.SOCK_STREAM)
            try:
                door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                door.bind((host, parts.port or 80))
                door.listen(5)
            except OSError:
                door.close()
                raise
            found.append(door)
    return found


def _serve(desk: Signing, door: socket.socket) -> Mapping[str, Any] | None:
    """Answer one request of a browser; what is no answer to a sign-in (an icon) is told so."""
    told: Mapping[str, Any] | None = None
    with suppress(OSError):
        client, _ = door.accept()
        with client:
            client.settimeout(REQUEST_S)
            raw = b""
            while b"\r\n\r\n" not in raw and len(raw) < REQUEST_BYTES:
                piece = client.recv(REQUEST_BYTES)
                if not piece:
                    break
                raw += piece
            words = raw.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            query = urlsplit(words[1]).query if len(words) == 3 and words[0] == "GET" else ""
            told, why = desk.come_back(f"?{query}") if "state=" in query else (None, "nothing is waited for here")
            said = f"{told['said']}\n\nThis window may be closed." if told is not None else why
            client.sendall(f"{PAGE}mailwicket: {said}\n".encode())
    return told
