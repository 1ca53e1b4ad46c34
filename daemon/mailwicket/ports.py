"""The contracts between the flow and its adapters. See docs/plugins.md.

Adapters never retry, never sleep after a failure, never log an error that they also raise:
they say who must act (`errors`), the supervisor acts.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

from mailwicket.admission import Bearer, Lane
from mailwicket.model import (
    AttachmentPlace,
    EntryDraft,
    Fetched,
    Flag,
    IntakeKey,
    Look,
    MailRef,
    Said,
    Settlement,
    Sha256,
    TicketChange,
    TicketDraft,
    TicketNumber,
    TicketRef,
    Unread,
    Use,
)
from mailwicket.outgoing import Envelope, RecipientStatus

T = TypeVar("T")


class Net(Protocol):
    """What an adapter may use of the machine: trust, a place in line, and room for large mails."""

    spool_dir: Path
    """Where a large mail is written; on the same filesystem as the store, emptied at start."""

    attachment_dir: Path
    """Where a desk keeps attachments that outlive their raw mail."""

    def entrance(self, host: str) -> AbstractAsyncContextManager[None]:
        """Wait in line for *host*; connect and log in inside, so that a start with many mailboxes is no storm.

        Whoever hangs there holds up those of the same host alone.
        """
        ...

    async def trust(self, ca_file: Path | None) -> ssl.SSLContext:
        """Return a context that verifies chain and name; *ca_file* stands beside the system's store.

        It is shared: change nothing.

        Raises:
            BlockedError: the file cannot be read or holds no certificate.
        """
        ...

    def bearer(self, oauth: str, use: Use, mailbox: str, proxy: str | None = None) -> Bearer:
        """Return who brings tokens of `[oauth.NAME]` for *use*, for *mailbox*. Asks for nothing yet.

        *proxy* is the NAME of the `[proxy.NAME]` by which the server itself is reached: tokens are asked for by it.
        """
        ...

    def lane(self, server: str, oauth: str, mailbox: str) -> Lane:
        """Return the lane of *mailbox* at *server*, in which the application of `[oauth.NAME]` asks."""
        ...


class Mailbox(Protocol):
    """One connected mailbox. Any error or cancellation ends it: connect anew."""

    async def wait(self) -> None:
        """Return when there may be new mail: the server said so, or the poll interval passed."""
        ...

    async def look(self, cursor: str | None) -> Look:
        """Tell which mails were not looked at before *cursor*; None is the first look ever (`start_from`).

        A look that our store did not take is asked for again, with the same *cursor* and over the same connection.
        """
        ...

    async def fetch(self, refs: Sequence[MailRef]) -> Sequence[Fetched]:
        """Return the bytes of *refs*; changes nothing on the server.

        A mail that is gone from the server is left out. The bytes of one mail never come under another's ref.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Mark, move or delete the server's copies as configured. Repeatable; a mail that is gone is no error.

        Called while `look` or `fetch` is under way: where a connection does one thing at a time, they take turns.
        """
        ...

    def silence_s(self) -> float:
        """Seconds since the last byte came from the server."""
        ...


class Source(Protocol):
    """A kind of incoming server. Entry point group `mailwicket.sources`, its name is the key `protocol`."""

    Config: ClassVar[type[BaseModel]]

    def __init__(self, name: str, config: Any, net: Net) -> None:  # noqa: ANN401 - each adapter has its own Config
        """Take the unit's name without `incoming/`, an instance of Config, and the machine. Does nothing yet."""
        ...

    def connect(self) -> AbstractAsyncContextManager[Mailbox]:
        """Connect, authenticate and open the folder.

        Raises:
            TransientError: not reachable, or it says "later".
            BlockedError: refused login, wrong certificate, unknown folder.
        """
        ...


