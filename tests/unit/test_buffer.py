"""What a TLS connection holds while nothing comes: asyncio's private parts are as `net.buffer` takes them to be."""

from __future__ import annotations

import asyncio
import gc
import ssl
import tracemalloc
from asyncio import sslproto
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trustme

from mailwicket.net.buffer import RECORD_BYTES, SHARED
from mailwicket.net.imap.protocol import ImapProtocol

CONNECTIONS = 50
LARGE = 3_000_000
KIB = 1024


@pytest.fixture(scope="module")
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's side and the client's."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


class Listener(ImapProtocol):
    """The protocol that the daemon uses, in place of whose reader the bytes are kept."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop(), "imap.example.org:993")
        self.heard = bytearray()
        self.all_heard = asyncio.Event()

    def _feed(self, data: bytes | bytearray, end: int) -> None:
        self.heard += memoryview(data)[:end]
        if len(self.heard) >= LARGE:
            self.all_heard.set()


@asynccontextmanager
async def connections(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], said: Callable[[int], bytes]
) -> AsyncIterator[Callable[[], Awaitable[Listener]]]:
    """Serve; the n-th connection is told `said(n)` and stays."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(said(len(writers) - 1))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls[0])
    port = server.sockets[0].getsockname()[1]
    made: list[Listener] = []

    async def connect() -> Listener:
        _, protocol = await asyncio.get_running_loop().create_connection(
            Listener, "127.0.0.1", port, ssl=tls[1], server_hostname="localhost"
        )
        made.append(protocol)
        return protocol

    try:
        yield connect
    finally:
        for protocol in made:
            protocol.transport.abort()
        for writer in writers:
            writer.transport.abort()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.05)


async def test_every_tls_connection_reads_into_the_one_buffer(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    assert sslproto.SSLProtocol.max_size == RECORD_BYTES
    async with connections(tls, lambda _: b"") as connect:
        for _ in range(3):
            layer = (await connect()).transport._ssl_protocol
            assert layer.get_buffer(-1) is SHARED.view
            assert layer._ssl_buffer is SHARED.buffer


async def test_what_comes_to_many_connections_at_once_is_not_mixed_up(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with connections(tls, lambda number: bytes([65 + number]) * LARGE) as connect:
        heard = await asyncio.gather(*(connect() for _ in range(8)))
        async with asyncio.timeout(20):
            for one in heard:
                await one.all_heard.wait()
        assert sorted(bytes(one.heard) for one in heard) == [bytes([65 + number]) * LARGE for number in range(8)]


async def test_an_idle_tls_connection_holds_little(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with connections(tls, lambda _: b"") as connect:
        await connect()
        gc.collect()
        tracemalloc.start()
        try:
            for _ in range(CONNECTIONS):
                await connect()
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    # Both ends are in this process; the server's is asyncio's own, with 16 KiB of RECORD_BYTES and its streams.
    assert held / CONNECTIONS < 48 * KIB, f"{held / CONNECTIONS / KIB:.0f} KiB a connection"
