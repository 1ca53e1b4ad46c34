"""`mailwicket announce` and the API behind it, by a running daemon that sends to a sink."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from click.testing import Result
from tests.flow.test_outbox_kills import Sink, sink
from tests.lab.daemon import Daemon
from tests.lab.terminal import Terminal
from tests.postoffice import field_of
from tests.waiting import becomes
from typer.testing import CliRunner

from mailwicket.cli import app
from mailwicket.cli.asking import UnixConnection

BOX = {"email": "support@example.net", "server": "127.0.0.1", "port": 9, "security": "none", "password": "x"}
TESS = "tess@example.net"
PEOPLE: dict[str, Any] = {
    f'technician."{TESS}"': {"groups": ["first line"]},
    'requester."ada@example.org"': {"name": "Ada", "company": "Acme"},
    'requester."bob@example.org"': {"active": False},
    'requester."cleo@example.com"': {},
    "company.Acme": {"domains": []},
}
NEWS = "Subject: We move\n\nOn **Monday**.\n"
ROUTE = "/api/v1/announcements"


@dataclass
class House:
    """A daemon that runs, and what it sent."""

    daemon: Daemon
    sink: Sink

    async def run(self, *words: str, text: str | None = None) -> Result:
        def job() -> Result:
            return CliRunner().invoke(app, [*words, "--conf", str(self.daemon.conf)], input=text)

        return await anyio.to_thread.run_sync(job)

    async def told(self, *words: str) -> Any:
        result = await self.run(*words, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    async def ask(self, method: str, route: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        def job() -> tuple[int, Any]:
            connection = UnixConnection(str(self.daemon.socket))
            headers = {"Idempotency-Key": key} if key else {}
            connection.request(method, route, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            told = json.loads(answer.read())
            connection.close()
            return answer.status, told

        return await anyio.to_thread.run_sync(job)

    async def sent(self, count: int) -> list[str]:
        """To whom the mails went, once there are *count*."""
        await becomes(lambda: len(self.sink.taken) >= count)
        return sorted(field_of(raw, "To") for raw in self.sink.taken)


async def start(daemon: Daemon) -> None:
    daemon.start()  # by this thread: it ends with the one that began it
    await becomes(daemon.answers)


@asynccontextmanager
async def house_of(directory: Path, **server: Any) -> AsyncIterator[House]:
    async with sink() as one:
        keys = {"email": "support@example.net", "server": "127.0.0.1", "port": one.port, "security": "none"}
        main = {"outgoing.main": {**keys, "authentication": False, **server}}
        daemon = Daemon(directory / "lab", {"support": {**BOX, "enabled": False}}, **main, **PEOPLE)
        try:
            await start(daemon)
            yield House(daemon, one)
        finally:
            daemon.end()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with house_of(tmp_path) as one:
        yield one


async def test_each_gets_his_own_and_the_command_tells_how_it_stands(house: House, tmp_path: Path) -> None:
    (tmp_path / "news.md").write_text(NEWS)
    dry = await house.run("announce", "--to", "all", "--dry-run", str(tmp_path / "news.md"))
    assert dry.stdout.splitlines() == [
        "nothing is sent; it would go to 3 recipients; left out: 1 inactive",
        "  ada@example.org",
        "  bob@example.org  left out: inactive",
        "  cleo@example.com",
        f"  {TESS}",
    ]
    assert await house.told("announcements", "list") == []
    whom = ("--to", "requesters", "--to", "group:first line,x@example.org")
    done = await house.run("announce", *whom, str(tmp_path / "news.md"), "--wait")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "announcement 1: 4 recipients; left out: 1 inactive\ndone: 4 sent of 4\n"
    assert await house.sent(4) == ["Ada <ada@example.org>", "cleo@example.com", TESS, "x@example.org"]
    assert {field_of(raw, "Subject") for raw in house.sink.taken} == {"We move"}
    told = await house.told("announcements", "show", "1")
    assert (told["to"], told["state"], told["sent"], told["left_out"]) == (
        ["requesters", "group:first line,x@example.org"],
        "done",
        4,
        {"inactive": 1},
    )
    assert {one["state"] for one in told["people"]} == {"sent", "left_out"}
    shown = (await house.run("announcements", "show", "1")).stdout
    assert "left_out  bob@example.org: inactive" in shown
    assert "On **Monday**." in shown
    assert "done: 4 sent of 4  We move" in (await house.run("announcements", "list")).stdout
    audited = [(one["action"], one["object"], one["detail"]) for one in await house.told("audit")]
    asked = {"to": ["requesters", "group:first line,x@example.org"], "recipients": 4}
    assert ("announcement.post", "1", asked) in audited


async def test_what_cannot_be_is_said_in_a_line_and_sends_nothing(house: House, tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes("Subject: x\n\n\xe4".encode("latin-1"))
    for words, text, code, line in (
        (("--to", "all", "-"), "To: all\n\nno subject here\n", 2, "no subject: the first line of FILE"),
        (("--to", "all", "-"), "Subject: x\n\n \n", 1, "an announcement wants a text"),
        (("--to", "everybody", "-"), NEWS, 1, "'everybody' names nobody; allowed are requesters, technicians, all"),
        (("--to", "bob@example.org", "-"), NEWS, 1, "nobody would get it: bob@example.org (inactive)"),
        (("--to", "all", "--by", "bob@example.org", "-"), NEWS, 1, "bob@example.org is a requester, no technician"),
        (("--to", "all", str(tmp_path / "none")), None, 1, "none: No such file"),
        (("--to", "all", str(tmp_path / "latin")), None, 1, "latin: is no UTF-8 text"),
        (("-",), NEWS, 2, "--to"),
    ):
        result = await house.run("announce", *words, text=text)
        assert (result.exit_code, result.stdout) == (code, ""), result.stderr
        assert line in result.stderr
    assert (await house.run("announcements", "show", "1")).exit_code == 1
    assert "there is no announcement 7" in (await house.run("announcements", "cancel", "7")).stderr
    assert (await house.told("announcements", "list"), house.sink.taken) == ([], [])


async def test_the_api_takes_lists_shows_and_cancels_and_the_same_key_sends_once(tmp_path: Path) -> None:
    async with house_of(tmp_path, rate_per_minute=1) as house:
        asked = {"to": ["all", "x@example.org"], "subject": "We move", "text": "On Monday.", "by": TESS}
        status, told = await house.ask("POST", ROUTE, {**asked, "dry_run": True})
        assert (status, told["recipients"], told["left_out"]) == (200, 3, {"author": 1, "inactive": 1})
        status, told = await house.ask("POST", ROUTE, asked, key="once")
        assert (status, told["id"], told["state"], told["recipients"]) == (201, 1, "sending", 3)
        assert (await house.ask("POST", ROUTE, asked, key="once")) == (201, told)
        assert (await house.ask("POST", ROUTE, {**asked, "subject": "x"}, key="once"))[0] == 409
        assert [one["id"] for one in (await house.ask("GET", ROUTE))[1]] == [1]
        assert len(await house.sent(1)) == 1  # of which there is one a minute
        status, told = await house.ask("POST", f"{ROUTE}/1/cancel")
        assert (status, told["cancelled"] + told["sent"] + told["queued"]) == (200, 3)
        assert told["cancelled"] >= 1
        people = (await house.ask("GET", f"{ROUTE}/1/recipients"))[1]
        assert len(people) == 5
        for method, route, body, code in (
            ("GET", f"{ROUTE}/9", None, 404),
            ("GET", f"{ROUTE}/9/recipients", None, 404),
            ("POST", f"{ROUTE}/9/cancel", None, 404),
            ("POST", ROUTE, {"to": "all"}, 400),
            ("POST", ROUTE, {**asked, "to": 5}, 400),
            ("POST", ROUTE, {**asked, "to": "nobody"}, 404),
            ("POST", ROUTE, {**asked, "text": ""}, 409),
        ):
            assert (await house.ask(method, route, body))[0] == code, route
        assert len(await house.told("announcements", "list")) == 1


@pytest.mark.parametrize(
    ("people", "kills"), [(30, [10]), pytest.param(200, [25, 70, 140, 190], marks=pytest.mark.torture)]
)
async def test_a_daemon_that_is_killed_goes_on_where_it_was(house: House, people: int, kills: list[int]) -> None:
    whom = ",".join(f"p{number:03}@example.com" for number in range(people))
    assert (await house.run("announce", "--to", whom, "-", text=NEWS)).exit_code == 0
    for goal in kills:
        await house.sent(goal)
        await anyio.to_thread.run_sync(house.daemon.kill)
        assert goal <= len(house.sink.taken) < people + len(kills)
        await start(house.daemon)
    await house.sent(people)
    await becomes(lambda: json.loads(house.daemon.get(f"{ROUTE}/1"))["state"] == "done")
    ids = [one["message_id"] for one in await house.told("outbox", "list", "--all")]
    assert len(ids) == people
    house.sink.assert_whole(ids, kills=len(kills))
    assert len({field_of(raw, "To") for raw in house.sink.taken}) == people


async def test_on_a_terminal_it_shows_how_far_it_is_until_everybody_has_it(house: House, tmp_path: Path) -> None:
    (tmp_path / "news.md").write_text(NEWS)
    words = ["announce", "--to", "requesters", str(tmp_path / "news.md"), "--conf", str(house.daemon.conf)]

    def job() -> tuple[int, str]:
        command = [sys.executable, "-m", "mailwicket", *words]
        with Terminal(command, {**os.environ, "COLUMNS": "120", "TERM": "xterm"}) as terminal:
            return terminal.end(), terminal.shown

    code, shown = await anyio.to_thread.run_sync(job)
    assert code == 0
    assert "announcement 1: 2 recipients; left out: 1 inactive" in shown
    assert "sending: 0 sent of 2, 2 queued" in shown or "2/2" in shown
    assert "done: 2 sent of 2" in shown
