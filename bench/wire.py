"""A wire between an IMAP client and its server that notes when a line with EXISTS went to the client."""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import suppress

EXISTS = re.compile(rb"^\* (\d+) EXISTS\r\n", re.MULTILINE)


class Wire:
    """Listens on `port` and passes everything on to the server, unchanged."""

    def __init__(self, server_port: int) -> None:
        """Begin to listen on loopback."""
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.told: dict[int, float] = {}
        """When `n EXISTS` was first passed on, for each n; `time.perf_counter` seconds."""
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, listens: bool) -> None:  # noqa: FBT001 - a thread's argument
        with suppress(OSError):
            while data := source.recv(65536):
                if listens and len(data) < 1000:  # a notification comes alone
                    now = time.perf_counter()
                    for found in EXISTS.finditer(data):
                        self.told.setdefault(int(found[1]), now)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
