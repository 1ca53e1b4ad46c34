"""A connect that is cancelled ends within a second, wherever the server left it hanging."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
import trustme
from tests.dialogue.server import opened, scripted
from tests.lab.processes import silent_port

from mailwicket.config.incoming import Incoming
from mailwicket.errors import TransientError
from mailwicket.net import names
from mailwicket.net.deadlines import Deadlines
from mailwicket.net.machine import Machine
from mailwicket.sources.imap import ImapSource

PATIENT = Deadlines()
ENDS_WITHIN_S = 1


async def assert_ends(source: ImapSource, after_s: float = 0.15) -> None:
    """Cancel a connect that hangs after *after_s*; it never came to its end."""
    through = False
    with anyio.CancelScope() as scope:
        asyncio.get_running_loop().call_later(after_s, scope.cancel)
        begun_at = time.monotonic()
        async with source.connect():
            through = True
    assert scope.cancelled_caught
    assert not through
    assert time.monotonic() - begun_at < after_s + ENDS_WITHIN_S


@pytest.fixture
def hung_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[names.Names]:
    hanging = threading.Event()

    def hang(_: str) -> list[names.AddrInfoType]:
        hanging.wait(60)
        return []

    made = names.Names(hang)
    monkeypatch.setattr(names, "SYSTEM", made)
    yield made
    hanging.set()


def source_of(tmp_path: Path, deadlines: Deadlines = PATIENT, **keys: object) -> ImapSource:
    table = {"email": "desk@example.org", "password": "canary-4711", "server": "127.0.0.1", **keys}
    source = ImapSource("office", Incoming.model_validate(table), Machine(tmp_path))
    source.deadlines = deadlines  # type: ignore[misc]
    return source


async def test_while_its_name_is_looked_up(tmp_path: Path, hung_names: names.Names) -> None:
    await assert_ends(source_of(tmp_path, server="imap.example.org"))


async def test_a_name_that_is_never_found_is_an_outage_and_says_so(tmp_path: Path, hung_names: names.Names) -> None:
    source = source_of(tmp_path, Deadlines(connect_s=0.05), server="imap.example.org")
    with pytest.raises(TransientError) as caught:
        async with source.connect():
            pass
    assert caught.value.reason == "timeout"
    assert str(caught.value) == "imap.example.org:993 did not answer in time: its name was not looked up in time"


async def test_others_connect_while_the_names_of_many_are_looked_up(tmp_path: Path, hung_names: names.Names) -> None:
    sources = [source_of(tmp_path, server=f"imap{number}.example.org") for number in range(40)]

    async def connect(source: ImapSource) -> None:
        async with source.connect():
            raise AssertionError

    async with scripted(opened()) as server, anyio.create_task_group() as tasks:
        for source in sources:
            tasks.start_soon(connect, source)
        await anyio.sleep(0.1)
        loop = asyncio.get_running_loop()
        due_at = loop.time() + 0.05
        lags: list[float] = []
        loop.call_at(due_at, lambda: lags.append(loop.time() - due_at))
        with anyio.fail_after(10):
            async with server.source(tmp_path).connect():
                pass
        await anyio.sleep(0.1)
        assert lags[0] < 1, "a lookup is no business of the event loop"
        assert sum(thread.name == "mailwicket-dns" for thread in threading.enumerate()) <= names.THREADS_MAX
        tasks.cancel_scope.cancel()


async def test_a_wrong_answer_is_an_outage_and_the_right_one_is_taken_at_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = ["127.0.0.9", "127.0.0.1"]
    lookup = lambda _: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (places.pop(0), 0))]  # noqa: E731
    monkeypatch.setattr(names, "SYSTEM", names.Names(lookup))
    async with scripted(opened()) as server:
        source = server.source(tmp_path, server="imap.example.org", allow_plaintext=True)
        with pytest.raises(TransientError, match="is not reachable: Connection refused"):
            async with source.connect():
                pass
        async with source.connect():
            pass
    assert places == []


async def test_while_nobody_takes_the_connection(tmp_path: Path) -> None:
    with silent_port() as port:
        await assert_ends(source_of(tmp_path, port=port))


@pytest.mark.parametrize("security", ["ssl", "tls", "none"])
async def test_while_the_server_says_nothing_at_all(tmp_path: Path, security: str) -> None:
    async with scripted("X: hang") as server:
        await assert_ends(server.source(tmp_path, PATIENT, security=security))


async def test_while_the_tls_handshake_after_starttls_hangs(tmp_path: Path) -> None:
    script = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS] ready\nC: STARTTLS\nS: $ OK go\nX: hang"
    async with scripted(script) as server:
        await assert_ends(server.source(tmp_path, PATIENT, security="tls"))


@pytest.mark.parametrize("last", ["CAPABILITY", "LOGIN", '"INBOX"'])
async def test_while_a_command_hangs(tmp_path: Path, last: str) -> None:
    greeting = "S: * OK ready\n" if last == "CAPABILITY" else ""
    lines = (greeting + "C: CAPABILITY" if greeting else opened()).splitlines()
    upto = next(number for number, line in enumerate(lines) if last in line and "C:" in line)
    async with scripted("\n".join([*lines[: upto + 1], "X: hang"])) as server:
        await assert_ends(server.source(tmp_path, PATIENT))


async def test_while_a_command_hangs_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    script = "S: * OK [CAPABILITY IMAP4rev1] ready\nC: LOGIN *\nX: hang"
    async with scripted(script, tls=context, implicit=True) as server:
        await assert_ends(server.source(tmp_path, PATIENT, security="ssl", ca_file=str(ca_file)), 0.4)


async def test_while_the_command_that_tells_the_password_runs(tmp_path: Path) -> None:
    source = source_of(tmp_path, password={"command": ["sleep", "3"]})
    await assert_ends(source)


async def test_in_an_idle_of_a_server_that_died_in_silence(tmp_path: Path) -> None:
    async with scripted(opened() + "C: IDLE\nS: + idling\nX: hang") as server:
        begun_at = time.monotonic()
        with anyio.move_on_after(0.15):
            async with server.source(tmp_path, PATIENT).connect() as mailbox:
                await mailbox.wait()
        assert time.monotonic() - begun_at < 0.15 + ENDS_WITHIN_S
