"""An authorization server of one's own, in the test's own loop: Microsoft's habits or Google's, each to be switched.

The refresh token rotates as Microsoft's does: the one before stays good until its successor is used.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import anyio
from aiohttp import web
from anyio.from_thread import start_blocking_portal

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass
class Issuer:
    """What it gives, and what it was asked."""

    url: str = ""
    expires_in: Any = 3600
    rotates: bool = True
    gives_refresh: bool = True
    scope: str | None = None
    strict: bool = False
    """A refresh token is dead as soon as it was used once."""
    answers: list[web.Response] = field(default_factory=list)
    """Given first, in order, whatever is asked."""
    pending: int = 0
    """So often a device code is not typed in yet."""
    slow_downs: int = 0
    delay_s: float = 0.0
    asked: list[dict[str, str]] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    good: dict[str, str | None] = field(default_factory=dict)
    """Refresh tokens that are taken, each with its predecessor."""
    codes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    user: str = ""
    """Whose its tokens are, for a mail server that asks (RFC 7662)."""
    ends: dict[str, float] = field(default_factory=dict)
    """When each access token ends."""
    refused: int = 0
    """How often a mail server was told that a token is none."""

    def new(self, kind: str) -> str:
        token = f"{kind}-canary-{secrets.token_urlsafe(12)}"
        self.given.append(token)
        return token

    def new_refresh(self, before: str | None = None) -> str:
        token = self.new("refresh")
        self.good[token] = before
        return token

    def consent(self, url: str) -> str:
        """What a browser does: sign in at *url* and return where it is sent back to."""
        query = dict(parse_qsl(urlsplit(url).query))
        code = self.new("code")
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    # --- endpoints --------------------------------------------------------------------------------------------------

    async def token(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.asked.append(form)
        if self.delay_s:
            await anyio.sleep(self.delay_s)
        if self.answers:
            return self.answers.pop(0)
        match form["grant_type"]:
            case "refresh_token":
                return self._refresh(form["refresh_token"])
            case "authorization_code":
                return self._code(form)
            case "client_credentials":
                return self.grant(None)
            case kind if kind == DEVICE:
                return self._device()
        return self.grant(None)

    def _refresh(self, token: str) -> web.Response:
        if token not in self.good:
            return refusal("invalid_grant", "AADSTS70000: revoked", [70000])
        before = self.good[token]
        if before is not None:  # its successor is in use: the one before is of no use any more
            self.good.pop(before, None)
        if not self.rotates:
            return self.grant(None)
        if self.strict:
            del self.good[token]
        return self.grant(self.new_refresh(token))

    def _code(self, form: Mapping[str, str]) -> web.Response:
        asked = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return refusal("invalid_grant", "AADSTS501481: PKCE", [501481])
        return self.grant(self.new_refresh() if self.gives_refresh else None)

    def _device(self) -> web.Response:
        if self.slow_downs:
            self.slow_downs -= 1
            return refusal("slow_down")
        if self.pending:
            self.pending -= 1
            return refusal("authorization_pending", "AADSTS70016: pending", [70016])
        return self.grant(self.new_refresh())

    def grant(self, refresh: str | None) -> web.Response:
        token = self.new("access")
        self.ends[token] = time.monotonic() + _seconds(self.expires_in)
        told: dict[str, Any] = {"token_type": "Bearer", "access_token": token, "ext_expires_in": 3600}
        if self.expires_in is not None:
            told["expires_in"] = self.expires_in
        if refresh is not None:
            told["refresh_token"] = refresh
        if self.scope is not None:
            told["scope"] = self.scope
        return web.json_response(told)

    async def introspect(self, request: web.Request) -> web.Response:
        token = str((await request.post()).get("token", ""))
        if time.monotonic() >= self.ends.get(token, 0.0):
            self.refused += 1
            return web.json_response({"active": False})
        return web.json_response({"active": True, "username": self.user, "scope": "mail", "token_type": "Bearer"})

    async def device(self, request: web.Request) -> web.Response:
        self.asked.append({key: str(value) for key, value in (await request.post()).items()})
        if self.answers:
            return self.answers.pop(0)
        return web.json_response(
            {
                "device_code": self.new("device"),
                "user_code": "ABCD-EFGH",
                "verification_uri": "https://login.example.org/device",
                "expires_in": "900",
                "interval": 1,
                "message": "words",
            }
        )


def _seconds(told: Any) -> float:
    try:
        return max(0.0, float(told))
    except (TypeError, ValueError):
        return 3600.0


def refusal(error: str, words: str = "", numbers: list[int] | None = None, status: int = 400) -> web.Response:
    told: dict[str, Any] = {"error": error, "error_description": f"{words}\r\nTrace ID: 1\r\nTimestamp: 2"}
    if numbers:
        told |= {"error_codes": numbers, "trace_id": "0f-1", "correlation_id": "c"}
    return web.Response(text=json.dumps(told), status=status, content_type="application/json")


@asynccontextmanager
async def issuing(**changes: Any) -> AsyncIterator[Issuer]:
    """Run one on loopback."""
    issuer = Issuer(**changes)
    app = web.Application()
    app.add_routes(
        [
            web.post("/token", issuer.token),
            web.post("/device", issuer.device),
            web.post("/introspect", issuer.introspect),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    issuer.url = f"http://127.0.0.1:{port}"
    try:
        yield issuer
    finally:
        await runner.cleanup()


@contextmanager
def issuing_aside(**changes: Any) -> Iterator[Issuer]:
    """Run one in a thread of its own, for tests of processes."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(issuing(**changes)) as issuer:
        yield issuer
