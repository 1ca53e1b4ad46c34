"""Incoming mail over IMAP: `protocol = "imap"`."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar, Final, NamedTuple

import anyio
import anyio.to_thread
from pydantic import BaseModel

from mailwicket.config.incoming import Incoming
from mailwicket.errors import BlockedError, TransientError
from mailwicket.model import Fetched, Look, MailRef, Renumbered, Settlement, Unread
from mailwicket.net.account import Credentials
from mailwicket.net.deadlines import Deadlines
from mailwicket.net.imap.client import ImapClient
from mailwicket.net.imap.login import PASSING_CODES, log_in
from mailwicket.net.imap.tokens import UID_MAX, read_date, write_sets
from mailwicket.net.imap.utf7 import mailbox_argument
from mailwicket.net.line import check_room
from mailwicket.net.oauth.session import NO_RIGHT, Session, lacks_right
from mailwicket.net.proxy import way_of
from mailwicket.net.spool import empty_spool
from mailwicket.ports import Net
from mailwicket.sources._imap_bodies import Answers, Bodies, Record
from mailwicket.sources._imap_cursor import Cursor, first_cursor, renumbered_cursor
from mailwicket.sources._imap_proof import prove, stages
from mailwicket.sources._imap_settling import Settling
from mailwicket.stages import Probe

LOOK_MAILS: Final = 500
"""How many mails one look tells: their rows are one transaction, and reading their answers is one stretch of work."""

DESCRIBED_MAX: Final = 10 * LOOK_MAILS
"""So many are not described where a look's worth was asked for, unless the server makes them up."""

FALSE_ALARMS: Final = 10
FALSE_ALARM_S: Final = 1.0
"""A server that announced mail so often, and had none, is from then on asked once in so long: it may go on for ever."""

IDLE_S: Final = 9 * 60
"""RFC 2177: renew at least every 29 minutes; middle boxes forget a silent connection much sooner."""

TOGETHER_FROM_S: Final = 10
"""Sweeps that are as rare as this may come up to a second early."""


