"""Tokens: renewed early, once for all, kept before they are used, refused in words that help."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.lab.issuer import Issuer, issuing, refusal
from tests.unit.test_oauth_questions import pem

from mailwicket.config.oauth import OAuth
from mailwicket.errors import BlockedError, StoreError, TransientError
from mailwicket.net.machine import Machine
from mailwicket.net.oauth.bearer import Bearer
from mailwicket.net.oauth.grant import Kept, client_of
from mailwicket.net.oauth.tokens import Tokens
from mailwicket.net.oauth.wire import ANSWER_BYTES, Reply, Wire

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Memory:
    """A safe that can refuse."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.saved: list[Kept] = []
        self.refuses = 0

    async def load(self, name: str) -> str | None:
        return self.texts.get(name)

    async def save(self, name: str, text: str) -> None:
        if self.refuses:
            self.refuses -= 1
            raise StoreError("full", reason="disk_full")
        self.texts[name] = text
        self.saved.append(Kept.read(text))


class Stand:
    """Everything on a clock of its own."""

    def __init__(self, issuer: Issuer, tmp_path: Path, **table: Any) -> None:
        self.issuer = issuer
        self.safe = Memory()
        self.now = NOON
        self.oauth = self.application(**table)
        self.wire = Wire(lambda: Machine(tmp_path).trust(None), answer_s=5)
        self.tokens = self.started()

    def application(self, **table: Any) -> OAuth:
        return OAuth.model_validate(
            {
                "client_id": "client-1",
                "client_secret": "secret-canary",
                "authorization_url": f"{self.issuer.url}/authorize",
                "token_url": f"{self.issuer.url}/token",
                "device_url": f"{self.issuer.url}/device",
                **table,
            }
        )

    def started(self) -> Tokens:
        """As after a restart: what is kept is all there is."""
        return Tokens(
            lambda: {"office": self.oauth},
            lambda _: frozenset({"imap"}),
            self.safe,
            self.wire,
            clock=lambda: self.now,
            monotonic=lambda: self.now.timestamp(),  # noqa: PLW0108 - it changes
            chance=lambda: 0.0,
        )

    def sign_in(self) -> None:
        kept = Kept(client_of(self.oauth), self.issuer.new_refresh(), signed_in_at=self.now.timestamp())
        self.safe.texts["office"] = kept.write()

    def bearer(self) -> Bearer:
        return self.tokens.bearer("office", "imap", "desk@example.org")

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)


Stands = Callable[..., Any]


async def test_a_token_is_asked_for_once_and_renewed_five_minutes_before_its_end(tmp_path: Path) -> None:
    async with issuing(expires_in="3600") as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        first = await stand.bearer().token()
        stand.later(minutes=54)
        assert await stand.bearer().token() == first
        stand.later(minutes=2)
        assert await stand.bearer().token() != first
        assert len(issuer.asked) == 2


async def test_a_thousand_who_ask_at_once_ask_the_server_once(tmp_path: Path) -> None:
    async with issuing(delay_s=0.05) as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        found: set[str] = set()

        async def ask() -> None:
            found.add(await stand.bearer().token())

        async with anyio.create_task_group() as tasks:
            for _ in range(1000):
                tasks.start_soon(ask)
        assert len(found) == len(issuer.asked) == 1


async def test_a_new_refresh_token_is_kept_before_anything_that_came_with_it_is_used(tmp_path: Path) -> None:
    async with issuing() as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        before = Kept.read(stand.safe.texts["office"]).refresh
        token = await stand.bearer().token()
        kept = stand.safe.saved[-1]
        assert kept.access["mail"].token == token
        assert kept.refresh == issuer.given[-1] or kept.refresh in issuer.good
        assert kept.refresh != before
        assert kept.previous == before


async def test_a_disk_that_refuses_keeps_the_token_from_use_and_the_new_one_is_written_later(tmp_path: Path) -> None:
    async with issuing(strict=True) as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        stand.safe.refuses = 1
        with pytest.raises(StoreError):
            await stand.bearer().token()
        assert await stand.bearer().token() in issuer.given
        assert len(issuer.asked) == 1
        assert Kept.read(stand.safe.texts["office"]).refresh in issuer.good


