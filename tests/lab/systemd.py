"""systemd's end of the notification socket, see sd_notify(3)."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.lab.processes import until


class Systemd:
    """The end of the socket that systemd reads, and what came there so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(0)
        self.told: list[dict[str, str]] = []

    def heard(self, *words: str) -> bool:
        """Tell whether something with all of *words* (`NAME=value`, or a part of the status) came."""
        while True:
            try:
                lines = self.socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                break
            self.told.append(dict(line.split("=", 1) for line in lines))
        joined = ["\n".join(f"{name}={value}" for name, value in one.items()) for one in self.told]
        return any(all(word in one for word in words) for one in joined)

    def wait_for(self, *words: str, limit_s: float = 20) -> None:
        until(lambda: self.heard(*words), limit_s, what=f"{words} ({self.told})")

    def forget(self) -> None:
        self.heard()
        self.told.clear()
