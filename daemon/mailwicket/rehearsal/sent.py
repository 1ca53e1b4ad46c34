"""A mail of ours as it left: read from its bytes, as its recipients read it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from functools import cached_property
from typing import Any

from mailwicket.mail.parse import parse
from mailwicket.model import Mail, MessageId
from mailwicket.outgoing import Event
from mailwicket.rules.own import canonical


@dataclass(frozen=True)
class Sent:
    """One mail, taken by one server for some people."""

    number: int
    """Of its row in the outbox: the same for what is left of a mail that others have already."""
    message_id: MessageId
    event: Event
    via: str
    """The outgoing server (NAME)."""
    reverse_path: str
    reached: Collection[str]
    """For whom the server took it, canonical."""
    source: str | None
    """The mailbox that its ticket is at home in."""
    at: datetime
    raw: bytes

    @cached_property
    def mail(self) -> Mail:
        """What it says."""
        return parse(self.raw)

    @property
    def to(self) -> Sequence[str]:
        """Whom its To names, of those whom it reached."""
        return [one for person in self.mail.to if (one := canonical(person.address)) in self.reached]

    @property
    def cc(self) -> Sequence[str]:
        """Whom its Cc names, of those whom it reached."""
        return [one for person in self.mail.cc if (one := canonical(person.address)) in self.reached]

    @property
    def sender(self) -> str:
        """The address of From."""
        return self.mail.author.address if self.mail.author is not None else ""

    @property
    def sender_name(self) -> str:
        """The name beside it."""
        return (self.mail.author.name if self.mail.author is not None else None) or ""

    @property
    def reply_to(self) -> str:
        """Where answers go, if not to From."""
        return ", ".join(one.address for one in self.mail.reply_to)

    @property
    def subject(self) -> str:
        """As it is read."""
        return self.mail.subject

    @cached_property
    def words(self) -> str:
        """All that it says: header, text, HTML and names of files, as they came and with single blanks."""
        files = [one.filename or "" for one in self.mail.attachments]
        told = "\n".join([self._header(), self.mail.text, self.mail.html or "", *files])
        return f"{told}\n{' '.join(told.split())}"

    def _header(self) -> str:
        unfolded = self.raw.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").decode("utf-8", "replace")
        try:
            return str(make_header(decode_header(unfolded)))
        except (HeaderParseError, UnicodeError, LookupError):  # as it came, then
            return unfolded

    def told(self, *, with_words: bool = False) -> Mapping[str, Any]:
        """Return it for JSON."""
        told = {
            "to": list(self.to),
            "cc": list(self.cc),
            "from": self.sender,
            "from_name": self.sender_name,
            "via": self.via,
            "reply_to": self.reply_to,
            "event": self.event.value,
            "subject": self.subject,
        }
        return {**told, "text": self.mail.text} if with_words else told
