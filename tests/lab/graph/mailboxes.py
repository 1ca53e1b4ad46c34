"""What Exchange keeps: mailboxes, folders, messages, and the order in which they changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.lab.graph.clock import Clock
from tests.lab.graph.ids import IMMUTABLE, REST, Ids
from tests.lab.graph.mime import headers_of, message_id_of, with_attachments
from tests.lab.graph.problem import GraphError, no_such_item

WELL_KNOWN = {
    "msgfolderroot": "Top of Information Store",
    "inbox": "Inbox",
    "drafts": "Drafts",
    "sentitems": "Sent Items",
    "deleteditems": "Deleted Items",
    "junkemail": "Junk Email",
    "archive": "Archive",
    "outbox": "Outbox",
    "recoverableitemsdeletions": "Deletions",
    "recoverableitemspurges": "Purges",
}
PURGED = "recoverableitemspurges"
"""What lies there nobody but an administrator gets hold of."""
HIDDEN = ("msgfolderroot", "recoverableitemsdeletions", PURGED)


@dataclass
class Change:
    """One entry of a folder's history."""

    sequence: int
    message: str
    """Immutable id."""
    rest_id: str
    kind: str
    """`created`, `updated` or `removed`."""
    detail: str = ""
    """What changed: `isRead`; why it went: `changed` or `deleted`."""
    at_s: float = 0.0


@dataclass
class Folder:
    id: str
    display_name: str
    parent_id: str
    well_known: str = ""
    history: list[Change] = field(default_factory=list)


@dataclass
class Attachment:
    id: str
    name: str
    content: bytes
    content_type: str = "application/octet-stream"
    is_inline: bool = False
    content_id: str | None = None


@dataclass(eq=False)
class Message:
    """One item. Its MIME is `raw()`; how Exchange shows it is another matter."""

    immutable_id: str
    rest_id: str
    folder_id: str
    content: bytes
    received: datetime
    changed: datetime
    is_read: bool = False
    is_draft: bool = False
    bcc: list[dict[str, Any]] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    flag: dict[str, Any] = field(default_factory=lambda: {"flagStatus": "notFlagged"})
    attachments: list[Attachment] = field(default_factory=list)
    """Added to a draft beside its own text."""
    version: int = 1

    def raw(self) -> bytes:
        return with_attachments(self.content, self.attachments) if self.attachments else self.content

    @property
    def internet_message_id(self) -> str:
        return message_id_of(self.content)

    @property
    def subject(self) -> str:
        return dict(headers_of(self.content)).get("Subject", "")


class Mailbox:
    """One mailbox; what a test lays in or looks at goes through here as well."""

    def __init__(self, address: str, clock: Clock, ids: Ids, aliases: Iterable[str] = ()) -> None:
        self.address = address
        self.aliases = set(aliases)
        self.licensed = True
        self.in_app_scope = True
        """What an application may open of all mailboxes."""
        self.full_access: set[str] = set()
        """Users who may open it beside its owner."""
        self.send_as: set[str] = set()
        """Users who may send as it."""
        self.is_full = False
        self.folders: dict[str, Folder] = {}
        self._clock = clock
        self._ids = ids
        self._sequence = 0
        self._messages: dict[str, Message] = {}
        self._by_rest: dict[str, str] = {}
        for name, shown in WELL_KNOWN.items():
            self._folder(shown, "" if name == "msgfolderroot" else self.folder("msgfolderroot").id, name)

    # --- folders ----------------------------------------------------------------------------------------------------

    def _folder(self, display_name: str, parent_id: str, well_known: str = "") -> Folder:
        folder = Folder(self._ids.new("AQMkAGI2-F"), display_name, parent_id, well_known)
        self.folders[folder.id] = folder
        return folder

    def add_folder(self, display_name: str, parent: str = "msgfolderroot") -> Folder:
        return self._folder(display_name, self.folder(parent).id)

    def folder(self, name: str) -> Folder:
        """By id, or by well-known name in any letter case."""
        if name in self.folders:
            return self.folders[name]
        for folder in self.folders.values():
            if folder.well_known and folder.well_known == name.lower():
                return folder
        if len(name) < 32:
            raise GraphError(400, "ErrorInvalidIdMalformed", "Id is malformed.")
        raise no_such_item()

    def children(self, folder: Folder, *, hidden: bool = False) -> list[Folder]:
        return [
            child
            for child in list(self.folders.values())
            if child.parent_id == folder.id and (hidden or child.well_known not in HIDDEN)
        ]

    # --- messages ---------------------------------------------------------------------------------------------------

    def messages(self, folder: str | None = None) -> list[Message]:
        """All of them, or those in one folder, as they came."""
        wanted = None if folder is None else self.folder(folder).id
        return [m for m in list(self._messages.values()) if wanted is None or m.folder_id == wanted]

    def message(self, name: str) -> Message:
        """By id of either form."""
        found = self._messages.get(self._by_rest.get(name, name))
        if found is None or found.folder_id == self.folder(PURGED).id:
            raise no_such_item()
        return found

    def here(self, immutable_id: str, folder: Folder) -> Message | None:
        found = self._messages.get(immutable_id)
        return found if found is not None and found.folder_id == folder.id else None

    def deliver(
        self,
        raw: bytes,
        folder: str = "inbox",
        *,
        received: datetime | None = None,
        is_read: bool = False,
        is_draft: bool = False,
    ) -> Message:
        """Lay a mail in, as transport does or a person."""
        now = self._clock.now()
        message = Message(self._ids.new(IMMUTABLE), "", "", raw, received or now, now, is_read, is_draft)
        self.lay(message, self.folder(folder))
        return message

    def lay(self, message: Message, folder: Folder) -> None:
        """Put an item into *folder*: a new one, or one that was taken out."""
        message.folder_id = folder.id
        message.rest_id = self._ids.new(REST)
        self._messages[message.immutable_id] = message
        self._by_rest[message.rest_id] = message.immutable_id
        self._note(folder, message, "created")

    def take(self, message: Message, why: str = "deleted") -> None:
        """Take an item out: its id is unknown from now on."""
        self._note(self.folders[message.folder_id], message, "removed", why)
        self._messages.pop(message.immutable_id, None)
        self._by_rest.pop(message.rest_id, None)

    def move(self, message: Message, folder: Folder, why: str = "changed") -> None:
        """Into another folder; *why* is what is told of the one it leaves."""
        if folder.id != message.folder_id:
            self.take(message, why)
            self.lay(message, folder)

    def note_update(self, message: Message, detail: str = "") -> None:
        message.changed = self._clock.now()
        message.version += 1
        self._note(self.folders[message.folder_id], message, "updated", detail)

    def read(self, message: Message, *, is_read: bool = True) -> None:
        """What a person does, or a program."""
        if message.is_read != is_read:
            message.is_read = is_read
            self.note_update(message, "isRead")

    def _note(self, folder: Folder, message: Message, kind: str, detail: str = "") -> None:
        self._sequence += 1
        made = Change(self._sequence, message.immutable_id, message.rest_id, kind, detail, self._clock.epoch_s())
        folder.history.append(made)

    def new_id(self) -> str:
        return self._ids.new("AAMkAGI2-A")
