"""What the house sees of itself: what is looked up, and the last that was known where the store is silent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import anyio
import anyio.to_thread

from mailwicket import __version__
from mailwicket.config.settings import Settings
from mailwicket.errors import StoreError
from mailwicket.service.clock import TimeOfDay
from mailwicket.service.couriers import Couriers
from mailwicket.service.fleet import Fleet
from mailwicket.service.oauth import OAuthDesk
from mailwicket.service.reload import Reloader
from mailwicket.service.report import ParkedLately, Report, disk_of
from mailwicket.service.units import Unit
from mailwicket.store import journal, outlist
from mailwicket.store.database import FILE_NAME as DATABASE
from mailwicket.store.outlist import Backlog
from mailwicket.store.store import Store
from mailwicket.timestamp import timestamp

DISK_PERIOD_S: Final = 5
"""So often the room on the disk is looked at."""

LATELY: Final = timedelta(days=1)
"""What was parked since then is told of."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Whom the overview looks at."""

    settings: Callable[[], Settings]
    store: Store
    fleet: Fleet
    couriers: Couriers
    oauth: OAuthDesk
    reloader: Reloader
    chores: Unit
    """What the store does for itself."""
    desk: Unit | None
    """The unit of a backend that is reached over the network."""

    @property
    def units(self) -> Mapping[str, Unit]:
        """The servers by name, as `incoming/NAME` and `outgoing/NAME`."""
        return {**self.fleet.units, **self.couriers.units}


class Overview:
    """Tells how everything is now, also where the store cannot be asked."""

    _store_waits_since = TimeOfDay()

    def __init__(self, scene: Scene, now: Callable[[], datetime]) -> None:
        """Look at *scene*; *now* tells the time."""
        self._scene = scene
        self._now = now
        self._parked = 0
        self._waiting: Mapping[str, Backlog] = {}
        self._paused_addresses = 0
        self._disk = disk_of(scene.settings().daemon.state_dir, DATABASE)

    async def watch_disk(self) -> None:
        """Look aside how much room there is: a file system that hangs does not answer that either."""
        while True:
            await anyio.sleep(DISK_PERIOD_S)
            where = self._scene.settings().daemon.state_dir, DATABASE
            self._disk = await anyio.to_thread.run_sync(disk_of, *where, abandon_on_cancel=True)

    def report(self) -> Report:
        """Look, and tell."""
        scene, now = self._scene, self._now()
        store, reloader, settings = scene.store, scene.reloader, scene.settings()
        since = timestamp(now - LATELY)
        try:
            lately, first_at = store.read(lambda tx: journal.parked_since(tx, since))
            self._parked, trouble = store.read(journal.count_parked), store.trouble()
            self._waiting = scene.couriers.look()
            self._paused_addresses = store.read(outlist.count_paused)
        except StoreError as error:
            lately, first_at, trouble = 0, None, error
        self._store_waits_since = (self._store_waits_since or now) if trouble else None
        return Report(
            version=__version__,
            generation=reloader.generation,
            units=list(scene.units.values()),
            chores=scene.chores,
            backend=settings.backend.type,
            desk=scene.desk,
            parked=self._parked,
            store_waits=trouble,
            store_waits_since=self._store_waits_since,
            errors=tuple(map(str, reloader.errors)),
            refused_since=reloader.refused_since,
            after_restart=reloader.after_restart,
            parked_lately=ParkedLately(lately, first_at) if first_at else None,
            parked_keep_days=settings.store.quarantine_keep_days,
            disk=self._disk,
            filter_hits=scene.fleet.filter_hits(),
            waiting=self._waiting,
            paused_addresses=self._paused_addresses,
            endings=scene.oauth.endings,
            tokens=dict(scene.oauth.tokens.refreshes),
            at=now,
        )
