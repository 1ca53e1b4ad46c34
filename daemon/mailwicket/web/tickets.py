"""`/api/v1/tickets`: what the embedded desk holds, and what people do there; of another desk, what happened there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from aiohttp import web

from mailwicket.flow.acting import Asked, NewTicket
from mailwicket.flow.actions import Action
from mailwicket.flow.uploads import Upload
from mailwicket.model import TicketNumber
from mailwicket.web.asked import asked_of, body_of
from mailwicket.web.attached import Reader
from mailwicket.web.problem import BadRequestError, Handler, answer

ROUTE: Final = "/api/v1/tickets"
NUMBER_MAX: Final = 2**63 - 1

Shown = Mapping[str, Any]


class Acts(Protocol):
    """Who carries it out (`flow.acting.Acting`)."""

    async def listed(self, *, every: bool) -> Sequence[Shown]: ...  # noqa: D102
    async def shown(self, number: TicketNumber) -> Shown: ...  # noqa: D102
    async def offered(self, number: TicketNumber, by: str = "") -> Shown: ...  # noqa: D102
    async def act(self, action: Action, asked: Asked, uploads: Sequence[Upload] = ()) -> Shown: ...  # noqa: D102
    async def open(self, new: NewTicket, asked: Asked) -> Shown: ...  # noqa: D102


class Tickets:
    """The handlers."""

    def __init__(self, acting: Acts) -> None:
        """Have everything done by *acting*."""
        self._acting = acting
        self._reader = Reader()

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        ticket = ROUTE + r"/{number:[1-9]\d{0,18}}"
        actions: dict[str, Handler] = {
            "reply": self._reply,
            "note": self._note,
            "assign": self._assign,
            "close": self._close,
            "reopen": self._reopen,
            "merge": self._merge,
            "delete": self._delete,
            "spam": self._spam,
            "remove-cc": self._remove_cc,
        }
        return [
            web.get(ROUTE, self._list),
            web.post(ROUTE, self._new),
            web.get(ticket, self._show),
            web.get(f"{ticket}/reply", self._offer),
            *(web.post(f"{ticket}/{name}", handler) for name, handler in actions.items()),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        """The open tickets by number; with `all=1` every one."""
        return answer([*await self._acting.listed(every=request.query.get("all", "") not in {"", "0", "false"})])

    async def _show(self, request: web.Request) -> web.Response:
        """One ticket with its entries."""
        return answer(await self._acting.shown(_number(request)))

    async def _offer(self, request: web.Request) -> web.Response:
        """To whom a reply (of `?by=ADDR`) would go, by which server, and which others may be chosen."""
        return answer(await self._acting.offered(_number(request), request.query.get("by", "")))

    async def _new(self, request: web.Request) -> web.Response:
        """Open a ticket that no mail asked for; of a backend elsewhere: tell one that it opened, by `number`."""
        texts = ("requester", "subject", "text", "unit", "group", "category", "company", "by")
        told = await body_of(request, {**dict.fromkeys(texts, str), "cc": list, "number": int, "at": str})
        at = told.pop("at", None)
        if not 0 < told.get("number", 1) <= NUMBER_MAX:
            raise BadRequestError(f"a ticket's number is 1 to {NUMBER_MAX}")
        told["unit"] = told.get("unit", "").removeprefix("incoming/")
        new = NewTicket(**{"requester": "", **told})
        return answer(await self._acting.open(new, asked_of(request, at)), 201)

    async def _reply(self, request: web.Request) -> web.Response:
        """Answer requester and CCs (`text`, `attachments`), by the server `outgoing` where that may be chosen."""
        told, uploads = await self._reader.read(request, dict.fromkeys(("text", "outgoing", "by", "at"), str))
        asked = asked_of(request, told.pop("at", None))
        return answer(await self._acting.act(Action("reply", _number(request), **told), asked, uploads))

    async def _note(self, request: web.Request) -> web.Response:
        """Add a note (`text`) for technicians."""
        return await self._act(request, "note", "text")

    async def _assign(self, request: web.Request) -> web.Response:
        """Give it to the technician `to`; to nobody, where that is empty."""
        return await self._act(request, "assign", "to")

    async def _close(self, request: web.Request) -> web.Response:
        """Close it."""
        return await self._act(request, "close")

    async def _reopen(self, request: web.Request) -> web.Response:
        """Open it again: a closed or deleted one, or one that is no spam after all."""
        return await self._act(request, "reopen")

    async def _merge(self, request: web.Request) -> web.Response:
        """Merge it into the ticket of the number `to`: its mail and its people go there from now on."""
        return await self._act(request, "merge", "to")

    async def _delete(self, request: web.Request) -> web.Response:
        """Take it away; it is not listed any more, and a reply to it opens a new one."""
        return await self._act(request, "delete")

    async def _spam(self, request: web.Request) -> web.Response:
        """Mark it as spam: replies to it go to quarantine."""
        return await self._act(request, "spam")

    async def _remove_cc(self, request: web.Request) -> web.Response:
        """Send no more copies to `to`; nobody's mail brings him back."""
        return await self._act(request, "remove-cc", "to")

    async def _act(self, request: web.Request, do: str, *keys: str) -> web.Response:
        told = await body_of(request, dict.fromkeys((*keys, "by", "at"), str))
        asked = asked_of(request, told.pop("at", None))
        return answer(await self._acting.act(Action(do, _number(request), **told), asked))


def _number(request: web.Request) -> TicketNumber:
    number = int(request.match_info["number"])
    if number > NUMBER_MAX:
        raise web.HTTPNotFound
    return TicketNumber(number)