class Desk(Protocol):
    """Where tickets live. Entry point group `mailwicket.backends`, its name is `[backend] type`."""

    Config: ClassVar[type[BaseModel]]

    def __init__(self, name: str, config: Any, net: Net) -> None:  # noqa: ANN401 - each adapter has its own Config
        """Take the backend's name, an instance of Config, and the machine. Does nothing yet."""
        ...

    async def find(self, key: IntakeKey) -> TicketRef | None:
        """Tell whether the effect *key* happened already, and on which ticket; for recovery after a crash."""
        ...

    async def create(self, draft: TicketDraft, key: IntakeKey) -> TicketRef:
        """Open a ticket. The same *key* again returns the same ticket and changes nothing."""
        ...

    async def append(self, ticket: TicketRef, entry: EntryDraft, key: IntakeKey) -> None:
        """Add *entry* to *ticket*. The same *key* again changes nothing."""
        ...

    async def change(self, ticket: TicketRef, change: TicketChange, key: IntakeKey) -> None:
        """Change state, people or links. The same *key* again changes nothing."""
        ...


class Submission(Protocol):
    """One connection to an outgoing server (RFC 6409), for one mail at a time.

    Any cancellation, and any error but PermanentError, ends it: connect anew.
    """

    async def submit(self, envelope: Envelope, raw: bytes) -> Mapping[str, RecipientStatus]:
        """Hand *raw* (CR LF line ends) over; return what the server said of each forward-path.

        Raises:
            UncertainError: the connection was lost after DATA was sent whole: it may have been taken.
            TransientError: server-level, and nothing was taken: 421, 4xx at MAIL FROM, connection lost before the end.
            BlockedError: server-level, a human must mend it: login or sender refused (send-as denied).
            PermanentError: the server refuses this mail for all recipients (552 too big, 554 content).
        """
        ...


class Sender(Protocol):
    """A kind of outgoing server. Entry point group `mailwicket.senders`, its name is the key `protocol`."""

    Config: ClassVar[type[BaseModel]]

    def __init__(self, name: str, config: Any, net: Net) -> None:  # noqa: ANN401 - each adapter has its own Config
        """Take the unit's name without `outgoing/`, an instance of Config, and the machine. Does nothing yet."""
        ...

    def connect(self) -> AbstractAsyncContextManager[Submission]:
        """Connect, authenticate where configured; closed on every exit, a cancelled one too.

        Raises:
            TransientError: not reachable, or it says "later".
            BlockedError: refused login, wrong certificate.
        """
        ...


# --- add-ons: abilities that not every adapter has ------------------------------------------------------------------


class Rows(Protocol):
    """What a statement returned."""

    def fetchone(self) -> Any: ...  # noqa: ANN401, D102 - rows are as the database types them
    def fetchall(self) -> list[Any]: ...  # noqa: D102


class Transaction(Protocol):
    """An open transaction of our store: what is written through it is committed with the intake rows, or not at all."""

    def execute(self, statement: str, parameters: Mapping[str, Any] | Sequence[Any] = ..., /) -> Rows:
        """Run one statement; named parameters as `:name`."""
        ...


@dataclass(frozen=True, slots=True)
class Schema:
    """Tables that live in our store: numbered `NNNN_name.sql` files, appended, never edited."""

    name: str
    migrations: Path


class Joined(Protocol):
    """A desk inside one of our transactions. What is asked for is true at once, and in the tables after `write`."""

    def create(self, draft: TicketDraft, key: IntakeKey) -> TicketRef:
        """As `Desk.create`."""
        ...

    def append(self, ticket: TicketRef, entry: EntryDraft, key: IntakeKey) -> None:
        """As `Desk.append`; a mail that is refused leaves nothing behind."""
        ...

    def change(self, ticket: TicketRef, change: TicketChange, key: IntakeKey) -> None:
        """As `Desk.change`."""
        ...

    def write(self) -> None:
        """Put everything into the tables."""
        ...


@runtime_checkable
class JoinsTransaction(Protocol):
    """A desk whose tickets live in our store: its writes commit with the intake rows, in one transaction."""

    schema: ClassVar[Schema]

    def bind(self, write: Callable[[Callable[[Transaction], Any]], Awaitable[Any]]) -> None:
        """Take the way to run a function in a transaction, for the calls that do not come from the flow."""
        ...

    def join(self, tx: Transaction, keys: Sequence[IntakeKey]) -> Joined:
        """Take part in *tx* with the effects *keys*: a batch of mails at once."""
        ...


