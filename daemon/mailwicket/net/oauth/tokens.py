"""The tokens in use: handed out, renewed early, one question at a time for each grant, written before they are used."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from mailwicket.config.oauth import SIGNED_IN, OAuth, resource_of, scopes
from mailwicket.errors import BlockedError, TransientError
from mailwicket.failpoint import failpoint
from mailwicket.model import Use
from mailwicket.net.oauth.answer import TokenAnswer
from mailwicket.net.oauth.bearer import Bearer, Door
from mailwicket.net.oauth.claims import asked_claims
from mailwicket.net.oauth.client import Client, RefusedGrantError
from mailwicket.net.oauth.grant import Access, Kept, Safe, client_of
from mailwicket.net.oauth.granted import Compared, compared, of_person
from mailwicket.net.oauth.question import refresh_form
from mailwicket.net.oauth.wire import Posts
from mailwicket.redact import REDACTOR

EARLY_S: Final = 5 * 60
"""A token is renewed so long before its end; of a short life a fifth."""

REFUSED_S: Final = 60
"""A refusal stands so long: a thousand mailboxes of one application ask once (MSAL's habit)."""

LEAVE_S: Final = 5
"""A stop waits so long for the answer to a refresh: a rotated token that nobody wrote down is lost."""


@dataclass(slots=True)
class _Flight:
    """A question under way."""

    is_sent: bool = False
    """A refresh token may be spent by now: its answer is waited for."""
    task: asyncio.Task[Access] | None = None

    def sending(self) -> None:
        """It goes out."""
        self.is_sent = True


@dataclass(slots=True)
class _Refusal:
    """A failure that is not asked for again so soon."""

    oauth: OAuth
    failure: BlockedError | TransientError
    until: float


_Asker = tuple[str, str, str | None]
"""`[oauth.NAME]`, what the token is for, and the proxy: what one way leads to says nothing of another."""


class Tokens:
    """All grants. One for the daemon: two that refresh the same grant would invalidate each other's tokens."""

    def __init__(  # noqa: PLR0913 - one for each thing it stands between
        self,
        applications: Callable[[], Mapping[str, OAuth]],
        uses: Callable[[str], frozenset[Use]],
        safe: Safe,
        wire: Posts,
        *,
        home: Callable[[str], str | None] = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Serve *applications*, `[oauth.NAME]` by name as they are now; *uses* tells what for one is named.

        *home* tells by which proxy is asked what no server asks for: sign-ins.
        """
        self._applications = applications
        self._uses = uses
        self._safe = safe
        self._wire = wire
        self._home = home
        self._clock = clock
        self._monotonic = monotonic
        self._chance = chance
        self._kept: dict[str, Kept] = {}
        self._unsaved: set[str] = set()
        self._refused: dict[_Asker, _Refusal] = {}
        self._flights: dict[_Asker, _Flight] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self.refreshes: dict[tuple[str, str], int] = {}
        """How often was asked, by name and outcome (`ok`, `refused`, `failed`)."""
        self.challenges: dict[str, str] = {}
        """Claims that the next sign-in asks for, by name."""

    def bearer(self, name: str, use: Use, mailbox: str, proxy: str | None = None) -> Bearer:
        """Return who brings tokens of `[oauth.NAME]` for *use*, for *mailbox*, asked for by `[proxy.PROXY]`."""
        return Bearer(self, Door(name, use, mailbox, proxy))

    def client_id(self, name: str) -> str:
        """Return which application `[oauth.NAME]` is at its provider; `""` where there is none of that name."""
        oauth = self._applications().get(name)
        return "" if oauth is None else oauth.client_id

    def client(
        self, name: str, oauth: OAuth, door: Door | None = None, sending: Callable[[], None] = lambda: None
    ) -> Client:
        """Return the way to the endpoints of an application: for *door*, or for a person who signs in."""
        proxy = self._home(name) if door is None else door.proxy
        wire, clock = self._wire, self._clock
        challenged = partial(self.challenge, name)
        return Client(name, oauth, wire, clock, proxy=proxy, challenged=challenged, sending=sending)

    def challenge(self, name: str, claims: str) -> None:
        """Have the next sign-in ask for what a policy wants; see `admission.Bearer.challenged`."""
        if asked := asked_claims(claims):
            self.challenges[name] = asked

    def application(self, name: str) -> OAuth:
        """Return `[oauth.NAME]`.

        Raises:
            BlockedError: there is none any more.
        """
        oauth = self._applications().get(name)
        if oauth is None:
            raise BlockedError(f"there is no [oauth.{name}]", reason="oauth_settings")
        return oauth

    def uses(self, name: str) -> frozenset[Use]:
        """Return what is done with its tokens."""
        return self._uses(name)

    def asked(self, name: str, oauth: OAuth) -> tuple[str, ...]:
        """Return every scope that a sign-in asks for."""
        return scopes(oauth, self._uses(name))

    def compared(self, name: str, oauth: OAuth, kept: Kept) -> Compared:
        """Return what *kept* lacks for what is needed of it."""
        return compared(oauth, self._uses(name), kept)

    def consented(self, name: str, oauth: OAuth, granted: Sequence[str]) -> Compared:
        """Return what an administrator's consent to the scopes *granted* lacks."""
        return of_person(oauth, self._uses(name), granted)

    # --- handing out ------------------------------------------------------------------------------------------------

    async def access(self, door: Door) -> Access:
        """Return a token that is good now; who asks meanwhile waits for the same answer.

        A cancelled caller does not end the question: its answer may be the only copy of a rotated token.

        Raises:
            TransientError: time mends it.
            BlockedError: a human must act.
        """
        oauth = self.application(door.name)
        key = door.key(oauth)
        kept = self._kept.get(door.name)
        if kept is not None and door.name not in self._unsaved and kept.client == client_of(oauth):
            found = kept.access.get(key)
            if found is not None and self._is_good(found, found.renew_at):
                return found
        asker = door.name, key, door.proxy
        flight = self._flights.get(asker)
        if flight is None:
            flight = self._flights[asker] = _Flight()
            flight.task = asyncio.create_task(self._fly(door, key, flight))
            flight.task.add_done_callback(lambda done: self._landed(done, asker))
        assert flight.task is not None  # noqa: S101 - it was made with it
        return await asyncio.shield(flight.task)

    def _landed(self, done: asyncio.Task[Access], flight: _Asker) -> None:
        del self._flights[flight]
        if not done.cancelled():
            done.exception()  # seen: who asked may have left

    async def _fly(self, door: Door, key: str, flight: _Flight) -> Access:
        async with self._lock(door.name):
            oauth = self.application(door.name)
            kept = await self.kept(door.name, oauth)
            await self._save_late(door.name)
            old = kept.access.get(key)
            if old is not None and self._is_good(old, old.renew_at):
                return old
            try:
                self._raise_refusal((door.name, key, door.proxy), oauth)
                return await self._mint(door, oauth, kept, flight)
            except TransientError:
                if old is not None and self._is_good(old, old.expires_at) and door.name not in self._unsaved:
                    return old
                raise

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    def _is_good(self, access: Access, until: float) -> bool:
        """Tell whether it is before *until*; a token of the future was dated by another clock."""
        return access.minted_at - EARLY_S <= self._clock().timestamp() < until

    def _raise_refusal(self, asker: _Asker, oauth: OAuth) -> None:
        refusal = self._refused.get(asker)
        if refusal is None:
            return
        left_s = refusal.until - self._monotonic()
        if refusal.oauth is not oauth or left_s <= 0:
            del self._refused[asker]
            return
        failure = refusal.failure
        if isinstance(failure, TransientError):
            raise TransientError(str(failure), reason=failure.reason, retry_after_s=left_s)
        raise BlockedError(str(failure), reason=failure.reason, fix=failure.fix)

    # --- asking -----------------------------------------------------------------------------------------------------

    async def _mint(self, door: Door, oauth: OAuth, kept: Kept, flight: _Flight) -> Access:
        """Ask for a token, write it and what came with it down, and only then return it."""
        key = door.key(oauth)
        begun = self._clock().timestamp()
        try:
            answer, spent = await self._ask(door, oauth, kept, flight)
        except (BlockedError, TransientError) as failure:
            pause_s = getattr(failure, "retry_after_s", None) or REFUSED_S
            if isinstance(failure, BlockedError) or getattr(failure, "retry_after_s", None):
                self._refused[door.name, key, door.proxy] = _Refusal(oauth, failure, self._monotonic() + pause_s)
            self._count(door.name, "refused" if isinstance(failure, BlockedError) else "failed")
            raise
        failpoint("tokens.received")
        self._count(door.name, "ok")
        access = self._access(answer, begun, scopes(oauth, self._uses(door.name), resource_of(door.use)))
        refresh = answer.refresh_token or spent
        new = replace(
            kept,
            refresh=refresh,
            previous=spent if refresh != spent else None,
            access={**kept.access, key: access},
            granted=tuple(dict.fromkeys([*kept.granted, *access.scopes])),
            renewed_at=begun,
        )
        if refresh != spent or answer.refresh_ends_in_s is not None:
            new = new.lasting(answer.refresh_ends_in_s, begun)
        await self.adopt(door.name, new)
        return access

    async def _ask(self, door: Door, oauth: OAuth, kept: Kept, flight: _Flight) -> tuple[TokenAnswer, str | None]:
        """Ask by the grant; return the answer, and the refresh token that was spent on it."""
        sending = flight.sending if oauth.grant in SIGNED_IN else lambda: None
        client = self.client(door.name, oauth, door, sending)
        wanted = scopes(oauth, {*self._uses(door.name), door.use}, resource_of(door.use))
        if oauth.grant == "client_credentials":
            return await client.of_application(wanted), None
        if oauth.grant == "service_account":
            return await client.of_service(wanted, door.mailbox), None
        if kept.refresh is None:
            raise self._not_signed_in(door.name)
        age = None if kept.signed_in_at is None else int((self._clock().timestamp() - kept.signed_in_at) // 86_400)
        try:
            return await client.token(refresh_form(kept.refresh, wanted), age), kept.refresh
        except RefusedGrantError:
            if kept.previous is None:
                raise
        return await client.token(refresh_form(kept.previous, wanted), age), kept.previous

    def _access(self, answer: TokenAnswer, begun: float, asked: tuple[str, ...]) -> Access:
        early_s = min(EARLY_S, answer.expires_in_s / 5) * (1 + self._chance() / 5)
        expires_at = begun + answer.expires_in_s
        granted = asked if answer.scopes is None else answer.scopes
        return Access(answer.access_token, begun, expires_at, expires_at - early_s, granted)

    def _count(self, name: str, outcome: str) -> None:
        self.refreshes[name, outcome] = self.refreshes.get((name, outcome), 0) + 1

    @staticmethod
    def _not_signed_in(name: str) -> BlockedError:
        fix = f'"mailwicket oauth login {name}"'
        return BlockedError(f"oauth {name}: nobody has signed in yet; {fix}", reason="needs_sign_in", fix=fix)

    # --- keeping ----------------------------------------------------------------------------------------------------

    async def kept(self, name: str, oauth: OAuth) -> Kept:
        """Return what is kept of a grant; an empty one where there is none.

        Raises:
            BlockedError: it was given to another application or by another server, or cannot be opened.
            StoreError: the database does not answer.
        """
        client = client_of(oauth)
        kept = self._kept.get(name)
        if kept is None and (text := await self._safe.load(name)) is not None:
            try:
                kept = self._kept[name] = Kept.read(text)
            except (ValueError, TypeError, KeyError):
                words = f'oauth {name}: what is kept of it cannot be read; "mailwicket oauth login {name}"'
                raise BlockedError(words, reason="needs_sign_in") from None
            for secret in (kept.refresh, kept.previous, *(one.token for one in kept.access.values())):
                REDACTOR.learn(secret or "")
        if kept is None or (kept.client != client and oauth.grant not in SIGNED_IN):
            return Kept(client)
        if kept.client != client:
            raise BlockedError(
                f"oauth {name}: client_id or token_url is another than at the sign-in, and its token is told to nobody "
                f'else; "mailwicket oauth login {name}"',
                reason="needs_sign_in",
            )
        return kept

    async def adopt(self, name: str, kept: Kept) -> None:
        """Keep *kept*: on disk when this returns. A disk that refuses is tried again before the tokens are used.

        Raises:
            StoreError: the disk refuses.
        """
        self._kept[name] = kept
        self._unsaved.add(name)
        await self._save_late(name)

    async def _save_late(self, name: str) -> None:
        if name in self._unsaved:
            await self._safe.save(name, self._kept[name].write())
            self._unsaved.discard(name)

    async def signed_in(self, name: str, oauth: OAuth, answer: TokenAnswer, begun: float) -> Kept:
        """Keep what a person's sign-in brought, in place of what was kept before.

        Raises:
            BlockedError: no refresh token came, so it would last an hour.
            StoreError: the disk refuses.
        """
        if answer.refresh_token is None:
            raise BlockedError(
                f"oauth {name}: the sign-in brought no refresh token, so it would end within the hour; scope may lack "
                "what asks for one (offline_access), or the application is registered as a single-page one",
                reason="oauth_settings",
            )
        async with self._lock(name):
            asked = self.asked(name, oauth)
            uses = self._uses(name) or frozenset[Use]({"imap"})
            resources = {resource_of(use) for use in uses}
            access = self._access(answer, begun, asked)
            # A token for two resources is one for the first of them: let the next question find out.
            in_use: dict[str, Access] = {resources.pop(): access} if len(resources) == 1 else {}
            kept = Kept(client_of(oauth), answer.refresh_token, None, in_use, access.scopes, begun, begun)
            kept = kept.lasting(answer.refresh_ends_in_s, begun)
            await self.adopt(name, kept)
            self.challenges.pop(name, None)
            self.forgive(name)
        return kept

    def age(self, names: AbstractSet[str]) -> None:
        """Have the tokens of *names* renewed when they are next wanted: settings or a secret are others now."""
        for name in names & self._kept.keys():
            kept = self._kept[name]
            due = {key: replace(one, renew_at=0.0) for key, one in kept.access.items()}
            self._kept[name] = replace(kept, access=due)

    def forgive(self, name: str | None = None) -> None:
        """Ask again what was refused: something was mended."""
        for one in [one for one in self._refused if name is None or one[0] == name]:
            del self._refused[one]

    def refusal(self, name: str) -> BlockedError | TransientError | None:
        """Return why a grant brings no tokens now; None where nothing is known against it."""
        now = self._monotonic()
        found = [one.failure for (of, *_), one in self._refused.items() if of == name and now < one.until]
        return found[0] if found else None

    def drop(self, door: Door, token: str) -> None:
        """Hand *token* out no more: a server did not take it."""
        kept, oauth = self._kept.get(door.name), self._applications().get(door.name)
        if kept is None or oauth is None:
            return
        key = door.key(oauth)
        if (found := kept.access.get(key)) is not None and found.token == token:
            rest = {name: one for name, one in kept.access.items() if name != key}
            self._kept[door.name] = replace(kept, access=rest)

    def now(self) -> float:
        """Return the moment, in seconds since 1970."""
        return self._clock().timestamp()

    async def close(self) -> None:
        """End questions under way; those that may spend a refresh token are waited for, LEAVE_S at most.

        Their answers may be the only copy of the next one. What did not go out, and what is asked anew at no cost, ends
        at once: a proxy that swallows everything holds up no stop.
        """
        flights = [(one, one.task) for one in self._flights.values() if one.task is not None]
        for flight, task in flights:
            if not flight.is_sent:
                task.cancel()
        if flights:
            await asyncio.wait([task for _, task in flights], timeout=LEAVE_S)
