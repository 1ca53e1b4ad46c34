"""`/api/v1/announcements`: what people write to many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from aiohttp import web

from mailwicket.flow.acting import Asked
from mailwicket.flow.announcing import Announcement
from mailwicket.web.asked import asked_of, body_of
from mailwicket.web.problem import BadRequestError, answer

ROUTE: Final = "/api/v1/announcements"
NUMBER_MAX: Final = 2**63 - 1

Shown = Mapping[str, Any]


class Cries(Protocol):
    """Who carries it out (`service.crier.Crier`)."""

    async def preview(self, asked: Announcement) -> Shown: ...  # noqa: D102
    async def announce(self, asked: Announcement, who: Asked) -> Shown: ...  # noqa: D102
    async def listed(self) -> Sequence[Shown]: ...  # noqa: D102
    async def shown(self, number: int) -> Shown: ...  # noqa: D102
    async def people(self, number: int) -> Sequence[Shown]: ...  # noqa: D102
    async def cancel(self, number: int, who: Asked) -> Shown: ...  # noqa: D102


class Announcements:
    """The handlers. `routes` is all there is to register."""

    def __init__(self, crier: Cries) -> None:
        """Have everything done by *crier*."""
        self._crier = crier

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        one = ROUTE + r"/{number:[1-9]\d{0,18}}"
        return [
            web.get(ROUTE, self._list),
            web.post(ROUTE, self._post),
            web.get(one, self._show),
            web.get(one + "/recipients", self._people),
            web.post(one + "/cancel", self._cancel),
        ]

    async def _list(self, _request: web.Request) -> web.Response:
        """The newest 200 announcements, the newest last, and how they stand."""
        return answer([*await self._crier.listed()])

    async def _post(self, request: web.Request) -> web.Response:
        """Send `text` (Markdown) under `subject` to each of `to`; with `dry_run` only tell whom."""
        kinds: dict[str, type | tuple[type, ...]] = {
            "to": (str, list),
            "subject": str,
            "text": str,
            "by": str,
            "dry_run": bool,
        }
        told = await body_of(request, kinds)
        missing = [key for key in ("to", "subject", "text") if key not in told]
        if missing:
            raise BadRequestError(f"an announcement wants {', '.join(missing)}")
        whom = told["to"]
        to = tuple([whom] if isinstance(whom, str) else whom)
        asked = Announcement(to, told["subject"], told["text"], told.get("by", ""))
        if told.get("dry_run"):
            return answer(await self._crier.preview(asked))
        return answer(await self._crier.announce(asked, asked_of(request)), 201)

    async def _show(self, request: web.Request) -> web.Response:
        """One announcement and how it stands."""
        return answer(await self._crier.shown(_number(request)))

    async def _people(self, request: web.Request) -> web.Response:
        """How it stands with each whom it was for."""
        return answer([*await self._crier.people(_number(request))])

    async def _cancel(self, request: web.Request) -> web.Response:
        """Write to nobody any more; what is sent stays sent."""
        return answer(await self._crier.cancel(_number(request), asked_of(request)))


def _number(request: web.Request) -> int:
    number = int(request.match_info["number"])
    if number > NUMBER_MAX:
        raise web.HTTPNotFound
    return number
