"""Hot reload of the running daemon: who is not named in the difference notices nothing, by the server's own log."""

from __future__ import annotations

import itertools
import json
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.lab import mailmix
from tests.lab.daemon import Daemon
from tests.lab.dovecot import Dovecot
from tests.lab.imap_server import PASSWORD
from tests.lab.ledger import close_books, digest
from tests.lab.processes import free_ports, until
from tests.lab.stand import Stand
from tests.lab.systemd import Systemd

pytestmark = pytest.mark.real

NUMBERS = itertools.count(1)
WITHIN_S = 1.0
SETTLE_S = 0.3


class Fleet:
    """Several mailboxes on one Dovecot, and their daemon."""

    def __init__(self, dovecot: Dovecot, directory: Path, *names: str, **keys: Any) -> None:
        self.dovecot = dovecot
        number = next(NUMBERS)
        self.users = {name: f"fleet{number}{name}" for name in names}
        for user in self.users.values():
            dovecot.fill(user, [])
        self.boxes: dict[str, dict[str, Any]] = {name: dovecot.box(user, **keys) for name, user in self.users.items()}
        self.daemon = Daemon(directory / "fleet", self.boxes)

    def configure(self) -> None:
        """Write conf.d anew, in one rename."""
        path = self.daemon.conf / "10-test.toml"
        aside = self.daemon.directory / "aside"
        Daemon.configure(_At(self.daemon, aside), self.boxes)
        (aside / "10-test.toml").replace(path)

    def logins(self) -> dict[str, int]:
        return {name: self.dovecot.logins(user) for name, user in self.users.items()}

    def discard(self) -> None:
        self.daemon.end()
        for user in self.users.values():
            self.dovecot.forget(user)


class _At(Daemon):
    """The same daemon's files somewhere else."""

    def __init__(self, daemon: Daemon, conf: Path) -> None:
        self.__dict__.update(daemon.__dict__)
        self.conf = conf
        conf.mkdir(exist_ok=True)


