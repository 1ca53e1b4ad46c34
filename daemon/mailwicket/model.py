"""The nouns of mailwicket. Nothing here does anything: values, frozen, without input or output.

Words follow the standards: RFC 5322 (author, Message-ID, References), RFC 9051
(UID, UIDVALIDITY), RFC 3834 (automatic response), RFC 3464 (report).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal, NewType

MessageId = NewType("MessageId", str)
"""RFC 5322 3.6.4, without the angle brackets. A hint: anybody may write any."""

IntakeId = NewType("IntakeId", int)
"""Number of a row of our journal: one incoming mail, for ever."""

IntakeKey = NewType("IntakeKey", str)
"""Names one effect of one mail towards a desk; the same key again changes nothing."""

TicketNumber = NewType("TicketNumber", int)

Sha256 = NewType("Sha256", str)
"""64 lower-case hexadecimal digits."""

Use = Literal["imap", "pop3", "smtp", "graph", "graph_send"]
"""What a token (RFC 6750) is for: a protocol, and at Microsoft Graph whether mail is sent."""


# --- where a mail lies, and its bytes -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MailRef:
    """Where one mail lies on its server: the only identity that a server vouches for."""

    folder: str
    epoch: str
    """UIDVALIDITY as text; `""` where the protocol has none (POP3 UIDL, Graph)."""
    remote_id: str
    """UID, UIDL or Graph id as text; unique within (source, folder, epoch)."""
    size_bytes: int
    """As the server announces it (RFC822.SIZE): a hint for batching, never a promise."""
    received_at: datetime | None
    """When the server received it (INTERNALDATE), aware; None where unknown."""


@dataclass(frozen=True, slots=True)
class Renumbered:
    """The server gave every mail of a folder a new number (UIDVALIDITY changed, RFC 9051 2.3.1.1)."""

    folder: str
    old_epoch: str
    new_epoch: str


@dataclass(frozen=True, slots=True)
class Look:
    """What one look into a mailbox found: mails not yet looked at, oldest first."""

    refs: Sequence[MailRef]
    cursor: str
    """Opaque to all but the source; kept in the same transaction as the refs."""
    more: bool = False
    """The look was cut at its bound: look again at once."""
    renumbered: Renumbered | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """The mails of one folder and numbering that count for us and are marked as unread on the server."""

    folder: str
    epoch: str
    remote_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class SpooledMail:
    """A mail too large for memory: a file of its own in the spool directory, complete and synced.

    Whoever fetched it takes the file over while the mailbox is open; what is left then is removed.
    """

    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """The bytes of one mail as its server holds them."""

    ref: MailRef
    raw: bytes | bytearray | SpooledMail
    headers_only: bool = False
    """The mail is over `max_mail_bytes`: *raw* is its header section alone."""
    received_at: datetime | None = None
    """When its server received it, aware, where only the mail itself tells that (POP3); else it stands in *ref*."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The work on a mail is committed: its server's copy may now change (seen, moved, deleted)."""

    ref: MailRef
    parked: bool = False
    """The mail went to quarantine: a person will look at it."""
    headers_only: bool = False
    """We hold no more than its header section: the server's copy must stay."""


