"""Incoming mail from Microsoft Graph: `protocol = "graph"`, and `"mapi"`, its other name."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Final

import anyio
import anyio.to_thread
from pydantic import BaseModel

from mailwicket.errors import BlockedError, PermanentError, TransientError
from mailwicket.model import Fetched, Look, MailRef, Settlement
from mailwicket.net.graph.access import Access
from mailwicket.net.graph.client import Deadlines, GraphMailbox
from mailwicket.net.graph.failure import ItemGoneError, SyncLostError, UnsureError
from mailwicket.net.graph.place import folder_path, with_query
from mailwicket.net.spool import empty_spool
from mailwicket.ports import Net
from mailwicket.sources._graph_bodies import Bodies, Record, moment
from mailwicket.sources._graph_config import Graph
from mailwicket.sources._graph_cursor import Cursor, first_cursor, next_cursor
from mailwicket.sources._graph_folders import Folders
from mailwicket.sources._graph_proof import prove, stages
from mailwicket.sources._graph_settling import Settling
from mailwicket.stages import Probe

PAGE_MAILS: Final = 500
PAGE_MAILS_MIN: Final = 50
"""How many mails one page tells: a server that takes too long over a large one (504) is asked for half."""

TYPICAL_BYTES: Final = 256 * 1024
"""Graph tells no sizes. So few mails are a batch then that the first ticket does not wait for the last mail."""

LINK_S: Final = 3600.0
"""A link is forgotten by the server one day: so long, no newer one is noted where there is nothing else to note."""

KNOWN_MAX: Final = 5000
"""Of so many mails it is remembered when they came: what we marked as seen comes again, without its date."""

FIELDS: Final = "id,internetMessageId,receivedDateTime,isRead,parentFolderId"


class GraphSource:
    """A folder of a mailbox at Microsoft Graph."""

    Config: ClassVar[type[BaseModel]] = Graph
    deadlines: ClassVar[Deadlines] = Deadlines()

    def __init__(self, name: str, config: Graph, net: Net) -> None:
        """Serve `incoming.NAME`. Does nothing yet."""
        self._name = name
        self._config = config
        self._net = net
        self._memory = Memory()
        self._access = Access(config, net, "graph")
        self.chance: Callable[[], float] = random.random
        """In [0, 1); spreads the looks of many mailboxes."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[GraphFolder]:
        """Get a token and open the folder; see `ports.Source`."""
        graph = await self._access.mailbox(self.deadlines)
        try:
            async with self._net.entrance(self._config.server):
                folder = await Folders(graph).open(self._config.folder)
            yield GraphFolder(graph, self._config, str(folder["id"]), self._bodies(graph), self._memory, self.chance)
        finally:
            with anyio.CancelScope(shield=True):
                await graph.close()
                await anyio.to_thread.run_sync(empty_spool, self._net.spool_dir, self._name)

    @property
    def stages(self) -> Sequence[str]:
        """See `stages.ProvesConnection`."""
        return stages(self._config)

    async def prove(self, probe: Probe) -> None:
        """Test the connection in stages; see `stages.ProvesConnection`."""
        await prove(self._config, self._net, self.deadlines, probe)

    def _bodies(self, graph: GraphMailbox) -> Bodies:
        limit = self._config.max_mail_bytes
        return Bodies(graph, self._net.spool_dir, f"{self._name}.graph", limit, self._memory.record)


class Memory:
    """What outlasts a connection, and is found out again after a restart."""

    def __init__(self) -> None:
        """Know nothing."""
        self.record = Record()
        self.page_mails = PAGE_MAILS
        self._received: dict[str, datetime | None] = {}

    def note(self, message: str, received_at: datetime | None) -> None:
        """Remember when a mail came."""
        self._received[message] = received_at
        while len(self._received) > KNOWN_MAX:
            del self._received[next(iter(self._received))]

    def received_at(self, message: str) -> datetime | None:
        """Tell when a mail came, as far as it is remembered."""
        return self._received.get(message)


