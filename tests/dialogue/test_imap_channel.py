"""What the channel must be like before a password is said: TLS, STARTTLS, certificates, trust."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from tests.dialogue.server import SELECTED, failure, opened, said_password, scripted

from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.machine import Machine


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def server_context(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_tls_from_the_first_byte(tmp_path: Path, authority: trustme.CA, ca_file: Path) -> None:
    context = server_context(authority)
    async with (
        scripted(opened(), tls=context, implicit=True) as server,
        server.source(tmp_path, security="ssl", server="localhost", ca_file=ca_file).connect(),
    ):
        pass
    assert said_password(server)


@pytest.mark.parametrize(
    ("name", "trusted", "words"),
    [
        ("other.example.org", True, "Hostname mismatch, certificate is not valid for 'localhost'"),
        ("localhost", False, "unable to get local issuer certificate"),
    ],
)
async def test_a_certificate_that_fails_blocks_the_unit(
    tmp_path: Path, authority: trustme.CA, ca_file: Path, name: str, *, trusted: bool, words: str
) -> None:
    context = server_context(authority, name)
    async with scripted(opened(), tls=context, implicit=True) as server:
        given = ca_file if trusted else None
        error = await failure(server, tmp_path, security="ssl", server="localhost", ca_file=given)
    assert isinstance(error, BlockedError)
    assert error.reason == "certificate"
    assert words in str(error)
    assert not said_password(server)


async def test_tls_to_a_server_that_speaks_plain_says_so(tmp_path: Path) -> None:
    async with scripted("S: * OK ready") as server:
        error = await failure(server, tmp_path, security="ssl")
    assert isinstance(error, TransientError)
    assert "TLS failed" in str(error)


async def test_starttls_forgets_what_was_said_in_the_clear(
    tmp_path: Path, authority: trustme.CA, ca_file: Path
) -> None:
    script = f"""
        S: * OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN SASL-IR] ready
        C: STARTTLS
        S: $ OK go ahead
        X: tls
        C: CAPABILITY
        S: * CAPABILITY IMAP4rev1
        S: $ OK
        C: LOGIN * *
        S: $ OK [CAPABILITY IMAP4rev1] in
        {SELECTED}
    """
    async with (
        scripted(script, tls=server_context(authority)) as server,
        server.source(tmp_path, security="tls", server="localhost", ca_file=ca_file).connect(),
    ):
        pass


async def test_starttls_checks_the_certificate(tmp_path: Path, authority: trustme.CA) -> None:
    script = """
        S: * OK [CAPABILITY IMAP4rev1 STARTTLS] ready
        C: STARTTLS
        S: $ OK go ahead
        X: tls
    """
    async with scripted(script, tls=server_context(authority)) as server:
        error = await failure(server, tmp_path, security="tls", server="localhost")
    assert isinstance(error, BlockedError)
    assert error.reason == "certificate"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready", "starttls_missing", id="not offered"),
        pytest.param("S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome", "starttls_missing", id="preauth"),
        pytest.param(
            """
            S: * OK [CAPABILITY IMAP4rev1 STARTTLS] ready
            C: STARTTLS
            S: $ NO not today
            """,
            "starttls_missing",
            id="refused",
        ),
        pytest.param(
            """
            S: * OK [CAPABILITY IMAP4rev1 STARTTLS] ready
            C: STARTTLS
            S: $ OK go ahead
            S: * CAPABILITY IMAP4rev1 AUTH=PLAIN
            """,
            "server_said",
            id="injected in the same segment",
        ),
        pytest.param(
            """
            S: * OK [CAPABILITY IMAP4rev1 STARTTLS] ready
            C: STARTTLS
            S: $ OK go ahead
            X: pause
            S: * CAPABILITY IMAP4rev1 AUTH=PLAIN
            """,
            "unreachable",
            id="injected a segment later",
        ),
    ],
)
async def test_nothing_secret_is_said_where_starttls_does_not_come_about(
    tmp_path: Path, script: str, reason: str
) -> None:
    async with scripted(script) as server:
        error = await failure(server, tmp_path, security="tls")
    assert isinstance(error, BlockedError | TransientError)
    assert error.reason == reason
    assert not said_password(server)


async def test_a_ca_file_that_cannot_be_read_blocks_the_unit(tmp_path: Path) -> None:
    with pytest.raises(BlockedError, match="No such file") as caught:
        await Machine(tmp_path).trust(tmp_path / "missing.pem")
    assert caught.value.reason == "certificate"
    (tmp_path / "odd.pem").write_text("no certificate")
    with pytest.raises(BlockedError, match="no certificate in PEM form"):
        await Machine(tmp_path).trust(tmp_path / "odd.pem")


async def test_verification_is_never_off_and_old_tls_is(tmp_path: Path) -> None:
    context = await Machine(tmp_path).trust(None)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_the_environment_may_name_the_trust_store(
    tmp_path: Path, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert len((await Machine(tmp_path).trust(None)).get_ca_certs()) == 1
