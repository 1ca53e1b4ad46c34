"""The composition root."""

from __future__ import annotations

import io
import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from tests.conf import Conf

from mailwicket.app import Daemon
from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.config.settings import BackendChoice, Settings
from mailwicket.config.settings import Daemon as DaemonSettings
from mailwicket.process import run_until_signalled
from mailwicket.service.logs import GatheringHandler, JsonFormatter
from mailwicket.service.reload import ConfDir


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


async def test_level_and_format_of_the_log_follow_a_reload(tmp_path: Path, handler: GatheringHandler) -> None:
    conf = Conf(tmp_path)

    def write(daemon: str) -> None:
        conf.write(f"[daemon]\nstate_dir = '{tmp_path}'\n{daemon}[http]\nlisten = ['unix:{tmp_path}/admin.sock']\n")

    write("log_format = 'console'\n")
    loaded = conf.read()
    assert loaded.settings is not None
    source = ConfDir(conf.directory, conf.read, loaded.fingerprint)
    daemon = Daemon(loaded.settings, {"desk": EmbeddedDesk}, {}, source)
    ready = anyio.Event()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(daemon.run, ready.set)
            await ready.wait()
            write("log_format = 'json'\nlog_level = 'error'\n")
            told = await daemon.reload()
            assert isinstance(handler.formatter, JsonFormatter)
            assert logging.getLogger().level == logging.ERROR
            tasks.cancel_scope.cancel()
    finally:
        await daemon.close()
    assert told["at_once"] == ["daemon.log_level", "daemon.log_format"]
