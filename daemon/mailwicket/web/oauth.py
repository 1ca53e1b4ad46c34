"""OAuth over HTTP: `/oauth/callback`, where a browser comes back to, and what the command line asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, cast, get_args

from aiohttp import web

from mailwicket.errors import BlockedError, ConflictError, TransientError, UnknownError
from mailwicket.model import Use
from mailwicket.net.oauth.bearer import Door
from mailwicket.web.problem import answer, problem

CALLBACK: Final = "/oauth/callback"
ROOT: Final = "/api/v1/oauth"
QUERY_CHARS_MAX: Final = 32 * 1024
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
    "Referrer-Policy": "no-referrer",  # the URL holds the code
    "X-Content-Type-Options": "nosniff",
}


class Signs(Protocol):
    """Who signs in (`service.oauth.OAuthDesk`)."""

    async def told(self) -> Sequence[Mapping[str, Any]]: ...  # noqa: D102
    async def begin(self, name: str, how: str) -> Mapping[str, Any]: ...  # noqa: D102
    def progress(self, name: str, state: str) -> Mapping[str, Any]: ...  # noqa: D102
    async def come_back(self, query: Mapping[str, str] | str) -> Mapping[str, Any]: ...  # noqa: D102
    async def renew(self, opens: Door) -> Mapping[str, Any]: ...  # noqa: D102


class OAuthRoutes:
    """The handlers. None of them ever shows a token."""

    def __init__(self, desk: Signs) -> None:
        """Ask *desk*."""
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        return [
            web.get(CALLBACK, self._callback),
            web.get(ROOT, self._status),
            web.post(ROOT + "/answer", self._answer),
            web.post(ROOT + "/{name}/login", self._login),
            web.get(ROOT + "/{name}/login/{state}", self._progress),
            web.post(ROOT + "/{name}/admin-consent", self._consent),
            web.post(ROOT + "/{name}/renew", self._renew),
        ]

    async def _callback(self, request: web.Request) -> web.Response:
        """Where a browser comes back to from a sign-in; only with a state that waits, and once."""
        if len(request.query_string) > QUERY_CHARS_MAX:
            return self._page("That is no answer of a sign-in.", 400)
        try:
            told = await self._desk.come_back(dict(request.query))
        except ConflictError as error:
            return self._page(str(error), 400)
        good = told["progress"] == "done"
        return self._page(f"{told['said']}\n\nThis window may be closed.", 200 if good else 400)

    @staticmethod
    def _page(text: str, status: int) -> web.Response:
        return web.Response(text=f"mailwicket: {text}\n", status=status, headers=HEADERS)

    async def _status(self, _request: web.Request) -> web.Response:
        """What `mailwicket oauth status --json` prints."""
        return answer(await self._desk.told())

    async def _login(self, request: web.Request) -> web.Response:
        """Begin a sign-in, `how` = `browser` or `device`; what to show to the person."""
        how = request.query.get("how", "browser")
        if how not in {"browser", "device"}:
            raise UnknownError("how is browser or device")
        return answer(await self._desk.begin(request.match_info["name"], how))

    async def _consent(self, request: web.Request) -> web.Response:
        """The link by which an administrator consents for everybody."""
        return answer(await self._desk.begin(request.match_info["name"], "consent"))

    async def _progress(self, request: web.Request) -> web.Response:
        """How a sign-in is: waiting, done, failed, and what is said of it."""
        return answer(self._desk.progress(request.match_info["name"], request.match_info["state"]))

    async def _answer(self, request: web.Request) -> web.Response:
        """Take the URL to which the browser came back, pasted as the body; what came of it."""
        if (request.content_length or 0) > QUERY_CHARS_MAX:
            return problem(413, "too long", "that is no URL of a sign-in")
        return answer(await self._desk.come_back((await request.text())[:QUERY_CHARS_MAX]))

    async def _renew(self, request: web.Request) -> web.Response:
        """Have a good token for `use` and `mailbox`; until when it is good, never the token.

        Where there is none, the problem holds `reason`, `fix` where that is known, `passes` where time mends it.
        """
        use = request.query.get("use", "imap")
        if use not in get_args(Use):
            raise UnknownError(f"use is one of: {', '.join(get_args(Use))}")
        mailbox, proxy = request.query.get("mailbox", ""), request.query.get("proxy")
        opens = Door(request.match_info["name"], cast("Use", use), mailbox, proxy or None)
        try:
            return answer(await self._desk.renew(opens))
        except BlockedError as error:
            return problem(503, "not possible now", str(error), reason=error.reason, fix=error.fix)
        except TransientError as error:
            return problem(503, "not possible now", str(error), reason=error.reason, passes=True)
