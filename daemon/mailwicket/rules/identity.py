"""As whom a server sends a mail, and where answers to it go. Pure. Source: behaviour.md 3.2, 3.3, 3.9."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mailwicket.outgoing import Identity
from mailwicket.rules.own import canonical, domain_of


class Configured(Protocol):
    """`[outgoing.NAME]` (`config.outgoing`), as far as people see it."""

    @property
    def email(self) -> str: ...  # noqa: D102
    @property
    def sender_name(self) -> str | None: ...  # noqa: D102
    @property
    def reply_to(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Answers:
    """Where answers may go, when a server stands in for another."""

    home: str | None = None
    """The address of the mailbox that the ticket is at home in; None where it has none, or that is not fetched."""
    primary: str | None = None
    """The address of the primary mailbox."""


def identity(server: Configured, desk: str, author: str | None, *, stands_in: bool, answers: Answers) -> Identity:
    """Return as whom *server* sends a mail of the *desk* that *author* wrote (None: nobody did).

    Where it *stands_in* for another, From is its own, so that SPF, DKIM and send-as fit, and Reply-To leads to where
    the ticket's mail was answered all along.
    """
    reply_to = (answers.home or answers.primary or server.reply_to) if stands_in else server.reply_to
    if reply_to is not None and canonical(reply_to) == canonical(server.email):
        reply_to = None
    return Identity(server.email, sender_name(server, desk, author), reply_to)


def sender_name(server: Configured, desk: str, author: str | None) -> str | None:
    """Return the name beside the address; the desk's alone where a technician's is asked for and nobody wrote.

    A *desk* without a name (`""`) is called by the domain of its address.
    """
    template = server.sender_name
    if template is None:
        return None
    if "{technician}" in template and not author:
        return desk or None
    told = template.replace("{desk}", desk or domain_of(canonical(server.email))).replace("{technician}", author or "")
    return " ".join("".join(one if one.isprintable() else " " for one in told).split()) or None
