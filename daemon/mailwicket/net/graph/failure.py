"""What a refusal of Graph means: who must act, and in plain words what to do. Pure: an answer in, an error out.

Source: microsoft-graph-docs (errors, throttling), and reports from the field where these say less.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mailwicket.errors import BlockedError, MailwicketError, PermanentError, TransientError
from mailwicket.net.graph.place import SIGNED_IN
from mailwicket.oneline import printable

WORDS_CHARS: Final = 300
PAUSE_MAX_S: Final = 3600.0
DEPTH_MAX: Final = 8
"""Codes lie in one another (innerError); deeper nobody looks."""


class ItemGoneError(PermanentError):
    """What was asked for is not there (any more): moved or deleted meanwhile. Nothing is wrong with the mailbox."""


class TooLargeError(PermanentError):
    """The request, or the mail in it, is larger than the server takes."""


class SyncLostError(TransientError):
    """The server forgot up to where we had looked: both links of a delta query are worthless, begin anew."""


class UnsureError(TransientError):
    """Nobody knows whether the server did what it was asked: the request may have reached it, its answer did not us.

    Never repeat what must not be done twice.
    """


@dataclass(frozen=True, slots=True)
class Asked:
    """Of whom what was asked."""

    peer: str
    mailbox: str
    oauth: str
    """NAME of the `[oauth.NAME]` whose token was said."""
    what: str
    """Method and path, for a person."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An answer that is no success."""

    status: int
    codes: tuple[str, ...] = ()
    """As sent, the outermost first, then those of the inner errors."""
    message: str = ""
    request_id: str = ""
    """The vendor's support asks for it."""
    retry_after_s: float | None = None
    claims: str = ""
    """What conditional access wants to be asked for, as it stands in WWW-Authenticate."""

    @property
    def words(self) -> str:
        """What the server said, in one line."""
        code = self.codes[0] if self.codes else ""
        said = ": ".join(filter(None, (code, " ".join(self.message.split())[:WORDS_CHARS])))
        return f'{self.status} "{said}"' if said else f"{self.status} without a word of Graph's"


@dataclass(frozen=True, slots=True)
class _Fix:
    reason: str
    words: str


_CONSENT: Final = (
    'the permission is missing (Mail.ReadWrite, Mail.Send; "mailwicket oauth status" tells, "mailwicket oauth '
    'admin-consent {oauth}" mends it), or the mailbox {mailbox} is outside of what the application or the user who '
    "signed in may open (full access in Exchange; the scope of the application's role or access policy)"
)
_NO_MAILBOX: Final = _Fix(
    "mailbox_unknown",
    "{mailbox} is no mailbox that Graph opens: it has no Exchange Online licence, is inactive, deleted, or lies on "
    "premises",
)
_WRONG_ADDRESS: Final = _Fix("mailbox_unknown", "there is no {mailbox} in this tenant: mend username (or email)")
_SIGN_IN: Final = _Fix(
    "needs_sign_in",
    'a new token is not taken either: "mailwicket oauth login {oauth}"; or, where the application signs in itself, '
    "mend scope in [oauth.{oauth}], which must be of this server",
)
_FULL: Final = _Fix("mailbox_full", "the mailbox {mailbox} is full: make room, or have its quota raised")

BLOCKING: Final[Mapping[str, _Fix]] = {
    "invalidauthenticationtoken": _SIGN_IN,
    "erroraccessdenied": _Fix("mailbox_refused", _CONSENT),
    "errorsendasdenied": _Fix(
        "sender_refused", "nobody gave the right to send as this address: Send As, or Send on Behalf, in Exchange"
    ),
    "authorization_requestdenied": _Fix(
        "needs_admin",
        'a directory permission is missing: an administrator consents ("mailwicket oauth admin-consent {oauth}")',
    ),
    "mailboxnotenabledforrestapi": _NO_MAILBOX,
    "mailboxnotsupportedforrestapi": _NO_MAILBOX,
    "request_resourcenotfound": _WRONG_ADDRESS,
    "errorinvaliduser": _WRONG_ADDRESS,
    "quotalimitreached": _FULL,
    "errorquotaexceeded": _FULL,
}
"""By code in lower case."""

GONE: Final = frozenset({"erroritemnotfound"})
LOST: Final = frozenset({"syncstatenotfound", "resyncrequired", "resynccachedreset", "syncstateinvalid"})
LARGE: Final = frozenset({"errormessagesizeexceeded", "requestentitytoolarge"})
CLAIMS: Final = frozenset({"insufficient_claims", "insufficientclaims"})
THROTTLED: Final = frozenset({429, 509})
"""509: bandwidth limit exceeded."""
BUSY: Final = frozenset({503, *THROTTLED})
"""The server did nothing of what it was asked."""

BY_STATUS: Final[Mapping[int, _Fix]] = {
    401: _SIGN_IN,
    403: _Fix("mailbox_refused", _CONSENT),
    507: _FULL,
}


