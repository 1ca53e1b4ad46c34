"""How long a server that mail is fetched from may take, and any server in a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

D = TypeVar("D", bound="DataclassInstance")

PATIENCE_S: Final[Mapping[str, float]] = {
    "connect_s": 15,
    "greeting_s": 8,
    "command_s": 20,
    "silence_s": 20,
    "answer_s": 20,
}
"""How long a test waits at the most, whatever the daemon would: a person waits for it."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """All from experience with slow servers, none from an RFC."""

    connect_s: float = 20
    """DNS, TCP and TLS together."""
    greeting_s: float = 20
    command_s: float = 60
    """A command that moves no mails; logging in and QUIT may take long where a maildrop is read or rewritten."""
    silence_s: float = 60
    """Mails and listings: from one byte to the next."""
    batch_s: float = 600
    """Mails and listings as a whole, beside what their bytes take at `slowest_bytes_per_s`."""
    slowest_bytes_per_s: float = 4000
    """A line slower than this would begin the same batch over and over; 8 MiB may take 45 minutes."""
    farewell_s: float = 0.5
    """A stop or a reload ends within a second, whatever the server does."""

    def batch_of_s(self, size_bytes: float) -> float:
        """Return how many seconds mails of *size_bytes* together may take. A size that a server tells is a hint."""
        return self.batch_s + size_bytes / self.slowest_bytes_per_s


def impatient(deadlines: D, **patience_s: float) -> D:
    """Return *deadlines*, none of them longer than PATIENCE_S, or *patience_s*, has it."""
    most = {**PATIENCE_S, **patience_s}
    shorter = {
        field.name: min(getattr(deadlines, field.name), most[field.name])
        for field in fields(deadlines)
        if field.name in most
    }
    return replace(deadlines, **shorter)
