"""The composition root."""

from __future__ import annotations

import io
import logging
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.conf import Conf
from tests.waiting import becomes

from mailwicket.app import Daemon
from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.backends.webhook.config import WebhookConfig
from mailwicket.config.incoming import Incoming
from mailwicket.config.load import Loaded
from mailwicket.config.settings import BackendChoice, Settings
from mailwicket.config.settings import Daemon as DaemonSettings
from mailwicket.errors import BlockedError, ConflictError, TransientError
from mailwicket.process import run_until_signalled
from mailwicket.service.logs import GatheringHandler, JsonFormatter
from mailwicket.service.reload import ConfDir
from mailwicket.service.units import UnitState


async def test_an_orderly_stop_is_possible_before_anything_is_served(tmp_path: Path) -> None:
    backend = BackendChoice("desk", EmbeddedDesk.Config())
    settings = Settings(daemon=DaemonSettings(state_dir=tmp_path / "state"), backend=backend)
    daemon = Daemon(settings, {"desk": EmbeddedDesk}, {})
    handlers: list[object] = []

    async def run() -> None:
        handlers.append(signal.getsignal(signal.SIGTERM))
        signal.raise_signal(signal.SIGINT)

    daemon.run = run  # type: ignore[method-assign]
    await run_until_signalled(daemon)
    assert len(handlers) == 1
    assert handlers != [signal.SIG_DFL]


@pytest.fixture
def handler() -> Iterator[GatheringHandler]:
    """The log as `run` sets it up, writing elsewhere."""
    root = logging.getLogger()
    level, handler = root.level, GatheringHandler(io.StringIO())
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)
    handler.close()


class Adapters:
    """A desk that keeps its own books and a source whose server is never there; either may have a bug."""

    def __init__(self) -> None:
        self.bug: str | None = None
        self.closed: list[str] = []
        house = self

        class FarDesk:
            Config = WebhookConfig

            def __init__(self, _name: str, config: WebhookConfig, _net: object) -> None:
                house.stumble("desk")
                self.url = config.url

            async def close(self) -> None:
                house.closed.append(self.url)

        class Nowhere:
            Config = Incoming

            def __init__(self, _name: str, config: Incoming, _net: object) -> None:
                house.stumble("source")
                self.config = config

            @asynccontextmanager
            async def connect(self) -> AsyncIterator[None]:
                assert self.config.password is not None
                await anyio.to_thread.run_sync(self.config.password.reveal)
                raise TransientError("nobody is there")
                yield

        self.backends: dict[str, Any] = {"far": FarDesk}
        self.sources: dict[str, Any] = {"imap": Nowhere}

    def stumble(self, where: str) -> None:
        if self.bug == where:
            raise ZeroDivisionError


class House:
    """A daemon that runs, and its conf.d."""

    def __init__(self, conf: Conf, directory: Path) -> None:
        self.conf, self.adapters, self._directory = conf, Adapters(), directory
        self.daemon: Daemon

    def write(self, text: str) -> None:
        here = f"[daemon]\nstate_dir = '{self._directory}'\n[http]\nlisten = ['unix:{self._directory}/admin.sock']\n"
        self.conf.write(here + text)

    def _read(self) -> Loaded:
        backends = {name: one.Config for name, one in self.adapters.backends.items()}
        return self.conf.read(backends={"desk": EmbeddedDesk.Config, **backends}, sources={"imap": Incoming})

    @asynccontextmanager
    async def runs(self, text: str) -> AsyncIterator[Daemon]:
        self.write(text)
        loaded = self._read()
        assert loaded.settings is not None, loaded.errors
        source = ConfDir(self.conf.directory, lambda _: self._read(), loaded.fingerprint)
        backends = {"desk": EmbeddedDesk, **self.adapters.backends}
        daemon = self.daemon = Daemon(loaded.settings, backends, self.adapters.sources, source)
        ready = anyio.Event()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(daemon.run, ready.set)
                await ready.wait()
                yield daemon
                tasks.cancel_scope.cancel()
        finally:
            await daemon.close()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(Conf(tmp_path), tmp_path)


def box(name: str, password: str = "'canary-4711'") -> str:
    unit = f"[incoming.{name}]\nemail = '{name}@example.org'\nserver = 'imap.example.org'\n"
    return f"{unit}password = {password}\nusername = '{name}'\n"


