"""Incoming mail over POP3: `protocol = "pop3"`."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, TypeVar

import anyio
import anyio.to_thread
from pydantic import AfterValidator, BaseModel, Field

from mailwicket.config.incoming import Incoming
from mailwicket.config.model import Says, Text, wrong
from mailwicket.config.reaching import TcpPort
from mailwicket.errors import BlockedError
from mailwicket.model import Fetched, Look, MailRef, Renumbered, Settlement
from mailwicket.net.account import Credentials
from mailwicket.net.deadlines import Deadlines
from mailwicket.net.line import check_room
from mailwicket.net.pop3.client import Pop3Client
from mailwicket.net.pop3.login import log_in
from mailwicket.net.proxy import way_of
from mailwicket.net.spool import empty_spool
from mailwicket.ports import Net
from mailwicket.sources._digests import digest
from mailwicket.sources._pop3_bodies import Bodies, Record, received_at, top_of
from mailwicket.sources._pop3_cursor import FOLDER, Cursor, changed, first_cursor, renumbered
from mailwicket.sources._pop3_proof import CLEAR_PORT, TLS_PORT, prove, stages
from mailwicket.sources._pop3_session import Listed, Session
from mailwicket.stages import Probe

T = TypeVar("T")

LOOK_MAILS: Final = 2000
"""How many mails one look tells: their rows are one transaction, and the cursor of all is written anew."""

MANY: Final = 2000
"""The ids of so many mails are worked on in a thread."""


def _after(value: str) -> str:
    if value == "seen":
        raise wrong("cannot be done over POP3, which has no marks")
    if value.startswith("move:"):
        raise wrong("cannot be done over POP3, which has one folder")
    if value not in {"leave", "delete"}:
        raise wrong("is no known word")
    return value


def _port_default(known: dict[str, Any]) -> int:
    return TLS_PORT if known.get("security") == "ssl" else CLEAR_PORT


class Pop3(Incoming):
    """A mailbox that is read over POP3 (RFC 1939): one folder, no marks, one session at a time.

    Where a server offers IMAP too, that is the better way.
    """

    folder: ClassVar[str] = FOLDER  # type: ignore[misc]  # POP3 has one: it is no key of the table

    protocol: Text = Field(default="pop3", description="How to speak to the server.")
    port: TcpPort = Field(
        default_factory=_port_default,
        json_schema_extra={"default": f'{TLS_PORT} with "ssl", else {CLEAR_PORT}'},
    )
    poll_s: int = Field(default=60, ge=1, le=86_400, description="Seconds between looks: each is a session of its own.")
    after: Annotated[Text, AfterValidator(_after), Says('"leave" or "delete"')] = Field(
        default="leave",
        description="What becomes of the server's copy once the ticket is on disk: left as it is, or deleted.",
    )


class Pop3Source:
    """A maildrop on a POP3 server (RFC 1939)."""

    Config: ClassVar[type[BaseModel]] = Pop3
    deadlines: ClassVar[Deadlines] = Deadlines()

    def __init__(self, name: str, config: Pop3, net: Net) -> None:
        """Serve `incoming.NAME`. Does nothing yet."""
        self._name = name
        self._config = config
        self._net = net
        self._record = Record()
        self._credentials = Credentials(config, net, "pop3")
        self.chance: Callable[[], float] = random.random
        """In [0, 1); spreads the looks of many mailboxes."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Pop3Mailbox]:
        """Connect, authenticate and list the maildrop; see `ports.Source`."""
        peer = f"{self._config.server}:{self._config.port}"
        check_room(peer)
        mailbox = Pop3Mailbox(self._config, self._begin, self._bodies, self.chance)
        try:
            await mailbox.session()
            yield mailbox
        except BlockedError:
            check_room(peer)  # of a file that could not be opened for want of them nobody can tell
            raise
        finally:
            with anyio.CancelScope(shield=True):  # bounded by Deadlines.farewell_s
                await mailbox.close()
                await anyio.to_thread.run_sync(empty_spool, self._net.spool_dir, self._name)

    @property
    def stages(self) -> Sequence[str]:
        """See `stages.ProvesConnection`."""
        return stages(self._config)

    async def prove(self, probe: Probe) -> None:
        """Test the connection in stages; see `stages.ProvesConnection`."""
        await prove(self._config, self._credentials, self.deadlines, probe)

    async def _begin(self) -> Session:
        """Log in and list what lies there."""
        config = self._config
        client = Pop3Client(config.server, config.port, self.deadlines, await way_of(config))
        session = Session(client)
        try:
            async with self._net.entrance(config.server):
                await log_in(client, await self._credentials.account())
            await session.list()
        except BlockedError as error:
            client.abort()
            self._credentials.renew(error)
            raise
        except BaseException:
            client.abort()
            raise
        return session

    def _bodies(self, mailbox: Pop3Mailbox) -> Bodies:
        limit = self._config.max_mail_bytes
        return Bodies(mailbox.session, self._net.spool_dir, f"{self._name}.pop3", limit, self._record)


