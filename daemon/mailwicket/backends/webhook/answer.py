"""What a receiver's answer means: a ticket, or who must act. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

from mailwicket.errors import BlockedError, PermanentError, TransientError
from mailwicket.model import TicketNumber, TicketRef
from mailwicket.oneline import printable

DOWN: Final = "backend_down"

LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

BUSY_S: Final = 2.0
"""So long nothing is sent while the receiver is at work on that very effect (409)."""

RETRY_AFTER_MAX_S: Final = 24 * 3600.0
"""Nobody is believed to be out for longer; a mistyped date would stop mail for ever."""

NUMBER_MAX: Final = 2**63 - 1
"""What our journal's column holds."""

WORDS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    content: bytes


def ticket_of(answer: Answer, peer: str, *, may_be_none: bool = False) -> TicketRef | None:
    """Return the ticket that *answer* names; None only where it *may be none*.

    Only JSON that says so counts, for good and for bad: what a proxy puts in between is an outage and no mail's fault.

    Raises:
        TransientError: later, or nobody who speaks our language answered.
        BlockedError: our signature is refused.
        PermanentError: this effect is refused for good.
    """
    said = _object(answer.content)
    if answer.status in REFUSED:
        raise BlockedError(f"{_told(answer, said, peer)}: it refuses our signature", reason="login_refused")
    if answer.status == HTTPStatus.CONFLICT:
        raise TransientError(_told(answer, said, peer), reason=DOWN, retry_after_s=_retry_after_s(answer) or BUSY_S)
    if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or _is_a_refusal(answer, said):
        raise PermanentError(_told(answer, said, peer))
    if not 200 <= answer.status <= 299:
        raise TransientError(_told(answer, said, peer), reason=DOWN, retry_after_s=_retry_after_s(answer))
    if said is None:
        raise TransientError(f"{_told(answer, said, peer)}, which is no answer of a desk", reason=DOWN)
    number = said.get("ticket")
    if number is None and may_be_none and "ticket" in said:
        return None
    if type(number) is not int or not 1 <= number <= NUMBER_MAX:  # True is an int, too
        raise TransientError(f"{_told(answer, said, peer)}, and names no ticket by a whole number", reason=DOWN)
    return TicketRef(TicketNumber(number))


def _is_a_refusal(answer: Answer, said: Mapping[str, Any] | None) -> bool:
    return 400 <= answer.status <= 499 and answer.status not in LATER and said is not None and "error" in said


def _object(content: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _told(answer: Answer, said: Mapping[str, Any] | None, peer: str) -> str:
    words = f"{peer} answered {answer.status}"
    if said is None:
        where = " to another place, which is not followed" if 300 <= answer.status <= 399 else ""
        return f"{words}{where} with no JSON object"
    error = said.get("error")
    if not isinstance(error, str):
        return words
    return f'{words} ("{printable(error[:WORDS_MAX])}")'


def _retry_after_s(answer: Answer) -> float | None:
    """Return how long to wait as Retry-After says (RFC 9110 10.2.3): seconds, or a date by the receiver's own clock."""
    fields = {name.lower(): value.strip() for name, value in answer.headers.items()}
    value = fields.get("retry-after", "")
    if value.isascii() and value.isdigit():
        seconds = float(value[:12])
    else:
        until, now = _date(value), _date(fields.get("date", "")) or datetime.now(UTC)
        if until is None:
            return None
        seconds = (until - now).total_seconds()
    return min(max(seconds, 0.0), RETRY_AFTER_MAX_S)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
