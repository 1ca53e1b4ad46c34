"""Who brings tokens, as a test says."""

from __future__ import annotations

from mailwicket.errors import MailwicketError

TOKEN = "token.canary-0815"


class FakeBearer:
    """Tokens as told."""

    def __init__(self, *, is_fresh: bool = True, left_s: float = 3600, error: MailwicketError | None = None) -> None:
        self.is_fresh = is_fresh
        self.left_s = left_s
        self.error = error
        self.asked = 0
        self.invalidated = 0

    async def token(self) -> str:
        self.asked += 1
        if self.error:
            raise self.error
        return TOKEN

    def challenged(self, claims: str) -> None:
        self.claims = claims

    def invalidate(self) -> None:
        self.invalidated += 1


class Brings:
    def __init__(self, bearer: FakeBearer) -> None:
        self.one = bearer
        self.wanted: list[tuple[str, str, str, str | None]] = []

    def bearer(self, name: str, use: str, mailbox: str, proxy: str | None = None) -> FakeBearer:
        self.wanted.append((name, use, mailbox, proxy))
        return self.one
