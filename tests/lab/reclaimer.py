"""Reclaims what is old in a process of its own, which a test kills: `python -m tests.lab.reclaimer STATE_DIR DAYS`.

As if it were so many DAYS later.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import anyio

from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.flow import reclaim
from mailwicket.flow.judge import utc_now
from mailwicket.net.machine import Machine
from mailwicket.store.store import Store

reclaim.LETTERS_AT_ONCE = 3


async def once(state_dir: Path, days: int) -> None:
    store = Store(state_dir)
    desk = EmbeddedDesk("desk", EmbeddedDesk.Config(), Machine(state_dir))
    keep = timedelta(days=90), timedelta(days=30)
    await reclaim.Reclaim(store, desk, *keep, lambda: utc_now() + timedelta(days=days)).once()
    await store.close()


if __name__ == "__main__":
    anyio.run(once, Path(sys.argv[1]), int(sys.argv[2]))
