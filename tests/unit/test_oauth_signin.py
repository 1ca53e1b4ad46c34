"""A person signs in: state once, proof of the same session, device codes at the server's pace."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import anyio
import pytest
from aiohttp import web
from tests.lab.issuer import issuing, refusal
from tests.unit.test_oauth_tokens import Stand

from mailwicket.errors import BlockedError, ConflictError
from mailwicket.net.oauth import signin
from mailwicket.net.oauth.grant import Kept
from mailwicket.net.oauth.question import query_of
from mailwicket.net.oauth.signin import WAITING_MAX, Progress, SignIns


class Desk:
    def __init__(self, stand: Stand) -> None:
        self.done: list[str] = []
        self.stand = stand
        self.sign_ins = SignIns(stand.tokens, self.done.append, self.moment)

    def moment(self) -> float:
        return self.stand.now.timestamp()


async def test_a_browser_comes_back_and_the_mailbox_is_signed_in(tmp_path: Path) -> None:
    async with issuing(scope="IMAP offline_access") as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        begun, url = desk.sign_ins.browse("office")
        found = await desk.sign_ins.come_back(query_of(issuer.consent(url)))
        assert found is begun
        assert (begun.progress, begun.said) == (Progress.DONE, "signed in; granted: IMAP offline_access")
        assert desk.done == ["office"]
        kept = Kept.read(desk.stand.safe.texts["office"])
        assert kept.refresh in issuer.good
        assert await desk.stand.bearer().token() == kept.access["mail"].token
        assert len(issuer.asked) == 1  # the token that came with the sign-in is used


async def test_a_state_is_good_once(tmp_path: Path) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        _, url = desk.sign_ins.browse("office")
        back = query_of(issuer.consent(url))
        await desk.sign_ins.come_back(back)
        with pytest.raises(ConflictError, match="nobody waits"):
            await desk.sign_ins.come_back(back)
        assert len(issuer.asked) == 1


@pytest.mark.parametrize("query", [{}, {"state": "x", "code": "y"}, {"code": "y"}])
async def test_an_answer_that_nobody_waits_for_asks_no_server(tmp_path: Path, query: dict[str, str]) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        desk.sign_ins.browse("office")
        with pytest.raises(ConflictError):
            await desk.sign_ins.come_back(query)
        assert issuer.asked == []


async def test_an_old_state_is_of_no_use(tmp_path: Path) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        _, url = desk.sign_ins.browse("office")
        back = query_of(issuer.consent(url))
        desk.stand.later(minutes=15)
        with pytest.raises(ConflictError):
            await desk.sign_ins.come_back(back)


async def test_a_code_of_another_session_is_refused(tmp_path: Path) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        begun, first = desk.sign_ins.browse("office")
        _, second = desk.sign_ins.browse("office")
        stolen = query_of(issuer.consent(second))
        state = dict(parse_qsl(urlsplit(first).query))["state"]
        await desk.sign_ins.come_back({"code": stolen["code"], "state": state})
        assert begun.progress == Progress.FAILED
        assert "belongs to another sign-in" in begun.said
        assert desk.stand.safe.texts == {}


async def test_a_user_who_declines_is_told_what_to_do(tmp_path: Path) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        begun, _ = desk.sign_ins.browse("office")
        await desk.sign_ins.come_back({"state": begun.state, "error": "access_denied", "error_description": "no"})
        assert (begun.progress, "declined" in begun.said) == (Progress.FAILED, True)
        assert issuer.asked == []


async def test_a_sign_in_without_refresh_token_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with issuing(gives_refresh=False) as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        begun, url = desk.sign_ins.browse("office")
        await desk.sign_ins.come_back(query_of(issuer.consent(url)))
        assert begun.progress == Progress.FAILED
        assert "no refresh token" in begun.said
        assert desk.stand.safe.texts == {}


async def test_a_table_that_changed_meanwhile_ends_the_sign_in(tmp_path: Path) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        begun, url = desk.sign_ins.browse("office")
        desk.stand.oauth = desk.stand.application(client_id="another")
        await desk.sign_ins.come_back(query_of(issuer.consent(url)))
        assert (begun.progress, issuer.asked) == (Progress.FAILED, [])


async def test_a_sign_in_replaces_what_was_refused(tmp_path: Path) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        desk.stand.sign_in()
        issuer.good.clear()
        with pytest.raises(BlockedError):
            await desk.stand.bearer().token()
        _, url = desk.sign_ins.browse("office")
        await desk.sign_ins.come_back(query_of(issuer.consent(url)))
        assert await desk.stand.bearer().token()


async def test_so_many_sign_ins_are_under_way_and_no_more(tmp_path: Path) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        for _ in range(WAITING_MAX):
            desk.sign_ins.browse("office")
        with pytest.raises(ConflictError, match="too many"):
            desk.sign_ins.browse("office")
        desk.stand.later(minutes=16)
        desk.sign_ins.browse("office")


async def test_an_application_by_itself_and_an_unknown_one_have_no_sign_in(tmp_path: Path) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path, grant="client_credentials"))
        with pytest.raises(ConflictError, match="needs no sign-in"):
            desk.sign_ins.browse("office")
        with pytest.raises(ConflictError):
            await desk.sign_ins.type_in("office")
        with pytest.raises(BlockedError, match=r"no \[oauth.home\]"):
            desk.sign_ins.browse("home")


# --- device codes ---------------------------------------------------------------------------------------------------


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, without waiting."""
    taken: list[float] = []
    sleep = anyio.sleep

    async def at_once(seconds: float) -> None:
        taken.append(seconds)
        await sleep(0)

    monkeypatch.setattr(signin.anyio, "sleep", at_once)
    return taken


