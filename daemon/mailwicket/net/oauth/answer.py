"""What an authorization server answers, read from bytes that anybody may have sent. No I/O."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from mailwicket.oneline import cut, printable

TOKEN_CHARS_MAX: Final = 16 * 1024
"""Real ones have 2 KiB; a token becomes part of one protocol line."""

LIFETIME_S: Final = 3600
"""Where the server does not say (RFC 6749 5.1 lets it): what both large providers give."""

LIFETIME_MAX_S: Final = 10 * 365 * 86_400
DEVICE_MAX_S: Final = 3600
INTERVAL_S: Final = 5  # RFC 8628 3.2: where the server does not say
INTERVAL_MAX_S: Final = 120
NUMBERS: Final = re.compile(r"\bAADSTS(\d{4,7})\b")


class UnreadableError(ValueError):
    """It is no answer of an authorization server; the text says why, and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """RFC 6749 5.1."""

    access_token: str = field(repr=False)
    expires_in_s: float
    refresh_token: str | None = field(default=None, repr=False)
    scopes: tuple[str, ...] | None = None
    """What was granted; None where it is what was asked for."""
    refresh_ends_in_s: float | None = None
    """Where the provider sets an end to the refresh token: Google for a project on "Testing", Microsoft for `spa`."""


@dataclass(frozen=True, slots=True)
class DeviceAnswer:
    """RFC 8628 3.2."""

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    expires_in_s: float
    interval_s: float


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """RFC 6749 5.2, and Microsoft's numbers."""

    error: str
    description: str = ""
    numbers: tuple[int, ...] = ()
    trace_id: str = ""
    claims: str = field(default="", repr=False)
    """What a policy (conditional access) wants of the next sign-in."""

    @property
    def told(self) -> str:
        """In its own words."""
        return f"{self.error}: {self.description}" if self.description else self.error


def read_token(body: bytes) -> TokenAnswer:
    """Read the answer of the token endpoint to a question that it granted.

    Raises:
        UnreadableError: it is none.
    """
    told = _object(body)
    if str(told.get("token_type", "bearer")).casefold() != "bearer":
        raise UnreadableError("its token is none of type Bearer (RFC 6750)")
    refresh = told.get("refresh_token")
    scope = told.get("scope")
    return TokenAnswer(
        _token(told.get("access_token"), "access_token"),
        _seconds(told.get("expires_in"), LIFETIME_S, LIFETIME_MAX_S),
        None if refresh is None or refresh == "" else _token(refresh, "refresh_token"),
        tuple(scope.split()) if isinstance(scope, str) and scope.strip() else None,
        _seconds(told.get("refresh_token_expires_in"), 0, LIFETIME_MAX_S) or None,
    )


def read_device(body: bytes) -> DeviceAnswer:
    """Read the answer of the device authorization endpoint.

    Raises:
        UnreadableError: it is none.
    """
    told = _object(body)
    uri = told.get("verification_uri", told.get("verification_url"))  # some servers are older than the RFC
    code = told.get("user_code")
    if not (isinstance(uri, str) and uri.startswith(("https://", "http://")) and uri.isprintable()):
        raise UnreadableError("it has no verification_uri")
    if not (isinstance(code, str) and code and code.isprintable() and len(code) <= 100):
        raise UnreadableError("it has no user_code")
    complete = told.get("verification_uri_complete")
    return DeviceAnswer(
        _token(told.get("device_code"), "device_code"),
        code,
        uri,
        complete if isinstance(complete, str) and complete.isprintable() else None,
        _seconds(told.get("expires_in"), 900, DEVICE_MAX_S),
        _seconds(told.get("interval"), INTERVAL_S, INTERVAL_MAX_S),
    )


def read_error(body: bytes) -> ErrorAnswer | None:
    """Read an error of an endpoint; None where it is no such object, as a proxy's or a load balancer's page is."""
    try:
        told = _object(body)
    except UnreadableError:
        return None
    return error_of(told)


def error_of(told: dict[str, Any]) -> ErrorAnswer | None:
    """Return the error that a JSON object, or the query of a redirect, tells; None where it tells none."""
    error = told.get("error")
    if not isinstance(error, str) or not error:
        return None
    description = told.get("error_description")
    words = description if isinstance(description, str) else ""
    codes = told.get("error_codes")
    numbers = [one for one in codes if isinstance(one, int)] if isinstance(codes, list) else []
    numbers += [int(one) for one in NUMBERS.findall(words)]
    trace = told.get("trace_id")
    return ErrorAnswer(
        _line(error, 60),
        _line(words, 200),
        tuple(dict.fromkeys(numbers)),
        _line(trace, 60) if isinstance(trace, str) else "",
        str(told.get("claims") or ""),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableError("it is no JSON") from None  # the exception holds the answer
    if not isinstance(told, dict):
        raise UnreadableError("it is no JSON object")
    return told


def _token(value: object, name: str) -> str:
    """Return a token that can stand in a line: a control character in it would end one."""
    if not isinstance(value, str) or not value:
        raise UnreadableError(f"it has no {name}")
    if len(value) > TOKEN_CHARS_MAX:
        raise UnreadableError(f"its {name} is longer than {TOKEN_CHARS_MAX} characters")
    if not all("!" <= one <= "~" for one in value):
        raise UnreadableError(f"its {name} holds characters that no token has (RFC 6749 appendix A.12)")
    return value


def _seconds(value: object, default: float, most: float) -> float:
    """Return a number of seconds, which some servers send as text."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else default
    except ValueError:
        seconds = default
    if not seconds > 0:  # nor NaN
        return default
    return min(seconds, most)


def _line(text: str, limit: int) -> str:
    """Return the first line of *text*, printable; Microsoft's others are ids and times."""
    first = text[: 20 * limit].strip().splitlines()[:1]
    return cut(printable(first[0] if first else ""), limit)
