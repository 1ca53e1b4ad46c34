"""Proxies of a test's own: SOCKS5 and HTTP CONNECT that do what they should, or one thing that they should not."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.listener import listening
from tests.lab.needs import lacking
from tests.lab.processes import free_ports, mortal, until

FOREVER_S = 3600
TOOLS = Path(__file__).parents[2] / ".tools"

DANTE = """
logoutput: stderr
internal: 127.0.0.1 port = {port}
external: lo
socksmethod: none
clientmethod: none
client pass {{
    from: 127.0.0.0/8 to: 0.0.0.0/0
}}
socks pass {{
    from: 127.0.0.0/8 to: 127.0.0.0/8
}}
"""
TINYPROXY = """
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 600
BasicAuth {user} {password}
"""
SQUID = """
http_port 127.0.0.1:{port}
acl here dst 127.0.0.0/8 ::1
auth_param basic program {directory}/basic_ncsa_auth {directory}/users
auth_param basic children 1 startup=0 idle=1
acl known proxy_auth REQUIRED
http_access allow here known
http_access deny all
cache deny all
cache_mem 0 MB
pid_filename {directory}/pid
access_log stdio:{directory}/access
cache_log {directory}/log
coredump_dir {directory}
icon_directory {directory}
mime_table {root}/usr/share/squid/mime.conf
unlinkd_program {root}/usr/lib/squid/unlinkd
pinger_enable off
netdb_filename none
max_filedescriptors 256
shutdown_lifetime 0 seconds
"""


@dataclass
class ProxyDouble:
    """A running proxy, and what it was asked for."""

    kind: str
    port: int = 0
    user: str = ""
    password: str = ""
    names: dict[str, str] = field(default_factory=dict)
    """Names that this proxy alone can look up."""
    hangs_at: str = ""
    """Black hole from here on: `greeting`, `auth`, `request`, `relay`."""
    refuses: int = 0
    """Answers every request with this code, or status."""
    raw_reply: bytes = b""
    """Stands in for the answer to CONNECT."""
    splits: bool = False
    """Sends its answers byte by byte."""
    hurries: bool = False
    """The server's first words come in one piece with its own answer."""
    asked: list[str] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)