async def test_a_device_code_is_asked_for_at_the_servers_pace(tmp_path: Path, pauses: list[float]) -> None:
    async with issuing(pending=2, slow_downs=1) as issuer:
        desk = Desk(Stand(issuer, tmp_path, grant="device_code"))
        begun = await desk.sign_ins.type_in("office")
        assert begun.device is not None
        assert begun.device.user_code == "ABCD-EFGH"
        assert "scope" in issuer.asked[0]
        await desk.sign_ins.poll(begun)
        assert begun.progress == Progress.DONE
        assert pauses == [1, 6, 6, 6]
        assert desk.done == ["office"]
        assert begun.device.device_code not in str(begun.said)


async def test_a_device_code_that_nobody_types_in_has_an_end(tmp_path: Path, pauses: list[float]) -> None:
    async with issuing(pending=10_000) as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        begun = await desk.sign_ins.type_in("office")
        begun.until = desk.stand.now.timestamp() + 1.5
        desk.sign_ins._monotonic = lambda: desk.stand.now.timestamp() + sum(pauses)
        await desk.sign_ins.poll(begun)
        assert (begun.progress, "in time" in begun.said) == (Progress.FAILED, True)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("authorization_declined", "declined"),
        ("expired_token", "in time"),
        ("bad_verification_code", "not known"),
        ("access_denied", "declined"),
    ],
)
async def test_a_device_code_that_is_refused_ends(tmp_path: Path, pauses: list[float], error: str, words: str) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        begun = await desk.sign_ins.type_in("office")
        issuer.answers = [refusal(error)]
        await desk.sign_ins.poll(begun)
        assert (begun.progress, words in begun.said) == (Progress.FAILED, True)


async def test_the_answer_of_a_browser_does_not_end_a_device_code(tmp_path: Path) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        begun = await desk.sign_ins.type_in("office")
        with pytest.raises(ConflictError):
            await desk.sign_ins.come_back({"state": begun.state, "code": "x"})


# --- an administrator's consent -------------------------------------------------------------------------------------


async def test_an_administrators_consent_counts_with_its_state_alone(tmp_path: Path) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path, provider="microsoft", authorization_url=PAGE))
        begun, url = desk.sign_ins.consent("office")
        assert url.startswith("http://127.0.0.1:1/t/v2.0/adminconsent?")
        with pytest.raises(ConflictError):
            await desk.sign_ins.come_back({"admin_consent": "True", "tenant": "t", "state": "other"})
        await desk.sign_ins.come_back({"admin_consent": "True", "tenant": "t<x>", "state": begun.state})
        assert (begun.progress, begun.said) == (Progress.DONE, "an administrator consented for the tenant tx")
        assert issuer.asked == []


async def test_a_consent_that_is_none_and_a_provider_without_such_a_page_are_told(tmp_path: Path) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path, provider="microsoft", authorization_url=PAGE))
        begun, _ = desk.sign_ins.consent("office")
        await desk.sign_ins.come_back({"tenant": "t", "state": begun.state})
        assert begun.progress == Progress.FAILED
        with pytest.raises(ConflictError, match="no page"):
            Desk(Stand(issuer, tmp_path)).sign_ins.consent("office")


PAGE = "http://127.0.0.1:1/t/oauth2/v2.0/authorize"


# --- a policy wants more of the next sign-in ------------------------------------------------------------------------

WANTED = '{"access_token":{"capolids":{"essential":true,"values":["c-1"]}}}'


async def test_what_a_policy_wants_is_asked_for_by_the_next_sign_in_and_by_no_other(tmp_path: Path) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        desk.stand.sign_in()
        told = {"error": "interaction_required", "error_description": "AADSTS50076: more", "claims": WANTED}
        issuer.answers = [web.json_response(told, status=400)]
        with pytest.raises(BlockedError) as caught:
            await desk.stand.bearer().token()
        assert caught.value.reason == "needs_sign_in"
        _, url = desk.sign_ins.browse("office")
        assert parse_qs(urlsplit(url).query)["claims"] == [WANTED]
        await desk.sign_ins.come_back(query_of(issuer.consent(url)))
        _, url = desk.sign_ins.browse("office")
        assert "claims" not in parse_qs(urlsplit(url).query)


@pytest.mark.parametrize(
    ("challenge", "asked"),
    [
        (WANTED, WANTED),
        (urlsafe_b64encode(WANTED.encode()).decode(), WANTED),
        (urlsafe_b64encode(WANTED.encode()).decode().rstrip("="), WANTED),
        ("", None),
        ("[1]", None),
        ("{", None),
        ("ä", None),
        ("{" * 5000, None),
    ],
)
async def test_a_challenge_is_read_as_json_or_in_base64_and_nonsense_asks_for_nothing(
    tmp_path: Path, challenge: str, asked: str | None
) -> None:
    async with issuing() as issuer:
        desk = Desk(Stand(issuer, tmp_path))
        desk.stand.bearer().challenged(challenge)
        _, url = desk.sign_ins.browse("office")
        assert parse_qs(urlsplit(url).query).get("claims") == (None if asked is None else [asked])