class GraphFolder:
    """One open folder; see `ports.Mailbox`. There is no connection that could be lost: each request may make one."""

    def __init__(  # noqa: PLR0913, PLR0917 - what the source has made ready
        self,
        graph: GraphMailbox,
        config: Graph,
        folder_id: str,
        bodies: Bodies,
        memory: Memory,
        chance: Callable[[], float],
    ) -> None:
        """Read the folder *folder_id* by *graph*."""
        self._graph = graph
        self._config = config
        self._folder_id = folder_id
        self._bodies = bodies
        self._memory = memory
        self._settling = Settling(graph, config.after)
        self._woken = anyio.Event()
        self._sweep_s = config.poll_s * (1 - chance())
        self._cursor: tuple[str, Cursor] | None = None
        """The last one that was told, and what it says."""
        self._quiet: tuple[str, str] | None = None
        """A cursor, and the link to which it led since, without any news: that is not worth a write."""
        self._stale_at = -math.inf

    def silence_s(self) -> float:
        """Seconds since the last answer of the server."""
        return self._graph.silence_s()

    async def wait(self) -> None:
        """Let `poll_s` pass; the first time any part of it, so that the looks of many mailboxes are spread."""
        sweep_s, self._sweep_s = self._sweep_s, float(self._config.poll_s)
        with anyio.move_on_after(sweep_s):
            await self._woken.wait()
        self._woken = anyio.Event()

    def wake(self) -> None:
        """Have `wait` return as if mail had come."""
        self._woken.set()

    # --- what is there ----------------------------------------------------------------------------------------------

    async def look(self, cursor: str | None) -> Look:
        """Tell one page of what is new or changed since *cursor*; our journal knows what it has seen before.

        Raises:
            TransientError, BlockedError: as `GraphMailbox.call`.
        """
        start = await self._start(cursor)
        try:
            page = await self._page(start)
        except SyncLostError:
            if start.link is None:
                raise
            return self._told((), start.anew())
        except PermanentError as error:
            raise BlockedError(f"{error}; the folder {self._config.folder} cannot be read") from error
        link, more = self._link(page, start)
        if cursor is not None and not page["value"] and not more and anyio.current_time() < self._stale_at:
            self._quiet = cursor, link
            return Look((), cursor)
        refs, left_alone = await self._refs(start, page, all_old=cursor is None and start.walking)
        return self._told(refs, start.after(link, left_alone, more=more), more=more)

    def _told(self, refs: Sequence[MailRef], cursor: Cursor, *, more: bool = True) -> Look:
        self._quiet = None
        self._stale_at = anyio.current_time() + LINK_S
        self._cursor = cursor.write(), cursor
        return Look(refs, self._cursor[0], more)

    async def _start(self, text: str | None) -> Cursor:
        if text is not None and self._cursor is not None and self._cursor[0] == text:
            start = self._cursor[1]  # it may be long
        else:
            start = await self._read(text)
        if self._quiet is not None and self._quiet[0] == text:
            start = replace(start, link=self._quiet[1])
        if start.link is not None and not self._graph.place.owns(start.link):  # the server was named otherwise before
            return start.anew()
        return start

    async def _read(self, text: str | None) -> Cursor:
        config = self._config
        server_now = datetime.now(UTC)
        if text is None and config.start_from == "now":
            path = with_query(folder_path(self._folder_id), {"$select": "id"})
            server_now = clock_of((await self._graph.call("GET", path)).headers.get("Date")) or server_now
        mailbox = f"{config.username}@{self._graph.place.peer}".casefold()
        first = first_cursor(mailbox, config.folder.casefold(), self._folder_id, config.start_from, server_now)
        return next_cursor(text, first)

    async def _page(self, start: Cursor) -> dict[str, Any]:
        prefer = {"Prefer": f"odata.maxpagesize={self._memory.page_mails}"}
        path = with_query(f"{folder_path(self._folder_id)}/messages/delta", {"$select": FIELDS})
        try:
            if start.link is None:
                answer = await self._graph.call("GET", path, headers=prefer)
            else:
                answer = await self._graph.follow(start.link, prefer)
        except UnsureError as error:
            if error.reason != "connection_lost":
                self._memory.page_mails = max(PAGE_MAILS_MIN, self._memory.page_mails // 2)
            raise
        if not isinstance(answer.json, dict) or not isinstance(answer.json.get("value"), list):
            raise TransientError(f"{self._graph.place.peer} answers with no page of mails", reason="server_said")
        return answer.json

    def _link(self, page: dict[str, Any], start: Cursor) -> tuple[str, bool]:
        """Return where to go on, and whether at once: a page has exactly one of both links."""
        peer = self._graph.place.peer
        for name, more in (("@odata.nextLink", True), ("@odata.deltaLink", False)):
            link = page.get(name)
            if not isinstance(link, str):
                continue
            if not self._graph.place.owns(link):
                raise BlockedError(f"{peer} names a link that leads to another server; not followed")
            if more and link == start.link and not page["value"]:
                raise TransientError(f"{peer} leads from a page to the same page", reason="server_said")
            return link, more
        raise TransientError(f"{peer} does not say where its page leads on", reason="server_said")

    async def _refs(
        self, start: Cursor, page: dict[str, Any], *, all_old: bool
    ) -> tuple[Sequence[MailRef], Sequence[str]]:
        """Return the mails of a page, oldest first, and those that are left alone: with *all_old*, all that it shows.

        That is so of the very first page, whatever the clocks say: a server answers with what there is.
        """
        refs: dict[str, MailRef] = {}
        left_alone: list[str] = []
        for row in page["value"]:
            message = row.get("id") if isinstance(row, dict) else None
            if not isinstance(message, str) or not message.isprintable() or not message or "@removed" in row:
                continue
            try:
                received_at = await self._received_at(start, message, row)
            except ItemGoneError:
                continue
            self._memory.note(message, received_at)
            if (all_old and self._config.start_from == "now") or not start.wants(message, received_at):
                left_alone.append(message)
            else:
                refs[message] = MailRef(self._config.folder.casefold(), "", message, TYPICAL_BYTES, received_at)
        never = datetime.max.replace(tzinfo=UTC)
        return sorted(refs.values(), key=lambda ref: ref.received_at or never), left_alone

    async def _received_at(self, start: Cursor, message: str, row: dict[str, Any]) -> datetime | None:
        """Return when a mail came: a row that tells of a mark alone does not say it."""
        told = moment(row) or self._memory.received_at(message)
        return await self._bodies.received_at(message) if told is None and start.needs_time() else told

    # --- its bytes --------------------------------------------------------------------------------------------------

    async def fetch(self, refs: Sequence[MailRef]) -> Sequence[Fetched]:
        """Return the bytes of *refs*, also where they were moved to another folder; changes nothing on the server."""
        return await self._bodies.fetch(refs)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Mark, move or delete the server's copies as configured; see `Settling`."""
        await self._settling.settle(settlements)


def clock_of(text: str | None) -> datetime | None:
    """Return the server's clock, by its Date (RFC 9110 6.6.1)."""
    try:
        told = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return told if told is None or told.tzinfo is not None else told.replace(tzinfo=UTC)