class ImapSource:
    """A folder on an IMAP server (RFC 3501, RFC 9051)."""

    Config: ClassVar[type[BaseModel]] = Incoming
    deadlines: ClassVar[Deadlines] = Deadlines()

    def __init__(self, name: str, config: Incoming, net: Net) -> None:
        """Serve `incoming.NAME`. Does nothing yet."""
        self._name = name
        self._config = config
        self._net = net
        self._credentials = Credentials(config, net, "imap")
        self._records: dict[str, Record] = {}
        self.chance: Callable[[], float] = random.random
        """In [0, 1); spreads the sweeps of many mailboxes."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ImapMailbox]:
        """Connect, authenticate and open the folder; see `ports.Source`."""
        way = await way_of(self._config)
        client = ImapClient(self._config.server, self._config.port, self.deadlines, way)
        check_room(client.peer)
        try:
            async with self._net.entrance(self._config.server):
                await log_in(client, await self._credentials.account())
                epoch = await self._open_folder(client)
            record = self._records.setdefault(epoch, Record())
            limit = self._config.max_mail_bytes
            bodies = Bodies(client, self._net.spool_dir, f"{self._name}.{epoch}", limit, record)
            session = self._credentials.session(client.peer, client.protocol.loop.time(), self.chance)
            settling = Settling(client, self._config.after)
            yield ImapMailbox(client, self._config, epoch, bodies, settling, self.chance, session)
        except BlockedError as error:
            check_room(client.peer)  # of a file that could not be opened for want of descriptors nobody can tell
            self._credentials.renew(error)
            raise
        finally:
            with anyio.CancelScope(shield=True):  # bounded by Deadlines.farewell_s
                await client.say_goodbye()
                await anyio.to_thread.run_sync(empty_spool, self._net.spool_dir, self._name)

    @property
    def stages(self) -> Sequence[str]:
        """See `stages.ProvesConnection`."""
        return stages(self._config)

    async def prove(self, probe: Probe) -> None:
        """Test the connection in stages; see `stages.ProvesConnection`."""
        await prove(self._config, self._credentials, self.deadlines, probe)

    async def _open_folder(self, client: ImapClient) -> str:
        """Open the folder, for reading alone when nothing is to be changed; return its UIDVALIDITY."""
        config = self._config
        verb = "EXAMINE" if config.after == "leave" else "SELECT"
        answer = await client.run(verb, mailbox_argument(config.folder))
        if answer.result != "OK":
            words = f'{client.peer} does not open the folder {config.folder} ("{answer.words}")'
            if answer.code in PASSING_CODES:
                raise TransientError(words, reason="server_said")
            if lacks_right(answer.words):
                raise BlockedError(f"{words}: {NO_RIGHT}", reason="mailbox_refused")
            raise BlockedError(words, reason="folder_unknown")
        if verb == "SELECT" and answer.code == b"READ-ONLY":
            raise BlockedError(
                f"{client.peer} opens the folder {config.folder} for reading only, so after = {config.after!r} "
                "cannot be done",
                reason="refused",
            )
        if client.protocol.uidvalidity is None:
            raise BlockedError(f"{client.peer} gives the mails of {config.folder} no lasting numbers (UIDVALIDITY)")
        return str(client.protocol.uidvalidity)


class _Page(NamedTuple):
    refs: Sequence[MailRef]
    uidnext: int
    more: bool


class ImapMailbox:
    """One open folder; see `ports.Mailbox`."""

    def __init__(  # noqa: PLR0913, PLR0917 - what the source has made ready
        self,
        client: ImapClient,
        config: Incoming,
        epoch: str,
        bodies: Bodies,
        settling: Settling,
        chance: Callable[[], float],
        session: Session,
    ) -> None:
        """Take over a *client* that has the folder open as *epoch*."""
        self._client = client
        self._config = config
        self._epoch = epoch
        self._bodies = bodies
        self._settling = settling
        self._idles = client.has_capability("IDLE")
        self._counts = config.after != "leave"
        """Where nothing is marked as taken, every mail is unread for ever: a long answer, again and again."""
        self._count_at = client.protocol.loop.time()
        self._chance = chance
        self._sweep_s = config.poll_s * (1 - chance())
        self._session = session
        self._looked = False
        self._counted = 0
        """How many mails there were at the last look."""
        self._false_alarms = 0
        """How often mail was announced since one was last found."""
        self._near_end = False
        """So little lies beyond the cursor that no search is needed."""
        self._ahead: Sequence[int] = ()
        """What a search found beyond the pages that were looked at since."""
        self._goes_on_at = 0
        """Where the next look starts; where another one does, the page before could not be noted."""

    def silence_s(self) -> float:
        """Seconds since the last byte came from the server."""
        protocol = self._client.protocol
        return float(protocol.loop.time() - protocol.heard_at)

    async def wait(self) -> None:
        """Return when mail came since the last look began, or after `poll_s` at most.

        Mailboxes that connected together, or that one mail went to, would be swept together ever after: so the sweep
        after either comes at any time within `poll_s`.
        """
        if self._false_alarms > FALSE_ALARMS:
            await anyio.sleep(FALSE_ALARM_S)
        left_s = self._session.left_s(self._client.protocol.loop.time())
        sweep_s, self._sweep_s = min(self._sweep_s, left_s), float(self._config.poll_s)
        if self._idles:
            self._idles = await self._client.idle(self._together(min(sweep_s, IDLE_S)))
        if not self._idles:
            await self._client.rest(sweep_s)
        if self._client.protocol.arrived:
            self._sweep_s *= 1 - self._chance()

    def _together(self, sweep_s: float) -> float:
        """Have the sweeps of one second made at its beginning: alone, each would find the processor's caches cold."""
        if sweep_s < TOGETHER_FROM_S:
            return sweep_s
        now_s: float = self._client.protocol.loop.time()
        return sweep_s - (now_s + sweep_s) % 1

    def wake(self) -> None:
        """Have `wait` return as if mail had come."""
        self._client.protocol.stir()

    # --- what is there ----------------------------------------------------------------------------------------------

    async def look(self, cursor: str | None) -> Look:
        """Tell what was not looked at before *cursor*, at most LOOK_MAILS of it, lowest UID first."""
        self._false_alarms += self._client.protocol.arrived
        self._client.protocol.arrived = False  # what comes from here on is for the next look
        start, renumbered = await self._start(cursor)
        if start.fallen_to is not None:
            return Look((), start.write(), more=True)  # to be remembered before it blocks the unit
        page = await self._find(start)
        self._looked = True
        if page.refs:
            self._false_alarms = 0
        wanted = [ref for ref in page.refs if start.wants(int(ref.remote_id), ref.received_at)]
        return Look(wanted, start.at(page.uidnext).write(), page.more, renumbered)

    async def _start(self, text: str | None) -> tuple[Cursor, Renumbered | None]:
        epoch = int(self._epoch)
        cursor = Cursor.read(text) if text and '"uidvalidity"' in text else None  # it may be of POP3, before
        if cursor is None or cursor.folder != self._config.folder:
            uidnext = await self._uidnext()
            return first_cursor(self._config.folder, epoch, uidnext, self._config.start_from, datetime.now(UTC)), None
        if cursor.uidvalidity != epoch:
            return renumbered_cursor(cursor, epoch, await self._uidnext())
        if cursor.fallen_to is not None:
            raise BlockedError(
                f"{self._client.peer}: UIDNEXT of {self._config.folder} went down from {cursor.uidnext} to "
                f"{cursor.fallen_to} with the same UIDVALIDITY {epoch}, as when a backup is restored: numbers are used "
                "again, and which mails are new cannot be told. Have the server give the folder a new UIDVALIDITY "
                "(docs/quirks.md); then all are looked at again, and those with known bytes are left alone",
                reason="refused",
            )
        told = self._client.protocol.uidnext
        if told is not None and told < cursor.uidnext and not self._looked:
            return replace(cursor, fallen_to=told), None
        return cursor, None

    async def _uidnext(self) -> int:
        """Return the first UID that no mail has had; where SELECT does not say, the one after the last mail's."""
        told = self._client.protocol.uidnext
        if told is not None:
            return int(told)
        if not self._client.protocol.exists:
            return 1
        exchange = await self._client.run_well("FETCH", "*", "(UID)", by_uid=True)
        return max([answer.uid or 0 async for answer in Answers(exchange)], default=0) + 1

    async def _find(self, start: Cursor) -> _Page:
        """Return a page of mails from the cursor on: at once where they are few, else what one search named."""
        if start.uidnext != self._goes_on_at:
            self._ahead, self._near_end = (), False
        exists = self._client.protocol.exists
        few = exists <= LOOK_MAILS or (self._near_end and exists - self._counted <= LOOK_MAILS)
        self._counted = exists
        if few and not self._ahead:
            found, clear = await self._describe([f"{start.uidnext}:*"], start.uidnext)
            searched = () if clear else await self._search(start)
            named = sorted(found.keys() | set(searched[: LOOK_MAILS + 1]))  # the lowest are what is asked for
            uids: Sequence[int] = named[:LOOK_MAILS]
            more = len(named) > LOOK_MAILS
            self._near_end = not more
        else:
            self._ahead = self._ahead or await self._search(start)
            uids, self._ahead = self._ahead[:LOOK_MAILS], self._ahead[LOOK_MAILS:]
            found, _ = await self._describe(write_sets(uids), start.uidnext)
            self._near_end = not self._ahead
            more = bool(uids)  # behind the last page lies what came since the search
        self._goes_on_at = uids[-1] + 1 if uids else start.uidnext
        missing = set(uids) - found.keys()
        if missing:  # named and not described: there all the same, unless the server says no
            found |= {uid: self._ref(uid) for uid in await self._bodies.existing(missing)}
        self._check_epoch()
        refs = [found[uid] for uid in uids if uid in found]
        return _Page(refs, self._goes_on_at, more)

    async def _search(self, start: Cursor) -> Sequence[int]:
        found = await self._client.search(f"UID {start.uidnext}:*")
        return found[bisect_left(found, start.uidnext) :]

    async def _describe(self, sets: Iterable[str], lowest: int) -> tuple[dict[int, MailRef], bool]:
        """Return size and date of the mails in *sets*, and whether no more mails than these were spoken of.

        `n:*` always answers with the last mail, even when its UID is below n (RFC 9051 9, seq-range): left out.
        """
        exists = self._client.protocol.exists
        found: dict[int, MailRef] = {}
        named: set[int] = set()
        clear = True
        for chosen in sets:
            exchange = await self._client.run_well("FETCH", chosen, "(UID RFC822.SIZE INTERNALDATE)", by_uid=True)
            told = Answers(exchange)
            async for answer in told:
                uid = answer.uid or 0
                if not 0 < uid <= UID_MAX:
                    raise self._lie(f"a mail with UID {uid}")
                if uid < lowest:
                    continue
                named.add(uid)
                if answer.items.keys().isdisjoint({b"RFC822.SIZE", b"INTERNALDATE"}):  # about its flags
                    continue
                received_at = read_date(answer.items.get(b"INTERNALDATE"))
                ref = self._ref(uid, answer.number(b"RFC822.SIZE") or 0, received_at)
                if found.setdefault(uid, ref) != ref:
                    raise self._lie(f"two mails with UID {uid}")
                if len(found) > DESCRIBED_MAX:
                    raise self._lie(f"more than {DESCRIBED_MAX} mails in answer to FETCH, and counts {exists}")
            clear = clear and told.clear
        return found, clear and named == found.keys()

    def _ref(self, uid: int, size_bytes: int = 0, received_at: datetime | None = None) -> MailRef:
        return MailRef(self._config.folder, self._epoch, str(uid), size_bytes, received_at)

    def _check_epoch(self) -> None:
        if str(self._client.protocol.uidvalidity) != self._epoch:
            self._client.abort()
            raise TransientError(
                f"{self._client.peer} gave {self._config.folder} new numbers while it was open", reason="server_said"
            )

    def _lie(self, what: str) -> TransientError:
        return TransientError(f"{self._client.peer} sent {what}", reason="server_said")

    # --- what should have been taken --------------------------------------------------------------------------------

    async def unread(self, cursor: str) -> Unread | None:
        """Ask once in `poll_s` what is unread; see `ports.CountsUnread`. A server that cannot tell is left in peace."""
        protocol = self._client.protocol
        start = Cursor.read(cursor)
        if not self._counts or protocol.loop.time() < self._count_at or start.uidvalidity != int(self._epoch):
            return None
        self._count_at = protocol.loop.time() + self._config.poll_s
        try:
            found = await self._client.search(f"UNSEEN UNDELETED {start.search_key()}")
        except TransientError:
            if protocol.failure is not None:
                raise
            self._counts = False  # it answered, and was not understood
            return None
        self._check_epoch()
        end = start.uidnext if protocol.arrived else UID_MAX + 1  # what came meanwhile is for the next look
        return Unread(self._config.folder, self._epoch, [str(uid) for uid in found if start.first <= uid < end])

    # --- its bytes --------------------------------------------------------------------------------------------------

    async def fetch(self, refs: Sequence[MailRef]) -> Sequence[Fetched]:
        """Return the bytes of *refs*; those of another folder or epoch are left out."""
        found = await self._bodies.fetch(self._ours(refs))
        self._check_epoch()
        return found

    def _ours(self, refs: Iterable[MailRef]) -> dict[int, MailRef]:
        mine = self._config.folder, self._epoch
        return {int(ref.remote_id): ref for ref in refs if (ref.folder, ref.epoch) == mine}

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Do what `after` says to mails whose work is committed. Parked ones too: our store keeps them."""
        uids = self._ours(one.ref for one in settlements).keys()
        headers_only = self._ours(one.ref for one in settlements if one.headers_only).keys()
        await self._settling.settle(uids, headers_only)