class Pop3Mailbox:
    """A maildrop, in one session after the other: none is open between two looks, so that others may come in."""

    def __init__(
        self,
        config: Pop3,
        begin: Callable[[], Awaitable[Session]],
        bodies: Callable[[Pop3Mailbox], Bodies],
        chance: Callable[[], float],
    ) -> None:
        """Have *begin* log in whenever there is no session."""
        self._config = config
        self._begin = begin
        self._chance = chance
        self._session: Session | None = None
        self._bodies = bodies(self)
        self._turn = anyio.Lock()
        self._woken = anyio.Event()
        self._sweep_s = config.poll_s * (1 - chance())
        self._maildrop = f"{config.username}@{config.server}".casefold()
        self._written_last: tuple[str, Cursor] | None = None
        self._login_delay_s = 0
        self._heard_at = anyio.current_time()
        self._digests: dict[str, bytes] = {}
        self._names: dict[bytes, str] = {}
        self._digested_of: Mapping[str, Listed] | None = None
        """The listing that these are of."""

    async def session(self) -> Session:
        """Return the session under way, or begin one.

        Raises:
            TransientError: as `Source.connect`.
            BlockedError: as `Source.connect`.
        """
        if self._session is None or self._session.client.wire.failure is not None:
            self._session = None
            self._session = await self._begin()
            self._login_delay_s = self._session.client.login_delay_s or 0
        return self._session

    async def close(self) -> None:
        """Leave, and delete nothing."""
        session, self._session = self._session, None
        if session is not None:
            self._heard_at = session.client.wire.heard_at
            await session.leave()

    def silence_s(self) -> float:
        """Seconds since the last byte came from the server."""
        heard_at = self._session.client.wire.heard_at if self._session else self._heard_at
        return anyio.current_time() - heard_at

    async def wait(self) -> None:
        """Leave the maildrop alone for `poll_s`, or as long as the server wants between two logins."""
        async with self._turn:
            await self.close()
        sweep_s, self._sweep_s = max(self._sweep_s, self._login_delay_s), float(self._config.poll_s)
        with anyio.move_on_after(sweep_s):
            await self._woken.wait()
        self._woken = anyio.Event()

    def wake(self) -> None:
        """Have `wait` return as if mail had come."""
        self._woken.set()

    # --- what is there ----------------------------------------------------------------------------------------------

    async def look(self, cursor: str | None) -> Look:
        """Tell what was not looked at before *cursor*, at most LOOK_MAILS of it, in the order of the maildrop."""
        async with self._turn:
            session = await self.session()
            names = await self._digested(session.mails)

            def begin() -> tuple[Cursor, Renumbered | None, Sequence[bytes]]:
                start, change = self._start(cursor, names.keys())
                return start, change, [one for one in names if one not in start.told and one not in start.old]

            start, change, fresh = await _aside(begin, len(names))
            refs: dict[bytes, MailRef] = {}
            left_alone: set[bytes] = set()
            for one in fresh[:LOOK_MAILS]:
                mail = session.mails[names[one]]
                dated_at = await self._received_at(session, mail) if start.by_date else None
                if start.is_before(dated_at):
                    left_alone.add(one)
                else:
                    refs[one] = MailRef(FOLDER, start.epoch_text, mail.remote_id, mail.size_bytes, dated_at)
            more = len(fresh) > LOOK_MAILS

            def end() -> str:
                return self._written(start.after_look(names.keys(), list(refs), left_alone, more=more))

            return Look(list(refs.values()), await _aside(end, len(names)), more, change)

    async def _digested(self, mails: Mapping[str, Listed]) -> dict[bytes, str]:
        """Return the ids by their digests, in order; most are known from the session before."""
        known = self._digests

        def digested() -> dict[bytes, str]:
            return {known.get(name) or digest(name): name for name in mails}

        if self._digested_of is not mails:
            names = await _aside(digested, len(mails))
            self._names, self._digested_of = names, mails
            self._digests = {name: one for one, name in names.items()}
        return self._names

    def _start(self, text: str | None, there: AbstractSet[bytes]) -> tuple[Cursor, Renumbered | None]:
        cursor = None if text is None else self._read(text)
        if cursor is None:
            return first_cursor(self._maildrop, there, self._config.start_from, datetime.now(UTC)), None
        if changed(cursor, self._maildrop, there, we_delete=self._config.after == "delete"):
            return renumbered(cursor, self._maildrop)
        if there and cursor.maildrop != self._maildrop:  # another name of the same
            return replace(cursor, maildrop=self._maildrop), None
        return cursor, None

    def _read(self, text: str) -> Cursor | None:
        """Read a cursor, which may be large, once; one of another protocol counts for nothing."""
        if self._written_last is None or self._written_last[0] != text:
            try:
                self._written_last = text, Cursor.read(text)
            except ValueError:
                return None
        return self._written_last[1]

    def _written(self, cursor: Cursor) -> str:
        if self._written_last is None or self._written_last[1] is not cursor:
            self._written_last = cursor.write(), cursor
        return self._written_last[0]

    @staticmethod
    async def _received_at(session: Session, mail: Listed) -> datetime | None:
        header = await top_of(session, mail)
        return None if header is None else received_at(header)

    # --- its bytes --------------------------------------------------------------------------------------------------

    async def fetch(self, refs: Sequence[MailRef]) -> Sequence[Fetched]:
        """Return the bytes of *refs*; changes nothing on the server, where RETR marks nothing as deleted."""
        async with self._turn:
            return await self._bodies.fetch(refs)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Delete what is to be deleted, in two steps: DELE, and QUIT, whose +OK alone says that it is done.

        Parked mails too: our store keeps them. Never those of which we hold the header alone, nor any that share
        their id with others: which of them is meant nobody can say.
        """
        if self._config.after == "leave":
            return
        names = [one.ref.remote_id for one in settlements if not one.headers_only]
        async with self._turn:
            session = await self.session()
            mails = [mail for name in names if (mail := session.mails.get(name)) is not None and not mail.shared]
            if mails:
                self._session = None  # whatever happens now, it is over
                await session.leave([mail.number for mail in mails])
                self._heard_at = session.client.wire.heard_at


async def _aside(job: Callable[[], T], mails: int) -> T:
    """Do *job*, in a thread where it is about so many *mails* that the other mailboxes would wait."""
    return job() if mails < MANY else await anyio.to_thread.run_sync(job, abandon_on_cancel=True)