def judge(asked: Asked, answer: ErrorAnswer) -> MailwicketError:
    """Return the error that *answer* means: codes count before the status, and their letter case does not.

    Each of `errors` says who must act: `ItemGoneError`, `TooLargeError` and any other `PermanentError` are of the one
    thing that was asked, `BlockedError` of the mailbox.
    """
    codes = [code.casefold() for code in answer.codes]
    said = f"{asked.peer} answers {answer.words} to {asked.what}"
    if answer.status in BUSY:
        reason = "throttled" if answer.status in THROTTLED or answer.retry_after_s else "server_said"
        return TransientError(said, reason=reason, retry_after_s=answer.retry_after_s)
    if answer.claims or not CLAIMS.isdisjoint(codes):
        claims = f" (claims {answer.claims[:WORDS_CHARS]})" if answer.claims else ""
        words = f'conditional access wants a person to sign in again{claims}: "mailwicket oauth login {asked.oauth}"'
        return BlockedError(_told(said, answer, words), reason="needs_sign_in")
    if answer.status == 410 or not LOST.isdisjoint(codes):
        return SyncLostError(said, reason="server_said")
    if not GONE.isdisjoint(codes):
        return ItemGoneError(said)
    if answer.status == 413 or not LARGE.isdisjoint(codes):
        return TooLargeError(said)
    if (fix := _fix(asked, answer, codes)) is not None:
        words = fix.words.format(mailbox=asked.mailbox, oauth=asked.oauth)
        return BlockedError(_told(said, answer, words), reason=fix.reason)
    return _unnamed(said, answer)


def _fix(asked: Asked, answer: ErrorAnswer, codes: Sequence[str]) -> _Fix | None:
    found = next((BLOCKING[code] for code in codes if code in BLOCKING), None)
    if found is None and answer.status == 400 and asked.mailbox == SIGNED_IN and "badrequest" in codes:
        words = "an application's own token has no mailbox of its own: set username to the mailbox's address"
        return _Fix("oauth_settings", words)
    return found or BY_STATUS.get(answer.status)


def _unnamed(said: str, answer: ErrorAnswer) -> MailwicketError:
    """Judge by the status alone."""
    if answer.status < 300:  # 200 in place of 202 was said of mail that was too large, and never sent
        return UnsureError(f"{said}, which was not expected", reason="server_said")
    if answer.status >= 500:
        return UnsureError(said, reason="server_said", retry_after_s=answer.retry_after_s)
    if answer.status < 400:
        words = "a redirect, and tokens do not follow one; mend server"
        return BlockedError(_told(said, answer, words), reason="refused")
    if not answer.codes:
        words = "no answer of Graph's: a proxy or a firewall may stand before it, or server is another one"
        return TransientError(f"{said}; {words}", reason="server_said", retry_after_s=answer.retry_after_s)
    return PermanentError(_told(said, answer, ""))


def _told(said: str, answer: ErrorAnswer, words: str) -> str:
    """Leave the number out of what is tried again: a log tells the same loss once, and each has another number."""
    number = f" (request-id {answer.request_id})" if answer.request_id else ""
    return f"{said}{number}; {words}" if words else f"{said}{number}"


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> ErrorAnswer:
    """Read an answer that is no success; what is no error of Graph's has no code."""
    try:
        error = json.loads(body)["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        error = {}
    codes: list[str] = []
    number = headers.get("request-id", "")
    inner = error
    for _ in range(DEPTH_MAX):
        if not isinstance(inner, dict):
            break
        codes += [inner["code"]] if isinstance(inner.get("code"), str) and inner["code"] else []
        number = number or _text(inner, "request-id")
        inner = inner.get("innerError", inner.get("innererror"))
    asks = headers.get("WWW-Authenticate", "")
    codes += ["insufficient_claims"] if "insufficient_claims" in asks else []
    message = _text(error, "message") if isinstance(error, dict) else ""
    return ErrorAnswer(status, tuple(codes), message, number[:64], pause_s(headers.get("Retry-After")), _claims(asks))


def _text(table: Mapping[str, Any], name: str) -> str:
    value = table.get(name)
    return printable(value) if isinstance(value, str) else ""


def _claims(asks: str) -> str:
    """Return the claims of a WWW-Authenticate field (RFC 9110 11.6.1)."""
    _, found, rest = asks.partition("claims=")
    return rest.lstrip('"').partition('"')[0].strip() if found else ""


def pause_s(retry_after: str | None) -> float | None:
    """Return for how long the server wants to be left alone (RFC 9110 10.2.3, seconds), PAUSE_MAX_S at most."""
    text = (retry_after or "").strip()
    try:
        asked = float(text) if text.replace(".", "", 1).isdigit() and text.isascii() else None
    except ValueError:
        return None
    return None if asked is None else min(asked, PAUSE_MAX_S)
