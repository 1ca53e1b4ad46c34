"""Folders at Graph: well-known ones by name in any language, others by the names that people see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mailwicket.errors import BlockedError, PermanentError, TransientError
from mailwicket.net.graph.client import GraphMailbox
from mailwicket.net.graph.place import WELL_KNOWN, folder_path, with_query

PAGES_MAX: Final = 200
"""Of folders below one: a server that names page after page without an end is left."""

TOP: Final = "100"
SHOWN_MAX: Final = 8
FIELDS: Final = "id,displayName,totalItemCount"


class Folders:
    """The folders of one mailbox."""

    def __init__(self, graph: GraphMailbox) -> None:
        """Ask *graph*."""
        self._graph = graph

    async def open(self, name: str) -> Mapping[str, Any]:
        """Return the folder *name*, with its `id`: a well-known name in any letter case, or a path of displayed names.

        Raises:
            BlockedError: there is none (`folder_unknown`); or as `GraphMailbox.call`.
            TransientError: as `GraphMailbox.call`.
        """
        if name.casefold() in WELL_KNOWN:
            return await self._known(name.casefold())
        head, _, rest = name.partition("/")
        if rest and head.casefold() in WELL_KNOWN:
            parent: Mapping[str, Any] | None = await self._known(head.casefold())
        else:
            parent, rest = None, name
        found = await self._below(parent, rest)
        if found is None:
            raise BlockedError(f"{self._graph.place.peer}: {self._where} has no folder {name}", reason="folder_unknown")
        return found

    async def names(self) -> Sequence[str]:
        """Return the displayed names of the topmost folders, some of them."""
        return [str(one.get("displayName")) for one in await self._children(None)][:SHOWN_MAX]

    @property
    def _where(self) -> str:
        return self._graph.place.mailbox

    async def _known(self, name: str) -> Mapping[str, Any]:
        try:
            answer = await self._graph.call("GET", with_query(folder_path(name), {"$select": FIELDS}))
        except PermanentError as error:
            words = f"{self._where} has no folder {name} ({error})"
            raise BlockedError(words, reason="folder_unknown") from error
        return self._checked(answer.json)

    async def _below(self, parent: Mapping[str, Any] | None, path: str) -> Mapping[str, Any] | None:
        """Find *path* below *parent*. A name may hold a slash itself: the longest that fits counts."""
        children = await self._children(parent)
        parts = path.split("/")
        for taken in range(len(parts), 0, -1):
            name, rest = "/".join(parts[:taken]), "/".join(parts[taken:])
            for child in _named(children, name):
                found = await self._below(child, rest) if rest else child
                if found is not None:
                    return found
        return None

    async def _children(self, parent: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
        path = "mailFolders" if parent is None else f"{folder_path(str(parent['id']))}/childFolders"
        found: list[Mapping[str, Any]] = []
        try:
            answer = await self._graph.call("GET", with_query(path, {"$select": FIELDS, "$top": TOP}))
            for _ in range(PAGES_MAX):
                page: Mapping[str, Any] = answer.json if isinstance(answer.json, dict) else {}
                listed = page.get("value")
                if not isinstance(listed, list):
                    words = f"{self._graph.place.peer} answers with what is no list of folders"
                    raise TransientError(words, reason="server_said")
                found += map(self._checked, listed)
                link = page.get("@odata.nextLink")
                if not isinstance(link, str):
                    return found
                answer = await self._graph.follow(link)
        except PermanentError as error:
            raise BlockedError(str(error)) from error
        raise TransientError(f"{self._graph.place.peer} names pages of folders without an end", reason="server_said")

    def _checked(self, folder: Any) -> Mapping[str, Any]:  # noqa: ANN401 - whatever JSON holds
        if isinstance(folder, dict) and isinstance(folder.get("id"), str) and folder["id"]:
            return folder
        raise TransientError(f"{self._graph.place.peer} describes a folder without an id", reason="server_said")


def _named(folders: Sequence[Mapping[str, Any]], name: str) -> Sequence[Mapping[str, Any]]:
    """Return the folders of that name; letter case counts where there are two."""
    alike = [one for one in folders if str(one.get("displayName", "")).casefold() == name.casefold()]
    return [one for one in alike if one["displayName"] == name] or alike
