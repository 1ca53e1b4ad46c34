"""What the configuration says to the rules."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from mailwicket.config.filter import Filter
from mailwicket.config.preferences import Preferences
from mailwicket.mail.subject import SubjectTag
from mailwicket.mail.token import Keyring
from mailwicket.rules.directory import Directory
from mailwicket.rules.own import OwnAddresses


@dataclass(frozen=True, slots=True)
class Home:
    """What a mailbox says about the mail that comes by it, and about the tickets that are at home in it."""

    source: str
    address: str = ""
    """Where it receives: its tickets' mail comes from there."""
    group: str | None = None
    category: str | None = None
    company: str | None = None
    filter: Filter | None = None
    trusted_authserv_ids: AbstractSet[str] = frozenset()
    """Lower case."""
    trusted_received_by: AbstractSet[str] = frozenset()

    @property
    def unit(self) -> str:
        """The unit's name in events and log lines."""
        return f"incoming/{self.source}"


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for all mailboxes alike."""

    own: OwnAddresses = field(default_factory=OwnAddresses)
    directory: Directory = field(default_factory=Directory)
    preferences: Preferences = field(default_factory=Preferences)
    homes: Mapping[str, Home] = field(default_factory=dict)
    """Every mailbox by name, disabled ones too."""
    primary: str | None = None
    """The mailbox of tickets that came by none."""
    keys: Keyring = field(default_factory=lambda: Keyring([b"\0" * 32]))
    msp: bool = False
    tag: SubjectTag = field(default_factory=lambda: SubjectTag("[#{number}]"))

    def address_of(self, source: str | None) -> str | None:
        """Return the address of a mailbox; None where there is no such."""
        home = self.homes.get(source) if source is not None else None
        return None if home is None else home.address or None