@runtime_checkable
class Recalls(Protocol):
    """A `Joined` that knows what was said on a ticket, and how people are called."""

    def last_of(self, ticket: TicketRef, authors: Collection[str]) -> Said | None:
        """Return the last mail of one of *authors* (canonical) that the requester may see; None: there is none."""
        ...

    def names_of(self, addresses: Collection[str]) -> Mapping[str, str]:
        """Return by canonical address how those of *addresses* are called of whom that is known."""
        ...


@runtime_checkable
class ShowsTickets(Protocol):
    """A desk whose tickets can be looked at by way of our store: `tickets list` and `show`."""

    def listed(self, tx: Transaction, *, all: bool) -> Sequence[Mapping[str, Any]]:  # noqa: A002 - as the option
        """Return the open tickets by number, with *all* every one, as JSON shows them."""
        ...

    def shown(self, tx: Transaction, number: TicketNumber) -> Mapping[str, Any] | None:
        """Return one ticket with its entries, as JSON shows it; None where there is none."""
        ...


@runtime_checkable
class MarksEntries(Protocol):
    """A desk in our store that shows what became of the mail that one of its entries caused."""

    def mark(self, tx: Transaction, key: IntakeKey, flag: Flag) -> None:
        """Put *flag* on the entry that the effect *key* added; nothing where it added none. Repeatable."""
        ...


@runtime_checkable
class Wakes(Protocol):
    """A mailbox whose `wait` can be ended from outside without harm to the connection."""

    def wake(self) -> None:
        """Have the `wait` under way, or else the next one, return at once."""
        ...


@runtime_checkable
class KnowsLogin(Protocol):
    """A sender that can tell without its server whether there is something to log in with."""

    async def check_login(self) -> None:
        """Resolve the secrets, and have a token where one is wanted.

        Raises:
            TransientError: nobody can tell now.
            BlockedError: a human must act: a secret, a sign-in, a certificate.
        """
        ...


@runtime_checkable
class Rests(Protocol):
    """A submission that may rest between mails."""

    async def is_alive(self) -> bool:
        """Tell whether the connection still stands. `submit` sees to that by itself: nobody has to ask.

        That it rested too long is no failure of the server's. Never raises for it.
        """
        ...


@runtime_checkable
class LooksFirst(Protocol):
    """A submission whose server can be asked whether it has a mail: nothing is repeated blindly."""

    async def resume(self, envelope: Envelope, raw: bytes) -> Mapping[str, RecipientStatus] | None:
        """As `submit`, of a mail that may have been taken by this server: look, and send it where it was not.

        None: the server does not show yet what became of it; nothing was sent now: ask again in a minute.

        Raises:
            PermanentError: that can never be told, so that a person must decide; or as `submit`.
        """
        ...


@runtime_checkable
class CountsUnread(Protocol):
    """A mailbox that can tell by the server's marks which mails should have been taken: a second opinion to `look`."""

    async def unread(self, cursor: str) -> Unread | None:
        """Tell which mails are marked as unread, of those that the looks up to *cursor* should have told.

        None where there is nothing to compare, or where that was asked a short while ago: it is asked whenever all is
        done, and costs the server one search in `poll_s`. Mail that came since the last look is not in it.
        """
        ...


@runtime_checkable
class KeepsAttachments(Protocol):
    """A desk that reads attachments out of our raw mail, and takes its own copy before that is reclaimed."""

    def wanted(self, tx: Transaction, raw_sha256: Sha256) -> Sequence[AttachmentPlace]:
        """Tell which attachments of the raw mail are needed by a ticket and not yet kept."""
        ...

    def keep(self, sha256: Sha256, content: bytes) -> None:
        """Keep *content* durably under `Net.attachment_dir`, once for each hash. Blocking: call it in a thread."""
        ...


@runtime_checkable
class HoldsConnections(Protocol):
    """A desk that opens something at its first call and keeps it."""

    async def close(self) -> None:
        """Close what is open. Called when the daemon stops and when another desk takes its place; repeatable."""
        ...


@runtime_checkable
class SetsPace(Protocol):
    """A desk that says how much may be asked of it; any other is asked one thing at a time, as fast as it answers."""

    @property
    def at_once(self) -> int:
        """How many effects may be under way at a time, 1 or more."""
        ...

    @property
    def rate_per_minute(self) -> int | None:
        """How many effects may begin in a minute, evenly spread; None: no limit."""
        ...
