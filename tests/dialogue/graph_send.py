"""A sender on the Graph double, and mails for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.contract.senders import LabTokens
from tests.lab.graph import Lab, drafts, serving, uploads
from tests.lab.graph.mailboxes import Mailbox
from tests.letters import file, letter

from mailwicket.mail.compose import compose
from mailwicket.model import Address, MessageId
from mailwicket.net.machine import Machine
from mailwicket.outgoing import Envelope, Identity
from mailwicket.senders import _graph_draft, _graph_mime
from mailwicket.senders.graph import GraphSender

SLICE = 60_000
POSTED, TWO_SLICES, THREE_SLICES = 70_000, 100_000, 170_000
"""Files in a world where sessions begin at 80,000 bytes, not at 3 MB."""

DESK = "desk@example.org"
ADA = "ada@example.org"
TO_ADA = Envelope(DESK, (ADA,))
ID = "<mw-7-1-p-abc-abcdefghijklmnopqrstuvwxyz@example.org>"


def mail(message_id: str = ID, **changes: Any) -> bytes:
    """A mail to Ada, as the desk writes it."""
    to = changes.pop("to", [Address("Ada", ADA)])
    told = letter(message_id=MessageId(message_id.strip("<>")), to=to, **changes)
    return compose(told, Identity(DESK, "The Desk"))


def large(*sizes: int) -> bytes:
    """A mail with files of so many bytes, in answer to another."""
    files = [file(f"{number}.bin", bytes([number]) * size) for number, size in enumerate(sizes, 1)]
    return mail(enclosures=files, html="<p>It burns.</p>", in_reply_to=MessageId("asked@example.org"))


def scale_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world in which everything is smaller, so that tests are quick: our limits, and the double's."""
    monkeypatch.setattr(_graph_mime, "MIME_BYTES", 50_000)
    monkeypatch.setattr(_graph_draft, "SMALL_BYTES", 80_000)
    monkeypatch.setattr(_graph_draft, "SLICE_BYTES", SLICE)
    monkeypatch.setattr(drafts, "SMALL_FILE", 80_000)
    monkeypatch.setattr(uploads, "SMALL_FILE", 80_000)


@dataclass
class Post:
    """The double, its mailbox, and a sender on it."""

    lab: Lab
    box: Mailbox
    ada: Mailbox
    sender: GraphSender

    @property
    def sent(self) -> list[str]:
        """Ids of what was accepted."""
        return [_id(one.content) for one in self.lab.sending.sent]

    @property
    def drafts(self) -> list[str]:
        return [one.internet_message_id for one in self.box.messages("drafts")]

    def rested(self, seconds: float = 60) -> None:
        """As if every pause that the server asked for were over."""
        self.lab.clock.advance(seconds)
        lane: Any = self.sender._access._lane
        if lane is not None:
            lane._queue.rests_until = lane._application.rests_until = 0.0

    async def passes(self, seconds: float) -> None:
        """Let time pass, once all that was asked has arrived; whoever asks has closed. Pauses are over then."""
        await self.lab.wire.quiet()
        self.rested(seconds)
        await self.lab.wire.quiet()

    def asked(self) -> list[str]:
        """What was asked of Graph, ids left out."""
        return [f"{one.method} {_short(one.path)}" for one in self.lab.requests]


def _id(raw: bytes) -> str:
    head = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    return next(line[11:].strip().decode() for line in head.split(b"\n") if line.lower().startswith(b"message-id:"))


def _short(path: str) -> str:
    return "/".join("*" if len(one) > 40 else one for one in path.partition("?")[0].split("/")[4:])


@asynccontextmanager
async def post(directory: Path, *, token: dict[str, Any] | None = None, **keys: Any) -> AsyncIterator[Post]:
    """A running double with the desk's mailbox and Ada's."""
    async with serving() as lab:
        box, ada = lab.mailbox(DESK), lab.mailbox(ADA)
        yield Post(lab, box, ada, sender(lab, directory, token or {}, **keys))


def sender(lab: Lab, directory: Path, token: dict[str, Any], **keys: Any) -> GraphSender:
    """Another one on the same double, as after a restart."""
    machine = Machine(directory)
    machine.tokens = LabTokens(lab.tokens.accept(**token))
    table = {"email": DESK, "oauth": "office", "server": lab.origin, **keys}
    made = GraphSender("main", GraphSender.Config.model_validate(table), machine)
    made._traces.clock = lab.clock.epoch_s
    return made
