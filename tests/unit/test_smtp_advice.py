"""Refusals of well-known servers, as these words were seen, and what a person is told to do."""

from __future__ import annotations

import pytest

from mailwicket.net.smtp import advice
from mailwicket.net.smtp.reply import read_reply


@pytest.mark.parametrize(
    ("code", "text", "by_token", "fix"),
    [
        (535, "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.", True, "Tra"),
        (
            535,
            "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox",
            False,
            "Set-CAS",
        ),
        (
            535,
            "5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults",
            False,
            "security",
        ),
        (535, "5.7.3 Authentication unsuccessful [FR3P281CA0001]", True, "SMTP.Send"),
        (535, "5.7.3 Authentication unsuccessful", False, 'auth = "oauth"'),
        (550, "5.7.30 Basic authentication is not supported for Client Submission.", False, 'auth = "oauth"'),
        (534, "5.7.9 Application-specific password required.", False, "app password"),
        (535, "5.7.8 Username and Password not accepted. BadCredentials", True, "https://mail.google.com/"),
        (432, "4.3.2 Concurrent connections limit exceeded", True, "connections = 1"),
    ],
)
def test_a_refused_login_is_explained(code: int, text: str, fix: str, *, by_token: bool) -> None:
    found = advice.of_login(read_reply(code, text), by_token=by_token)
    assert found is not None
    assert fix in found.fix


@pytest.mark.parametrize(
    ("code", "text", "by_token"),
    [
        (535, "5.7.8 Error: authentication failed", True),
        (535, "5.7.8 Username and Password not accepted", False),
        (534, "5.7.9 Please log in with your web browser", True),
        (454, "4.7.0 Temporary authentication failure", True),
        (535, "Incorrect authentication data", False),
    ],
)
def test_what_is_not_known_is_left_to_its_own_words(code: int, text: str, *, by_token: bool) -> None:
    assert advice.of_login(read_reply(code, text), by_token=by_token) is None


@pytest.mark.parametrize(
    ("code", "text", "fix"),
    [
        (554, "5.2.252 SendAsDenied; a@example.org not allowed to send as b@example.org", "Send As"),
        (554, "5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied", "Send As"),
        (550, "5.7.60 SMTP; Client does not have permissions to send as this sender", "Send As"),
        (554, "5.2.2 mailbox full", "make room"),
        (432, "4.3.2 Concurrent connections limit exceeded", "connections = 1"),
        (550, "5.1.1 unknown", None),
    ],
)
def test_a_refused_mail_is_explained(code: int, text: str, fix: str | None) -> None:
    found = advice.of_submission(read_reply(code, text))
    assert (found is None) == (fix is None)
    assert fix is None or (found is not None and fix in found.fix)
