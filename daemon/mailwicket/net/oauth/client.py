"""One question to a token endpoint: who asks is proved, the answer is read, a refusal becomes its error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from mailwicket.config.oauth import OAuth
from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.oauth.answer import (
    DeviceAnswer,
    ErrorAnswer,
    TokenAnswer,
    UnreadableError,
    read_device,
    read_error,
    read_token,
)
from mailwicket.net.oauth.assertion import Signer, certificate_signer, client_claims, service_claims, service_signer
from mailwicket.net.oauth.question import client_credentials_form, device_form, jwt_bearer_form, proof_form
from mailwicket.net.oauth.refusal import Case, judge_status
from mailwicket.net.oauth.wire import Posts, Reply
from mailwicket.redact import REDACTOR

PENDING: Final = frozenset({"authorization_pending", "slow_down"})
"""RFC 8628 3.5: no failures."""


class PendingError(Exception):
    """Nobody has typed the code in yet."""

    def __init__(self, answer: ErrorAnswer) -> None:
        """Keep *answer*."""
        super().__init__(answer.error)
        self.answer = answer


class RefusedGrantError(BlockedError):
    """The refresh token, or the code, is not taken (`invalid_grant`)."""


class Client:
    """`[oauth.NAME]` in conversation."""

    def __init__(  # noqa: PLR0913 - who asks, for what, by what
        self,
        name: str,
        oauth: OAuth,
        wire: Posts,
        clock: Callable[[], datetime],
        *,
        proxy: str | None = None,
        challenged: Callable[[str], None] = lambda _: None,
        sending: Callable[[], None] = lambda: None,
    ) -> None:
        """Ask for *name*, by `[proxy.PROXY]` or straight; *clock* dates what is signed.

        *challenged* hears the claims that are wanted of the next sign-in, *sending* when a question goes out.
        """
        self._name = name
        self._oauth = oauth
        self._wire = wire
        self._clock = clock
        self._proxy = proxy
        self._challenged = challenged
        self._sending = sending

    async def token(self, form: Mapping[str, str], grant_age_days: int | None = None) -> TokenAnswer:
        """Ask the token endpoint with *form* and our proof.

        Raises:
            PendingError: of a device code that waits.
            RefusedGrantError: what was granted is no longer.
            TransientError: time mends it.
            BlockedError: a human must act.
        """
        url = self._oauth.token_url or ""
        reply = await self._wire.post(url, {**form, **await self._proof()}, self._proxy, self._sending)
        if reply.status != 200:
            raise self._refusal(url, reply, grant_age_days)
        try:
            answer = read_token(reply.body)
        except UnreadableError as error:
            if told := read_error(reply.body):  # some say so with 200
                raise self._judged(url, Reply(400, reply.body), told, grant_age_days) from None
            raise self._unreadable(url, error) from None
        for secret in (answer.access_token, answer.refresh_token):
            REDACTOR.learn(secret or "")
        return answer

    async def device(self, scopes: tuple[str, ...]) -> DeviceAnswer:
        """Ask for a code to type in elsewhere.

        Raises:
            TransientError: time mends it.
            BlockedError: a human must act.
        """
        url = self._oauth.device_url or ""
        proof = {} if self._oauth.client_secret is None else await self._proof()
        reply = await self._wire.post(url, {**device_form(self._oauth, scopes), **proof}, self._proxy)
        if reply.status != 200:
            raise self._refusal(url, reply, None)
        try:
            answer = read_device(reply.body)
        except UnreadableError as error:
            raise self._unreadable(url, error) from None
        REDACTOR.learn(answer.device_code)
        return answer

    async def of_application(self, scopes: tuple[str, ...]) -> TokenAnswer:
        """Ask for a token of the application's own; errors as `token`."""
        return await self.token(client_credentials_form(scopes))

    async def of_service(self, scopes: tuple[str, ...], mailbox: str) -> TokenAnswer:
        """Ask for the service account's token for *mailbox*; errors as `token`."""
        url = self._oauth.token_url or ""
        signer = await anyio.to_thread.run_sync(self._service_signer, abandon_on_cancel=True)
        claims = service_claims(self._oauth.client_id, url, mailbox, scopes, self._clock())
        return await self.token(jwt_bearer_form(signer.sign(claims)))

    def case(self, url: str, grant_age_days: int | None = None) -> Case:
        """Say of whom something is asked."""
        oauth = self._oauth
        provider = "microsoft" if oauth.is_microsoft else oauth.provider
        return Case(self._name, urlsplit(url).netloc, provider, oauth.grant, grant_age_days)

    # --- who we are -------------------------------------------------------------------------------------------------

    async def _proof(self) -> Mapping[str, str]:
        """Return what proves which application asks; secrets are read now, so that a changed one counts."""
        oauth = self._oauth
        if oauth.grant == "service_account":
            return {}  # the statement says it
        if oauth.certificate is not None:
            signer = await anyio.to_thread.run_sync(self._certificate_signer, abandon_on_cancel=True)
            claims = client_claims(oauth.client_id, oauth.token_url or "", self._clock())
            return proof_form(oauth, None, signer.sign(claims))
        secret = oauth.client_secret
        if secret is None or secret.at_hand:
            return proof_form(oauth, None if secret is None else secret.reveal(), None)
        return proof_form(oauth, await anyio.to_thread.run_sync(secret.reveal, abandon_on_cancel=True), None)

    def _certificate_signer(self) -> Signer:
        oauth, where = self._oauth, f"oauth.{self._name}"
        assert oauth.certificate is not None  # noqa: S101 - or there is no such proof
        assert oauth.key is not None  # noqa: S101 - one does not go without the other
        try:
            pem = oauth.certificate.read_bytes()
        except OSError as error:
            words = f"{where}: certificate {oauth.certificate}: {error.strerror}"
            raise BlockedError(words, reason="secret_missing") from error
        return certificate_signer(pem, oauth.key.reveal(), where)

    def _service_signer(self) -> Signer:
        assert self._oauth.key is not None  # noqa: S101 - the configuration has one
        return service_signer(self._oauth.key.reveal(), f"oauth.{self._name}")

    # --- what goes wrong --------------------------------------------------------------------------------------------

    def _refusal(self, url: str, reply: Reply, age: int | None) -> Exception:
        return self._judged(url, reply, read_error(reply.body), age)

    def _judged(self, url: str, reply: Reply, answer: ErrorAnswer | None, age: int | None) -> Exception:
        if answer is not None and answer.error in PENDING and reply.status == 400:
            return PendingError(answer)
        if answer is not None and answer.claims:
            self._challenged(answer.claims)
        failure = judge_status(self.case(url, age), reply.status, reply.retry_after, answer)
        if answer is not None and answer.error == "invalid_grant" and isinstance(failure, BlockedError):
            return RefusedGrantError(REDACTOR.clean(str(failure)), reason=failure.reason, fix=failure.fix)
        words = REDACTOR.clean(str(failure))  # some servers repeat what they were sent
        if isinstance(failure, TransientError):
            return TransientError(words, reason=failure.reason, retry_after_s=failure.retry_after_s)
        return BlockedError(words, reason=failure.reason, fix=failure.fix)

    def _unreadable(self, url: str, error: UnreadableError) -> TransientError:
        case = self.case(url)
        return TransientError(
            f"oauth {case.name}: {case.peer} answers 200, and {error}; a proxy or a firewall may stand before it",
            reason="server_said",
            retry_after_s=60,
        )
