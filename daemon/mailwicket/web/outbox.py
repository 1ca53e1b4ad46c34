"""`/api/v1/outbox` and `/api/v1/tickets/N/route`: what is sent, and why by which server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from aiohttp import web

from mailwicket.errors import UnknownError
from mailwicket.web.asked import actor_of
from mailwicket.web.problem import answer

ROOT: Final = "/api/v1/"
NUMBER_MAX: Final = 2**63 - 1


class Outbox(Protocol):
    """The outbox, as the API sees it. Errors of `mailwicket.errors` say what was wrong with the question."""

    def listed(self, *, every: bool, ticket: int | None) -> list[dict[str, Any]]:
        """The mails that wait or failed; with *every* all others too."""
        ...

    def shown(self, outbox_id: int) -> Mapping[str, Any]:
        """One mail with its recipients, attempts and route."""
        ...

    def routes(self, ticket: int) -> list[dict[str, Any]]:
        """Why each mail of a ticket went by its server."""
        ...

    async def retry(self, outbox_id: int, who: str) -> str:
        """Try a mail again now, as *who* asks; return what happens."""
        ...

    async def cancel(self, outbox_id: int, who: str) -> str:
        """Have a mail not sent, as *who* asks; return what happens."""
        ...

    def paused(self) -> list[dict[str, Any]]:
        """The addresses to which nothing is sent."""
        ...

    async def unpause(self, address: str, who: str) -> None:
        """Have mail sent to *address* again, as *who* asks."""
        ...


class OutboxApi:
    """The handlers. `routes` is all there is to register."""

    def __init__(self, outbox: Outbox) -> None:
        """Answer for *outbox*."""
        self._outbox = outbox

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        mail = ROOT + r"outbox/{id:\d+}"
        return [
            web.get(ROOT + "outbox", self._list),
            web.get(ROOT + "outbox/paused", self._paused),
            web.delete(ROOT + "outbox/paused/{address}", self._unpause),
            web.get(mail, self._show),
            web.post(mail + "/retry", self._retry),
            web.post(mail + "/cancel", self._cancel),
            web.get(ROOT + r"tickets/{number:\d+}/route", self._route),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        """The newest 1,000 mails; `all=0` only those that wait or failed, `ticket=N` only of that ticket."""
        ticket = request.query.get("ticket")
        number = None if ticket is None else _number(ticket, "ticket")
        return answer(self._outbox.listed(every=request.query.get("all") != "0", ticket=number))

    async def _show(self, request: web.Request) -> web.Response:
        """One mail with its recipients, attempts and route."""
        return answer(self._outbox.shown(_number(request.match_info["id"], "mail")))

    async def _route(self, request: web.Request) -> web.Response:
        """For each mail of a ticket: by which server, and why by no other."""
        number = _number(request.match_info["number"], "ticket")
        return answer({"ticket": number, "mails": self._outbox.routes(number)})

    async def _retry(self, request: web.Request) -> web.Response:
        """Try the mail again now, by the server that today's configuration names."""
        number = _number(request.match_info["id"], "mail")
        return answer({"id": number, "said": await self._outbox.retry(number, actor_of(request))})

    async def _cancel(self, request: web.Request) -> web.Response:
        """Have a mail that waits not sent."""
        number = _number(request.match_info["id"], "mail")
        return answer({"id": number, "said": await self._outbox.cancel(number, actor_of(request))})

    async def _paused(self, _request: web.Request) -> web.Response:
        """The addresses to which nothing is sent, as five mails in a row were refused for good."""
        return answer(self._outbox.paused())

    async def _unpause(self, request: web.Request) -> web.Response:
        """Have mail sent to the address again."""
        address = request.match_info["address"]
        await self._outbox.unpause(address, actor_of(request))
        return answer({"address": address})


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(NUMBER_MAX)) or int(text) > NUMBER_MAX:
        raise UnknownError(f"there is no {what} {text[:30]}")
    return int(text)