async def test_whoever_asked_may_leave_and_the_answer_is_kept_all_the_same(tmp_path: Path) -> None:
    async with issuing(delay_s=0.1, strict=True) as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        with anyio.move_on_after(0.03):
            await stand.bearer().token()
        await stand.tokens.close()
        assert Kept.read(stand.safe.texts["office"]).refresh in issuer.good


async def test_an_answer_that_a_crash_lost_is_made_up_for_with_the_token_before(tmp_path: Path) -> None:
    async with issuing() as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        before = dict(stand.safe.texts)
        await stand.bearer().token()
        stand.safe.texts = before  # the crash
        stand.tokens = stand.started()
        assert await stand.bearer().token() in issuer.given


async def test_the_token_before_is_tried_when_its_successor_is_not_taken_and_was_never_used(tmp_path: Path) -> None:
    async with issuing() as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        await stand.bearer().token()
        del issuer.good[stand.safe.saved[-1].refresh or ""]  # the server lost it, as when it is restored
        stand.later(hours=1)
        assert await stand.bearer().token() in issuer.given


async def test_google_gives_no_new_refresh_token_and_the_old_one_stays(tmp_path: Path) -> None:
    async with issuing(rotates=False) as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        before = Kept.read(stand.safe.texts["office"]).refresh
        for _ in range(3):
            await stand.bearer().token()
            stand.later(hours=1)
        assert stand.safe.saved[-1].refresh == before
        assert stand.safe.saved[-1].previous is None


async def test_after_a_restart_a_token_that_is_still_good_is_used(tmp_path: Path) -> None:
    async with issuing() as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        token = await stand.bearer().token()
        stand.tokens = stand.started()
        assert await stand.bearer().token() == token


async def test_a_clock_that_went_back_does_not_keep_a_token_for_ever(tmp_path: Path) -> None:
    async with issuing() as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        token = await stand.bearer().token()
        stand.later(days=-1)
        assert await stand.bearer().token() != token


async def test_a_token_that_the_server_did_not_take_is_not_handed_out_again(tmp_path: Path) -> None:
    async with issuing() as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        bearer = stand.bearer()
        first = await bearer.token()
        assert bearer.is_fresh
        stand.later(minutes=10)
        assert await bearer.token() == first
        assert not bearer.is_fresh
        bearer.invalidate()
        second = await bearer.token()
        assert first != second
        assert bearer.is_fresh
        bearer.invalidate()
        bearer.invalidate()
        assert len(issuer.asked) == 2


async def test_a_server_that_is_down_costs_nothing_while_the_token_is_good(tmp_path: Path) -> None:
    async with issuing() as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        token = await stand.bearer().token()
        stand.later(minutes=57)
        issuer.answers = [web.Response(status=503, text="<html>") for _ in range(9)]
        assert await stand.bearer().token() == token
        assert await stand.bearer().token() == token
        assert len(issuer.asked) == 2  # not asked again within the minute
        stand.later(minutes=4)
        with pytest.raises(TransientError) as caught:
            await stand.bearer().token()
        assert caught.value.retry_after_s == 60


async def test_a_refusal_stands_for_a_minute_whoever_asks_and_ends_with_a_new_table(tmp_path: Path) -> None:
    async with issuing() as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        issuer.answers = [refusal("invalid_client", "AADSTS7000222: expired", [7000222]) for _ in range(3)]
        for _ in range(5):
            with pytest.raises(BlockedError):
                await stand.bearer().token()
        assert len(issuer.asked) == 1
        assert "expired" in str(stand.tokens.refusal("office"))
        stand.later(seconds=61)
        with pytest.raises(BlockedError):
            await stand.bearer().token()
        stand.oauth = stand.application(client_secret="another")
        with pytest.raises(BlockedError):
            await stand.bearer().token()
        assert len(issuer.asked) == 3
        stand.tokens.forgive("office")
        assert await stand.bearer().token()


