"""What a desk is asked for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailwicket.model import Address, EntryDraft, EntryKind, Mail, TicketDraft
from mailwicket.rules.decide import Append, Create, Policy
from mailwicket.rules.people import cc_of
from mailwicket.store.journal import Kept

NO_SUBJECT = "(no subject)"


@dataclass(frozen=True, slots=True)
class Home:
    """What a source's configuration says about the tickets of its mail."""

    source: str
    policy: Policy
    group: str | None = None
    category: str | None = None
    company: str | None = None

    @property
    def unit(self) -> str:
        """The unit's name in events and log lines."""
        return f"incoming/{self.source}"


def entry(kept: Kept, mail: Mail, outcome: Create | Append, now: datetime) -> EntryDraft:
    """Return the entry that *mail* becomes."""
    return EntryDraft(
        author=mail.author,
        public=isinstance(outcome, Create) or outcome.public,
        kind=EntryKind.MAIL,
        text=mail.text,
        html=mail.html,
        received_at=kept.ref.received_at or now,
        message_id=mail.message_id,
        raw_sha256=kept.raw.sha256,
        attachments=mail.attachments,
        reason=outcome.reason,
        flags=outcome.flags,
    )


def ticket(kept: Kept, mail: Mail, outcome: Create, home: Home, now: datetime) -> TicketDraft:
    """Return the ticket that *mail* opens."""
    return TicketDraft(
        subject=mail.subject or NO_SUBJECT,
        requester=mail.author or Address(None, ""),  # decide parks a mail without author
        cc=cc_of(mail, home.policy.own_addresses),
        group=home.group,
        category=home.category,
        company=home.company,
        entry=entry(kept, mail, outcome, now),
    )
