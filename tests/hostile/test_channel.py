"""Whatever stands between us and an encrypted, verified channel: no form of the password goes over the wire.

Each case is played through a proxy that keeps every byte, and what the server itself could read is kept, too.
"""

from __future__ import annotations

import contextlib
import re
import ssl
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
from tests.dialogue.server import PASSWORD, SELECTED, opened, scripted
from tests.hostile.proxy import proxy

from mailwicket.errors import BlockedError, MailwicketError, TransientError
from mailwicket.net.imap.client import ImapClient

USER: Final = "desk@example.org"
OFFER: Final = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN SASL-IR] ready\n"
GO_AHEAD: Final = OFFER + "C: STARTTLS\nS: $ OK go ahead\n"


def forms(secret: str) -> Iterator[bytes]:
    """Every form in which *secret* may lie in a recording: as it is, and in base64 wherever it begins."""
    yield secret.encode()
    yield secret.upper().encode()
    yield secret.encode("utf-16-le")
    yield secret.encode().hex().encode()
    for lead in range(3):  # the middle of its base64 form is the same whatever stands before and behind
        yield b64encode(b"\0" * lead + secret.encode())[4 if lead else 0 : -4]


def said(recording: bytes) -> bool:
    """Tell whether the password is in *recording*, in any form."""
    return any(form in recording for form in forms(PASSWORD))