# --- what a mail says -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """RFC 5322 3.4 mailbox: a display name (or None) and an address of the form local@domain."""

    name: str | None
    address: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A leaf of a mail that is not its body. Size and hash are of the decoded bytes."""

    filename: str | None
    """A bare name: no path, CR, LF or NUL."""
    content_type: str
    size: int
    sha256: Sha256
    inline: bool
    content_id: str | None
    span: tuple[int, int]
    """Where its encoded body stands in the raw mail: first byte, byte after the last."""
    encoding: str
    """Content-Transfer-Encoding, lower case: how the span is decoded."""


@dataclass(frozen=True, slots=True)
class AttachmentPlace:
    """Where an attachment can be cut out of its raw mail."""

    sha256: Sha256
    span: tuple[int, int]
    encoding: str


@dataclass(frozen=True, slots=True)
class Automatic:
    """Why a machine is held to have written a mail (RFC 3834)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Bounce:
    """A delivery report (RFC 3464 or a relative): about whom, and whether the server gave up."""

    recipients: Sequence[str]
    """Whom the mail did not reach: as the sender addressed them, where the report says it."""
    permanent: bool | None
    """True: given up. False: only late. None: the report does not say."""
    original_message_id: MessageId | None


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A whole mail (message/rfc822) inside a mail: what a forward as attachment passes on."""

    author: Address | None
    subject: str
    text: str
    date: datetime | None


@dataclass(frozen=True, slots=True)
class Mail:
    """What one mail says, decoded. Made by `mail.parse`; no lone surrogates, no NUL."""

    subject: str
    author: Address | None
    """The first usable address of From (RFC 5322 3.6.2)."""
    to: Sequence[Address]
    cc: Sequence[Address]
    reply_to: Sequence[Address]
    message_id: MessageId | None
    in_reply_to: Sequence[MessageId]
    references: Sequence[MessageId]
    date: datetime | None
    text: str
    """The plain body; made from the HTML where there is no text part."""
    html: str | None
    """The HTML body as received: hostile. Sanitise before any display."""
    is_laid_out: bool
    """Whether the text was made from the HTML: then the quotes marked there can be told in it."""
    attachments: Sequence[Attachment]
    enclosed: Sequence[Enclosed]
    """The mails that lie in it as attachments, in order, without those that they enclose themselves."""
    automatic: Automatic | None
    bounce: Bounce | None
    header: bytes
    """The header as it came, at most 256 KiB: for rules that look at more than stands above."""
    content_digest: Sha256
    """Over author, date, subject, text and attachments; trace headers left out."""
    damage: Sequence[str] = ()
    """What had to be repaired or was left out, as stable words."""


# --- what becomes of it ---------------------------------------------------------------------------------------------


class Reason(StrEnum):
    """Why a mail ended as it did: one a mail, a public contract (docs/states.md)."""

    CREATED = "created"
    CREATED_FORWARD = "created_forward"
    CREATED_FOLLOWUP = "created_followup"
    REPLY_PUBLIC = "reply_public"
    REPLY_CC = "reply_cc"
    COLLABORATION = "collaboration"
    COLLABORATION_STRANGER = "collaboration_stranger"
    REOPENED = "reopened"
    ADDED_CLOSED = "added_closed"
    JOINED_LATE = "joined_late"
    DUPLICATE = "duplicate"
    LOOP_OWN_ADDRESS = "loop_own_address"
    LOOP_OWN_MESSAGE = "loop_own_message"
    LOOP_RATE = "loop_rate"
    AUTO_REPLY_ATTACHED = "auto_reply_attached"
    AUTO_IGNORED = "auto_ignored"
    BOUNCE_ATTACHED = "bounce_attached"
    BACKSCATTER = "backscatter"
    FILTER_IGNORED = "filter_ignored"
    FILTER_NOT_ALLOWED = "filter_not_allowed"
    EMAIL_TO_TICKET_OFF = "email_to_ticket_off"
    GUEST_NOT_ALLOWED = "guest_not_allowed"
    SENDER_BLOCKED = "sender_blocked"
    AUTH_FAILED = "auth_failed"
    FORWARD_UNPARSED = "forward_unparsed"
    NO_SENDER = "no_sender"
    UNPARSEABLE = "unparseable"
    FAILED_REPEATEDLY = "failed_repeatedly"
    TOO_LARGE_TRUNCATED = "too_large_truncated"
    SERVER_PAUSED = "server_paused"
    TICKET_IS_SPAM = "ticket_is_spam"
    DROPPED_BY_ADMIN = "dropped_by_admin"
    EXPIRED_FROM_QUARANTINE = "expired_from_quarantine"


class Flag(StrEnum):
    """What a technician should know about an entry."""

    UNVERIFIED = "unverified"
    STRANGER = "stranger"
    REPLY_TO_MISMATCH = "reply_to_mismatch"
    COMPANY_MISMATCH = "company_mismatch"
    TOO_MANY_CC = "too_many_cc"
    SAME_ID_OTHER_CONTENT = "same_id_other_content"
    TRUNCATED = "truncated"
    DELIVERY_UNCERTAIN = "delivery_uncertain"


class EntryKind(StrEnum):
    """What an entry of a ticket is."""

    MAIL = "mail"
    REPLY = "reply"
    NOTE = "note"
    EVENT = "event"


class TicketStatus(StrEnum):
    """The states of a ticket (docs/states.md)."""

    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"
    DELETED = "deleted"
    SPAM = "spam"


@dataclass(frozen=True, slots=True)
class TicketRef:
    """A ticket as its desk names it."""

    number: TicketNumber


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """One entry that a desk is asked to add to a ticket."""

    author: Address | None
    public: bool
    """True: the requester may see it. False: collaboration, for technicians only."""
    kind: EntryKind
    text: str
    html: str | None
    """As received: hostile until sanitised."""
    received_at: datetime
    message_id: MessageId | None
    raw_sha256: Sha256
    attachments: Sequence[Attachment]
    reason: Reason | None
    """Why the mail ended here; None for what no mail says."""
    flags: Sequence[Flag] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A mail of a ticket, as far as an answer to it goes."""

    author: Address
    received_at: datetime
    text: str
    html: str | None
    """As received: hostile until sanitised."""
    message_id: MessageId | None


@dataclass(frozen=True, slots=True)
class TicketDraft:
    """A ticket that a desk is asked to open, with its first entry."""

    subject: str
    requester: Address
    cc: Sequence[Address]
    group: str | None
    category: str | None
    company: str | None
    entry: EntryDraft
    followers: Sequence[str] = ()
    """Technicians who hear of it beside the assigned one."""
    notes: Sequence[EntryDraft] = ()
    """Further entries, for technicians only."""
    linked_to: TicketNumber | None = None


@dataclass(frozen=True, slots=True)
class TicketChange:
    """What else changes about a ticket; None and empty mean: leave as it is."""

    status: TicketStatus | None = None
    add_cc: Sequence[Address] = ()
    remove_cc: Sequence[str] = ()
    add_followers: Sequence[str] = ()
    assignee: str | None = None
    """`""` takes it from whoever has it."""
    linked_to: TicketNumber | None = None
    merged_into: TicketNumber | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One rule's answer in the trace of a decision."""

    rule: str
    answer: str
