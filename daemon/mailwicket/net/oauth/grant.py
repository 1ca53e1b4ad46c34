"""What is kept of one `[oauth.NAME]`: the refresh token, the one before it, the tokens in use. As text for the safe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Protocol

from mailwicket.config.oauth import OAuth

FORMAT: Final = 1


class Safe(Protocol):
    """Where grants are kept, under lock and key."""

    async def load(self, name: str) -> str | None:
        """Return what was saved as *name*, None where nothing was.

        Raises:
            BlockedError: it cannot be opened with the key that there is.
            StoreError: the database does not answer.
        """
        ...

    async def save(self, name: str, text: str) -> None:
        """Keep *text* as *name*; on disk when this returns, and until then what was there before is.

        Raises:
            StoreError: the disk refuses.
        """
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """A token in use. Moments are seconds since 1970, as they outlive this process."""

    token: str = field(repr=False)
    minted_at: float
    """By our clock, before it was asked for."""
    expires_at: float
    renew_at: float
    """From here on a new one is asked for; this one is still good."""
    scopes: tuple[str, ...] = ()
    """What it was granted."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything of one grant."""

    client: str
    """Whom it was given to and by whom: `client_of`. Under another it is of no use, and is told to nobody."""
    refresh: str | None = field(default=None, repr=False)
    previous: str | None = field(default=None, repr=False)
    """The refresh token before, until the one that followed it is used: a crash may have lost that on its way."""
    access: Mapping[str, Access] = field(default_factory=dict)
    """By what they are for."""
    granted: tuple[str, ...] = ()
    signed_in_at: float | None = None
    renewed_at: float | None = None
    ends_at: float | None = None
    """Where the provider told so: the refresh token's end, which use does not put off."""
    life_s: float | None = None
    """From when that was told until then."""

    def lasting(self, ends_in_s: float | None, at: float) -> Kept:
        """Return it with the end of a new refresh token, told at *at*."""
        return replace(self, ends_at=None if ends_in_s is None else at + ends_in_s, life_s=ends_in_s)

    def write(self) -> str:
        """Return it as text."""
        return json.dumps({"format": FORMAT, **asdict(self)}, separators=(",", ":"))

    @staticmethod
    def read(text: str) -> Kept:
        """Return what `write` wrote.

        Raises:
            ValueError: it is something else.
        """
        told = json.loads(text)
        if told.pop("format", None) != FORMAT:
            raise ValueError("a grant of another format")
        access = {name: _access(one) for name, one in told.pop("access").items()}
        return Kept(access=access, granted=tuple(told.pop("granted")), **told)


def _access(told: dict[str, Any]) -> Access:
    return Access(**{**told, "scopes": tuple(told["scopes"])})


def client_of(oauth: OAuth) -> str:
    """Return what tells two applications or two servers apart: a token is told to the server that gave it alone."""
    parts = (oauth.client_id, oauth.token_url or "", oauth.grant in {"authorization_code", "device_code"})
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
