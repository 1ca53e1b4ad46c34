"""`/api/v1/audit`: what admins did and which configurations were loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, Final, Protocol

from aiohttp import web

from mailwicket.timestamp import moment_of, timestamp
from mailwicket.web.problem import BadRequestError, answer

ROUTE: Final = "/api/v1/audit"


class Remembers(Protocol):
    """Who has the record (`service.record.Record`)."""

    async def rows(self, since: str) -> Sequence[Mapping[str, Any]]: ...  # noqa: D102
    async def verify(self) -> Mapping[str, Any]: ...  # noqa: D102


class Audit:
    """The handlers."""

    def __init__(self, record: Remembers) -> None:
        """Read *record*."""
        self._record = record

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        return [web.get(ROUTE, self._list), web.get(ROUTE + "/verify", self._verify)]

    async def _list(self, request: web.Request) -> web.Response:
        """The record, the oldest first; with `since` (RFC 3339) from that moment on."""
        return answer([*await self._record.rows(_moment(request.query.get("since", "")))])

    async def _verify(self, _request: web.Request) -> web.Response:
        """Whether the chain of hashes is whole, or which row breaks it."""
        return answer(await self._record.verify())


def _moment(text: str) -> str:
    try:
        return timestamp(moment_of(text, UTC)) if text else ""
    except ValueError as error:
        raise BadRequestError("since is RFC 3339, or a day") from error
