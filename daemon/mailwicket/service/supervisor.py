"""Keeps a unit running: backs off when time mends it, stops when a human must, survives a bug in it."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import anyio

from mailwicket.errors import BlockedError, MailwicketError, StoreError, TransientError
from mailwicket.rules.schedule import pause_s
from mailwicket.service.units import Unit, UnitState

log = logging.getLogger(__name__)

STORE_HASTE = 5
"""So many failures in a row count when it is our own disk: a try costs nobody, and room is used within a minute."""


async def supervise(
    unit: Unit, run: Callable[[], Awaitable[None]], chance: Callable[[], float] = random.random
) -> None:
    """Run *unit* until cancelled, whatever *run* raises; *chance* returns the jitter, in [0, 1)."""
    while True:
        unit.become(UnitState.STARTING, unit.reason, unit.said)
        try:
            await run()
            failure: Exception = TransientError(f"{unit.server} ended the connection", reason="connection_lost")
        except Exception as error:  # noqa: BLE001 - each kind is answered below; a bug in one unit stays in it
            failure = first_failure(error)
        unit.failures += 1
        if isinstance(failure, BlockedError):
            log.error("%s: %s; blocked until conf.d is mended and mailwicket restarted", unit.name, failure)
            unit.become(UnitState.BLOCKED, failure.reason, str(failure))
            await anyio.sleep_forever()
        retry_after_s = failure.retry_after_s if isinstance(failure, TransientError) else None
        counted = min(unit.failures, STORE_HASTE) if isinstance(failure, StoreError) else unit.failures
        pause = pause_s(counted, chance(), retry_after_s)
        tell(unit, failure, pause)
        reason = failure.reason if isinstance(failure, TransientError) else "bug"
        unit.become(UnitState.WAITING, reason, str(failure), datetime.now(UTC) + timedelta(seconds=pause))
        await anyio.sleep(pause)


def first_failure(error: Exception) -> Exception:
    """Return what went wrong first in a group of tasks: the others ended because of it."""
    while isinstance(error, ExceptionGroup):
        told = [one for one in error.exceptions if isinstance(one, MailwicketError | ExceptionGroup)]
        error = told[0] if told else error.exceptions[0]
    return error


def tell(unit: Unit, failure: Exception, pause: float) -> None:
    """Say what happened and what comes next; the same loss only once."""
    if unit.lost == str(failure):
        log.debug("%s: %s; next try in %.0f s", unit.name, failure, pause)
    elif isinstance(failure, StoreError):
        log.error("%s: %s; mail waits on its server, next try in %.0f s", unit.name, failure, pause)
    elif isinstance(failure, TransientError):
        log.warning("%s: %s; next try in %.0f s", unit.name, failure, pause)
    else:
        log.error("%s: a bug, the other units run on; next try in %.0f s", unit.name, pause, exc_info=failure)
    unit.lost = str(failure)
