"""A harness for each kind of source: a server in this process, a source on it, and a look behind the contract."""

from __future__ import annotations

import imaplib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from anyio import to_thread
from tests.lab.graph import Lab, serving
from tests.lab.pop3_server import Maildrop, maildrop

from mailwicket.demo.imap_server import imap_server
from mailwicket.net.machine import Machine
from mailwicket.ports import Source
from mailwicket.sources._graph_config import Graph
from mailwicket.sources.graph import GraphSource
from mailwicket.sources.imap import ImapSource
from mailwicket.sources.pop3 import Pop3Source

T = TypeVar("T")

USER, PASSWORD = "desk@example.org", "canary-4711"


class Bench(Protocol):
    """A running server with one mailbox."""

    def source(self, **changes: Any) -> Source:
        """A source on it that takes mail from the first one on; *changes* are keys of its table in conf.d."""
        ...

    async def deliver(self, *raws: bytes) -> None:
        """Put mails into the mailbox."""
        ...

    async def remove(self, remote_id: str) -> None:
        """Another client takes a mail away."""
        ...

    async def untouched(self) -> set[str]:
        """Ids of the mails that no settling has changed."""
        ...

    tells_sizes: bool
    """Whether this protocol announces how large a mail is."""
    refusal: str
    """The reason code where it does not take a password, or what stands for one."""


@dataclass
class PymapBench:
    port: int
    directory: Path
    tells_sizes: bool = True
    refusal: str = "login_refused"

    def source(self, **changes: Any) -> ImapSource:
        table = {
            "email": USER,
            "password": PASSWORD,
            "server": "127.0.0.1",
            "port": self.port,
            "security": "none",
            "start_from": "all",
            "poll_s": 1,  # pymap does not tell an idler of mail that came just before
            **changes,
        }
        return ImapSource("office", ImapSource.Config.model_validate(table), Machine(self.directory))

    async def deliver(self, *raws: bytes) -> None:
        def append(client: imaplib.IMAP4) -> None:
            for raw in raws:
                assert client.append("INBOX", "", "", raw)[0] == "OK"

        await self._with_client(append)

    async def remove(self, remote_id: str) -> None:
        def expunge(client: imaplib.IMAP4) -> None:
            client.uid("STORE", remote_id, "+FLAGS.SILENT", r"(\Deleted)")
            client.expunge()

        await self._with_client(expunge)

    async def untouched(self) -> set[str]:
        def search(client: imaplib.IMAP4) -> set[str]:
            _, lines = client.uid("SEARCH", "UNSEEN", "UNDELETED")
            return set(lines[0].decode().split())

        return await self._with_client(search)

    async def _with_client(self, job: Callable[[imaplib.IMAP4], T]) -> T:
        """Another implementation of the protocol than the one under test."""

        def talk() -> T:
            client = imaplib.IMAP4("127.0.0.1", self.port, timeout=10)
            try:
                client.login(USER, PASSWORD)
                client.select("INBOX")
                return job(client)
            finally:
                client.logout()

        return await to_thread.run_sync(talk)


@asynccontextmanager
async def pymap(directory: Path) -> AsyncIterator[PymapBench]:
    async with imap_server(USER, PASSWORD) as server:
        yield PymapBench(server.port, directory)


@dataclass
class MaildropBench:
    drop: Maildrop
    directory: Path
    tells_sizes: bool = True
    refusal: str = "login_refused"

    def source(self, **changes: Any) -> Pop3Source:
        table = {
            "email": USER,
            "password": PASSWORD,
            "server": "127.0.0.1",
            "port": self.drop.port,
            "security": "none",
            "start_from": "all",
            "poll_s": 1,
            "after": "delete",
            **changes,
        }
        return Pop3Source("office", Pop3Source.Config.model_validate(table), Machine(self.directory))

    async def deliver(self, *raws: bytes) -> None:
        self.drop.put(*raws)

    async def remove(self, remote_id: str) -> None:
        self.drop.mails.pop(remote_id)

    async def untouched(self) -> set[str]:
        return set(self.drop.mails)


@asynccontextmanager
async def maildrop_bench(directory: Path) -> AsyncIterator[MaildropBench]:
    async with maildrop(USER, PASSWORD) as drop:
        yield MaildropBench(drop, directory)


class Tokens:
    """One token for everybody; see `net.machine.BringsTokens`."""

    is_fresh = False
    left_s = 3600.0

    def __init__(self, token: str) -> None:
        self._token = token

    def bearer(self, *_: object) -> Tokens:
        return self

    def client_id(self, _: str) -> str:
        return "app-1"

    async def token(self) -> str:
        return self._token

    def challenged(self, claims: str) -> None:
        self.claims = claims

    def invalidate(self) -> None:
        """There is no other."""


@dataclass
class GraphBench:
    lab: Lab
    directory: Path
    protocol: str = "graph"
    tells_sizes: bool = False
    refusal: str = "needs_sign_in"

    def source(self, *, password: str = PASSWORD, **changes: Any) -> GraphSource:
        table = {"email": USER, "oauth": "office", "start_from": "all", "poll_s": 1, **changes}
        server = {} if "port" in table else {"server": self.lab.origin}
        table = {"server": "127.0.0.1", "security": "none", "protocol": self.protocol, **table, **server}
        machine = Machine(self.directory)
        machine.tokens = Tokens(password)
        return GraphSource("office", Graph.model_validate(table), machine)

    async def deliver(self, *raws: bytes) -> None:
        for raw in raws:
            self.lab.mailbox(USER).deliver(raw)

    async def remove(self, remote_id: str) -> None:
        box = self.lab.mailbox(USER)
        box.take(box.message(remote_id))

    async def untouched(self) -> set[str]:
        return {one.immutable_id for one in self.lab.mailbox(USER).messages("inbox") if not one.is_read}


@asynccontextmanager
async def graph_bench(directory: Path) -> AsyncIterator[GraphBench]:
    async with serving() as lab:
        lab.manners.mime = "verbatim"
        lab.tokens.accept(PASSWORD, user=USER)
        lab.mailbox(USER).add_folder("Done")
        yield GraphBench(lab, directory)


HARNESSES: dict[str, Callable[[Path], AbstractAsyncContextManager[Bench]]] = {
    "graph": graph_bench,
    "imap": pymap,
    "mapi": graph_bench,
    "pop3": maildrop_bench,
}