async def test_a_pause_that_the_server_asks_for_is_kept_and_has_an_end(tmp_path: Path) -> None:
    async with issuing() as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        issuer.answers = [web.Response(status=429, headers={"Retry-After": "86400"})]
        with pytest.raises(TransientError) as caught:
            await stand.bearer().token()
        assert (caught.value.reason, caught.value.retry_after_s) == ("throttled", 3600)


async def test_another_token_url_is_not_told_the_token(tmp_path: Path) -> None:
    async with issuing() as issuer, issuing() as other:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        stand.oauth = stand.application(token_url=f"{other.url}/token")
        with pytest.raises(BlockedError, match="told to nobody") as caught:
            await stand.bearer().token()
        assert caught.value.reason == "needs_sign_in"
        assert other.asked == issuer.asked == []


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (lambda: web.Response(status=302, headers={"Location": "https://evil.example/"}), BlockedError, "a redirect"),
        (lambda: web.Response(text="<html>welcome</html>"), TransientError, "it is no JSON"),
        (lambda: web.Response(text="[]"), TransientError, "no JSON object"),
        (lambda: web.Response(text="{}"), TransientError, "no access_token"),
        (lambda: web.Response(text='{"access_token": "a\\r\\nb"}'), TransientError, "characters that no token has"),
        (lambda: web.Response(text=json.dumps({"access_token": "x" * 20000})), TransientError, "longer than"),
        (lambda: web.Response(text="x" * (ANSWER_BYTES + 1)), TransientError, "more than"),
        (lambda: web.Response(status=404, text="not here"), BlockedError, "mend token_url"),
        (lambda: web.Response(status=403, text="<html>"), TransientError, "a proxy or a firewall"),
        (lambda: web.Response(text='{"error": "invalid_grant"}'), BlockedError, "no longer good"),
        (lambda: web.Response(text='{"access_token": "x", "token_type": "mac"}'), TransientError, "type Bearer"),
    ],
)
async def test_what_is_no_answer_is_told_as_what_it_is(
    tmp_path: Path, answer: Callable[[], web.Response], kind: type[Exception], words: str
) -> None:
    async with issuing() as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        issuer.answers = [answer()]
        with pytest.raises(kind, match=words):
            await stand.bearer().token()


@pytest.mark.parametrize("lifetime", [None, 0, -5, "soon", 1e300, True])
async def test_a_lifetime_that_is_none_is_an_hour_or_bounded(tmp_path: Path, lifetime: Any) -> None:
    async with issuing(expires_in=lifetime) as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        bearer = stand.bearer()
        await bearer.token()
        assert 0 < bearer.left_s <= 10 * 365 * 86_400


async def test_a_server_that_repeats_what_it_was_sent_does_not_get_it_into_the_error(tmp_path: Path) -> None:
    async with issuing() as issuer:
        stand = Stand(issuer, tmp_path)
        stand.sign_in()
        refresh = Kept.read(stand.safe.texts["office"]).refresh
        issuer.answers = [refusal("invalid_request", f"what is {refresh} of secret-canary?")]
        with pytest.raises(BlockedError) as caught:
            await stand.bearer().token()
        assert "canary" not in str(caught.value)
        assert "what is [redacted] of [redacted]?" in str(caught.value)


async def test_an_application_by_itself_needs_no_sign_in(tmp_path: Path) -> None:
    async with issuing() as issuer:
        stand = Stand(issuer, tmp_path, grant="client_credentials", scope="https://outlook.example.org/.default")
        assert await stand.bearer().token() in issuer.given
        assert issuer.asked == [
            {
                "grant_type": "client_credentials",
                "scope": "https://outlook.example.org/.default",
                "client_id": "client-1",
                "client_secret": "secret-canary",
            }
        ]


async def test_nobody_signed_in_yet_says_what_to_do(tmp_path: Path) -> None:
    async with issuing() as issuer:
        with pytest.raises(BlockedError, match='"mailwicket oauth login office"') as caught:
            await Stand(issuer, tmp_path).bearer().token()
        assert caught.value.reason == "needs_sign_in"
        assert issuer.asked == []


