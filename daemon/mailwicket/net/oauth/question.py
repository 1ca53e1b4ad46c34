"""What is asked of an authorization server: URLs for a browser and forms for its endpoints. No I/O.

Own lines rather than oauthlib: it refuses http on loopback without a switch of the whole process, raises a bare
`Warning` when other scopes are granted than were asked for (Microsoft's habit), and takes any page that is not JSON
for a missing token; what would be left of it are the dictionaries below.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from mailwicket.config.oauth import OAuth
from mailwicket.model import Use

Form = Mapping[str, str]

DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628 3.4
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"  # RFC 7523 2.1
ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"  # RFC 7523 2.2

STATE_BYTES: Final = 32
VERIFIER_BYTES: Final = 48
"""RFC 7636 4.1: 43 to 128 characters; these are 64."""

AUTHORIZE_MORE: Final[Mapping[str, Form]] = {
    "google": {"access_type": "offline", "prompt": "consent"},  # or no refresh token comes the second time
    "microsoft": {"response_mode": "query", "prompt": "select_account"},
}


def new_state() -> str:
    """Return what ties an answer to its question (RFC 6749 10.12)."""
    return secrets.token_urlsafe(STATE_BYTES)


def new_verifier() -> str:
    """Return a PKCE verifier (RFC 7636 4.1)."""
    return secrets.token_urlsafe(VERIFIER_BYTES)


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge (RFC 7636 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def sign_in_url(oauth: OAuth, scopes: Sequence[str], state: str, verifier: str, claims: str = "") -> str:
    """Return where a browser signs in (RFC 6749 4.1.1, RFC 7636 4.3), and with *claims* that a policy wants."""
    provider = "microsoft" if oauth.is_microsoft else oauth.provider
    asked = {
        "client_id": oauth.client_id,
        "response_type": "code",
        "redirect_uri": oauth.redirect_url,
        **({"scope": " ".join(scopes)} if scopes else {}),
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        **AUTHORIZE_MORE.get(provider, {}),
        **({"claims": claims} if claims else {}),
    }
    return with_query(oauth.authorization_url or "", asked)


def admin_consent_url(oauth: OAuth, scopes: Sequence[str], state: str, uses: Collection[Use] = ()) -> str | None:
    """Return where an administrator approves the application for everybody; None where the provider has no such page.

    Microsoft's v2.0 endpoint beside its authorize endpoint, whoever wrote the URL of that. What an application may do
    by itself is registered with it, so `.default` is asked for; IMAP and POP3 want the older name of their resource,
    and *uses* without them do not.
    """
    root = _tenant_root(oauth)
    if root is None:
        return None
    older = ("https://outlook.office365.com/.default", "https://ps.outlook.com/.default")
    asked = scopes if set(uses) == {"smtp"} else [scope.replace(*older) for scope in scopes]
    query = {
        "client_id": oauth.client_id,
        "redirect_uri": oauth.redirect_url,
        "state": state,
        "scope": " ".join(one for one in asked if one != "offline_access"),
    }
    root = root.removesuffix("/common") + "/organizations" if root.endswith("/common") else root
    return with_query(f"{root}/v2.0/adminconsent", query)


def _tenant_root(oauth: OAuth) -> str | None:
    """Return where Microsoft has the pages of the tenant; None where it is not Microsoft's."""
    page = oauth.authorization_url or ""
    root, found, _ = page.partition("/oauth2/v2.0/authorize")
    if found:
        return root
    if not oauth.is_microsoft:
        return None
    parts = urlsplit(page)
    return f"{parts.scheme}://{parts.netloc}/{oauth.tenant or oauth.preset.tenant}"


def with_query(url: str, more: Form) -> str:
    """Return *url* with *more* in its query, behind what is there."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(more))))))


def code_form(oauth: OAuth, code: str, verifier: str) -> Form:
    """Ask for a token with the browser's code (RFC 6749 4.1.3, RFC 7636 4.5)."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": oauth.redirect_url,
        "code_verifier": verifier,
    }


def device_form(oauth: OAuth, scopes: Sequence[str]) -> Form:
    """Ask for a code to type in elsewhere (RFC 8628 3.1)."""
    return {"client_id": oauth.client_id, "scope": " ".join(scopes)}


def device_poll_form(device_code: str) -> Form:
    """Ask whether it was typed in (RFC 8628 3.4)."""
    return {"grant_type": DEVICE, "device_code": device_code}


def refresh_form(refresh_token: str, scopes: Sequence[str]) -> Form:
    """Ask for the next token (RFC 6749 6)."""
    scope = {"scope": " ".join(scopes)} if scopes else {}
    return {"grant_type": "refresh_token", "refresh_token": refresh_token, **scope}


def client_credentials_form(scopes: Sequence[str]) -> Form:
    """Ask for a token of the application's own (RFC 6749 4.4.2)."""
    return {"grant_type": "client_credentials", **({"scope": " ".join(scopes)} if scopes else {})}


def jwt_bearer_form(assertion: str) -> Form:
    """Ask for a token with a signed statement (RFC 7523 2.1)."""
    return {"grant_type": JWT_BEARER, "assertion": assertion}


def proof_form(oauth: OAuth, client_secret: str | None, assertion: str | None) -> Form:
    """Say which application asks and prove it (RFC 6749 2.3.1, RFC 7523 2.2)."""
    proof = {"client_id": oauth.client_id}
    if client_secret is not None:
        proof["client_secret"] = client_secret
    if assertion is not None:
        proof |= {"client_assertion_type": ASSERTION, "client_assertion": assertion}
    return proof


def query_of(pasted: str) -> Mapping[str, str]:
    """Return the query of a URL that somebody pasted, or of the query alone."""
    text = pasted.strip()
    query = urlsplit(text).query if "://" in text else text.removeprefix("?")
    return dict(parse_qsl(query, keep_blank_values=True))
