"""A mailbox at Microsoft Graph: requests in their turn, with a good token, judged by the one table of errors."""

from __future__ import annotations

import json as text_json
import logging
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import aiohttp
import anyio
from multidict import CIMultiDict, CIMultiDictProxy

from mailwicket.admission import Bearer, Lane
from mailwicket.errors import BlockedError, MailwicketError, TransientError
from mailwicket.failpoint import failpoint
from mailwicket.net.graph.failure import Asked, ErrorAnswer, UnsureError, judge, read_error
from mailwicket.net.graph.place import Place, is_upload_url
from mailwicket.net.http import CutOffError, Http, read
from mailwicket.net.proxy import Way

log = logging.getLogger(__name__)

T = TypeVar("T")

IMMUTABLE_IDS: Final = 'IdType="ImmutableId"'
"""On every request, or ids change when a mail is moved, and those that we know say nothing."""

JSON_BYTES: Final = 4 * 1024 * 1024
"""A page of a thousand ids has a few hundred kilobytes."""

ERROR_BYTES: Final = 64 * 1024
SHOWN_CHARS: Final = 40
"""Longer words of a path are ids."""

NO_MAIL: Final = frozenset({"application/json", "text/html"})
"""What a mail's bytes never come as: an error that says 200, or a page of somebody who stands between."""

