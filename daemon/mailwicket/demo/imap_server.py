"""A mailbox in memory behind a real IMAP server (pymap), on loopback."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import anyio
from proxyprotocol.sock import SocketInfo
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage

LOOPBACK: Final = "127.0.0.1"

CLOSING_S: Final = 2
"""What a client gets to notice that the server is gone."""


class ImapServer:
    """One user's mailbox; it ends with the process."""

    def __init__(self, backend: DictBackend, port: int) -> None:
        """Made by `imap_server`."""
        self._backend = backend
        self.port = port

    async def append(self, raw: bytes) -> None:
        """Put a mail into INBOX; clients that are idle are told of it."""
        async with self._backend.login.demo_user_identity.new_session() as session:
            await session.append_messages("INBOX", [AppendMessage(raw, datetime.now(UTC))])


@asynccontextmanager
async def imap_server(user: str, password: str) -> AsyncIterator[ImapServer]:
    """Serve an empty mailbox on a free port until the block ends."""
    arguments = Namespace(
        host=LOOPBACK,
        port=0,
        debug=False,
        cert=None,
        key=None,
        tls=False,
        demo_data=False,
        demo_user=user,
        demo_password=password,
        passlib_cfg=None,
        proxy_protocol=None,
    )
    backend, config = await DictBackend.init(arguments, secure_auth=False)  # loopback: the password goes in the clear
    config.apply_context()
    serve = IMAPServer(backend.login, config)
    clients: set[asyncio.StreamWriter] = set()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.add(writer)
        try:
            await serve(reader, writer, SocketInfo.get(writer, None))
        finally:
            clients.discard(writer)

    server = await asyncio.start_server(greet, LOOPBACK, 0)
    try:
        yield ImapServer(backend, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for client in clients:
            client.close()  # from Python 3.12.1 on wait_closed waits for every one of them
        with anyio.move_on_after(CLOSING_S, shield=True):
            await server.wait_closed()
