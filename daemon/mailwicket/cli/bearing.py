"""Tokens for a command that logs in itself, as `mailwicket test` does: got by who writes them down, then read."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import typer

from mailwicket.admission import Bearer
from mailwicket.config.oauth import SIGNED_IN
from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.oauth.bearer import Door
from mailwicket.net.oauth.grant import Access, Kept
from mailwicket.net.oauth.tokens import Tokens
from mailwicket.net.oauth.wire import Wire
from mailwicket.store.database import open_reader
from mailwicket.store.tokens import TokenSafe

if TYPE_CHECKING:
    from ssl import SSLContext

    from mailwicket.cli.signing import Signing
    from mailwicket.config.settings import Settings
    from mailwicket.model import Use


class ReadOnly:
    """The database of a state directory, opened for each question."""

    def __init__(self, state_dir: Path) -> None:
        """Read in *state_dir*."""
        self._state_dir = state_dir

    def read(self, question: Callable[[sqlite3.Connection], Any]) -> Any:  # noqa: ANN401 - whatever is asked
        """Answer *question*."""
        with closing(open_reader(self._state_dir)) as reader:
            return question(reader)

    async def write(self, job: Any) -> Any:  # noqa: ANN401 - the signature of a store
        """Nothing is written here."""
        raise NotImplementedError


class Forgetful:
    """A safe for tokens that an application gets by itself: with the command they are gone."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._texts: dict[str, str] = {}

    async def load(self, name: str) -> str | None:
        """See `net.oauth.grant.Safe`."""
        return self._texts.get(name)

    async def save(self, name: str, text: str) -> None:
        """See `net.oauth.grant.Safe`."""
        self._texts[name] = text


class CliTokens:
    """Brings tokens to the adapters of a command.

    An application that logs in by itself is asked for here: conf.d need not be what a daemon runs, and nothing is
    kept. What a person signed in to has one keeper alone.
    """

    def __init__(self, desk: Signing | None, settings: Settings, trust: Callable[[], Awaitable[SSLContext]]) -> None:
        """Have *desk* keep good tokens in the safe, and read them there; None where nobody signed in to anything."""
        self._desk = desk
        self._settings = settings
        wire = Wire(trust, lambda: settings.proxy)
        self._own = Tokens(lambda: settings.oauth, lambda _: frozenset(), Forgetful(), wire)

    def bearer(self, name: str, use: Use, mailbox: str, proxy: str | None = None) -> Bearer:
        """Return who brings tokens of `[oauth.NAME]`."""
        oauth = self._settings.oauth.get(name)
        if self._desk is None or (oauth is not None and oauth.grant not in SIGNED_IN):
            return self._own.bearer(name, use, mailbox, proxy)
        return CliBearer(self._desk, self._settings, Door(name, use, mailbox, proxy))

    def client_id(self, name: str) -> str:
        """Return which application `[oauth.NAME]` is."""
        oauth = self._settings.oauth.get(name)
        return "" if oauth is None else oauth.client_id


class CliBearer:
    """See `admission.Bearer`. A test logs in once: what is refused is told, not tried again."""

    is_fresh = True

    def __init__(self, desk: Signing, settings: Settings, door: Door) -> None:
        """Bring what opens *door*."""
        self._desk = desk
        self._settings = settings
        self._door = door
        self.left_s = 0.0

    async def token(self) -> str:
        """See `admission.Bearer`."""
        await anyio.to_thread.run_sync(self._renew, abandon_on_cancel=True)
        safe = TokenSafe(self._settings.daemon.state_dir, ReadOnly(self._settings.daemon.state_dir))
        name = self._door.name
        text = await safe.load(name)
        oauth = self._settings.oauth.get(name)
        kept: Mapping[str, Access] = {} if text is None else Kept.read(text).access
        found = None if oauth is None else kept.get(self._door.key(oauth))
        if found is None:
            raise BlockedError(f"oauth {name}: no token is kept for that", reason="needs_sign_in")
        self.left_s = max(0.0, found.expires_at - found.minted_at)
        return found.token

    def _renew(self) -> None:
        """Have a good token in the safe."""
        try:
            self._desk.renew(self._door)
        except typer.Exit:
            words = f"oauth {self._door.name}: the daemon that keeps the tokens did not answer"
            raise TransientError(words, reason="unreachable") from None

    def invalidate(self) -> None:
        """The next run asks anew, if its age was the reason."""

    def challenged(self, claims: str) -> None:
        """The daemon will hear it itself: whoever tests does not sign in."""
