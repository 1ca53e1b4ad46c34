"""What is asked, what is answered, what is signed: without a network."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from mailwicket.config.oauth import OAuth, scopes
from mailwicket.errors import BlockedError
from mailwicket.net.oauth.answer import UnreadableError, read_device, read_error, read_token
from mailwicket.net.oauth.assertion import (
    certificate_signer,
    client_claims,
    service_claims,
    service_signer,
)
from mailwicket.net.oauth.question import (
    admin_consent_url,
    challenge_of,
    new_state,
    new_verifier,
    proof_form,
    query_of,
    refresh_form,
    sign_in_url,
    with_query,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def microsoft(**table: Any) -> OAuth:
    return OAuth.model_validate({"provider": "microsoft", "tenant": "example.org", "client_id": "client-1", **table})


def query(url: str) -> dict[str, str]:
    return {key: one[0] for key, one in parse_qs(urlsplit(url).query).items()}


# --- scopes and presets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "uses", "resource", "expected"),
    [
        ({}, ("imap",), None, "https://outlook.office.com/IMAP.AccessAsUser.All offline_access"),
        ({}, (), None, "https://outlook.office.com/IMAP.AccessAsUser.All offline_access"),
        (
            {},
            ("pop3", "smtp"),
            "mail",
            "https://outlook.office.com/POP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access",
        ),
        ({}, ("imap", "graph"), "graph", "https://graph.microsoft.com/Mail.ReadWrite offline_access"),
        ({"scope": "a https://graph.microsoft.com/Mail.Send b"}, (), "graph", "https://graph.microsoft.com/Mail.Send"),
        ({"scope": "a https://graph.microsoft.com/Mail.Send b"}, (), "mail", "a b"),
        (
            {"grant": "client_credentials", "client_secret": "x"},
            ("imap", "graph"),
            "mail",
            "https://outlook.office365.com/.default",
        ),
        (
            {"grant": "client_credentials", "client_secret": "x"},
            ("graph_send",),
            None,
            "https://graph.microsoft.com/.default",
        ),
    ],
)
def test_the_least_scope_that_is_needed_is_asked_for(table: Any, uses: Any, resource: Any, expected: str) -> None:
    assert " ".join(scopes(microsoft(**table), uses, resource)) == expected


def test_google_has_one_scope_for_all_and_another_table_has_none() -> None:
    google = OAuth.model_validate({"provider": "google", "client_id": "x"})
    assert scopes(google, ["imap", "smtp"]) == ("https://mail.google.com/",)
    assert google.token_url == "https://oauth2.googleapis.com/token"
    other = OAuth.model_validate(
        {"client_id": "x", "token_url": "http://127.0.0.1:1/t", "authorization_url": "http://[::1]:1/a"}
    )
    assert scopes(other, ["imap"]) == ()


def test_the_national_clouds_have_their_own_doors_and_every_key_may_be_written_otherwise() -> None:
    assert microsoft(provider="microsoft-us").token_url == (
        "https://login.microsoftonline.us/example.org/oauth2/v2.0/token"
    )
    assert microsoft(provider="microsoft-china").device_url == (
        "https://login.chinacloudapi.cn/example.org/oauth2/v2.0/devicecode"
    )
    assert microsoft(token_url="https://login.example.org/t").token_url == "https://login.example.org/t"


# --- questions ------------------------------------------------------------------------------------------------------


def test_the_challenge_is_that_of_the_rfc() -> None:  # RFC 7636 appendix B
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert 43 <= len(new_verifier()) <= 128
    assert new_verifier() != new_verifier()
    assert len(new_state()) >= 43


def test_a_browser_is_sent_with_state_challenge_and_scopes() -> None:
    asked = query(sign_in_url(microsoft(), ("a", "offline_access"), "state-1", "v" * 43))
    assert asked == {
        "client_id": "client-1",
        "response_type": "code",
        "redirect_uri": "http://localhost:8026",
        "scope": "a offline_access",
        "state": "state-1",
        "code_challenge": challenge_of("v" * 43),
        "code_challenge_method": "S256",
        "response_mode": "query",
        "prompt": "select_account",
    }
    google = OAuth.model_validate({"provider": "google", "client_id": "x"})
    assert query(sign_in_url(google, ("a",), "s", "v" * 43)).items() >= {
        ("access_type", "offline"),
        ("prompt", "consent"),
    }


def test_what_an_endpoint_has_in_its_query_stays() -> None:
    assert with_query("https://login.example.org/a?p=b2c", {"x": "1 2"}) == "https://login.example.org/a?p=b2c&x=1+2"


def test_the_link_for_an_administrator_is_that_of_the_tenant_and_asks_for_what_is_needed() -> None:
    url = admin_consent_url(microsoft(), ("https://outlook.office.com/SMTP.Send", "offline_access"), "s") or ""
    assert url.startswith("https://login.microsoftonline.com/example.org/v2.0/adminconsent?")
    assert query(url)["scope"] == "https://outlook.office.com/SMTP.Send"
    app_only = admin_consent_url(microsoft(), ("https://outlook.office365.com/.default",), "s") or ""
    assert query(app_only)["scope"] == "https://ps.outlook.com/.default"
    common = admin_consent_url(microsoft(tenant=None), ("a",), "s") or ""
    assert "/organizations/v2.0/adminconsent" in common
    sends = admin_consent_url(microsoft(), ("https://outlook.office365.com/.default",), "s", {"smtp"}) or ""
    assert query(sends)["scope"] == "https://outlook.office365.com/.default"
    google = OAuth.model_validate({"provider": "google", "client_id": "x"})
    assert admin_consent_url(google, ("a",), "s") is None


def test_the_link_for_an_administrator_follows_a_url_that_was_written_out() -> None:
    stand_in = microsoft(authorization_url="http://127.0.0.1:8080/authorize")
    url = admin_consent_url(stand_in, ("a",), "s") or ""
    assert url.startswith("http://127.0.0.1:8080/example.org/v2.0/adminconsent?")
    page = "https://login.microsoftonline.com/example.org/oauth2/v2.0"
    plain = {"client_id": "x", "authorization_url": f"{page}/authorize", "token_url": f"{page}/token"}
    url = admin_consent_url(OAuth.model_validate(plain), ("a",), "s") or ""
    assert url.startswith("https://login.microsoftonline.com/example.org/v2.0/adminconsent?")


def test_forms_hold_what_the_rfcs_want_and_no_scope_where_none_is_known() -> None:
    assert refresh_form("r", ()) == {"grant_type": "refresh_token", "refresh_token": "r"}
    assert proof_form(microsoft(), None, None) == {"client_id": "client-1"}
    assert set(proof_form(microsoft(), None, "jwt")) == {"client_id", "client_assertion_type", "client_assertion"}


@pytest.mark.parametrize(
    "pasted", ["http://localhost:8026/?code=c%2B&state=s", "?code=c%2B&state=s", " code=c%2B&state=s\n"]
)
def test_a_pasted_url_is_read_whole_or_as_its_query(pasted: str) -> None:
    assert query_of(pasted) == {"code": "c+", "state": "s"}


# --- answers --------------------------------------------------------------------------------------------------------


def test_a_token_is_read_whatever_else_is_told() -> None:
    told = {"access_token": "a", "expires_in": "3599", "refresh_token": "r", "scope": "x y", "id_token": 1, "foci": "1"}
    found = read_token(json.dumps(told).encode())
    assert (found.expires_in_s, found.refresh_token, found.scopes) == (3599, "r", ("x", "y"))
    assert "access_token" not in repr(found)


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"{}", b'{"access_token": 1}', b'{"access_token": ""}', b"[" * 100_000, b'"x"']
)
def test_what_is_no_token_is_unreadable_and_its_text_is_not_told(body: bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        read_token(body)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"device_code": "d", "user_code": "u"},
        {"device_code": "d", "user_code": "u", "verification_uri": "javascript:1"},
        {"device_code": "d", "user_code": "u\nx", "verification_uri": "https://login.example.org"},
        {"user_code": "u", "verification_uri": "https://login.example.org"},
    ],
)
def test_what_is_no_device_code_is_unreadable(told: Any) -> None:
    with pytest.raises(UnreadableError):
        read_device(json.dumps(told).encode())


def test_an_error_is_read_with_its_numbers_first_line_and_trace() -> None:
    told = {
        "error": "invalid_client",
        "error_description": "AADSTS7000215: Invalid\x1b secret.\r\nTrace ID: 1\r\nCorrelation ID: 2",
        "error_codes": [7000215, "x"],
        "trace_id": "0f-1",
    }
    found = read_error(json.dumps(told).encode())
    assert found is not None
    assert (found.numbers, found.description) == ((7000215,), "AADSTS7000215: Invalid  secret.")
    assert found.trace_id == "0f-1"
    assert read_error(b"<html>") is None
    assert read_error(b'{"error": {"code": "x"}}') is None


# --- statements -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def certificate(key: rsa.RSAPrivateKey, days: int = 100) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mailwicket")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=days))
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def parts(jwt: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    head, body, signature = jwt.split(".")
    raw = [urlsafe_b64decode(one + "=" * (-len(one) % 4)) for one in (head, body, signature)]
    return json.loads(raw[0]), json.loads(raw[1]), raw[2], f"{head}.{body}".encode()


def test_a_certificate_signs_with_ps256_under_its_thumbprint(key: rsa.RSAPrivateKey) -> None:
    shown = certificate(key)
    signer = certificate_signer(shown, pem(key), "oauth.office")
    head, claims, signature, text = parts(signer.sign(client_claims("client-1", "https://login.example.org/t", NOON)))
    thumbprint = x509.load_pem_x509_certificate(shown).fingerprint(hashes.SHA256())
    assert (head["alg"], head["typ"]) == ("PS256", "JWT")
    assert urlsafe_b64decode(head["x5t#S256"] + "=") == thumbprint
    assert claims["iss"] == claims["sub"] == "client-1"
    assert claims["aud"] == "https://login.example.org/t"
    assert claims["nbf"] < NOON.timestamp() < claims["exp"] <= NOON.timestamp() + 600
    assert len(claims["jti"]) == 36
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    key.public_key().verify(signature, text, pss, hashes.SHA256())


@pytest.mark.parametrize("as_json", [True, False])
def test_a_service_account_signs_with_rs256_for_one_mailbox(key: rsa.RSAPrivateKey, *, as_json: bool) -> None:
    given = json.dumps({"private_key": pem(key), "private_key_id": "k1", "type": "service_account"})
    signer = service_signer(given if as_json else pem(key), "oauth.office")
    claims = service_claims("a@project.example", "https://login.example.org/t", "desk@example.org", ("x", "y"), NOON)
    head, told, signature, text = parts(signer.sign(claims))
    assert head == {"alg": "RS256", "typ": "JWT", **({"kid": "k1"} if as_json else {})}
    assert (told["iss"], told["sub"], told["scope"]) == ("a@project.example", "desk@example.org", "x y")
    assert told["exp"] - told["iat"] <= 3600
    key.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())


def test_keys_that_cannot_sign_are_told_without_a_word_of_them(key: rsa.RSAPrivateKey) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for shown, given, words in (
        (certificate(key), pem(other), "do not belong together"),
        (b"canary", pem(key), "no certificate"),
        (certificate(key), "canary-4711", "no unencrypted private key"),
        (certificate(key), pem(ec.generate_private_key(ec.SECP256R1())), "no RSA key"),
    ):
        with pytest.raises(BlockedError, match=words) as caught:
            certificate_signer(shown, given, "oauth.office")
        assert caught.value.reason == "oauth_settings"
        assert "canary" not in str(caught.value)
    with pytest.raises(BlockedError, match="no JSON file of a service account"):
        service_signer('{"private_key": ', "oauth.office")


WORLD = "https://login.microsoftonline.com/{}/oauth2/v2.0/"
PRESETS = {
    # provider: where a browser goes, where tokens are got, what reading by IMAP and sending by SMTP ask for
    "microsoft": (
        WORLD.format("common") + "authorize",
        WORLD.format("common") + "token",
        "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access",
    ),
    "outlook.com": (
        WORLD.format("consumers") + "authorize",
        WORLD.format("consumers") + "token",
        "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access",
    ),
    "microsoft-us": (
        "https://login.microsoftonline.us/common/oauth2/v2.0/authorize",
        "https://login.microsoftonline.us/common/oauth2/v2.0/token",
        "https://outlook.office365.us/IMAP.AccessAsUser.All https://outlook.office365.us/SMTP.Send offline_access",
    ),
    "microsoft-us-dod": (
        "https://login.microsoftonline.us/common/oauth2/v2.0/authorize",
        "https://login.microsoftonline.us/common/oauth2/v2.0/token",
        (
            "https://outlook-dod.office365.us/IMAP.AccessAsUser.All https://outlook-dod.office365.us/SMTP.Send "
            "offline_access"
        ),
    ),
    "microsoft-china": (
        "https://login.chinacloudapi.cn/common/oauth2/v2.0/authorize",
        "https://login.chinacloudapi.cn/common/oauth2/v2.0/token",
        "https://partner.outlook.cn/IMAP.AccessAsUser.All https://partner.outlook.cn/SMTP.Send offline_access",
    ),
    "google": (
        "https://accounts.google.com/o/oauth2/v2/auth",
        "https://oauth2.googleapis.com/token",
        "https://mail.google.com/",
    ),
    "yahoo": (
        "https://api.login.yahoo.com/oauth2/request_auth",
        "https://api.login.yahoo.com/oauth2/get_token",
        "mail-w",
    ),
    "aol": ("https://api.login.aol.com/oauth2/request_auth", "https://api.login.aol.com/oauth2/get_token", "mail-w"),
    "fastmail": (
        "https://api.fastmail.com/oauth/authorize",
        "https://api.fastmail.com/oauth/refresh",
        "https://www.fastmail.com/dev/protocol-imap https://www.fastmail.com/dev/protocol-smtp",
    ),
    "yandex": ("https://oauth.yandex.com/authorize", "https://oauth.yandex.com/token", "mail:imap_full mail:smtp"),
}
GRAPHS = {
    "microsoft": "https://graph.microsoft.com",
    "outlook.com": "https://graph.microsoft.com",
    "microsoft-us": "https://graph.microsoft.us",
    "microsoft-us-dod": "https://dod-graph.microsoft.us",
    "microsoft-china": "https://microsoftgraph.chinacloudapi.cn",
}


@pytest.mark.parametrize("provider", PRESETS)
def test_a_provider_fills_in_urls_and_scopes(provider: str) -> None:
    oauth = OAuth.model_validate({"provider": provider, "client_id": "x"})
    asked = " ".join(scopes(oauth, ["imap", "smtp"], "mail"))
    assert (oauth.authorization_url, oauth.token_url, asked) == PRESETS[provider]
    if provider in GRAPHS:
        graph = GRAPHS[provider]
        assert scopes(oauth, ["graph", "graph_send"], "graph") == (
            f"{graph}/Mail.ReadWrite",
            f"{graph}/Mail.Send",
            "offline_access",
        )
    assert oauth.is_microsoft == (provider in GRAPHS)


@pytest.mark.parametrize("provider", [one for one in GRAPHS if one != "outlook.com"])
def test_an_application_of_a_tenant_asks_for_what_it_was_given_at_each_door(provider: str) -> None:
    keys = {"tenant": "example.org", "grant": "client_credentials", "client_secret": "x", "client_id": "x"}
    oauth = OAuth.model_validate({"provider": provider, **keys})
    (mail,) = scopes(oauth, ["imap", "smtp"], "mail")
    (graph,) = scopes(oauth, ["graph"], "graph")
    assert mail.endswith("/.default")
    assert graph == f"{GRAPHS[provider]}/.default"
    assert "/example.org/" in (oauth.token_url or "")


def test_every_preset_is_tested() -> None:
    assert {*PRESETS, "other"} == set(get_args(OAuth.model_fields["provider"].annotation))
