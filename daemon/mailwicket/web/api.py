"""`/api/v1/`: one resource for each noun of the command line. What each route does stands in its docstring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from aiohttp import web

from mailwicket.errors import UnknownError
from mailwicket.web.asked import actor_of
from mailwicket.web.problem import answer, problem

ROOT: Final = "/api/v1/"


class House(Protocol):
    """The daemon, as the API sees it. Errors of `mailwicket.errors` say what was wrong with the question."""

    def status(self) -> Mapping[str, Any]:
        """What `mailwicket status --json` prints."""
        ...

    async def plan(self, last: int) -> Mapping[str, Any]:
        """What a reload would do now, and which of the *last* mails would end otherwise."""
        ...

    async def reload(self, who: str) -> Mapping[str, Any]:
        """Read conf.d again, as *who* asks; what was done, or the errors."""
        ...

    async def act(self, unit: str, action: str, who: str) -> str:
        """Do *action* (`poll`, `pause`, `resume`, `unblock`) to *unit*, as *who* asks; return what happens."""
        ...


class Api:
    """The handlers. `routes` is all there is to register."""

    def __init__(self, house: House) -> None:
        """Answer for *house*."""
        self._house = house

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        unit = ROOT + "units/{unit:[a-z]+(?:/[^/]+)?}"
        return [
            web.get(ROOT, self._routes),
            web.get(ROOT + "status", self._status),
            web.get(ROOT + "plan", self._plan),
            web.post(ROOT + "reload", self._reload),
            web.get(ROOT + "units", self._units),
            web.get(unit, self._unit),
            web.post(unit + "/poll", self._poll),
            web.post(unit + "/pause", self._pause),
            web.post(unit + "/resume", self._resume),
            web.post(unit + "/unblock", self._unblock),
        ]

    async def _routes(self, request: web.Request) -> web.Response:
        """Every route with its method and one line."""
        lines = [
            {"method": route.method, "path": route.resource.canonical, "does": (route.handler.__doc__ or "").strip()}
            for route in request.app.router.routes()
            if route.method != "HEAD" and route.resource is not None
        ]
        return answer(lines)

    async def _status(self, _request: web.Request) -> web.Response:
        """What `mailwicket status --json` prints."""
        return answer(self._house.status())

    async def _plan(self, request: web.Request) -> web.Response:
        """What a reload would change now, or the errors of conf.d; ?against=last:N: which mails would end otherwise."""
        return answer(await self._house.plan(_last(request.query.get("against"))))

    async def _reload(self, request: web.Request) -> web.Response:
        """Read conf.d and secrets again; what was done, or 422 with the errors, and nothing was touched."""
        told = await self._house.reload(actor_of(request))
        if told["errors"]:
            return problem(422, "conf.d is refused", f"what ran runs on: {told['errors'][0]}", **told)
        return answer(told)

    async def _units(self, _request: web.Request) -> web.Response:
        """Every unit, as in status."""
        return answer(self._house.status()["units"])

    async def _unit(self, request: web.Request) -> web.Response:
        """One unit, as in status."""
        name = _name(request)
        found = [unit for unit in self._house.status()["units"] if unit["name"] == name]
        if not found:
            raise UnknownError(f"there is no unit {name}; GET /api/v1/units lists them")
        return answer(found[0])

    async def _poll(self, request: web.Request) -> web.Response:
        """Look for new mail now."""
        return await self._act(request, "poll")

    async def _pause(self, request: web.Request) -> web.Response:
        """End what the unit does and hold it, also over a restart, until it is resumed."""
        return await self._act(request, "pause")

    async def _resume(self, request: web.Request) -> web.Response:
        """Take a pause back."""
        return await self._act(request, "resume")

    async def _unblock(self, request: web.Request) -> web.Response:
        """Try a blocked unit again."""
        return await self._act(request, "unblock")

    async def _act(self, request: web.Request, action: str) -> web.Response:
        name = _name(request)
        return answer({"unit": name, "said": await self._house.act(name, action, actor_of(request))})


def _name(request: web.Request) -> str:
    return request.match_info["unit"]


def _last(against: str | None) -> int:
    if against is None:
        return 0
    count = against.removeprefix("last:")
    if not against.startswith("last:") or not (count.isascii() and count.isdigit() and len(count) < 7):
        raise web.HTTPBadRequest(text="against is no last:N")
    return int(count)