def far(name: str) -> str:
    return f"[backend]\ntype = 'far'\nurl = 'https://{name}.example.org/hook'\nsecret = 'canary-4711'\n"


async def test_level_and_format_of_the_log_follow_a_reload(house: House, handler: GatheringHandler) -> None:
    here = f"[http]\nlisten = ['unix:{house.conf.directory.parent}/admin.sock']\n"
    async with house.runs("") as daemon:
        house.conf.write(
            f"[daemon]\nstate_dir = '{house.conf.directory.parent}'\nlog_format = 'json'\nlog_level = 'error'\n{here}"
        )
        told = await daemon.reload()
        assert isinstance(handler.formatter, JsonFormatter)
        assert logging.getLogger().level == logging.ERROR
    assert told["at_once"] == ["daemon.log_level", "daemon.log_format"]


@pytest.mark.parametrize("bug", ["source", "desk"])
async def test_an_adapter_that_cannot_be_made_changes_neither_mailboxes_nor_the_desk(house: House, bug: str) -> None:
    async with house.runs(far("first") + box("one")) as daemon:
        house.adapters.bug = bug
        house.write(far("second") + box("one") + box("two"))
        told = await daemon.reload()
        assert told["errors"] == ["conf.d: cannot be carried out: ZeroDivisionError"]
        assert isinstance(daemon._desk, house.adapters.backends["far"])
        assert (daemon._desk.url, list(daemon.units)) == ("https://first.example.org/hook", ["incoming/one"])
        assert house.adapters.closed == []
        house.adapters.bug = None
        assert (await daemon.reload())["errors"] == []
        assert (daemon._desk.url, len(daemon.units)) == ("https://second.example.org/hook", 2)
        assert house.adapters.closed == ["https://first.example.org/hook"]


async def test_an_adapter_that_cannot_be_made_with_a_secret_from_a_command_ends_nobody(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (word := tmp_path / "word").write_text("first")
    async with house.runs(box("one", f"{{command = ['/bin/cat', '{word}']}}") + box("two")) as daemon:
        await becomes(lambda: all(unit.state is UnitState.WAITING for unit in daemon.units.values()))
        word.write_text("second")
        house.adapters.bug = "source"
        assert (await daemon.reload())["changes"] == []
        await becomes(lambda: "a bug, what ran runs on with the secrets that it had" in caplog.messages)
        assert [unit.state for unit in daemon.units.values()] == [UnitState.WAITING] * 2
        house.adapters.bug = None
        await daemon.reload()
        await becomes(lambda: any("secrets from commands changed" in line for line in caplog.messages[-6:]))
        assert (await daemon.reload())["errors"] == []


async def test_a_reload_tries_a_backend_again_that_this_machine_blocks(house: House) -> None:
    missing = True

    async def effect(_desk: object) -> str:
        if missing:
            raise BlockedError("secret: No such file", reason="secret_missing")
        return "done"

    async with house.runs(far("first") + box("one")) as daemon, anyio.create_task_group() as tasks:
        assert daemon._door is not None
        tasks.start_soon(daemon._door.bring, effect, "a mail")
        await becomes(lambda: daemon.status()["units"][-1]["state"] == "blocked")
        with pytest.raises(ConflictError, match="backend cannot be resumed; resume the mailboxes"):
            await daemon.act("backend", "resume", "token")
        missing = False
        assert (await daemon.reload())["retried"] == ["backend"]
        await becomes(lambda: daemon.status()["units"][-1]["state"] == "running")
        with pytest.raises(ConflictError, match="backend is not blocked, it is running"):
            await daemon.act("backend", "unblock", "token")


async def test_a_pause_holds_while_its_mailbox_is_away_or_disabled(house: House) -> None:
    async with house.runs(box("one") + box("two")) as daemon:
        await daemon.act("incoming/one", "pause", "token")
        for meanwhile in (box("two"), box("one") + "enabled = false\n" + box("two")):
            house.write(meanwhile)
            assert (await daemon.reload())["errors"] == []
            house.write(box("one") + box("two"))
            assert (await daemon.reload())["errors"] == []
            await becomes(lambda: daemon.units["incoming/one"].state is UnitState.PAUSED)
        await daemon.act("incoming/one", "resume", "token")
        await becomes(lambda: daemon.units["incoming/one"].state is not UnitState.PAUSED)