PAUSING: Final = frozenset({429, 503, 504, 509})


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds: how long to wait for what."""

    answer_s: float = 60
    """A whole exchange but for a mail's bytes, and between two pieces of these; Graph itself gives up by then (504)."""
    slowest_bytes_per_s: float = 8 * 1024
    """A mail that comes or goes more slowly than this, `answer_s` added, is given up."""

    def exchange_s(self, body_bytes: int) -> float:
        """How long an exchange may take that carries so many bytes."""
        return self.answer_s + body_bytes / self.slowest_bytes_per_s


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was wanted."""

    status: int
    headers: Mapping[str, str]
    """Names in any letter case."""
    json: Any = field(repr=False)
    """What its body says; None where it has none."""


@dataclass(frozen=True, slots=True)
class Value:
    """The bytes of a mail, as they come."""

    pieces: AsyncIterator[bytes]
    is_marked: bool
    """The server marks where it ends; where it does not, a cut is not seen."""


class GraphMailbox:
    """One mailbox (see `Place`); what goes wrong is raised as `failure.judge` has it, and nothing is tried twice.

    But for one thing: a token that is refused is renewed, once, and the request made again.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - one for each thing it stands on
        self,
        place: Place,
        oauth: str,
        bearer: Bearer,
        lane: Lane,
        tls: ssl.SSLContext,
        way: Way | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        """Ask with tokens of *bearer*, from `[oauth.NAME]`, in turns of *lane*. Connects to nothing yet; `close` it."""
        self.place = place
        self.deadlines = deadlines or Deadlines()
        self._oauth = oauth
        self._bearer = bearer
        self._lane = lane
        self._http = Http(tls, way, silence_s=self.deadlines.answer_s)
        self._heard_at = anyio.current_time()

    async def close(self) -> None:
        """End the connection."""
        await self._http.close()

    def silence_s(self) -> float:
        """Seconds since the last answer of the server."""
        return anyio.current_time() - self._heard_at

    # --- requests ---------------------------------------------------------------------------------------------------

    async def call(  # noqa: PLR0913 - what HTTP knows of a request
        self,
        method: str,
        path: str,
        *,
        json: Any = None,  # noqa: ANN401 - whatever JSON holds
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        wanted: Collection[int] = (200,),
    ) -> Answer:
        """Ask for *path* in this mailbox, encoded (see `place`), with *json* or with *body*; return a *wanted* answer.

        Raises:
            UnsureError: the request may have reached the server, and what it did is not known.
            TransientError: it surely did nothing, and time mends it; `throttled` with `retry_after_s`.
            SyncLostError, ItemGoneError, TooLargeError, PermanentError: see `failure`.
            BlockedError: a human must mend it.
        """
        if json is not None:
            body, content_type = text_json.dumps(json, separators=(",", ":")).encode("ascii"), "application/json"
        more = {**(headers or {}), **({"Content-Type": content_type} if content_type else {})}
        return await self._exchange(method, self.place.url(path), more, body, wanted)

    async def follow(self, link: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for what the server named in *link*, byte for byte.

        Raises:
            BlockedError: it leads to another server, to which our token is not said.
            MailwicketError: as `call`.
        """
        if not self.place.owns(link):
            raise BlockedError(f"{self.place.peer} names a link that leads to another server; not followed")
        return await self._exchange("GET", link, headers or {}, None, (200,))

    async def upload(
        self,
        url: str,
        content: bytes | None,
        headers: Mapping[str, str],
        *,
        method: str = "PUT",
        wanted: Collection[int] = (200, 201, 202),
    ) -> Answer:
        """PUT *content* to an upload session, wherever the server said that it is: without our token.

        A GET asks how far the session has got.

        Raises:
            BlockedError: its URL is not encrypted.
            MailwicketError: as `call`; a refusal is told in the words of whoever answers there.
        """
        if not is_upload_url(url):
            raise BlockedError(f"{self.place.peer} names an upload session that is not encrypted; nothing is sent")
        async with self._lane.turn():
            asked = Asked(self.place.peer, self.place.mailbox, self._oauth, f"{method} of an upload session")
            async with self._open(method, url, headers, content) as response:
                return await self._judged(asked, response, wanted)

    async def read_value(self, path: str, take: Callable[[Value], Awaitable[T]]) -> T:
        """Have *take* read the bytes of *path* as they come; return what it returns.

        It may leave before the end; what is left is not read.

        Raises:
            MailwicketError: as `call`.
        """
        asked = self._asked("GET", path)
        url = self.place.url(path)
        async with self._lane.turn():
            for renewed in (False, True):
                async with self._open("GET", url, await self._headers({"Accept": "*/*"}), None, bulk=True) as response:
                    if response.status == 200:
                        if response.content_type in NO_MAIL:
                            response.close()
                            words = f"{asked.peer} answers 200 to {asked.what} with {response.content_type}: no mail"
                            raise UnsureError(words, reason="server_said")
                        try:
                            return await take(Value(self._pieces(response), _marks_end(response)))
                        finally:
                            if not response.content.at_eof():
                                response.close()
                    if response.status == 401 and await self._renews(asked, response, renewed=renewed):
                        continue
                    await self._judged(asked, response, ())
        raise AssertionError  # pragma: no cover - the second round returns or raises

    async def _pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """Yield the body; it must keep a pace, as a server may give it byte by byte."""
        begun_at, size = anyio.current_time(), 0
        async for piece in response.content.iter_any():
            self._heard_at = anyio.current_time()
            size += len(piece)
            if self._heard_at - begun_at > self.deadlines.exchange_s(size):
                words = f"{self.place.peer} took {self._heard_at - begun_at:.0f} s for {size} bytes of a mail"
                raise TransientError(words, reason="timeout")
            yield piece

    # --- one exchange -----------------------------------------------------------------------------------------------

    async def _exchange(
        self, method: str, url: str, more: Mapping[str, str], body: bytes | None, wanted: Collection[int]
    ) -> Answer:
        asked = self._asked(method, url.removeprefix(self.place.url("")).lstrip("/"))
        async with self._lane.turn():
            for renewed in (False, True):
                async with self._open(method, url, await self._headers(more), body) as response:
                    if response.status == 401 and await self._renews(asked, response, renewed=renewed):
                        continue
                    return await self._judged(asked, response, wanted)
        raise AssertionError  # pragma: no cover - the second round returns or raises

    def _asked(self, method: str, path: str) -> Asked:
        """Name a request for a person: without ids and links, which say nothing and are long."""
        words = path.partition("?")[0].split("/")
        short = "/".join("..." if len(word) > SHOWN_CHARS else word for word in words)
        return Asked(self.place.peer, self.place.mailbox, self._oauth, f"{method} {short}".rstrip())

    async def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return what every request bears, and *more*; what is preferred comes together in one field."""
        prefer = ", ".join(filter(None, (more.get("Prefer"), IMMUTABLE_IDS)))
        token = await self._bearer.token()
        return {
            **more,
            "Prefer": prefer,
            "Authorization": f"Bearer {token}",
            "client-request-id": str(uuid.uuid4()),
            "return-client-request-id": "true",
        }

    @asynccontextmanager
    async def _open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, bulk: bool = False
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; it and the reading of its answer have `exchange_s`, unless the answer comes in *bulk*.

        Raises:
            TransientError: it did not reach the server.
            UnsureError: it may have.
            BlockedError: the certificate does not stand the test.
        """
        failpoint("graph.send")
        limit_s = self.deadlines.exchange_s(len(body or b""))
        try:
            with anyio.fail_after(None if bulk else limit_s):
                async with self._http.ask(method, url, headers=headers, content=body, silence_s=limit_s) as response:
                    self._heard_at = anyio.current_time()
                    log.debug(
                        "graph answered server=%s status=%d request_id=%s client_request_id=%s",
                        self.place.peer, response.status, response.headers.get("request-id"),
                        headers.get("client-request-id"),
                    )  # fmt: skip
                    yield response
        except TimeoutError as error:
            words = f"{self.place.peer} did not answer within {limit_s:.3g} s"
            raise UnsureError(words, reason="timeout") from error
        except CutOffError as error:
            raise UnsureError(str(error), reason=error.reason) from error

    async def _renews(self, asked: Asked, response: aiohttp.ClientResponse, *, renewed: bool) -> bool:
        """Have a refused token renewed; False where that was done before, or mends nothing."""
        answer = read_error(response.status, response.headers, await read(response, ERROR_BYTES))
        if answer.claims:
            self._bearer.challenged(answer.claims)
        if renewed or answer.claims or "insufficient_claims" in answer.codes:
            raise self._refused(asked, answer)
        self._bearer.invalidate()
        return True

    async def _judged(self, asked: Asked, response: aiohttp.ClientResponse, wanted: Collection[int]) -> Answer:
        if response.status not in wanted:
            try:
                body = await read(response, ERROR_BYTES)
            except TransientError:
                body = b""  # its status says enough
            raise self._refused(asked, read_error(response.status, response.headers, body))
        try:
            content = await read(response, JSON_BYTES)
        except CutOffError:
            raise
        except TransientError as error:
            raise UnsureError(str(error), reason=error.reason) from error
        headers = CIMultiDictProxy(CIMultiDict(response.headers))
        if not content:
            return Answer(response.status, headers, None)
        try:
            return Answer(response.status, headers, text_json.loads(content))
        except (ValueError, RecursionError):
            words = f"{asked.peer} answers {response.status} to {asked.what} with what is no JSON"
            raise UnsureError(words, reason="server_said") from None

    def _refused(self, asked: Asked, answer: ErrorAnswer) -> MailwicketError:
        """Return the error that *answer* means; where it asks for a pause, the others of this lane keep it too."""
        error = judge(asked, answer)
        log.info(
            "graph refused server=%s mailbox=%s status=%d code=%s request_id=%s",
            asked.peer, asked.mailbox, answer.status, ":".join(answer.codes), answer.request_id,
        )  # fmt: skip
        if answer.status in PAUSING and (answer.retry_after_s or answer.status == 429):
            self._lane.rest(answer.retry_after_s, application=answer.status == 429)
        return error


def _marks_end(response: aiohttp.ClientResponse) -> bool:
    """Tell whether a body that ends was not cut off. HTTP/1.0 ends one by closing, and may know no other way."""
    told = response.content_length is not None or "Transfer-Encoding" in response.headers
    return told or response.version == aiohttp.HttpVersion10
