"""`mailwicket run` as a process, on a configuration and a state directory of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import mailwicket
from tests.lab.processes import mortal, until

MIB = 1024 * 1024
PATCHES = Path(__file__).with_name("patches")
NOT_OURS = ("MAILWICKET_", "PYTHONDONTWRITEBYTECODE")  # it starts hundreds of times: compiled once, as when installed


class Daemon:
    """One configuration; the process behind it may come and go."""

    def __init__(
        self, directory: Path, boxes: Mapping[str, Mapping[str, Any]], *, state_dir: Path | None = None, **tables: Any
    ) -> None:
        """Configure it, and keep everything below *directory* unless *state_dir* names a place. Starts nothing."""
        self.directory = directory
        self.conf = directory / "conf.d"
        self.state_dir = state_dir or directory / "state"
        self.socket = directory / "admin.sock"
        self.process: subprocess.Popen[bytes] | None = None
        self.patches: dict[str, str] = {}
        """What of `tests/lab/patches` is to be changed in its code, and further variables of its environment."""
        self.launcher: list[str] = []
        """A command that the daemon's own is given to."""
        self.conf.mkdir(parents=True)
        self.configure(boxes, **tables)

    def configure(self, boxes: Mapping[str, Mapping[str, Any]], **tables: Any) -> None:
        """Write conf.d for *boxes* (`[incoming.NAME]` each) and further *tables*; a key that is None is left out."""
        daemon = {"state_dir": str(self.state_dir), "log_format": "json", **tables.pop("daemon", {})}
        written = {"daemon": daemon, "http": {"listen": [f"unix:{self.socket}"]}, **tables}
        written |= {f"incoming.{name}": box for name, box in boxes.items()}
        (self.conf / "10-test.toml").write_text("\n".join(_table(name, keys) for name, keys in written.items()))
        (self.conf / "10-test.toml").chmod(0o600)

    # --- the process

    def start(self, failpoint: str | None = None) -> None:
        """Start it and return at once; *failpoint* is `NAME:HIT:ACTION`."""
        assert self.process is None or self.process.poll() is not None, "it runs already"
        environ = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
        if self.patches:
            path = [str(PATCHES), str(Path(mailwicket.__file__).parents[1]), environ.get("PYTHONPATH", "")]
            environ |= {**self.patches, "PYTHONPATH": os.pathsep.join(filter(None, path))}
        if failpoint is not None:
            environ["MAILWICKET_FAILPOINT"] = failpoint
        self.socket.unlink(missing_ok=True)
        with (self.directory / "log").open("ab") as log:
            command = mortal([*self.launcher, sys.executable, "-m", "mailwicket", "run", "--conf", str(self.conf)])
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)

    def start_and_answer(self, limit_s: float = 30) -> None:
        """Start it and wait until it answers; its mailboxes are only then connected to."""
        self.start()
        until(self.answers, limit_s, 0.002, "the daemon's answer")

    def answers(self) -> bool:
        """Tell whether it listens; it has not ended.

        Raises:
            RuntimeError: it ended by itself.
        """
        self.expect_running()
        return self._listens()

    def expect_running(self) -> None:
        """Raise if it ended.

        Raises:
            RuntimeError: it did; with what it said.
        """
        if self.running.poll() is not None:
            raise RuntimeError(f"mailwicket ended with {self.running.returncode}: {self.log[-2000:]}")

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self.process is not None, "it was never started"
        return self.process

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return how it ended: negative for a signal, else the exit code."""
        self.running.send_signal(number)
        return self.running.wait(20)

    def kill(self) -> None:
        """End it as a power-off of the process would."""
        self.stop(signal.SIGKILL)

    def died(self, limit_s: float = 30) -> bool:
        """Wait for its death by a failpoint."""
        return self.running.wait(limit_s) == -signal.SIGKILL

    def ended_by_itself(self, holds: Callable[[], object], limit_s: float = 60) -> bool:
        """Wait until it ends or *holds* answers yes; then end it orderly, and tell whether it had died of SIGKILL."""
        until(
            lambda: self.running.poll() is not None or (self._listens() and holds()),
            limit_s,
            0.01,
            "its end, or what it works for",
        )
        code = self.stop()
        assert code in {0, -signal.SIGKILL}, f"it ended with {code}: {self.log[-2000:]}"
        return code != 0

    def end(self) -> None:
        """End whatever runs; for clean-up."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    # --- what it says

    @property
    def log(self) -> str:
        """Everything it logged so far."""
        return (self.directory / "log").read_text(errors="replace")

    def told(self, *levels: str) -> list[str]:
        """What it said at *levels*, line by line."""
        lines = (json.loads(line) for line in self.log.splitlines() if line.startswith("{"))
        return [line["event"] for line in lines if line["level"] in levels]

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another `mailwicket` command on the same configuration."""
        command = [sys.executable, "-m", "mailwicket", *words, "--conf", str(self.conf)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def get(self, path: str) -> bytes:
        """Ask its HTTP endpoint over the unix socket."""
        return self.ask_http("GET", path)[1]

    def post(self, path: str) -> tuple[int, Any]:
        """Have its HTTP endpoint do something; return the status and the JSON."""
        status, body = self.ask_http("POST", path)
        return status, json.loads(body)

    def ask_http(self, method: str, path: str) -> tuple[int, bytes]:
        """Ask over the unix socket; return the status and the body."""
        with closing(http.client.HTTPConnection("localhost", timeout=10)) as connection:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(10)
            connection.sock.connect(str(self.socket))
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def unit(self, name: str = "box") -> dict[str, Any]:
        """What status tells of `incoming.NAME`."""
        return self.units()[f"incoming/{name}"]

    def units(self) -> dict[str, dict[str, Any]]:
        """What status tells of every unit, by name."""
        return {unit["name"]: unit for unit in json.loads(self.get("/api/v1/status"))["units"]}

    def ready(self) -> tuple[bool, str | None]:
        """What readyz tells: whether it is, and what is wrong with the store."""
        told = json.loads(self.get("/readyz"))
        return told["ready"], told["store"]["reason"]

    def lives_within_s(self) -> float:
        """How long livez takes to answer."""
        asked = time.monotonic()
        assert self.ask_http("GET", "/livez") == (200, b"ok\n")
        return time.monotonic() - asked

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        lines = self.get("/metrics").decode().splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))

    # --- what it holds

    def descriptors(self) -> int:
        """How many files and sockets are open."""
        return sum(1 for _ in Path(f"/proc/{self.running.pid}/fd").iterdir())

    def connections(self, port: int) -> set[str]:
        """Its TCP connections to *port*: the same name is the same connection."""
        found: set[str] = set()
        for file in Path(f"/proc/{self.running.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                found.add(str(file.readlink()))
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ours = {f"socket:[{line[9]}]" for line in lines if line[2].endswith(f":{port:04X}") and line[3] == "01"}
        return found & ours

    def threads(self) -> int:
        """How many threads it has."""
        return sum(1 for _ in Path(f"/proc/{self.running.pid}/task").iterdir())

    # --- what it did

    def ask(self, question: str, *values: Any) -> list[Any]:
        """Ask its database; before there is one, nothing is known."""
        path = self.state_dir / "mailwicket.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
            try:
                return database.execute(question, values).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def count(self, state: str, source: str = "box") -> int:
        """Count the mails in a state of the newest numbering of *source*."""
        question = (
            "SELECT count(*) FROM intake WHERE state = ? AND source = ? "
            "AND epoch = (SELECT epoch FROM place WHERE source = ? ORDER BY place_id DESC LIMIT 1)"
        )
        found = self.ask(question, state, source, source)
        return int(found[0][0]) if found else 0

    def wait_until_settled(self, mails: int, source: str = "box", limit_s: float = 60) -> None:
        """Wait until so many mails are tickets and their server's copies say so."""

        def settled() -> bool:
            self.expect_running()
            return self.count("settled", source) >= mails

        try:
            until(settled, limit_s, 0.03)
        except TimeoutError:
            states = self.ask("SELECT source, state, count(*) FROM intake GROUP BY source, state")
            raise TimeoutError(f"{mails} mails were not settled: {states}; {self.log[-2000:]}") from None

    def wait_until(self, holds: Callable[[dict[str, Any]], object], source: str = "box", limit_s: float = 30) -> None:
        """Wait until *holds* is true of what status tells of `incoming.NAME`."""
        until(lambda: self.answers() and holds(self.unit(source)), limit_s, 0.01, "that state of the unit")

    def wait_until_idle(self, source: str = "box", limit_s: float = 30) -> None:
        """Wait until it has done whatever the server showed it since it started."""

        def idle() -> bool:
            return self.answers() and self.unit(source)["last_success"] is not None

        until(idle, limit_s, 0.02, "doing everything")

    def reasons(self, source: str = "box") -> list[str]:
        """The reason code of every decided mail, in their order on the server."""
        return [r for (r,) in self.ask("SELECT reason FROM intake WHERE source = ? ORDER BY intake_id", source) if r]

    # --- what it costs

    def memory_peak_bytes(self) -> int:
        """The largest resident sizes so far of the daemon and the process that reads for it, added up."""
        return sum(_memory(pid, "VmHWM") for pid in self._family())

    def memory_bytes(self) -> int:
        """The resident size now."""
        return sum(_memory(pid, "VmRSS") for pid in self._family())

    def cpu_s(self) -> float:
        """User and system time so far, of children too."""
        spent = 0
        for pid in self._family():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            spent += sum(map(int, fields[11:15]))
        return spent / os.sysconf("SC_CLK_TCK")

    def _family(self) -> list[int]:
        """The process and its children."""
        pid = self.running.pid
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [pid, *(int(child) for task in tasks for child in (task / "children").read_text().split())]


def _memory(pid: int, name: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(f"{name}:")) * 1024


def _table(name: str, keys: Mapping[str, Any]) -> str:
    """Write a table of TOML: JSON's strings, numbers, booleans and lists are TOML's."""
    lines: Iterable[str] = (f"{key} = {json.dumps(value)}" for key, value in keys.items() if value is not None)
    return "\n".join([f"[{name}]", *lines, ""])
