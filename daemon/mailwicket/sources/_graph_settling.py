"""What becomes of the server's copy of a mail at Graph whose work is committed: `after` of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mailwicket.errors import BlockedError, PermanentError
from mailwicket.model import Settlement
from mailwicket.net.graph.client import GraphMailbox
from mailwicket.net.graph.failure import ItemGoneError
from mailwicket.net.graph.place import message_path, with_query
from mailwicket.sources._graph_folders import Folders

TRASH: Final = "deleteditems"
"""Where deleted mail goes: people find it there. Of DELETE, Microsoft does not say where it leaves it."""


class Settling:
    """Changes mails one after another. All of it is repeatable; a mail that is gone is passed over."""

    def __init__(self, graph: GraphMailbox, after: str) -> None:
        """Do *after*."""
        self._graph = graph
        self._after = after
        self._target: str | None = TRASH if after == "delete" else None

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Change the mails of *settlements*; those of which we hold the header alone are never deleted.

        Raises:
            TransientError: the connection ended, or the server says "later".
            BlockedError: it never will: no right, no such folder.
        """
        if self._after == "leave":
            return
        for one in settlements:
            try:
                if self._after == "seen" or (self._after == "delete" and one.headers_only):
                    await self._mark(one.ref.remote_id)
                else:
                    await self._move(one.ref.remote_id)
            except ItemGoneError:
                continue
            except PermanentError as error:
                raise BlockedError(f"{error}; after = {self._after!r} cannot be done") from error

    async def _mark(self, message: str) -> None:
        await self._graph.call("PATCH", message_path(message), json={"isRead": True})

    async def _move(self, message: str) -> None:
        """Move a mail. What is said not to be there may be the mail, or the folder that it was to go to."""
        try:
            await self._move_to(message, await self._folder())
        except ItemGoneError:
            await self._graph.call("GET", with_query(message_path(message), {"$select": "id"}))
            if self._target == TRASH:
                raise
            self._target = None
            await self._move_to(message, await self._folder())

    async def _move_to(self, message: str, folder: str) -> None:
        body = {"destinationId": folder}
        await self._graph.call("POST", f"{message_path(message)}/move", json=body, wanted=(200, 201))

    async def _folder(self) -> str:
        """Return the id of the folder to move to, looked up once."""
        if self._target is None:
            self._target = str((await Folders(self._graph).open(self._after.removeprefix("move:")))["id"])
        return self._target
