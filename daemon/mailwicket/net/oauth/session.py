"""A session that a token opened: how long it lasts, and what a refusal of the token means. For every protocol."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from mailwicket.admission import Bearer
from mailwicket.errors import BlockedError, SessionEndedError, TransientError

EARLY_S: Final = 60
LEAST_S: Final = 5.0
"""A session ends so long before its token does, and lasts so long whatever that says."""

GIVE_RIGHT: Final = "give the user, or the service principal of the application, full access to it"
NO_RIGHT: Final = f"the token is good, and who signed in has no right to this mailbox: {GIVE_RIGHT}"
"""What is wrong where `lacks_right`."""


def lacks_right(words: str) -> bool:
    """Tell whether Exchange means that with its *words*: it says OK to the login, and this to the next command."""
    return "authenticated but not connected" in words.casefold()


class Session:
    """How long a session may last: servers end it with its token, Gmail to the second."""

    def __init__(self, peer: str, bearer: Bearer | None, now: float, chance: Callable[[], float]) -> None:
        """Begin one at *now* with the last token of *bearer*; None: a password's, without end.

        *chance* in [0, 1) spreads the ends of many.
        """
        self._peer = peer
        self._end_at = math.inf
        if bearer is not None:
            left_s = bearer.left_s
            self._end_at = now + max(LEAST_S, left_s - min(EARLY_S, left_s / 10) * (1 + chance()))

    def left_s(self, now: float) -> float:
        """Return how long it lasts from *now* on.

        Raises:
            SessionEndedError: it is over.
        """
        left_s = self._end_at - now
        if left_s <= 0:
            raise SessionEndedError(f"{self._peer}: the token of this session ends")
        return left_s


def token_refused(bearer: Bearer, error: BlockedError) -> BlockedError | TransientError:
    """Judge a login that was refused: where the token was not fresh, a new one comes first, once."""
    fresh = bearer.is_fresh
    bearer.invalidate()
    if fresh:
        return error
    return TransientError(f"{error}; it is tried with a new token", reason="token_refused", retry_after_s=1)
