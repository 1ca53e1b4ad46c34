"""What well-known servers mean by a refusal, in plain words, and what a person does about it. Pure.

Sources: Microsoft's and Google's pages on client submission, and what administrators report (docs/quirks.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mailwicket.net.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Advice:
    """One refusal."""

    meaning: str
    fix: str
    """What is done about it."""

    def __str__(self) -> str:
        """As the end of an error that quotes the server."""
        return f"{self.meaning}: {self.fix}"


@dataclass(frozen=True, slots=True)
class _Known:
    code: int
    subject: str
    """Of the enhanced code; "" for any."""
    words: str
    """A pattern; "" for any."""
    meaning: str
    fix: str
    by_token: bool | None = None
    """Of logins by token alone, or by password alone."""


_OAUTH: Final = 'auth = "oauth" with an [oauth.NAME]'

LOGINS: Final = (
    _Known(
        535,
        "7.139",
        r"SmtpClientAuthentication is disabled for the (tenant|organi[sz]ation)",
        "SMTP AUTH is switched off for the whole tenant, for tokens too",
        "an administrator runs Set-TransportConfig -SmtpClientAuthenticationDisabled $false, or for this mailbox alone "
        "Set-CASMailbox -SmtpClientAuthenticationDisabled $false, with security defaults off; Graph does without",
    ),
    _Known(
        535,
        "7.139",
        r"SmtpClientAuthentication is disabled",
        "SMTP AUTH is switched off for this mailbox, for tokens too",
        "an administrator runs Set-CASMailbox -SmtpClientAuthenticationDisabled $false for it; Graph does without",
    ),
    _Known(
        535,
        "7.139",
        "",
        "a policy of the tenant refuses this login",
        "an administrator looks at security defaults, Conditional Access and authentication policies for this account",
    ),
    _Known(
        535,
        "7.3",
        "",
        "the token is not good for sending from this mailbox",
        "its scope must hold SMTP.Send (of an application: SMTP.SendAsApp), and who signed in needs full access to the "
        'mailbox; see "mailwicket oauth status"',
        by_token=True,
    ),
    _Known(535, "7.3", "", "the password is wrong, or passwords are switched off", _OAUTH, by_token=False),
    _Known(550, "7.30", "", "passwords are switched off for sending at Microsoft", _OAUTH),
    _Known(
        534,
        "7.9",
        "",
        "the account's own password is not taken",
        "make an app password in the settings of the account",
        by_token=False,
    ),
    _Known(
        535,
        "7.8",
        r"not accepted|BadCredentials",
        "the token is not taken",
        "its scope must be https://mail.google.com/, and username the account that signed in",
        by_token=True,
    ),
    _Known(
        432,
        "3.2",
        "",
        "more connections of this mailbox than the server allows (Exchange: 3)",
        "set connections = 1, and see who else sends as it",
    ),
)

SUBMISSIONS: Final = (
    _Known(0, "2.252", "", "the user may not send as this address", "give the user the right Send As for it"),
    _Known(0, "7.60", "", "the user may not send as this address", "give the user the right Send As for it"),
    _Known(0, "", r"SendAsDenied", "the user may not send as this address", "give the user the right Send As for it"),
    _Known(554, "2.2", "", "the sender's own mailbox is full", "make room in it: it keeps a copy of what is sent"),
    *(one for one in LOGINS if one.code == 432),
)


def of_login(reply: Reply, *, by_token: bool) -> Advice | None:
    """Return what is known of a *reply* to AUTH; None where its own words must do."""
    return _find(LOGINS, reply, by_token=by_token)


def of_submission(reply: Reply) -> Advice | None:
    """Return what is known of a *reply* to an envelope or a mail; None where its own words must do."""
    return _find(SUBMISSIONS, reply, by_token=None)


def _find(known: Sequence[_Known], reply: Reply, *, by_token: bool | None) -> Advice | None:
    for one in known:
        if one.by_token not in {None, by_token} or one.code not in {0, reply.code}:
            continue
        if one.subject not in {"", reply.subject} or not re.search(one.words, reply.words, re.IGNORECASE):
            continue
        return Advice(one.meaning, one.fix)
    return None