@pytest.fixture
def fleets(dovecot: Dovecot, tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    made: list[Fleet] = []

    def make(*names: str, **keys: Any) -> Fleet:
        made.append(Fleet(dovecot, tmp_path, *names, **keys))
        return made[-1]

    yield make
    for fleet in made:
        fleet.discard()


@contextmanager
def a_server_that_hangs() -> Iterator[int]:
    """Takes connections and never says a word: a TLS handshake hangs there for good."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


def reloaded(daemon: Daemon) -> tuple[float, dict[str, Any]]:
    begun = time.monotonic()
    status, told = daemon.post("/api/v1/reload")
    assert status == 200, told
    return time.monotonic() - begun, told


def test_a_reload_is_done_within_a_second_and_who_is_not_named_keeps_its_connection(
    fleets: Callable[..., Fleet],
) -> None:
    fleet = fleets("idle", "changed", "closed", "hangs", poll_s=300)
    daemon = fleet.daemon
    with a_server_that_hangs() as hanging:
        fleet.boxes["closed"] |= {"port": free_ports(1)[0]}
        fleet.boxes["hangs"] |= {"port": hanging, "security": "ssl"}
        fleet.configure()
        daemon.start_and_answer()
        daemon.wait_until_idle("idle")
        daemon.wait_until_idle("changed")
        daemon.wait_until(lambda unit: unit["state"] == "waiting", "closed")
        time.sleep(1.5)  # reloads keep a distance
        before = fleet.logins()
        assert (before["idle"], before["changed"]) == (1, 1)
        since = daemon.unit("idle")["since"]
        for name in ("hangs", "closed", "changed"):
            fleet.boxes[name]["title"] = f"{name}, changed"
            fleet.configure()
            took_s, told = reloaded(daemon)
            print(f"reload that restarts {name}: {took_s * 1000:.0f} ms")
            assert told["changes"] == [{"unit": f"incoming/{name}", "act": "restart", "keys": ["title"]}]
            assert told["kept"] == 3
            assert took_s < WITHIN_S
            time.sleep(1)
        daemon.wait_until_idle("changed")
        assert fleet.logins() == before | {"changed": 2}
        assert daemon.unit("idle")["since"] == since
        begun = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - begun < 2, "a stop waits for nobody who hangs"


def test_a_file_that_changes_is_taken_up_within_a_second_without_a_word(fleets: Callable[..., Fleet]) -> None:
    fleet = fleets("one", "two", poll_s=300)
    daemon = fleet.daemon
    daemon.start_and_answer()
    daemon.wait_until_idle("one")
    daemon.wait_until_idle("two")
    fleet.boxes["two"]["group"] = "Second level"
    time.sleep(0.5)  # the kernel is listened to
    fleet.configure()
    begun = time.monotonic()
    until(lambda: json.loads(daemon.get("/api/v1/status"))["generation"] == 2, 5, 0.01, "the reload")
    print(f"from the rename to the reload: {(time.monotonic() - begun) * 1000:.0f} ms")
    assert time.monotonic() - begun < WITHIN_S
    until(lambda: fleet.logins() == {"one": 1, "two": 2}, 5, what="the second login")
    fleet.dovecot.deliver(fleet.users["two"], *mailmix.small(1))
    daemon.wait_until_settled(1, "two")
    tickets = json.loads(daemon.command("tickets", "list", "--json").stdout)
    assert [ticket["group"] for ticket in tickets] == ["Second level"]


def test_a_mailbox_that_is_added_removed_or_disabled_comes_and_goes(fleets: Callable[..., Fleet]) -> None:
    fleet = fleets("one", "two", "three")
    daemon = fleet.daemon
    two = fleet.boxes.pop("two")
    fleet.configure()
    daemon.start_and_answer()
    daemon.wait_until_idle("one")
    fleet.boxes["two"] = two
    del fleet.boxes["one"]
    fleet.boxes["three"]["enabled"] = False
    fleet.configure()
    until(lambda: json.loads(daemon.get("/api/v1/status"))["generation"] == 2, 5, what="the reload")
    daemon.wait_until_idle("two")
    states = {unit["name"]: unit["state"] for unit in json.loads(daemon.get("/api/v1/status"))["units"]}
    assert states == {"incoming/two": "running", "incoming/three": "stopped"}
    assert daemon.command("status").returncode == 0
    assert daemon.post("/api/v1/units/incoming/one/poll")[0] == 404
    assert daemon.post("/api/v1/units/incoming/three/poll")[0] == 404


def test_a_broken_file_changes_nothing_and_is_visible_everywhere(fleets: Callable[..., Fleet]) -> None:
    fleet = fleets("one", poll_s=300)
    daemon = fleet.daemon
    daemon.start_and_answer()
    daemon.wait_until_idle("one")
    time.sleep(0.5)
    broken = daemon.conf / "50-broken.toml"
    broken.write_text('[http]\nadmin_tokn = "canary-4711"\n')
    until(lambda: daemon.metric("mailwicket_config_refused") == 1, 3, what="the refusal")
    words = "50-broken.toml:2: http.admin_tokn: unknown key (nearest known key: admin_token)"
    for command in ("check", "reload", "plan"):
        ended = daemon.command(command)
        assert (ended.returncode, words in ended.stderr) == (1, True), command
    status = daemon.command("status")
    assert status.returncode == 1, "a warning at first; critical when it lasts"
    assert words in status.stdout
    assert json.loads(daemon.get("/readyz"))["config"] == {"ok": False, "reason": "config_refused"}
    assert json.loads(daemon.get("/api/v1/status"))["config"]["ok"] is False
    fleet.dovecot.deliver(fleet.users["one"], *mailmix.small(1))
    daemon.wait_until_settled(1, "one")
    broken.unlink()
    until(lambda: daemon.metric("mailwicket_config_refused") == 0, 3, what="its end")
    assert daemon.command("status").returncode == 0
    assert daemon.metric("mailwicket_config_generation") == 1
    assert fleet.logins() == {"one": 1}
    assert "canary" not in daemon.log


def with_a_sign_somewhere(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text))
    return text[:at] + chance.choice("[]={}\"'\\\x00\n#") + text[at:]


MUTATIONS: list[Callable[[random.Random, str], str]] = [
    lambda chance, text: text[: chance.randrange(len(text))],
    with_a_sign_somewhere,
    lambda chance, text: "\n".join(chance.sample(lines := text.split("\n"), len(lines))),
    lambda chance, text: text.replace(chance.choice(["true", "port", "email", "[", "="]), "canary-4711", 1),
    lambda _, text: text + "\n[nonsense]\nx = 1\n",
    lambda _, text: text * 2,
    lambda _, text: text.replace("port = ", "port = 1e9", 1),
    lambda _, text: text.encode().decode("latin-1") + "\xff",
]


def test_50_mutations_of_a_good_file_during_load_drop_no_connection_and_no_mail_is_late(
    fleets: Callable[..., Fleet],
) -> None:
    fleet = fleets("one", poll_s=300)
    daemon = fleet.daemon
    path = daemon.conf / "10-test.toml"
    good = path.read_text()
    daemon.start_and_answer()
    daemon.wait_until_idle("one")
    chance = random.Random(4711)
    mails = iter(mailmix.small(60, seed=3))
    worst_s, refused = 0.0, 0
    for number in range(50):
        text = good
        while _still_the_same(daemon, text, good):
            text = MUTATIONS[number // 2 % len(MUTATIONS)](chance, good)
        path.write_text(text)
        refused += daemon.post("/api/v1/reload")[0] != 200
        if number % 2:
            sent = time.monotonic()
            fleet.dovecot.deliver(fleet.users["one"], next(mails))
            until(lambda: daemon.count("settled", "one") == number // 2 + 1, 5, 0.002, "the ticket")  # noqa: B023 - called at once
            worst_s = max(worst_s, time.monotonic() - sent)
        assert PASSWORD not in daemon.log
    path.write_text(good)
    assert daemon.post("/api/v1/reload")[0] == 200
    print(f"50 mutations, {refused} refused; worst delivery to settled {worst_s * 1000:.0f} ms")
    assert refused == 50
    assert fleet.logins() == {"one": 1}
    assert worst_s < 1


def _still_the_same(daemon: Daemon, text: str, good: str) -> bool:
    """A mutation may be harmless: those are not counted."""
    if text == good:
        return True
    (daemon.directory / "probe").mkdir(exist_ok=True)
    (daemon.directory / "probe" / "10-test.toml").write_text(text)
    return daemon_check(daemon.directory / "probe")


def daemon_check(directory: Path) -> bool:
    from mailwicket.backends.desk import EmbeddedDesk
    from mailwicket.config.load import load
    from mailwicket.sources.imap import ImapSource

    loaded = load(
        directory, {}, backends={"desk": EmbeddedDesk.Config}, sources={"imap": ImapSource.Config}, senders={}
    )
    return loaded.settings is not None


def test_a_storm_of_1000_hangups_during_load_is_a_few_reloads_and_leaves_nothing_behind(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemd, daemon = Systemd(tmp_path / "notify"), stand.daemon
    monkeypatch.setenv("NOTIFY_SOCKET", str(systemd.path))
    stand.lay(mailmix.small(50))
    daemon.start_and_answer()
    daemon.wait_until_settled(50)
    daemon.wait_until_idle()
    time.sleep(0.5)
    before = daemon.descriptors(), daemon.threads()
    loads = threading.Thread(target=stand.deliver, args=list(mailmix.small(200, seed=5)))
    loads.start()
    for number in range(1000):
        daemon.running.send_signal(signal.SIGHUP)
        if number % 100 == 50:
            stand.configure(title=f"changed {number}")
        time.sleep(0.01)
        systemd.heard()
    loads.join()
    daemon.wait_until_settled(250)
    time.sleep(1.5)
    systemd.heard()
    reloads = sum("RELOADING" in told for told in systemd.told)
    changed = sum("conf.d reloaded" in line for line in daemon.told("info"))
    print(f"1000 SIGHUPs: {reloads} reloads, {changed} found changes; descriptors and threads {before} -> ", end="")
    print((daemon.descriptors(), daemon.threads()))
    assert 1 <= changed <= reloads < 25, "at most one in 0.6 s"
    systemd.socket.close()
    until(lambda: daemon.descriptors() <= before[0], 10, what="the descriptors of before")
    assert daemon.threads() <= before[1] + 2
    assert daemon.stop() == 0
    stand.close()


@pytest.mark.parametrize("times", [8, pytest.param(200, marks=[pytest.mark.torture, pytest.mark.timeout(1200)])])
def test_a_mailbox_that_is_removed_amid_its_fetch_leaves_nothing_half(fleets: Callable[..., Fleet], times: int) -> None:
    fleet = fleets("one", "two")
    daemon = fleet.daemon
    one = fleet.boxes["one"]
    made: set[str] = set()
    daemon.start_and_answer()
    daemon.wait_until_idle("two")
    chance = random.Random(1)
    for number in range(times):
        mails = list(mailmix.mix(25, seed=number + 100, largest_bytes=300_000))
        made |= {digest(raw) for raw in mails}
        fleet.dovecot.fill(fleet.users["one"], mails)
        for boxes in ({"two": fleet.boxes["two"]}, {"one": one, "two": fleet.boxes["two"]}):
            daemon.post("/api/v1/units/incoming/one/poll")
            time.sleep(chance.uniform(0, 0.15))
            fleet.boxes = dict(boxes)
            fleet.configure()
            reloaded(daemon)
    daemon.wait_until_settled(25 * times, "one", limit_s=120)
    assert fleet.logins()["two"] == 1
    assert daemon.stop() == 0
    served = [digest(raw) for _, raw in fleet.dovecot.served(fleet.users["one"])]
    books = close_books(daemon.state_dir, served, set())
    assert books.balanced, str(books)
    assert daemon.ask("SELECT sum(attempts) FROM intake_row") == [(0,)], "a removal was taken for a death"


def test_a_refused_login_is_over_when_the_secret_s_file_holds_another_one(
    fleets: Callable[..., Fleet], tmp_path: Path
) -> None:
    fleet = fleets("one", "two")
    secret = tmp_path / "password"
    fleet.boxes["one"]["password"] = None
    fleet.configure()
    path = fleet.daemon.conf / "20-secret.toml"
    path.write_text(f'[incoming.one]\npassword = {{ file = "{secret}" }}\n')
    daemon = fleet.daemon
    daemon.start_and_answer()
    daemon.wait_until(lambda unit: unit["reason"] == "secret_missing", "one")
    secret.write_text("wrong\n")
    reloaded(daemon)
    daemon.wait_until(lambda unit: unit["reason"] == "login_refused", "one")
    daemon.wait_until_idle("two")
    assert reloaded(daemon)[1]["changes"] == [], "the same secret is not tried again"
    secret.write_text(f"{PASSWORD}\n")
    assert reloaded(daemon)[1]["changes"] == [{"unit": "incoming/one", "act": "restart", "keys": ["password"]}]
    daemon.wait_until_idle("one")
    assert fleet.logins()["two"] == 1
    until(lambda: sum("is back" in line for line in daemon.told("info")) == 1, 2, what="the line of its return")


def test_a_pause_holds_over_a_restart_and_a_poll_finds_mail_that_was_not_announced(stand: Stand) -> None:
    daemon = stand.daemon
    daemon.start_and_answer()
    daemon.wait_until_idle()
    assert daemon.command("pause", "box").stdout == "incoming/box is paused; mail waits on its server\n"
    daemon.wait_until(lambda unit: unit["state"] == "paused")
    stand.deliver(*mailmix.small(3))
    assert daemon.stop() == 0
    daemon.start_and_answer()
    daemon.wait_until(lambda unit: unit["state"] == "paused")
    assert daemon.command("status").returncode == 1
    assert daemon.command("poll", "box").returncode == 1
    time.sleep(0.5)
    assert daemon.count("settled") == 0
    assert daemon.command("resume", "incoming/box").returncode == 0
    daemon.wait_until_settled(3)
    daemon.wait_until_idle()
    logins = stand.dovecot.logins(stand.user)
    assert daemon.command("poll", "box").stdout == "incoming/box looks for new mail now\n"
    assert daemon.stop() == 0
    assert stand.dovecot.logins(stand.user) == logins, "a poll does not cost the connection"
    stand.close()


def test_plan_tells_what_a_reload_would_do_and_does_nothing(fleets: Callable[..., Fleet], tmp_path: Path) -> None:
    fleet = fleets("one", "two", poll_s=300)
    daemon = fleet.daemon
    daemon.start_and_answer()
    daemon.wait_until_idle("one")
    other = tmp_path / "other"
    other.mkdir()
    text = (daemon.conf / "10-test.toml").read_text()
    (other / "10-test.toml").write_text(text.replace("[incoming.two]", "[incoming.three]"))
    ended = daemon.command("plan", "--against", str(other))
    assert ended.stdout.splitlines()[-3:] == [
        "stop     incoming/three",
        "start    incoming/two",
        "1 other units are not touched",
    ]
    assert daemon.command("plan").stdout.endswith("a reload would change nothing\n")
    assert fleet.logins()["one"] == 1


def test_a_secret_command_that_hangs_holds_up_neither_a_reload_nor_a_stop_and_its_new_word_is_used(
    fleets: Callable[..., Fleet], tmp_path: Path
) -> None:
    fleet = fleets("one", "two", poll_s=300)
    script = tmp_path / "secret"
    script.write_text(f"#!/bin/sh\necho {PASSWORD}\n")
    script.chmod(0o700)
    fleet.boxes["one"]["password"] = None
    fleet.configure()
    daemon = fleet.daemon
    (daemon.conf / "20-secret.toml").write_text(f'[incoming.one]\npassword = {{ command = ["{script}"] }}\n')
    daemon.start_and_answer()
    daemon.wait_until_idle("one")
    daemon.wait_until_idle("two")
    aside = tmp_path / "aside"
    for text in ("echo another", f"echo {PASSWORD}"):
        aside.write_text(f"#!/bin/sh\nsleep 1\n{text}\n")
        aside.chmod(0o700)
        aside.replace(script)
        time.sleep(0.7)
        took_s, told = reloaded(daemon)
        assert told["changes"] == []
        assert took_s < WITHIN_S
        state = "blocked" if "another" in text else "running"
        daemon.wait_until(lambda unit: unit["state"] == state, "one")  # noqa: B023 - called at once
    assert fleet.logins()["two"] == 1
    script.write_text("#!/bin/sh\nsleep 8\n")
    reloaded(daemon)
    time.sleep(0.2)
    begun = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begun < 3
