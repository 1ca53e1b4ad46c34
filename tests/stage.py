"""A desk in memory to which mail is sent in one line: for tests of what the rules decide."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from mailwicket.cli.settings import load_with
from mailwicket.config.plugins import installed
from mailwicket.config.settings import Settings
from mailwicket.facts import TicketFacts
from mailwicket.flow.actions import Action
from mailwicket.mail.token import Token
from mailwicket.model import Flag, MessageId, Reason, Step, TicketNumber
from mailwicket.rehearsal.world import KEYS, Delivered, World
from mailwicket.rules.outcome import Append, Create, Outcome

BEGIN = datetime(2026, 1, 1, 9, tzinfo=UTC)
DESK = "support@desk.example"
ANN, BOB, EVE = "ann@example.com", "bob@example.com", "eve@evil.example"
TINA, TOM = "tina@desk.example", "tom@desk.example"

CONF = """
[incoming.support]
email = "support@desk.example"
server = "mail.example"
password = "none"
group = "first"
{verifier}
[outgoing.support]
email = "support@desk.example"
server = "mail.example"
authentication = false
[technician."tina@desk.example"]
name = "Tina Tech"
groups = ["first"]
[technician."tom@desk.example"]
name = "Tom Tech"
groups = ["first"]
[technician."left@desk.example"]
active = false
[requester."rita@example.com"]
name = "Rita Req"
addresses = ["rita@home.example"]
[requester."blocked@example.com"]
active = false
"""
VERIFIER = 'trusted_authserv_ids = ["mx.desk.example"]'


def settings_of(text: str) -> Settings:
    """Read the text of one file of a conf.d."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "10.toml"
        path.write_text(text)
        path.chmod(0o600)
        loaded = load_with(installed(), Path(directory), {})
    assert loaded.settings is not None, loaded.errors
    return loaded.settings


class Stage(closing[World]):
    """One desk: `with Stage() as stage`."""

    def __init__(self, more: str = "", *, verifier: bool = True, conf: str | None = None) -> None:
        self.conf = conf or CONF.format(verifier=VERIFIER if verifier else "")
        self.world = World(settings_of(self.conf + more), BEGIN)
        self._count = 0
        super().__init__(self.world)

    def __enter__(self) -> Self:  # type: ignore[override]
        return self

    def configure(self, more: str) -> None:
        """Go on with *more* beside the configuration that it began with."""
        self.world.configure(settings_of(self.conf + more))

    # --- mail

    def mail(
        self,
        author: str,
        text: str = "It burns.",
        *,
        to: str = DESK,
        cc: str = "",
        subject: str = "Printer",
        cites: str | Sequence[str] = (),
        message_id: str | None = None,
        verdict: str | None = None,
        header: str = "",
        days: float = 0,
        source: str = "support",
    ) -> Delivered:
        """Deliver a mail; *verdict* is what our edge says of DMARC, *cites* ids from the newest to the oldest."""
        self._count += 1
        self.world.proceed(self.world.now + timedelta(seconds=1, days=days))
        ids = [cites] if isinstance(cites, str) else list(cites)
        domain = author.rpartition("@")[2].strip("> ")
        lines = [
            *([f"Authentication-Results: mx.desk.example; dmarc={verdict} header.from={domain}"] if verdict else []),
            *([f"From: {author}"] if author else []),
            f"To: {to}",
            *([f"Cc: {cc}"] if cc else []),
            f"Subject: {subject}",
            f"Message-ID: <{message_id or f'{self._count}@mail.example'}>" if message_id != "" else "X-No-Id: yes",
            *([f"In-Reply-To: <{ids[0]}>"] if ids else []),
            *([f"References: {' '.join(f'<{one}>' for one in reversed(ids))}"] if ids else []),
            *header.strip().splitlines(),
            "",
            text,
        ]
        return self.world.deliver("\r\n".join(lines).encode(), source, self.world.now)

    def opened(self, author: str = ANN, **more: str) -> TicketNumber:
        """Have *author* open a ticket; return its number."""
        done = self.mail(author, **more)  # type: ignore[arg-type]
        assert isinstance(done.outcome, Create), done.outcome
        assert done.ticket is not None
        return done.ticket

    def ours(self, ticket: TicketNumber, row: int = 900, *, internal: bool = False) -> MessageId:
        """Return the id of a mail of ours about *ticket*."""
        return KEYS.message_id(Token(ticket, row, internal), "abc", "desk.example")

    # --- the desk

    def do(self, do: str, ticket: TicketNumber, to: str = "", by: str = "") -> None:
        """Do what a person does to a ticket, a second later."""
        self.world.proceed(self.world.now + timedelta(seconds=1))
        self.world.act(Action(do, ticket, by, to, "text"))

    def facts(self, ticket: TicketNumber) -> TicketFacts:
        """Return what the rules know of a ticket."""
        found = self.world.facts(ticket)
        assert found is not None
        return found


def told(done: Delivered) -> tuple[Reason, bool | None, set[Flag]]:
    """Return the reason, whether an entry is public (None: there is none), and the flags."""
    outcome = done.outcome
    public = outcome.public if isinstance(outcome, Append) else True if isinstance(outcome, Create) else None
    return outcome.reason, public, set(outcome.flags)


def step(outcome: Outcome, rule: str) -> str:
    """Return what *rule* found, as the trace tells it last."""
    steps: list[Step] = [one for one in outcome.trace if one.rule == rule]
    return steps[-1].answer
