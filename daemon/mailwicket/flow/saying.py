"""What somebody says at the desk: as an entry, and as the mail about it has it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from mailwicket.facts import TicketFacts
from mailwicket.mail import markdown
from mailwicket.mail.wording import Passage
from mailwicket.model import Address, Attachment, EntryDraft, EntryKind, Said, Sha256
from mailwicket.outgoing import Event
from mailwicket.rules.own import canonical
from mailwicket.store.outbox import File
from mailwicket.store.outlist import BOUNCES_MAX

NO_MAIL: Final = Sha256("")
PAUSED: Final = f"{BOUNCES_MAX} mails in a row were refused there (mailwicket outbox unpause)"


@dataclass(frozen=True, slots=True)
class News:
    """What people hear of."""

    event: Event
    words: Passage = field(default_factory=Passage)
    files: Sequence[File] = ()
    answered: Said | None = None
    """The mail that it answers."""
    quote: Passage = field(default_factory=Passage)
    public: bool = True
    """Whether the requester may see it."""


def written(kind: EntryKind, author: Address | None, text: str, now: datetime, *, public: bool = False) -> EntryDraft:
    """Return an entry that somebody wrote at the desk: no mail stands behind it."""
    return EntryDraft(author, public, kind, text, None, now, None, NO_MAIL, (), None)


def quote_of(answered: Said | None, facts: TicketFacts) -> Passage:
    """Return what stands below a reply: his own words to who asked, and to nobody else, who may not have them."""
    is_his_own = answered is not None and canonical(answered.author.address) == facts.requester
    if answered is None or not is_his_own or facts.cc - facts.removed:
        return Passage()
    said = markdown.Answered(answered.author, answered.received_at, answered.text, answered.html)
    told = markdown.quote(said)
    return Passage(told.text, told.html)


def files_of(attachments: Sequence[Attachment]) -> list[File]:
    """Return *attachments* of an entry as a mail has them."""
    return [
        File(one.filename or "unnamed", one.content_type, one.sha256, one.content_id if one.inline else None)
        for one in attachments
    ]
