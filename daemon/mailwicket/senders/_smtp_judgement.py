"""What a server's refusal means: for the server, for one recipient, or for this one mail. Pure."""

from __future__ import annotations

import re
from typing import Final

from mailwicket.errors import BlockedError, MailwicketError, PermanentError, TransientError
from mailwicket.net.smtp import advice
from mailwicket.net.smtp.reply import Reply
from mailwicket.outgoing import RecipientStatus

CLOSING: Final = 421
"""RFC 5321 3.8: the server hangs up."""

LOGIN_WANTED: Final = 530
"""RFC 4954 6."""

QUOTA: Final = frozenset({"4.5", "1.90"})
"""Said for good, and over tomorrow: Google's and Microsoft's limits of mails a day (docs/quirks.md)."""

QUOTA_WORDS: Final = re.compile(r"SubmissionQuotaExceeded|sending (?:limit|quota) exceeded", re.IGNORECASE)
"""Exchange says it behind 554 5.2.0, too, which is mostly said of the sender."""

SENDERS_MAILBOX_FULL: Final = "2.2"
"""RFC 3463; behind a whole mail it is Exchange's word about the mailbox that keeps the copy of what is sent."""

SENDER_REFUSED: Final = frozenset({"1.7", "1.8", "2.252", "7.60"})
"""RFC 3463 3.2: bad sender's address; Microsoft's send-as denied: 5.2.252, 5.7.60."""

SENDER_WORDS: Final = re.compile(
    r"sender address rejected|SendAsDenied|not owned by user|permissions? to send as|not allowed to send", re.IGNORECASE
)
RELAY_DENIED: Final = frozenset({"7.54"})
"""Exchange: unable to relay."""

RELAY_WORDS: Final = re.compile(
    r"relay(ing)? (access )?(denied|not permitted|prohibited)|unable to relay|client host rejected"
    r"|client was not authenticated",
    re.IGNORECASE,
)

TOO_LARGE: Final = 552
TOO_LARGE_SUBJECTS: Final = frozenset({"3.4", "2.3"})
"""RFC 3463: message too big for system, message length exceeds administrative limit."""

STORE_SENDER: Final = "2.0"
"""Exchange's answer to the mail of somebody who may not send it: 554 5.2.0, whatever its words."""


def refused_sender(peer: str, reply: Reply, path: str) -> MailwicketError:
    """Judge the answer to MAIL FROM:<*path*>: about the server, but for the size and the kind of the mail."""
    if reply.code == TOO_LARGE or reply.subject in TOO_LARGE_SUBJECTS:
        return _of_mail(peer, reply)
    return _of_server(peer, reply, path) or _sender(peer, reply, path)


def refused_recipient(peer: str, reply: Reply, path: str) -> MailwicketError | None:
    """Judge the answer to RCPT TO; None where it is about the recipient alone. *path* is the sender's.

    Many servers say only here what they have against the sender.
    """
    if found := _of_server(peer, reply, path):
        return found
    if reply.passes:
        return TransientError(_words(peer, reply, path), reason="server_said") if _blames_sender(reply) else None
    if _blames_sender(reply):
        return _sender(peer, reply, path)
    if reply.subject in RELAY_DENIED or RELAY_WORDS.search(reply.words):
        return BlockedError(f'{peer} takes no mail from us for others ("{reply}")', reason="relay_denied")
    return None


def refused_mail(peer: str, reply: Reply, path: str) -> MailwicketError | None:
    """Judge the answer to DATA, or to the mail behind it; None where time may mend it, for the same mail."""
    if found := _of_server(peer, reply, path):
        return found
    if reply.passes:
        return None
    if _blames_sender(reply) or (reply.code == 554 and reply.subject in {STORE_SENDER, SENDERS_MAILBOX_FULL}):
        return _sender(peer, reply, path)
    return _of_mail(peer, reply)


def status(reply: Reply) -> RecipientStatus:
    """Return *reply* as what becomes of a recipient."""
    return RecipientStatus(reply.code, reply.words, reply.enhanced)


def _of_server(peer: str, reply: Reply, path: str) -> MailwicketError | None:
    """Return the error for what is never about one mail."""
    if reply.code < 400:
        return TransientError(f'{peer} says what is no answer there ("{reply}")', reason="server_said")
    if reply.code == CLOSING:
        return TransientError(f'{peer} hangs up ("{reply}")', reason="server_said")
    if reply.code == LOGIN_WANTED:
        return BlockedError(f'{peer} wants something else first ("{reply}")', reason="login_refused")
    if reply.code >= 500 and (reply.subject in QUOTA or QUOTA_WORDS.search(reply.words)):
        return TransientError(_words(peer, reply, path), reason="server_said")
    return None


def _blames_sender(reply: Reply) -> bool:
    return reply.subject in SENDER_REFUSED or SENDER_WORDS.search(reply.words) is not None


def _sender(peer: str, reply: Reply, path: str) -> MailwicketError:
    if reply.passes:
        return TransientError(_words(peer, reply, path), reason="server_said")
    known = advice.of_submission(reply)
    return BlockedError(_words(peer, reply, path), reason="sender_refused", fix=known.fix if known else None)


def _of_mail(peer: str, reply: Reply) -> MailwicketError:
    if reply.passes:
        return TransientError(f'{peer} does not take the mail now ("{reply}")', reason="server_said")
    return PermanentError(f'{peer} refuses the mail ("{reply}")')


def _words(peer: str, reply: Reply, path: str) -> str:
    who = f"of {path}" if path else "with the null return path"
    known = advice.of_submission(reply)
    return f'{peer} refuses mail {who} ("{reply}")' + (f"; {known}" if known else "")
