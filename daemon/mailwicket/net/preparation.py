"""The first stages of a test at a mail server: what is configured, and the token. For the tests of all protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol
from urllib.parse import urlsplit

from mailwicket.config.graph import SERVERS as GRAPH
from mailwicket.config.proxy import Via
from mailwicket.errors import BlockedError, StageError
from mailwicket.net.account import Account, Credentials, LoginTable
from mailwicket.net.approach import approach_stages
from mailwicket.net.oauth.claims import GRAPH_ID, audience_of, shown_claims
from mailwicket.net.proxy import Way, way_of
from mailwicket.stages import Probe


class Tested(LoginTable, Protocol):
    """A table of conf.d whose server is tested."""

    @property
    def enabled(self) -> bool: ...  # noqa: D102
    @property
    def via(self) -> Via | None: ...  # noqa: D102


def first_stages(config: Tested) -> Sequence[str]:
    """Return the stages up to a connection to the server: `prepare` takes some of them, `Approach` the others."""
    token = ("token",) if config.auth == "oauth" and getattr(config, "authentication", True) else ()
    return ("configuration", *token, *approach_stages(proxied=config.proxy is not None))


async def prepare(config: Tested, credentials: Credentials, probe: Probe) -> tuple[Account, Way | None]:
    """Take the stages before the first byte; return who logs in, and the way to the server.

    Raises:
        StageError: a secret, the token, a certificate or the proxy's password cannot be had, or the token is not for
            mail.
        TransientError: no token can be had now.
    """
    with probe.stage("configuration") as finding:
        try:
            account, way = await credentials.account(with_token=False), await way_of(config)
        except BlockedError as error:
            raise StageError(str(error), fix=secret_fix(config, error)) from error
        by = "" if way is None else f", by {way}"
        finding.detail = told_of(config, account) + by + ("" if config.enabled else "; the unit is not enabled")
    if not account.is_token or account.password is None:
        return account, way
    with probe.stage("token") as finding:
        try:
            token = await credentials.token()
        except BlockedError as error:
            raise StageError(str(error), fix=error.fix or secret_fix(config, error)) from error
        finding.detail = f"{shown_claims(token)}; {credentials.left_s / 60:.0f} minutes left"
        _check_audience(config, audience_of(token))
    return replace(account, password=token), way


def _check_audience(config: Tested, audience: str) -> None:
    host = urlsplit(audience).hostname if "://" in audience else audience
    if host == GRAPH_ID or host in GRAPH.values():
        raise StageError(
            f"the token is for {audience}, which is Graph, and opens no mailbox at {config.server}",
            fix=f"mend scope in [oauth.{config.oauth}]: no token is for Graph and for this server at once",
        )


def secret_fix(config: LoginTable, error: BlockedError) -> str:
    """Return what a person does about a secret, a token or a certificate that cannot be had."""
    if error.reason == "refused":
        return f"mend [proxy.{config.proxy}]"
    if error.reason == "certificate":
        return "mend ca_file: the path of certificates in PEM form"
    if config.auth == "oauth" and error.reason != "secret_missing":
        return f'"mailwicket oauth login {config.oauth}", or mend [oauth.{config.oauth}], as it says'
    if config.password is None and config.auth == "basic":
        return 'set password, for example to { file = "PATH" }'
    if config.password is not None and config.password.form == "credential":
        return "systemd hands it to the service alone: test with { file = ... }, or below systemd-run(1)"
    return "see that it is there, and that the user who runs this may read it"


def token_fix(error: BlockedError, oauth: str | None) -> str | None:
    """Return what a person does about a token that is refused; None where it is not about that. As `secret_fix`."""
    match error.reason:
        case "token_unwanted":
            return 'set auth = "basic" with a password, or ask who runs the server how it takes tokens'
        case "login_refused":
            return f'look at scope in [oauth.{oauth}], and at "mailwicket oauth status"'
    return None


def told_of(config: LoginTable, account: Account) -> str:
    """Say where the password or the token comes from, and whom it trusts. For connection tests."""
    if account.password is None:
        what = "no login"
    elif account.is_token:
        what = f"token of oauth.{config.oauth}"
    else:
        what = f"password from {'none' if config.password is None else config.password.place}"
    return what + (f", trust from the system and {config.ca_file}" if config.ca_file else "")
