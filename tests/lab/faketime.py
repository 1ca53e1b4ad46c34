"""A clock for one process that can be set while it runs (libfaketime); the monotonic one is left alone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.lab.daemon import Daemon

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class FakeClock:
    """The clock of *daemon* from its next start on."""

    def __init__(self, daemon: Daemon, directory: Path) -> None:
        """Have *daemon* look into a file in *directory* for the time."""
        self._file = directory / "clock"
        self.set(timedelta())
        daemon.patches |= {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds: who looks into the file at each call is busy with nothing else
            "NO_FAKE_STAT": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }

    def set(self, ahead: timedelta) -> None:
        """Set it to the machine's time and *ahead*."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead.total_seconds():+.0f}")
        fresh.replace(self._file)
