"""`/api/v1/quarantine`: the mails that wait for a person, and what he decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from aiohttp import web

from mailwicket.model import IntakeId
from mailwicket.web.asked import actor_of, body_of
from mailwicket.web.problem import answer

ROUTE: Final = "/api/v1/quarantine"

Shown = Mapping[str, Any]


class Keeps(Protocol):
    """Who has them (`flow.quarantine.Parking`)."""

    async def listed(self) -> Sequence[Shown]: ...  # noqa: D102
    async def shown(self, intake_id: IntakeId) -> Shown: ...  # noqa: D102
    async def raw(self, intake_id: IntakeId) -> bytes: ...  # noqa: D102
    async def retry(self, intake_id: IntakeId, who: str, *, dry: bool = False) -> Shown: ...  # noqa: D102
    async def drop(self, intake_id: IntakeId, who: str) -> Shown: ...  # noqa: D102


class Quarantine:
    """The handlers."""

    def __init__(self, parking: Keeps) -> None:
        """Have everything done by *parking*."""
        self._parking = parking

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        mail = ROUTE + r"/{id:[1-9]\d{0,17}}"
        return [
            web.get(ROUTE, self._list),
            web.get(mail, self._show),
            web.get(mail + "/raw", self._raw),
            web.post(mail + "/retry", self._retry),
            web.post(mail + "/drop", self._drop),
        ]

    async def _list(self, _request: web.Request) -> web.Response:
        """Every parked mail, the oldest first."""
        return answer([*await self._parking.listed()])

    async def _show(self, request: web.Request) -> web.Response:
        """One of them, with the trace of its decision, its header and its text."""
        return answer(await self._parking.shown(_id(request)))

    async def _raw(self, request: web.Request) -> web.Response:
        """Its bytes as they came."""
        raw = await self._parking.raw(_id(request))
        # Hostile: whoever opens this in a browser is to be given a file.
        name = f'attachment; filename="parked-{_id(request)}.eml"'
        headers = {"Content-Disposition": name, "X-Content-Type-Options": "nosniff"}
        return web.Response(body=raw, content_type="message/rfc822", headers=headers)

    async def _retry(self, request: web.Request) -> web.Response:
        """Decide it again by today's configuration; with `dry_run`, tell what would become of it."""
        told = await body_of(request, {"dry_run": bool})
        dry = told.get("dry_run", False)
        return answer(await self._parking.retry(_id(request), actor_of(request), dry=dry))

    async def _drop(self, request: web.Request) -> web.Response:
        """Give it up."""
        await body_of(request, {})
        return answer(await self._parking.drop(_id(request), actor_of(request)))


def _id(request: web.Request) -> IntakeId:
    return IntakeId(int(request.match_info["id"]))
