"""A whole daemon with outgoing servers: its units, its commands, and a server of its own that takes the mail."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.conf import Conf
from tests.flow.test_outbox_kills import Sink, sink
from tests.waiting import becomes
from typer.testing import CliRunner

from mailwicket.app import Daemon
from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.cli import app
from mailwicket.errors import ConflictError, UnknownError
from mailwicket.model import Address, TicketNumber
from mailwicket.outgoing import Event
from mailwicket.ports import Transaction
from mailwicket.senders.smtp import SmtpSender
from mailwicket.service.outgoing import Outgoing
from mailwicket.store import outbox
from mailwicket.store.outbox import Draft

run = CliRunner().invoke


def tables(port: int, *, support: int | None = None) -> str:
    """The primary at *port*, and a server of its own for one mailbox."""
    keys = "server = '127.0.0.1'\nsecurity = 'none'\nauthentication = false\n"
    main = f"[outgoing.main]\nemail = 'desk@example.org'\nport = {port}\nprimary = true\n{keys}"
    if support is None:
        return main
    return f"{main}[outgoing.support]\nemail = 'support@example.org'\nport = {support}\n{keys}"


class House:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.conf = Conf(directory)
        self.daemon: Daemon
        self.outgoing: Outgoing
        self.asked = 0

    def write(self, text: str) -> None:
        here = (
            f"[daemon]\nstate_dir = '{self.directory}/state'\n[http]\nlisten = ['unix:{self.directory}/admin.sock']\n"
        )
        self.conf.write(here + text)

    @asynccontextmanager
    async def runs(self, text: str) -> AsyncIterator[Daemon]:
        self.write(text)
        loaded = self.conf.read()
        assert loaded.settings is not None, loaded.errors
        daemon = self.daemon = Daemon(loaded.settings, {"desk": EmbeddedDesk}, {}, senders={"smtp": SmtpSender})
        self.outgoing = Outgoing(daemon.store, daemon._couriers)
        ready = anyio.Event()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(daemon.run, ready.set)
                await ready.wait()
                yield daemon
                tasks.cancel_scope.cancel()
        finally:
            await daemon.close()

    async def queue(self, meant: str, ticket: int = 1) -> int:
        self.asked += 1
        draft = Draft(
            cause=f"test-{self.asked}/closed/requester/ann",
            event=Event.CLOSED,
            ticket=TicketNumber(ticket),
            to=[Address("Ann", "ann@example.com")],
            cc=[],
            subject="Done",
            text="It is done.\n",
            html=None,
            meant=meant,
            route={"meant": meant, "via": meant, "failover": False, "from": "x@example.org", "candidates": [
                {"by": "primary", "verdict": "taken", "outgoing": meant, "rule": None, "why": "it is the primary"}
            ]},
            domain="example.org",
        )  # fmt: skip
        nonce = f"n{'abcdefgh'[self.asked]}"
        job: Callable[[Transaction], Any] = lambda tx: outbox.queue(  # noqa: E731 - short
            tx, draft, self.daemon.store.keys, nonce, datetime.now(UTC)
        )
        queued = await self.daemon.store.write(job)
        self.daemon._couriers.board.wake()
        return int(queued.outbox_id)

    def unit(self, name: str) -> dict[str, Any]:
        return next(one for one in self.daemon.status()["units"] if one["name"] == f"outgoing/{name}")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
async def main() -> AsyncIterator[Sink]:
    async with sink() as one:
        yield one


def ask(house: House, *words: str) -> Any:
    """Ask the command line, which needs to know no more than where the store is."""
    where = house.directory / "where"
    where.mkdir(exist_ok=True)
    (where / "00-daemon.toml").write_text(f"[daemon]\nstate_dir = '{house.directory}/state'\n")
    result = run(app, [*words, "--conf", str(where)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output if "--json" not in words else json.loads(result.output)


async def test_a_mail_goes_over_smtp_and_everybody_is_told(house: House, main: Sink) -> None:
    async with house.runs(tables(main.port)):
        number = await house.queue("main")
        await becomes(lambda: bool(main.taken))
        await becomes(lambda: house.outgoing.shown(number)["state"] == "sent")
        unit = house.unit("main")
        assert (unit["state"], unit["backlog"], unit["broken_since"]) == ("running", 0, None)
        assert house.daemon.status()["outbox"] == {"waiting": 0, "oldest_s": None, "paused": 0}
        metrics = house.daemon.report()
        assert next(one.sent_mails for one in metrics.units if one.name == "outgoing/main") == 1
        (row,) = ask(house, "outbox", "list", "--json")
        assert ask(house, "outbox", "list", "--open", "--json") == []
        assert {key: row[key] for key in ("id", "ticket", "event", "to", "from", "via", "state", "attempts")} == {
            "id": 1, "ticket": 1, "event": "closed", "to": ["ann@example.com"], "from": "desk@example.org",
            "via": "main", "state": "sent", "attempts": 1,
        }  # fmt: skip
        assert ask(house, "outbox", "list").strip() == "no mail waits, none failed (the others: --all)"
        assert "primary -> outgoing/main: taken, it is the primary" in ask(house, "route", "1")
        assert ask(house, "route", "1", "--json")["mails"][0]["via"] == "main"
        assert "It is done." in ask(house, "outbox", "show", "1")
    assert b"From: desk@example.org" in main.taken[0]


async def test_a_server_that_is_down_is_stood_in_for_and_people_are_told(house: House, main: Sink) -> None:
    async with house.runs(tables(main.port, support=1)):
        await house.queue("support")
        with anyio.fail_after(20):
            await becomes(lambda: bool(main.taken))
        house.daemon.report()
        unit = house.unit("support")
        assert (unit["state"], unit["reason"], unit["stand_in"]) == ("waiting", "unreachable", "main")
        assert unit["broken_since"] is not None
        assert house.daemon.ready()["ready"]
        assert await house.daemon.act("outgoing/support", "poll", "a test") == "is tried again now"


async def test_a_server_whose_secret_is_not_there_is_blocked_before_there_is_mail_and_back_once_it_is(
    house: House, main: Sink
) -> None:
    secret = house.directory / "secret"
    told = tables(main.port).replace("authentication = false", f"password = {{file = '{secret}'}}")
    async with house.runs(told) as daemon:
        await becomes(lambda: house.unit("main")["state"] == "blocked")
        unit = house.unit("main")
        assert (unit["reason"], unit["broken_since"] is None) == ("secret_missing", False)
        secret.write_text("x")
        secret.chmod(0o600)
        await daemon.act("outgoing/main", "unblock", "a test")
        assert house.unit("main")["state"] == "running"


async def test_a_disabled_servers_mail_is_kept_and_can_be_cancelled_or_sent_by_another(
    house: House, main: Sink
) -> None:
    off = tables(main.port, support=1) + "enabled = false\n"
    async with house.runs(off):
        kept, moved = await house.queue("support"), await house.queue("support", ticket=2)
        await anyio.sleep(0.1)
        assert main.taken == []
        assert house.daemon.status()["outbox"]["waiting"] == 2
        assert house.unit("support")["backlog"] == 2
        assert await house.outgoing.cancel(kept, "uid 0") == "is not sent"
        with pytest.raises(ConflictError, match="does not wait, it is cancelled"):
            await house.outgoing.cancel(kept, "uid 0")
        assert await house.outgoing.retry(moved, "uid 0") == "is tried again now, by outgoing/main"
        await becomes(lambda: bool(main.taken))
        await becomes(lambda: house.outgoing.shown(moved)["state"] == "sent")
        with pytest.raises(ConflictError, match="is sent"):
            await house.outgoing.retry(moved, "uid 0")
        with pytest.raises(UnknownError, match="there is no mail 99"):
            await house.outgoing.retry(99, "uid 0")


async def test_a_paused_server_holds_its_mail_over_a_restart(house: House, main: Sink) -> None:
    async with house.runs(tables(main.port)) as daemon:
        assert await daemon.act("outgoing/main", "pause", "a test") == "is paused; mail waits on its server"
        await house.queue("main")
    async with house.runs(tables(main.port)) as daemon:
        await anyio.sleep(0.1)
        assert main.taken == []
        await daemon.act("outgoing/main", "resume", "a test")
        await becomes(lambda: bool(main.taken))


async def test_mail_for_a_server_that_conf_d_names_no_more_goes_by_the_primary(house: House, main: Sink) -> None:
    async with house.runs(tables(main.port, support=1) + "enabled = false\n"):
        await house.queue("support")
    async with house.runs(tables(main.port)):
        await becomes(lambda: bool(main.taken))
