"""What a desk is asked for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from mailwicket.model import Address, Attachment, EntryDraft, EntryKind, Mail, TicketChange, TicketDraft, TicketStatus
from mailwicket.rules.outcome import Append, Create
from mailwicket.store.journal import Kept

BEYOND: Final = frozenset({"too_many_parts", "header_cut"})
"""Words of `Mail.damage`: limits beyond which only a part of a mail is known."""


def entry(kept: Kept, mail: Mail, outcome: Create | Append, now: datetime) -> EntryDraft:
    """Return the entry that *mail* becomes."""
    passed_on = outcome.text if isinstance(outcome, Create) else None
    return EntryDraft(
        author=outcome.author or mail.author,
        public=isinstance(outcome, Create) or outcome.public,
        kind=EntryKind.MAIL,
        text=mail.text if passed_on is None else passed_on,
        html=mail.html if passed_on is None else None,
        received_at=kept.ref.received_at or now,
        message_id=mail.message_id,
        raw_sha256=kept.raw.sha256,
        attachments=[*mail.attachments, *_whole(kept, mail)],
        reason=outcome.reason,
        flags=outcome.flags,
    )


def _whole(kept: Kept, mail: Mail) -> Sequence[Attachment]:
    """The mail itself, where it holds more than is read of any."""
    if BEYOND.isdisjoint(mail.damage):
        return ()
    raw = kept.raw
    return [
        Attachment(
            filename="mail.eml",
            content_type="message/rfc822",
            size=raw.length,
            sha256=raw.sha256,
            inline=False,
            content_id=None,
            span=(0, raw.length),
            encoding="",
        )
    ]


def ticket(kept: Kept, mail: Mail, outcome: Create, now: datetime) -> TicketDraft:
    """Return the ticket that *mail* opens."""
    first = entry(kept, mail, outcome, now)
    return TicketDraft(
        subject=outcome.subject,
        requester=outcome.requester,
        cc=outcome.cc,
        group=outcome.group,
        category=outcome.category,
        company=outcome.company,
        entry=first,
        followers=outcome.followers,
        notes=_notes(outcome, first),
        linked_to=outcome.linked_to,
    )


def change(outcome: Append) -> TicketChange | None:
    """Return what else *outcome* changes about its ticket; None for nothing."""
    if not (outcome.reopen or outcome.cc or outcome.followers):
        return None
    status = TicketStatus.OPEN if outcome.reopen else None
    return TicketChange(status=status, add_cc=outcome.cc, add_followers=outcome.followers)


def _notes(outcome: Create, first: EntryDraft) -> Sequence[EntryDraft]:
    """For technicians only: what the forwarder wrote, and what we noticed."""
    plain = replace(first, public=False, html=None, message_id=None, attachments=(), flags=())
    notes = [replace(plain, kind=EntryKind.EVENT, author=None, text=line) for line in outcome.told]
    if outcome.note:
        forwarder: Address | None = outcome.note_author
        notes.insert(0, replace(plain, kind=EntryKind.NOTE, author=forwarder, text=outcome.note))
    return notes
