"""A wire for many TLS connections that sees what they are at without opening them.

`python -m tests.lab.tap PORT COUNT` listens on COUNT ports, one for each mailbox, and passes everything on to the
server at PORT, unchanged. Of TLS 1.3 it reads the heading of each record alone: the length betrays the few lines that
matter. `+ idling` is the one answer of 10 bytes, DONE the one command of 6, and what a server says to somebody who
idles is its EXISTS. It runs as a process of its own, so that its work is not the daemon's.

On its input a line `tell` is answered by one line of JSON, the end of input ends it.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final

from tests.lab.processes import mortal

RECORD_HEADING_BYTES: Final = 5
SEALED_BYTES: Final = 17
"""What TLS 1.3 adds to a line: one byte for its kind, 16 for its seal."""
APPLICATION_DATA: Final = 23
IDLING_BYTES: Final = len(b"+ idling\r\n")
DONE_BYTES: Final = len(b"DONE\r\n")
EXISTS_BYTES: Final = range(len(b"* 1 EXISTS\r\n"), 100)
OPENING_RECORDS: Final = 3
"""What a client says until its folder is open: the end of the handshake, LOGIN, SELECT."""
CHUNK_BYTES: Final = 64 * 1024


@dataclass
class Session:
    """One connection, by what passes."""

    box: int
    said: int = 0
    opened: bool = False
    idling: bool = False
    rest: dict[bool, bytearray] = field(default_factory=lambda: {True: bytearray(), False: bytearray()})

    def records(self, chunk: bytes, *, client: bool) -> list[int]:
        """Return the lengths of the lines in the sealed records that *chunk* completes."""
        rest = self.rest[client]
        rest += chunk
        found = []
        while len(rest) >= RECORD_HEADING_BYTES:
            length = int.from_bytes(rest[3:5], "big")
            if len(rest) < RECORD_HEADING_BYTES + length:
                break
            if rest[0] == APPLICATION_DATA:
                found.append(length - SEALED_BYTES)
            del rest[: RECORD_HEADING_BYTES + length]
        return found


class Relay:
    """Everything that passes, in one thread."""

    def __init__(self, server_port: int, count: int) -> None:
        """Listen on *count* ports of loopback."""
        self.server_port = server_port
        self.listeners = [socket.create_server(("127.0.0.1", 0), backlog=64) for _ in range(count)]
        self.epoll = select.epoll()
        self.boxes = {one.fileno(): box for box, one in enumerate(self.listeners)}
        self.ends: dict[int, tuple[socket.socket, socket.socket, Session, bool]] = {}
        self.opening = self.opening_peak = 0
        self.idling: set[int] = set()
        self.idling_at: list[float] = []
        """When each mailbox idled for the first time."""
        self.told: list[tuple[int, float]] = []
        """Which idling mailbox was told something, and when (`time.monotonic`)."""
        self.sweeps = 0
        for fd in self.boxes:
            self.epoll.register(fd, select.EPOLLIN)
        self.epoll.register(sys.stdin.fileno(), select.EPOLLIN)

    def run(self) -> None:
        """Pass on until the input ends."""
        while True:
            for fd, _ in self.epoll.poll():
                if fd == sys.stdin.fileno():
                    if not sys.stdin.readline():
                        return
                    self.tell()
                elif fd in self.boxes:
                    self.accept(fd)
                elif fd in self.ends:
                    self.pass_on(*self.ends[fd])

    def tell(self) -> None:
        """Answer with what was seen so far."""
        seen = {"opening_peak": self.opening_peak, "idling": len(self.idling), "told": self.told}
        print(json.dumps({**seen, "idling_at": self.idling_at, "sweeps": self.sweeps}), flush=True)

    def accept(self, fd: int) -> None:
        """Join a client with the server."""
        box = self.boxes[fd]
        client, _ = self.listeners[box].accept()
        server = socket.create_connection(("127.0.0.1", self.server_port))
        session = Session(box)
        self.opening += 1
        self.opening_peak = max(self.opening_peak, self.opening)
        for source, target, of_client in ((client, server, True), (server, client, False)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.ends[source.fileno()] = source, target, session, of_client
            self.epoll.register(source.fileno(), select.EPOLLIN)

    def pass_on(self, source: socket.socket, target: socket.socket, session: Session, client: bool) -> None:  # noqa: FBT001 - as it is kept
        """Pass a chunk on; nothing here is large enough to fill a socket's buffer."""
        try:
            chunk = source.recv(CHUNK_BYTES)
            now = time.monotonic()
            target.sendall(chunk)
        except OSError:
            chunk = b""
        if not chunk:
            self.end(source, target, session)
            return
        for length in session.records(chunk, client=client):
            (self.client_said if client else self.server_said)(session, length, now)

    def client_said(self, session: Session, length: int, _now: float) -> None:
        """Count what it said; DONE ends its idling."""
        session.said += 1
        if session.idling and length == DONE_BYTES:
            session.idling = False
            self.idling.discard(session.box)
            self.sweeps += 1

    def server_said(self, session: Session, length: int, now: float) -> None:
        """See the folder open, IDLE begin, and what is announced in it."""
        if not session.opened and session.said >= OPENING_RECORDS:
            session.opened = True
            self.opening -= 1
        if session.idling and length in EXISTS_BYTES:
            self.told.append((session.box, now))
        elif length == IDLING_BYTES and not session.idling:
            session.idling = True
            self.idling.add(session.box)
            self.idling_at.append(now)

    def end(self, source: socket.socket, target: socket.socket, session: Session) -> None:
        """One side closed."""
        if not session.opened:
            session.opened = True
            self.opening -= 1
        self.idling.discard(session.box)
        for one in (source, target):
            self.ends.pop(one.fileno(), None)
            one.close()


class Tap:
    """Such a process, for whoever wants to know."""

    def __init__(self, server_port: int, count: int) -> None:
        """Put it before *server_port*, with a port for each of *count* mailboxes."""
        command = mortal([sys.executable, "-m", "tests.lab.tap", str(server_port), str(count)])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ports: list[int] = json.loads(self._line())

    def tell(self) -> dict[str, Any]:
        """Return what it saw so far: `Relay.tell`."""
        assert self.process.stdin is not None
        print("tell", file=self.process.stdin, flush=True)
        told: dict[str, Any] = json.loads(self._line())
        return told

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self) -> None:
        """Take it away."""
        self.process.communicate()


def main() -> None:
    """Say the ports in one line, then serve."""
    relay = Relay(int(sys.argv[1]), int(sys.argv[2]))
    print(json.dumps([one.getsockname()[1] for one in relay.listeners]), flush=True)
    relay.run()


if __name__ == "__main__":
    main()