async def test_a_server_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    async with issuing(delay_s=1) as issuer:
        stand = Stand(issuer, tmp_path)
        stand.wire._answer_s = 0.1
        stand.sign_in()
        with pytest.raises(TransientError, match="did not answer within") as caught:
            await stand.bearer().token()
        assert caught.value.reason == "timeout"


async def test_after_a_change_the_next_token_is_a_new_one_and_the_old_one_still_serves_meanwhile(
    tmp_path: Path,
) -> None:
    async with issuing() as issuer:
        stand = Stand(issuer, tmp_path, grant="client_credentials")
        first = await stand.bearer().token()
        stand.tokens.age(frozenset({"office", "another"}))
        issuer.answers = [web.Response(status=503)]
        assert await stand.bearer().token() == first, "the server is down, and it is good for an hour"
        stand.later(seconds=61)
        second = await stand.bearer().token()
        assert second != first
        assert await stand.bearer().token() == second


# --- Google's service account ---------------------------------------------------------------------------------------


class Google:
    """A token endpoint that believes a statement as Google's does: signed, for it, fresh, and for whom it delegates."""

    def __init__(self, key: Any, delegated: str = "https://mail.google.com/") -> None:
        self.key = key.public_key()
        self.delegated = delegated
        self.asked: list[dict[str, Any]] = []

    async def post(
        self, url: str, form: Mapping[str, str], proxy: str | None = None, sending: Callable[[], None] = lambda: None
    ) -> Reply:
        assert (form["grant_type"], proxy) == ("urn:ietf:params:oauth:grant-type:jwt-bearer", None)
        assert set(form) == {"grant_type", "assertion"}, "nothing else proves who asks, nor is there a scope beside it"
        head, claims, signature = form["assertion"].split(".")
        self.key.verify(unpadded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        told = json.loads(unpadded(claims))
        self.asked.append(told)
        assert (told["aud"], told["iss"]) == (url, "desk@project.iam.gserviceaccount.com")
        assert told["iat"] <= NOON.timestamp() < told["exp"] <= told["iat"] + 3600
        if told["scope"] != self.delegated:
            words = "Client is unauthorized to retrieve access tokens using this method"
            return Reply(401, json.dumps({"error": "unauthorized_client", "error_description": words}).encode())
        granted = {"access_token": f"ya29.{told['sub']}", "expires_in": 3599, "token_type": "Bearer"}
        return Reply(200, json.dumps(granted).encode())


def unpadded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def service(key: Any, google: Google) -> Tokens:
    account = json.dumps({"private_key": pem(key), "private_key_id": "k1", "type": "service_account"})
    keys = {"grant": "service_account", "client_id": "desk@project.iam.gserviceaccount.com", "key": account}
    oauth = OAuth.model_validate({"provider": "google", **keys})
    return Tokens(lambda: {"office": oauth}, lambda _: frozenset({"imap"}), Memory(), google, clock=lambda: NOON)


@pytest.fixture(scope="module")
def key() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


async def test_a_service_account_has_a_token_for_each_mailbox_and_asks_for_each_once(key: Any) -> None:
    google = Google(key)
    tokens = service(key, google)
    found = [
        await tokens.bearer("office", use, f"{name}@example.org").token()
        for name in ("ada", "grace", "ada")
        for use in ("imap", "smtp")
    ]
    assert found == [f"ya29.{name}@example.org" for name in ("ada", "grace", "ada") for _ in range(2)]
    assert [one["sub"] for one in google.asked] == ["ada@example.org", "grace@example.org"]


async def test_a_service_account_that_nobody_delegated_to_is_an_administrators_to_mend(key: Any) -> None:
    with pytest.raises(BlockedError, match="domain-wide delegation is missing") as caught:
        await service(key, Google(key, "another")).bearer("office", "imap", "ada@example.org").token()
    assert caught.value.reason == "needs_admin"
