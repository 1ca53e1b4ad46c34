"""A person signs in: by a browser, wherever that runs, or by a code that he types in elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import anyio

from mailwicket.config.oauth import SIGNED_IN, OAuth
from mailwicket.errors import BlockedError, ConflictError, MailwicketError, TransientError
from mailwicket.net.oauth.aadsts import CONSENT
from mailwicket.net.oauth.answer import DeviceAnswer, TokenAnswer, error_of
from mailwicket.net.oauth.client import PendingError
from mailwicket.net.oauth.question import (
    admin_consent_url,
    code_form,
    device_poll_form,
    new_state,
    new_verifier,
    sign_in_url,
)
from mailwicket.net.oauth.refusal import GOOGLE_TESTING, judge
from mailwicket.net.oauth.tokens import Tokens

LIFE_S: Final = 15 * 60
"""A person reads, finds the second factor, and comes back; codes live 10 minutes."""

WAITING_MAX: Final = 64
CODE_CHARS_MAX: Final = 16 * 1024
SLOWER_S: Final = 5  # RFC 8628 3.5: slow_down adds so much


class Progress(StrEnum):
    """How a sign-in is. Public: `/api/v1/oauth/NAME/sign-in/STATE`."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class SignIn:
    """One sign-in, or one request for an administrator's consent."""

    name: str
    state: str
    oauth: OAuth
    until: float
    verifier: str | None = None
    """None: consent is asked for."""
    device: DeviceAnswer | None = None
    progress: Progress = Progress.WAITING
    said: str = ""
    """For a person: what came of it."""
    is_used: bool = False
    """Its state came back, which it does once."""
    wants_consent: bool = False
    """It failed, and an administrator's consent would mend that."""

    @property
    def is_consent(self) -> bool:
        """Whether an administrator's consent is asked for, and nobody signs in."""
        return self.verifier is None and self.device is None

    def ends(self, progress: Progress, said: str) -> None:
        """Say what came of it."""
        self.progress, self.said = progress, said

    def fails(self, error: MailwicketError) -> None:
        """Say why nothing came of it."""
        self.ends(Progress.FAILED, str(error))
        fix = (error.fix if isinstance(error, BlockedError) else None) or ""
        has_page = not self.is_consent and admin_consent_url(self.oauth, (), self.state) is not None
        self.wants_consent = has_page and CONSENT.format(name=self.name) in fix


