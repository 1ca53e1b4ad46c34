"""Outgoing mail over SMTP: `protocol = "smtp"`."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import ClassVar, Final

import anyio
import anyio.to_thread
from pydantic import BaseModel

from mailwicket.config.outgoing import Outgoing
from mailwicket.errors import BlockedError, PermanentError, TransientError
from mailwicket.net.account import Credentials
from mailwicket.net.line import check_room
from mailwicket.net.oauth.session import Session
from mailwicket.net.proxy import way_of
from mailwicket.net.smtp.client import Deadlines, SmtpClient
from mailwicket.net.smtp.group import Group
from mailwicket.net.smtp.login import open_session
from mailwicket.net.smtp.reply import Reply
from mailwicket.outgoing import Envelope, RecipientStatus
from mailwicket.ports import Net
from mailwicket.senders._smtp_judgement import refused_mail, refused_recipient, refused_sender, status
from mailwicket.senders._smtp_parameters import Parameters, parameters
from mailwicket.senders._smtp_proof import prove, stages
from mailwicket.stages import Probe

RESTED_S: Final = 5
"""A connection that was silent for longer is asked whether it still stands: middle boxes forget without a word."""

GO_ON: Final = 354
"""RFC 5321 4.3.2: the answer to DATA that wants a mail."""

LARGE_BYTES: Final = 256 * 1024
"""A mail of this size is looked through aside: others wait for the event loop."""


class SmtpSender:
    """A server that takes mail of those who log in, or of a network that it knows (RFC 6409, RFC 5321)."""

    Config: ClassVar[type[BaseModel]] = Outgoing
    deadlines: ClassVar[Deadlines] = Deadlines()

    def __init__(self, name: str, config: Outgoing, net: Net) -> None:
        """Serve `outgoing.NAME`. Does nothing yet."""
        self._name = name
        self._config = config
        self._net = net
        self._credentials = Credentials(config, net, "smtp")
        self.chance: Callable[[], float] = random.random
        """In [0, 1); spreads the ends of sessions that one token opened."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[SmtpSubmission]:
        """Connect, and log in where configured; see `ports.Sender`."""
        config = self._config
        client = SmtpClient(config.server, config.port, self.deadlines, await way_of(config))
        check_room(client.peer)
        try:
            async with self._net.entrance(config.server):
                await open_session(client, await self._credentials.account())
            yield SmtpSubmission(client, self._credentials.session(client.peer, anyio.current_time(), self.chance))
        except BlockedError as error:
            check_room(client.peer)  # of a file that could not be opened for want of descriptors nobody can tell
            self._credentials.renew(error)
            raise
        finally:
            with anyio.CancelScope(shield=True):  # bounded by Deadlines.farewell_s
                await client.say_goodbye()

    async def check_login(self) -> None:
        """See `ports.KnowsLogin`."""
        await self._credentials.account()

    @property
    def stages(self) -> Sequence[str]:
        """See `stages.ProvesConnection`."""
        return stages(self._config)

    async def prove(self, probe: Probe) -> None:
        """Test the connection in stages; see `stages.ProvesConnection`."""
        await prove(self._config, self._credentials, self.deadlines, probe)


class SmtpSubmission:
    """One connection; see `ports.Submission`. One mail at a time: further ones wait for their turn."""

    def __init__(self, client: SmtpClient, session: Session) -> None:
        """Take over a *client* that may send, as long as *session* lasts."""
        self._client = client
        self._session = session
        self._turn = anyio.Lock(fast_acquire=True)
        self._half_said = False
        """An envelope was begun and no mail followed: the next one begins with RSET (RFC 5321 4.1.1.5)."""

    async def submit(self, envelope: Envelope, raw: bytes) -> Mapping[str, RecipientStatus]:
        """Hand *raw* over; see `ports.Submission`. A PermanentError leaves the connection as good as it was."""
        async with self._turn:
            self._session.left_s(anyio.current_time())
            try:
                return await self._submit(await self._parameters(envelope, raw))
            except PermanentError:
                raise
            except BaseException:
                self._client.abort()
                raise

    async def is_alive(self) -> bool:
        """Tell whether the connection stands; asks the server where it was silent for a while."""
        async with self._turn:
            try:
                self._session.left_s(anyio.current_time())
                if self._client.silence_s() <= RESTED_S:
                    return True
                return (await self._client.run("NOOP", self._client.deadlines.alive_s)).is_good
            except TransientError:
                return False

    async def _parameters(self, envelope: Envelope, raw: bytes) -> Parameters:
        told = self._client.peer, self._client.offers, envelope, raw
        if len(raw) < LARGE_BYTES:
            return parameters(*told)
        return await anyio.to_thread.run_sync(parameters, *told)

    async def _submit(self, said: Parameters) -> Mapping[str, RecipientStatus]:
        if not said.forward_paths:
            return said.unsayable
        await self._begin()
        self._half_said = True
        client, limits = self._client, self._client.deadlines
        mail = f"MAIL FROM:<{said.reverse_path}>{said.mail}", limits.path_s
        rcpts = ((f"RCPT TO:<{spoken}>{said.rcpt}", limits.path_s) for spoken in said.forward_paths.values())
        group = Group(client, [mail, *rcpts, ("DATA", limits.data_s)])
        reply = await group.answer()
        if not reply.is_good:
            error = refused_sender(client.peer, reply, said.reverse_path)
            if isinstance(error, PermanentError):
                await self._send_nothing(group)
            raise error
        statuses = dict(said.unsayable)
        for path in said.forward_paths:
            reply = await group.answer()
            if not reply.is_good and (found := refused_recipient(client.peer, reply, said.reverse_path)):
                raise found  # DATA may be said already: dropping the connection is all that takes it back
            statuses[path] = status(reply)
        taken = [path for path, one in statuses.items() if one.is_taken]
        if taken:
            statuses |= dict.fromkeys(taken, await self._send(said, await group.answer()))
        else:
            await self._send_nothing(group)
        return statuses

    async def _send_nothing(self, group: Group) -> None:
        """Hear the answers to what was said; end a mail to nobody that the server waits for then (RFC 2920 3.1)."""
        reply = await group.rest()
        if reply is None:
            return
        if reply.is_good:
            raise self._out_of_step(reply)
        if reply.code == GO_ON:
            with suppress(TransientError):  # the connection is gone, and nobody has anything
                await self._client.transmit(b"")
                self._half_said = False

    async def _begin(self) -> None:
        """Forget an envelope that was begun; see that a connection that rested still stands.

        Raises:
            TransientError: the server does not.
        """
        rested = self._client.silence_s() > RESTED_S
        if not self._half_said and not rested:
            return
        reply = await self._client.run("RSET", self._client.deadlines.alive_s if rested else None)
        if not reply.is_good:
            raise TransientError(f'{self._client.peer} refuses RSET ("{reply}")', reason="server_said")
        self._half_said = False

    async def _send(self, said: Parameters, reply: Reply) -> RecipientStatus:
        """Send the mail, DATA being answered by *reply*; what is said of it is said of each recipient."""
        client = self._client
        if reply.code == GO_ON:
            reply = await client.transmit(said.body)
            self._half_said = False  # RFC 5321 4.1.1.4: whatever the answer was
        elif reply.is_good:
            raise self._out_of_step(reply)
        if not reply.is_good and (error := refused_mail(client.peer, reply, said.reverse_path)):
            raise error
        return status(reply)

    def _out_of_step(self, reply: Reply) -> TransientError:
        words = f'{self._client.peer} answers DATA as if it were the mail ("{reply}")'
        return TransientError(words, reason="server_said")