class Certificates:
    """Those of a good server and of the others."""

    def __init__(self, directory: Path) -> None:
        self.authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.ca_file))

    def context(self, name: str = "localhost", authority: trustme.CA | None = None, **keys: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (authority or self.authority).issue_cert(name, **keys).configure_cert(context)
        return context

    def of_itself(self) -> ssl.SSLContext:
        """Signed by nobody but itself."""
        own = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with own.cert_pem.tempfile() as certificate, own.private_key_pem.tempfile() as key:
            context.load_cert_chain(certificate, key)
        return context

    def of_yesterday(self) -> ssl.SSLContext:
        """TLS 1.1 at most."""
        return age(self.context())


def age(context: ssl.SSLContext) -> ssl.SSLContext:
    """Have *context* speak TLS 1.1 at most: OpenSSL wants to be asked for that three times."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("ca"))


YESTERDAY: Final = datetime.now(UTC) - timedelta(days=1)
BAD_CERTIFICATES: Mapping[str, tuple[Callable[[Certificates], ssl.SSLContext], type[MailwicketError], str]] = {
    "wrong name": (lambda own: own.context("other.example.org"), BlockedError, "Hostname mismatch"),
    "expired": (lambda own: own.context(not_after=YESTERDAY), BlockedError, "certificate has expired"),
    "self-signed": (Certificates.of_itself, BlockedError, "self-signed certificate"),
    "unknown authority": (
        lambda own: own.context(authority=trustme.CA()),
        BlockedError,
        "unable to get local issuer certificate",
    ),
    "TLS 1.1": (Certificates.of_yesterday, TransientError, "closed the connection where it was to begin TLS"),
}


@dataclass(frozen=True)
class Case:
    """A server, how the unit is configured for it, and what comes of that."""

    script: str
    security: str
    error: type[MailwicketError]
    words: str
    tls: Callable[[Certificates], ssl.SSLContext] | None = None
    implicit: bool = False


def _certificates() -> Iterator[tuple[str, Case]]:
    for name, (context, error, words) in BAD_CERTIFICATES.items():
        yield f"ssl, {name}", Case(opened(), "ssl", error, words, context, implicit=True)
        yield f"tls, {name}", Case(GO_AHEAD + "X: tls", "tls", error, words, context)


CASES: Mapping[str, Case] = {
    **dict(_certificates()),
    "ssl, the port speaks plain": Case("S: * OK ready", "ssl", TransientError, "TLS failed: "),
    "ssl, the port wants STARTTLS": Case(OFFER, "ssl", TransientError, "TLS failed: "),
    "ssl, it knows us already, in the clear": Case(
        "S: * PREAUTH [CAPABILITY IMAP4rev1] hi", "ssl", TransientError, "TLS failed: "
    ),
    "tls, the port speaks TLS": Case(
        opened(), "tls", TransientError, "did not greet in time", Certificates.context, implicit=True
    ),
    "tls, stripped": Case(
        "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready", "tls", BlockedError, "does not offer STARTTLS"
    ),
    "tls, stripped of the asked capabilities": Case(
        "S: * OK ready\nC: CAPABILITY\nS: * CAPABILITY IMAP4rev1 AUTH=PLAIN\nS: $ OK",
        "tls",
        BlockedError,
        "does not offer STARTTLS",
    ),
    "tls, refused": Case(OFFER + "C: STARTTLS\nS: $ NO not today", "tls", BlockedError, "refused STARTTLS"),
    "tls, not understood": Case(OFFER + "C: STARTTLS\nS: $ BAD what?", "tls", BlockedError, "refused STARTTLS"),
    "tls, PREAUTH": Case(
        "S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome", "tls", BlockedError, "rules STARTTLS out"
    ),
    "tls, injected behind the answer": Case(
        GO_AHEAD + "S: * CAPABILITY IMAP4rev1 AUTH=PLAIN", "tls", TransientError, "was sent in the clear behind"
    ),
    "tls, a login injected": Case(
        GO_AHEAD + "S: A2 OK logged in", "tls", TransientError, "was sent in the clear behind"
    ),
    "tls, injected a moment later": Case(
        GO_AHEAD + "X: pause\nS: * CAPABILITY IMAP4rev1 AUTH=PLAIN", "tls", TransientError, "TLS failed: "
    ),
    "tls, agreed and then hung": Case(GO_AHEAD + "X: hang", "tls", TransientError, "did not begin TLS after STARTTLS"),
    "tls, agreed and then gone": Case(
        GO_AHEAD + "X: close", "tls", TransientError, "closed the connection where it was to begin TLS"
    ),
    "none, another machine": Case(OFFER, "none", BlockedError, "no password is said over an unencrypted connection"),
}


@contextmanager
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The server is another machine, whatever its address."""
    with monkeypatch.context() as patch:
        patch.setattr(ImapClient, "local", False)
        yield


async def record(tmp_path: Path, case: Case, certificates: Certificates) -> tuple[MailwicketError | None, bytes, bytes]:
    """Connect; return the failure, what went over the wire, and what the server could read of it."""
    tls = case.tls(certificates) if case.tls else None
    error: MailwicketError | None = None
    async with scripted(case.script, tls=tls, implicit=case.implicit) as server, proxy(server.port) as wire:
        keys = {"security": case.security, "server": "localhost", "port": wire.port, "ca_file": certificates.ca_file}
        try:
            async with server.source(tmp_path, **keys).connect():
                pass
        except (BlockedError, TransientError) as failure:
            error = failure
        return error, bytes(wire.from_clients), "\n".join(server.lines).encode()


@pytest.mark.parametrize("name", CASES)
async def test_no_form_of_the_password_is_said_over_a_channel_that_is_not_safe(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = CASES[name]
    with _elsewhere(monkeypatch):
        error, wire, read = await record(tmp_path, case, certificates)
    assert isinstance(error, case.error), error
    assert case.words in str(error)
    assert re.search(r"localhost:\d+", str(error))
    assert not said(wire)
    assert not said(read)
    assert USER.encode() not in wire + read
    assert not re.search(rb"LOGIN|AUTHENTICATE", wire + read)
    assert not said(str(error).encode())


@pytest.mark.parametrize("capabilities", ["IMAP4rev1", "IMAP4rev1 AUTH=PLAIN SASL-IR"])
async def test_the_recording_would_show_it(tmp_path: Path, certificates: Certificates, capabilities: str) -> None:
    """In the clear, to this machine, it is on the wire; over TLS only the server reads it."""
    said_how = "AUTHENTICATE PLAIN *" if "PLAIN" in capabilities else "LOGIN * *"
    script = f"S: * OK [CAPABILITY {capabilities}] hi\nC: {said_how}\nS: $ OK [CAPABILITY IMAP4rev1] in\n{SELECTED}"
    error, wire, read = await record(tmp_path, Case(script, "none", BlockedError, ""), certificates)
    assert (error, said(wire), said(read)) == (None, True, True)
    safe = Case(script, "ssl", BlockedError, "", Certificates.context, implicit=True)
    error, wire, read = await record(tmp_path, safe, certificates)
    assert (error, said(wire), said(read)) == (None, False, True)


def test_a_client_that_takes_old_tls_would_get_it(certificates: Certificates) -> None:
    """So it is its age that the server of TLS 1.1 above is refused for."""
    client_context = age(ssl.create_default_context(cafile=certificates.ca_file))
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(back, there, server_hostname="localhost")
    server = certificates.of_yesterday().wrap_bio(there, back, server_side=True)
    for side in (client, server) * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert client.version() == "TLSv1.1"