class _Client:
    def __init__(self, proxy: ProxyDouble, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.proxy = proxy
        self.reader = reader
        self.writer = writer

    async def serve(self) -> None:
        await (self.http() if self.proxy.kind == "http" else self.socks())

    async def say(self, content: bytes) -> None:
        for piece in [content[i : i + 1] for i in range(len(content))] if self.proxy.splits else [content]:
            self.writer.write(piece)
            await self.writer.drain()
            if self.proxy.splits:
                await asyncio.sleep(0.001)

    async def maybe_hang(self, at: str) -> None:
        if self.proxy.hangs_at == at:
            await asyncio.sleep(FOREVER_S)

    # --- HTTP

    async def http(self) -> None:
        proxy = self.proxy
        head = await self.reader.readuntil(b"\r\n\r\n")
        await self.maybe_hang("request")
        lines = head.decode().split("\r\n")
        place = lines[0].split(" ")[1]
        proxy.asked.append(place)
        wanted = "Proxy-Authorization: Basic " + b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        if proxy.user and wanted not in lines:
            await self.say(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
        elif proxy.raw_reply:
            await self.say(proxy.raw_reply)
            await asyncio.sleep(FOREVER_S)
        elif proxy.refuses:
            await self.say(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % proxy.refuses)
        else:
            host, _, port = place.rpartition(":")
            await self.relay(host.strip("[]"), int(port), b"HTTP/1.1 200 OK\r\nVia: double\r\n\r\n")

    # --- SOCKS5

    async def socks(self) -> None:
        proxy = self.proxy
        count = (await self.reader.readexactly(2))[1]
        methods = await self.reader.readexactly(count)
        await self.maybe_hang("greeting")
        if proxy.user:
            if 2 not in methods:
                await self.say(b"\x05\xff")
                return
            await self.say(b"\x05\x02")
            if not await self.knows():
                await self.say(b"\x01\x01")
                return
            await self.maybe_hang("auth")
            await self.say(b"\x01\x00")
        else:
            await self.say(b"\x05\x00")
        kind = (await self.reader.readexactly(4))[3]
        await self.maybe_hang("request")
        if kind == 3:
            host = (await self.reader.readexactly((await self.reader.readexactly(1))[0])).decode()
        else:
            family = socket.AF_INET if kind == 1 else socket.AF_INET6
            host = socket.inet_ntop(family, await self.reader.readexactly(4 if kind == 1 else 16))
        port = int.from_bytes(await self.reader.readexactly(2), "big")
        proxy.asked.append(f"{host}:{port}")
        if proxy.refuses:
            await self.say(bytes([5, proxy.refuses, 0, 1]) + bytes(6))
        else:
            await self.relay(host, port, b"\x05\x00\x00\x01" + bytes(6))

    async def knows(self) -> bool:
        told = [await self.field() for _ in range(2)] if (await self.reader.readexactly(1)) else []
        return told == [self.proxy.user, self.proxy.password]

    async def field(self) -> str:
        return (await self.reader.readexactly((await self.reader.readexactly(1))[0])).decode()

    # --- both

    async def relay(self, host: str, port: int, good: bytes) -> None:
        ours, theirs = await asyncio.open_connection(self.proxy.names.get(host, host), port)
        try:
            first = await ours.read(1000) if self.proxy.hurries else b""
            await self.say(good + first)
            await self.maybe_hang("relay")
            await asyncio.gather(self.pass_on(self.reader, theirs, self.proxy.heard), self.pass_on(ours, self.writer))
        finally:
            theirs.transport.abort()

    @staticmethod
    async def pass_on(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray | None = None
    ) -> None:
        while content := await reader.read(65_536):
            if kept is not None:
                kept += content
            writer.write(content)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def proxy_double(kind: str, **traits: object) -> AsyncIterator[ProxyDouble]:
    """Run one: `socks5` or `http`."""
    double = ProxyDouble(kind, **traits)  # type: ignore[arg-type]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Client(double, reader, writer).serve()
        finally:
            writer.transport.abort()

    async with listening(serve) as double.port:
        yield double


# --- real ones ------------------------------------------------------------------------------------------------------


class RealProxy:
    """A real proxy on loopback: `microsocks`, `tinyproxy` and `squid` with a password, `danted` without one."""

    def __init__(self, name: str, user: str, password: str, directory: Path) -> None:
        """Start it."""
        (self.port,) = free_ports(1)
        self.log = directory / "log"
        conf = directory / "conf"
        terms = {"port": self.port, "user": user, "password": password}
        match name:
            case "microsocks":
                words = ["-i", "127.0.0.1", "-p", str(self.port), "-u", user, "-P", password]
            case "danted":
                conf.write_text(DANTE.format(**terms))
                words = ["-f", str(conf), "-p", str(directory / "pid")]
            case "squid":
                words = ["-N", "-f", str(conf)]
                conf.write_text(SQUID.format(**terms, directory=directory, root=_furnished(directory, user, password)))
            case _:
                conf.write_text(TINYPROXY.format(**terms))
                words = ["-d", "-c", str(conf)]
        self._command = mortal([_program(name), *words])
        self._env = {**os.environ, "LD_LIBRARY_PATH": _libraries()} if name == "squid" else None
        self.start()

    def start(self) -> None:
        """Start it, or start it again: same port."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._env, start_new_session=True
            )
        until(self._answers, 10, what="the proxy's answer")

    def stop(self) -> None:
        """End it with all that goes through it."""
        os.killpg(self._process.pid, signal.SIGKILL)  # Dante works in children
        self._process.wait(10)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            lacking(f"the proxy does not start here: {self.log.read_text(errors='replace')[-500:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _program(name: str) -> str:
    places = (TOOLS / name, TOOLS / name / "usr/sbin" / name)
    found = shutil.which(name) or next((str(one) for one in places if one.is_file()), None)
    return found or lacking(f"{name} is missing: tests/real/install")


def _furnished(directory: Path, user: str, password: str) -> str:
    """Put what Squid reads as another user than root where that one may; return where the rest of it is."""
    root = "" if shutil.which("squid") else str(TOOLS / "squid")
    directory.chmod(0o777)
    shutil.copy(f"{root}/usr/lib/squid/basic_ncsa_auth", directory)
    hashed = ["openssl", "passwd", "-apr1", "-stdin"]
    known = subprocess.run(hashed, input=password, capture_output=True, text=True, check=True)
    (directory / "users").write_text(f"{user}:{known.stdout}")
    (directory / "users").chmod(0o644)  # a store that was opened here has narrowed the umask
    return root


def _libraries() -> str:
    return ":".join(str(one) for one in (TOOLS / "squid/usr/lib").glob("*-linux-gnu"))


@contextmanager
def real_proxy(name: str, user: str = "", password: str = "") -> Iterator[RealProxy]:
    """Run one."""
    directory = Path(tempfile.mkdtemp(prefix="mailwicket-proxy-"))
    try:
        running = RealProxy(name, user, password, directory)
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
