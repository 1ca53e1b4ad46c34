"""A mail server that accepts whatever it is sent (aiosmtpd), on loopback: the last hop before the mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakSet

import anyio
from aiosmtpd.smtp import SMTP, Envelope, Session

from mailwicket.demo.imap_server import CLOSING_S, LOOPBACK

NAME: Final = "demo.example.org"
"""Without a name the library asks DNS for one."""


class _Delivery:
    """What the protocol calls when a mail is complete."""

    def __init__(self, deliver: Callable[[bytes], Awaitable[None]]) -> None:
        self._deliver = deliver

    async def handle_EHLO(  # noqa: N802 - the library's name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer PIPELINING (RFC 2920), which the library does and does not say."""
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]]

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        """Deliver the mail with its reverse-path on top (RFC 5321 4.4)."""
        path = (envelope.mail_from or "").strip("<>")  # the library gives an empty one as "<>"
        content = envelope.original_content or b""
        await self._deliver(f"Return-Path: <{path}>\r\n".encode(errors="replace") + content)
        return "250 2.0.0 delivered"


@asynccontextmanager
async def smtp_sink(deliver: Callable[[bytes], Awaitable[None]]) -> AsyncIterator[int]:
    """Hand every mail, whoever it is for, to *deliver*; yields the port, a free one."""
    sessions: WeakSet[SMTP] = WeakSet()

    def answer() -> SMTP:
        session = SMTP(_Delivery(deliver), hostname=NAME, ident="mailwicket demo", enable_SMTPUTF8=True)
        sessions.add(session)
        return session

    server = await asyncio.get_running_loop().create_server(answer, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for session in sessions:
            if session.transport is not None:
                session.transport.close()
        with anyio.move_on_after(CLOSING_S, shield=True):
            await server.wait_closed()
