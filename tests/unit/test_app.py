"""The composition root."""

from __future__ import annotations

import signal
from pathlib import Path

from mailwicket.app import Daemon, run_until_signalled
from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.config.settings import BackendChoice, Settings
from mailwicket.config.settings import Daemon as DaemonSettings


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
