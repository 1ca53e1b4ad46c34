"""A resolver of one's own, which only one process asks: it answers, is silent, answers late, or wrongly."""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from threading import Thread, Timer

from tests.lab.daemon import Daemon

PLACE = "127.0.0.77", 53
A, SERVFAIL, NXDOMAIN = 1, 2, 3


class Resolver:
    """Answers for the names that it knows by IPv4 addresses, in the `mode` of the moment."""

    def __init__(self, names: Mapping[str, str], daemon: Daemon) -> None:
        """Be asked by *daemon* alone, from its next start on: in a mount namespace of its own resolv.conf(5) names us.

        Raises:
            OSError, subprocess.CalledProcessError: this machine does not let us.
        """
        self.names = dict(names)
        self.mode = "well"
        """`well`, `silent`, `late` (30 s), `refuses` (SERVFAIL), `denies` (NXDOMAIN) or `lies` (nobody is there)."""
        self.asked = 0
        self._conf = daemon.directory / "resolv.conf"
        self.be_asked("")
        script = f'mount --bind {self._conf} /etc/resolv.conf && exec "$@"'
        daemon.launcher = ["unshare", "--mount", "sh", "-c", script, "sh"]
        subprocess.run([*daemon.launcher, "true"], check=True)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(PLACE)
        self._thread = Thread(target=self._run)
        self._thread.start()

    def be_asked(self, options: str) -> None:
        """Have who starts from now on ask with *options* of resolv.conf(5)."""
        self._conf.write_text(f"nameserver {PLACE[0]}\noptions {options}\n")

    def close(self) -> None:
        """End."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", PLACE)
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while True:
            question, who = self._socket.recvfrom(512)
            if not question:
                return
            self.asked += 1
            if self.mode == "silent":
                continue
            answer = self._answer(question, self.mode)
            if self.mode == "late":
                timer = Timer(30, self._send, (answer, who))
                timer.daemon = True
                timer.start()
            else:
                self._send(answer, who)

    def _send(self, answer: bytes, who: tuple[str, int]) -> None:
        with suppress(OSError):
            self._socket.sendto(answer, who)

    def _answer(self, question: bytes, mode: str) -> bytes:
        """RFC 1035 4.1: the header and the question again, then at most one address."""
        labels, place = [], 12
        while length := question[place]:
            labels.append(question[place + 1 : place + 1 + length].decode())
            place += 1 + length
        asked = question[12 : place + 5]
        (kind,) = struct.unpack_from("!H", question, place + 1)
        address = self.names.get(".".join(labels).casefold())
        if address is not None and mode == "lies":
            address = "127.0.0.78"  # refuses every connection
        code = {"refuses": SERVFAIL, "denies": NXDOMAIN}.get(mode, NXDOMAIN if address is None else 0)
        record = b""
        if kind == A and code == 0 and address is not None:
            record = struct.pack("!HHHIH", 0xC00C, A, 1, 0, 4) + socket.inet_aton(address)
        header = question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, 1 if record else 0, 0, 0)
        return header + asked + record
