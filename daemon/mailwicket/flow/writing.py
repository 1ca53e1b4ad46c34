"""The bytes of a mail of the outbox: its words, its files from where they lie, and the identity of who sends it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, Protocol

import anyio.to_thread

from mailwicket.errors import PermanentError
from mailwicket.mail.compose import compose
from mailwicket.mail.decode import decode
from mailwicket.model import MessageId
from mailwicket.outgoing import Enclosure, Identity, Letter
from mailwicket.store.outbox import Claimed, File, SentAs
from mailwicket.store.raw import RawPlace, disk_error

BY_THE_WAY_CHARS: Final = 32 * 1024
"""A shorter mail without files is written at once; another in a thread, so that nobody waits for it."""


class ReadsRaw(Protocol):
    """Raw mails (`store.raw.RawStore`)."""

    def read(self, place: RawPlace) -> bytes:
        """Return the bytes at *place*.

        Raises:
            OSError: they cannot be read.
        """
        ...


class Writing:
    """Writes mails: the same one to the same bytes, whenever and whoever asks."""

    def __init__(self, raw: ReadsRaw, attachment_dir: Path) -> None:
        """Take files from *attachment_dir*, else out of the *raw* mail that brought them."""
        self._raw = raw
        self._attachment_dir = attachment_dir

    async def __call__(self, mail: Claimed, sent_as: SentAs) -> bytes:
        """Return the bytes of *mail* as *sent_as* sends it.

        Raises:
            PermanentError: it cannot be sent, whoever tries; the text names the field or the file.
            StoreError: our disk.
        """
        if self.is_small(mail):
            return self.write(mail, sent_as)
        return await anyio.to_thread.run_sync(self.write, mail, sent_as)

    def is_small(self, mail: Claimed) -> bool:
        """Tell whether *mail* is written by the way: when it is queued, too."""
        words = mail.words
        return not words.get("files") and len(words["text"]) + len(words.get("html") or "") < BY_THE_WAY_CHARS

    def write(self, mail: Claimed, sent_as: SentAs) -> bytes:
        """As `__call__`. Blocking where there are files."""
        words = mail.words
        to, cc = mail.people
        letter = Letter(
            event=mail.event,
            ticket=mail.ticket,
            message_id=mail.message_id,
            date=mail.queued_at,
            to=to,
            cc=cc,
            subject=words["subject"],
            text=words["text"],
            html=words.get("html"),
            in_reply_to=MessageId(words["in_reply_to"]) if "in_reply_to" in words else None,
            references=[MessageId(one) for one in words.get("references", ())],
            automatic=not words.get("human"),
            enclosures=[self._enclosure(one) for one in mail.files],
            loop_mark=words["loop"],
        )
        try:
            return compose(letter, Identity(sent_as.address, sent_as.name, sent_as.reply_to))
        except ValueError as error:
            raise PermanentError(f"cannot be written: {error}") from error

    def _enclosure(self, file: File) -> Enclosure:
        content = self._content(file)
        return Enclosure(file.filename, file.content_type, content, file.sha256, file.content_id)

    def _content(self, file: File) -> bytes:
        path = self._attachment_dir / file.sha256[:2] / file.sha256
        try:
            if path.exists() or file.raw is None or file.place is None:
                content = path.read_bytes()
            else:
                first, end = file.place.span
                span = RawPlace(file.raw.file, file.raw.offset + first, end - first, file.raw.sha256)
                content = decode(self._raw.read(span), file.place.encoding)
        except FileNotFoundError as error:
            raise PermanentError(f"the file {file.filename} is kept no more") from error
        except OSError as error:
            raise disk_error(path, error) from error
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise PermanentError(f"the file {file.filename} is damaged")
        return content
