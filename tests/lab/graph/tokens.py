"""The authorization server beside Graph, and what Graph says to a token (v2.0 endpoints of Entra).

The endpoints are those of `tests.lab.issuer`; here its access tokens have the form and the claims of Microsoft's.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from tests.lab.graph.ask import Grant
from tests.lab.graph.clock import Clock
from tests.lab.graph.problem import GraphError
from tests.lab.issuer import Issuer, refusal

GRAPH = "https://graph.microsoft.com"
GRAPH_APP = "00000003-0000-0000-c000-000000000000"
OUTLOOK = "https://outlook.office365.com"
TENANT = "0a1b2c3d-0000-4000-8000-00000000000f"
EVERY_SCOPE = ("Mail.ReadWrite", "Mail.Send", "Mail.ReadWrite.Shared", "Mail.Send.Shared")
CHALLENGE = (
    'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize",'
    f' client_id="{GRAPH_APP}"'
)
FORM: ContextVar[dict[str, str]] = ContextVar("FORM")


@dataclass
class Tokens(Issuer):
    """What it gives, and what it was asked; see `Issuer` for the switches of the endpoints."""

    clock: Clock = field(default_factory=Clock)
    user: str = "desk@example.org"
    """Who signs in."""
    scopes: tuple[str, ...] = EVERY_SCOPE
    """What was consented to, of a user's and of an application's permissions alike."""
    secret: str = ""
    """Of the client; another one is refused."""
    audience: str = ""
    """What every token is for, whatever was asked."""
    claims: str = ""
    """A claims challenge: no token given out before it was set is taken."""
    grants: dict[str, Grant] = field(default_factory=dict)
    refused_graph: int = 0
    """How often Graph refused a token."""
    _before_claims: set[str] = field(default_factory=set)

    # --- by hand ----------------------------------------------------------------------------------------------------

    def accept(
        self,
        token: str = "",
        *,
        user: str | None = None,
        application: bool = False,
        permissions: Iterable[str] | None = None,
        audience: str = GRAPH,
        lifetime_s: float = 3600.0,
        client: str = "app-1",
    ) -> str:
        """Make an access token known, without any sign-in; return it."""
        wanted = frozenset(self.scopes if permissions is None else permissions)
        grant = Grant(
            client, "" if application else user or self.user, wanted, audience, self.clock.epoch_s() + lifetime_s
        )
        token = token or self._jwt(grant)
        self.grants[token] = grant
        return token

    def expire_all(self) -> None:
        """Every access token is too old from now on; refresh tokens stay good."""
        for grant in self.grants.values():
            grant.ends_s = min(grant.ends_s, self.clock.epoch_s())

    def challenge(self, claims: str = '{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}') -> None:
        """Ask for a new sign-in by conditional access: tokens of before are refused until one is got anew."""
        self.claims = claims
        self._before_claims = set(self.grants)

    # --- endpoints --------------------------------------------------------------------------------------------------

    async def token(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        FORM.set(form)
        tenant = request.match_info.get("tenant", "")
        wrong = _wrong_form(form, tenant) or self._wrong_client(form)
        if wrong is not None:
            self.asked.append(form)
            return wrong
        return await super().token(request)

    def _wrong_client(self, form: dict[str, str]) -> web.Response | None:
        if self.secret and "client_assertion" not in form:
            if "client_secret" not in form:
                return refusal("invalid_client", "AADSTS7000218: secret or assertion missing", [7000218], 401)
            if form["client_secret"] != self.secret:
                return refusal("invalid_client", "AADSTS7000215: Invalid client secret provided", [7000215], 401)
        return None

    async def authorize(self, request: web.Request) -> web.Response:
        """Somebody signs in without being asked, and is sent back."""
        if request.query.get("response_type") != "code" or "redirect_uri" not in request.query:
            return web.Response(status=400, text="<html>AADSTS900144: a parameter is missing</html>")
        raise web.HTTPFound(self.consent(str(request.url)))

    def grant(self, refresh: str | None) -> web.Response:
        form = FORM.get({})
        application = form.get("grant_type") == "client_credentials"
        lifetime_s = float(self.expires_in) if self.expires_in is not None else 3600.0
        audience = self.audience or _audience(form.get("scope", ""))
        before = len(self.given)
        answer = super().grant(refresh)
        (opaque,) = [token for token in self.given[before:] if token.startswith("access")]
        token = self.accept(
            application=application, audience=audience, lifetime_s=lifetime_s, client=form.get("client_id", "app-1")
        )
        self.given.append(token)
        told = json.loads(answer.text or "{}") | {"access_token": token}
        self.given.remove(opaque)
        if not application and self.scope is None:
            told["scope"] = " ".join(f"{audience}/{name}" for name in self.scopes)
        return web.json_response(told)

    def _jwt(self, grant: Grant) -> str:
        """The form of a token; nobody can check its signature but who made it."""
        now = int(self.clock.epoch_s())
        claims: dict[str, Any] = {
            "aud": grant.audience,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "iat": now,
            "nbf": now,
            "exp": int(grant.ends_s),
            "appid": grant.app,
            "tid": TENANT,
            "oid": hashlib.sha256(grant.user.encode()).hexdigest()[:32],
            "uti": secrets.token_urlsafe(12),
            "ver": "1.0",
        }
        names = sorted(grant.permissions)
        claims |= (
            {"roles": names, "idtyp": "app"} if grant.of_application else {"scp": " ".join(names), "idtyp": "user"}
        )
        if grant.user:
            claims["upn"] = grant.user
        head = {"typ": "JWT", "alg": "RS256", "kid": "lab"}
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
        return f"{signed}.access-canary-{secrets.token_urlsafe(24)}"

    # --- at Graph ---------------------------------------------------------------------------------------------------

    def check(self, authorization: str | None, audiences: Iterable[str]) -> Grant:
        """Tell whose token it is.

        Raises:
            GraphError: 401, with the challenge that Microsoft adds.
        """
        kind, _, token = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise self._no("Access token is empty.")
        grant = self.grants.get(token)
        if grant is None:
            raise self._no("IDX14100: JWT is not well formed, there are no dots (.).")
        if grant.audience.rstrip("/") not in {one.rstrip("/") for one in audiences}:
            raise self._no("Access token validation failure. Invalid audience.")
        if self.clock.epoch_s() >= grant.ends_s:
            raise self._no("Lifetime validation failed, the token is expired.")
        if self.claims and token in self._before_claims:
            told = base64.b64encode(self.claims.encode()).decode()
            raise self._no(
                "Continuous access evaluation resulted in challenge with result: InteractionRequired and code:"
                " TokenIssuedBeforeRevocationTimestamp",
                f', error="insufficient_claims", claims="{told}"',
            )
        return grant

    def _no(self, words: str, more: str = "") -> GraphError:
        self.refused_graph += 1
        return GraphError(401, "InvalidAuthenticationToken", words, {"WWW-Authenticate": CHALLENGE + more})


def _audience(scope: str) -> str:
    """Of the resource that the scopes name; Graph's are known without one."""
    for name in scope.split():
        if "://" in name:
            url = urlsplit(name)
            return f"{url.scheme}://{url.netloc}"
    return GRAPH


def _wrong_form(form: dict[str, str], tenant: str) -> web.Response | None:
    resources = {_audience(name) for name in form.get("scope", "").split() if "://" in name}
    if "grant_type" not in form:
        return refusal("invalid_request", "AADSTS900144: 'grant_type' is missing", [900144])
    if "client_id" not in form:
        return refusal("invalid_request", "AADSTS900144: 'client_id' is missing", [900144])
    if len(resources) > 1:
        return refusal("invalid_request", "AADSTS28000: scopes of more than one resource", [28000])
    if form["grant_type"] == "client_credentials":
        if not form.get("scope", "").endswith("/.default"):
            return refusal("invalid_scope", "AADSTS1002012: the scope must end in /.default", [1002012])
        if tenant in {"common", "organizations", "consumers"}:
            return refusal("invalid_request", "AADSTS9001023: not for this grant", [9001023])
    return None


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