class SignIns:
    """Those under way. They are in memory alone: a restart means to begin again."""

    def __init__(
        self,
        tokens: Tokens,
        done: Callable[[str], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bring what comes of them to *tokens*; *done* hears the name of each grant that is good again."""
        self._tokens = tokens
        self._done = done
        self._monotonic = monotonic
        self._all: dict[str, SignIn] = {}

    # --- to begin ---------------------------------------------------------------------------------------------------

    def browse(self, name: str) -> tuple[SignIn, str]:
        """Begin one by a browser; return it and the URL to open.

        Raises:
            BlockedError: there is no such application.
            ConflictError: it is none that a person signs in to, or too many are under way.
        """
        oauth = self._tokens.application(name)
        if oauth.grant in {"client_credentials", "service_account"}:
            raise ConflictError(
                f'oauth {name}: grant = "{oauth.grant}" needs no sign-in: the application logs in by itself'
            )
        if oauth.authorization_url is None:
            raise ConflictError(f"oauth {name}: there is no authorization_url")
        verifier = new_verifier()
        begun = self._begin(name, oauth, verifier)
        claims = self._tokens.challenges.get(name, "")
        return begun, sign_in_url(oauth, self._tokens.asked(name, oauth), begun.state, verifier, claims)

    async def type_in(self, name: str) -> SignIn:
        """Begin one by a code to type in elsewhere: `poll` it.

        Raises:
            BlockedError: there is no such application, or the server refuses.
            ConflictError: there is no device_url, or too many are under way.
            TransientError: the server does not answer.
        """
        oauth = self._tokens.application(name)
        if oauth.device_url is None or oauth.grant not in {"device_code", "authorization_code"}:
            raise ConflictError(f"oauth {name}: there is no device_url, or its grant is of another kind")
        device = await self._tokens.client(name, oauth).device(self._tokens.asked(name, oauth))
        begun = self._begin(name, oauth, None)
        begun.device = device
        begun.until = self._monotonic() + device.expires_in_s
        return begun

    def consent(self, name: str) -> tuple[SignIn, str]:
        """Begin to ask an administrator for consent; return the request and its URL.

        Raises:
            BlockedError: there is no such application.
            ConflictError: the provider has no such page, or too many are under way.
        """
        oauth = self._tokens.application(name)
        begun = self._begin(name, oauth, None)
        url = admin_consent_url(oauth, self._tokens.asked(name, oauth), begun.state, self._tokens.uses(name))
        if url is None:
            del self._all[begun.state]
            raise ConflictError(f"oauth {name}: its provider has no page for an administrator's consent")
        return begun, url

    def _begin(self, name: str, oauth: OAuth, verifier: str | None) -> SignIn:
        now = self._monotonic()
        self._all = {state: one for state, one in self._all.items() if now < one.until}
        if len(self._all) >= WAITING_MAX:
            raise ConflictError("too many sign-ins are under way: wait until they end, a quarter of an hour at most")
        begun = SignIn(name, new_state(), oauth, now + LIFE_S, verifier)
        self._all[begun.state] = begun
        return begun

    def find(self, name: str, state: str) -> SignIn | None:
        """Return a sign-in of *name* that is under way or ended a short while ago."""
        found = self._all.get(state)
        return found if found is not None and found.name == name else None

    # --- the browser comes back -------------------------------------------------------------------------------------

    async def come_back(self, query: Mapping[str, str]) -> SignIn:
        """Take what a browser brought to the redirect URL; return the sign-in that it ended.

        Raises:
            ConflictError: nobody waits for it: an unknown, used or old state. Nothing is asked of any server then.
        """
        found = self._all.get(query.get("state", ""))
        if found is None or found.is_used or found.device is not None or self._monotonic() >= found.until:
            raise ConflictError(
                "nobody waits for this answer: it was used already, is older than a quarter of an hour, or was not "
                'asked for here; begin again with "mailwicket oauth login"'
            )
        found.is_used = True
        try:
            if (refused := error_of(dict(query))) is not None:
                raise judge(
                    self._tokens.client(found.name, found.oauth).case(found.oauth.authorization_url or ""), refused
                )
            if found.verifier is None:
                self._consented(found, query)
            else:
                await self._exchange(found, found.verifier, query.get("code", ""))
        except MailwicketError as error:
            found.fails(error)
        return found

    def _consented(self, found: SignIn, query: Mapping[str, str]) -> None:
        if query.get("admin_consent", "").casefold() != "true":
            raise BlockedError(f"oauth {found.name}: the answer says nothing of a consent", reason="needs_admin")
        self._tokens.forgive(found.name)
        self._tokens.age({found.name})
        self._done(found.name)
        tenant = "".join(one for one in query.get("tenant", "") if one.isalnum() or one in "-.")[:80]
        said = f"an administrator consented{f' for the tenant {tenant}' if tenant else ''}"
        if found.oauth.grant in SIGNED_IN and (granted := query.get("scope", "").split()):
            said += f"; {self._tokens.consented(found.name, found.oauth, granted)}"
        found.ends(Progress.DONE, said)

    async def _exchange(self, found: SignIn, verifier: str, code: str) -> None:
        if not 0 < len(code) <= CODE_CHARS_MAX:
            raise BlockedError(f"oauth {found.name}: the answer holds no code", reason="needs_sign_in")
        self._check_unchanged(found)
        begun = self._tokens.now()
        client = self._tokens.client(found.name, found.oauth)
        try:
            answer = await client.token(code_form(found.oauth, code, verifier))
        except PendingError as error:
            raise BlockedError(f"oauth {found.name}: the server says {error}", reason="needs_sign_in") from error
        await self._keep(found, answer, begun)

    async def _keep(self, found: SignIn, answer: TokenAnswer, begun: float) -> None:
        kept = await self._tokens.signed_in(found.name, found.oauth, answer, begun)
        self._done(found.name)
        said = f"signed in; {self._tokens.compared(found.name, found.oauth, kept)}"
        if kept.life_s is not None:
            said += f"; ends in {kept.life_s / 86_400:.0f} days whatever it is used"
            said += f": {GOOGLE_TESTING}" if found.oauth.provider == "google" else ""
        found.ends(Progress.DONE, said)

    def _check_unchanged(self, found: SignIn) -> None:
        if self._tokens.application(found.name) != found.oauth:
            raise BlockedError(f"oauth {found.name} changed meanwhile: begin again", reason="needs_sign_in")

    # --- the code is typed in elsewhere -----------------------------------------------------------------------------

    async def poll(self, found: SignIn) -> None:
        """Ask until the code was typed in, was refused or is too old (RFC 8628 3.4, 3.5); `found.said` tells."""
        try:
            await self._poll(found)
        except MailwicketError as error:
            found.fails(error)

    async def _poll(self, found: SignIn) -> None:
        assert found.device is not None  # noqa: S101 - it began so
        client = self._tokens.client(found.name, found.oauth)
        interval_s = found.device.interval_s
        while self._monotonic() + interval_s < found.until:
            await anyio.sleep(interval_s)
            self._check_unchanged(found)
            begun = self._tokens.now()
            try:
                answer = await client.token(device_poll_form(found.device.device_code))
            except PendingError as pending:
                if pending.answer.error == "slow_down":
                    interval_s += SLOWER_S
            except TransientError:
                interval_s *= 2  # RFC 8628 3.5: exponentially, after a timeout
            else:
                await self._keep(found, answer, begun)
                return
        found.ends(Progress.FAILED, f"oauth {found.name}: nobody typed the code in in time; begin again")
