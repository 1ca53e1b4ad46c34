"""Mail servers as authors: what they call themselves, and the paths on which no answer comes back."""

from __future__ import annotations

import re
from typing import Final

from mailwicket.mail.header import Header, words

MACHINES: Final = (
    "mailer-daemon", "mailer_daemon", "mailerdaemon", "mailer.daemon", "mailer daemon", "mail-daemon", "maildaemon",
    "mail daemon", "mdaemon@", "smtpd-daemon", "bounce-daemon", "mail delivery sub", "mail delivery sys",
    "mail delivery serv", "mail delivery agent", "maildelivery", "mail_delivery", "mail-delivery",
    "internet mail delivery", "email delivery system", "e-mail delivery system", "mailzustellsystem",
    "mail transport agent", "microsoftexchange329e71ec88ae4615bbc36ab6ce41109e",
)  # fmt: skip
"""Nobody but a mail server calls itself so."""

MASTERS: Final = (
    "mail_router", "lotus notes mail", "mail service", "bounce@", "bounces@", "mail agent", "internet mail service",
    "email administrator", "mta@", "mmdf@", "smtp@", "postmaster", "post_master", "post-master",
    "system administrator", "systemadministrator", "administrateur syst", "administrador del sistema",
    "administrador do sistema", "amministratore di sistema", "systeembeheerder", "systemansvarig",
    "systemadministratör", "mailadmin", "mail-admin", "mailmaster", "administrator@", "smtp-gateway", "smtpgateway",
    "mailgateway", "mail gateway", "mailscanner", "mailmarshal", "mimesweeper", "surfcontrol", "netmail@", "vpop3",
    "mail server", "mailserver", "server mail", "root@", "mailer@", "mail-server", "message transfer", "uucp@",
    "exchange administrator", "системный администратор", "почтовая система", "postbote", "e-mail-system",
    "email system", "mail security", "email security", "mailgate", "daemon@", "mail system", "mailsystem",
    "mail router", "mail administrator", "delivery system", "delivery subsystem", "returned mail", "mail delivery",
    "delivery notification", "microsoft exchange", "mail filter gateway", "listserv@", "message router",
    "smtp gateway", "ndr@",
)  # fmt: skip
"""A mail server, or the person who looks after it."""

# Each of those holds one of these: for nearly all mail this is the only look.
_QUICK: Final = re.compile(
    r"daemon|master|ndr@|lotus|bounce|agent|service|mta@|mmdf@|smtp|deliver|syst|sist|minist|admin|beheer|gate|server|marshal|scanner|router|secur|transp|transf|sweeper|surfcontrol|netmail|"
    r"vpop3|mailer@|root@|uucp@|listserv|return|сист|postbote|zustell|exchange"
)
_DOMAIN: Final = re.compile(r"@[^\s<>\"]*")
_NOWHERE: Final = ("<mailer-daemon", "mailer-daemon", "<#@[]")
_NO_NAMES: Final = (
    "postmaster", "mail", "admin", "system", "server", "microsoft", "exchange", "symantec", "security", "gateway",
    "smtp", "mta", "daemon", "delivery",
)  # fmt: skip


def server(author: str) -> int:
    """Weigh a From field: 2 for a mail server, 1 for what may be one or its postmaster, or nobody, 0 for a person.

    What the domain is called says nothing: its people have it in their addresses, too.
    """
    name = author.casefold()
    if "=?" in name:
        name = words(author).casefold()
    elif not name or name == "<>":
        return 1
    elif not _QUICK.search(name):
        return 0
    name = _DOMAIN.sub("@", name)
    if "_" in name:
        name = f"{name} {name.replace('_', ' ')}"
    return 2 if any(word in name for word in MACHINES) else int(any(word in name for word in MASTERS))


def unnamed(author: str) -> bool:
    """Tell whether nobody's name stands beside the address: people write as postmaster, too."""
    name = words(author.partition("<")[0] if "<" in author else "").casefold().strip(" \"'")
    return not name or "@" in name or any(word in name for word in _NO_NAMES)


def nowhere(header: Header) -> bool:
    """Tell whether an answer would go nowhere (RFC 5321 4.5.5); what was not stamped with a path says nothing."""
    path = header.get("return-path").replace(" ", "").casefold() if "return-path" in header else ""
    return path == "<>" or path.startswith(_NOWHERE)
