"""The daemon with its desk elsewhere: an outage of the desk, and deaths while effects are on their way."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal
from tests.lab import mailmix
from tests.lab.daemon import Daemon
from tests.lab.dovecot import Dovecot
from tests.lab.ledger import digest
from tests.lab.processes import until
from tests.receiver import SECRET, Hook, Receiver, answers, hangs, nothing_special, receiving_apart

pytestmark = pytest.mark.real


CANARIES = (SECRET, "canary-path", "canary-query")


class Site:
    """Mailboxes, a daemon and a receiver, and what was laid into the mailboxes in which order."""

    def __init__(
        self, directory: Path, dovecot: Dovecot, receiver: Receiver, portal: BlockingPortal, boxes: int, rate: int
    ) -> None:
        self.dovecot = dovecot
        self.receiver = receiver
        self._portal = portal
        self.boxes = [f"{directory.name}-{number}" for number in range(boxes)]
        self.made: dict[str, tuple[str, int]] = {}
        for user in self.boxes:
            dovecot.fill(user, [])
        backend = {"type": "webhook", **receiver.keys(timeout_s=3, rate_per_minute=rate)}
        units = {user: dovecot.box(user, poll_s=1) for user in self.boxes}
        self.daemon = Daemon(directory / "daemon", units, backend=backend)

    def lay(self, count: int, seed: int) -> None:
        """Put *count* mails into each mailbox."""
        for number, user in enumerate(self.boxes):
            raws = list(mailmix.small(count, seed * 100 + number))
            self.made |= {digest(raw): (user, len(self.made) + n) for n, raw in enumerate(raws)}
            self.dovecot.fill(user, raws)

    def does(self, hook: Hook, *, listens: bool = True) -> None:
        """Let the receiver be like that from now on."""
        self._portal.call(self.receiver.hang_up)
        self.receiver.before = hook
        if listens:
            self._portal.call(self.receiver.listen)

    def settled(self) -> int:
        return sum(self.daemon.count("settled", user) for user in self.boxes)

    def unit(self, name: str) -> dict[str, object]:
        told = json.loads(self.daemon.get("/api/v1/status"))
        return next(unit for unit in told["units"] if unit["name"] == name)

    def assert_nothing_is_marked_without_its_effect(self) -> None:
        marked = sum(len(self.dovecot.uids(user, criterion="SEEN")) for user in self.boxes)
        assert marked <= len(self.receiver.effects)

    def close(self) -> str:
        """Close the books: each mail has its entry once, in the order of its mailbox; return the figures."""
        tickets = [[entry["raw_sha256"] for entry in one["entries"]] for one in self.receiver.tickets.values()]
        found = Counter(one for ticket in tickets for one in ticket)
        lost, ghosts = self.made.keys() - found.keys(), found.keys() - self.made.keys()
        doubled = [one for one, count in found.items() if count > 1]
        disorder = [ticket for ticket in tickets if (places := [self.made[one] for one in ticket]) != sorted(places)]
        bad = {"lost": lost, "doubled": doubled, "ghost": ghosts, "disorder": disorder}
        figures = ", ".join([f"{len(self.made)} made", *(f"{name} {len(found)}" for name, found in bad.items())])
        assert not any(bad.values()), figures
        assert self.daemon.ask("SELECT count(*) FROM intake WHERE parked = 1") == [(0,)]
        assert [user for user in self.boxes if self.dovecot.uids(user, criterion="UNSEEN")] == []
        assert not any(canary in self.daemon.log for canary in CANARIES)
        return figures


@pytest.fixture
def sites(tmp_path: Path, dovecot: Dovecot) -> Iterator[Callable[..., Site]]:
    with sites_in(tmp_path, dovecot) as make:
        yield make


@contextmanager
def sites_in(directory: Path, dovecot: Dovecot) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []
    with receiving_apart(directory) as (receiver, portal):

        def make(boxes: int, rate: int) -> Site:
            made.append(Site(directory, dovecot, receiver, portal, boxes, rate))
            return made[-1]

        try:
            yield make
        finally:
            for site in made:
                site.daemon.end()
                for user in site.boxes:
                    dovecot.forget(user)


@pytest.mark.parametrize(
    ("mails", "phase_s", "rate"),
    [(20, 1, 1500), pytest.param(850, 60, 1500, marks=[pytest.mark.torture, pytest.mark.timeout(2000)])],
)
def test_while_the_desk_is_out_mail_waits_and_then_comes_in_order_at_the_rate_that_is_set(
    sites: Callable[..., Site], mails: int, phase_s: float, rate: int
) -> None:
    site = sites(3, rate)
    daemon = site.daemon
    site.lay(mails, seed=1)
    daemon.start_and_answer()
    until(lambda: site.settled() == len(site.made), 300, what="the quiet time")
    since = [site.unit(f"incoming/{user}")["since"] for user in site.boxes]
    for seed, (hook, listens) in enumerate([(nothing_special, False), (hangs, True), (answers(500), True)], 2):
        site.does(hook, listens=listens)
        site.lay(mails, seed)
        until(lambda: site.unit("backend")["state"] in {"waiting", "starting"}, 20, what="the outage")
        time.sleep(phase_s)
        backend = site.unit("backend")
        assert (backend["state"], backend["reason"]) in {("waiting", "backend_down"), ("starting", "backend_down")}
        assert [site.unit(f"incoming/{user}")["state"] for user in site.boxes] == ["running"] * 3
        told = daemon.command("status")
        assert told.returncode == 2
        routes = ("/metrics", "/readyz", "/api/v1/status", "/api/v1/plan")
        heard = [told.stdout.encode(), *map(daemon.get, routes)]
        assert not any(canary.encode() in one for canary in CANARIES for one in heard)
        site.assert_nothing_is_marked_without_its_effect()
    site.receiver.asked.clear()
    site.does(nothing_special)
    waiting = len(site.made) - len(site.receiver.effects)
    until(lambda: site.settled() == len(site.made), 900, what="the drain")
    times = [asked.at for asked in site.receiver.asked]
    measured = 60 * (len(times) - 1) / (times[-1] - times[0])
    print(f"an outage of {3 * phase_s} s, {waiting} mails: drained at {measured:.0f} a minute, set: {rate}")
    assert daemon.command("status").returncode == 0
    assert [site.unit(f"incoming/{user}")["since"] for user in site.boxes] == since, "a mailbox was left"
    assert daemon.stop() == 0
    print(site.close())
    assert daemon.ask("SELECT sum(attempts) FROM intake") == [(0,)], "a mail was blamed"
    assert measured == pytest.approx(rate, rel=0.1)
    lost = [line for line in daemon.told("warning") if line.startswith("backend: ")]
    assert 1 <= len(lost) <= 5, lost  # told when it begins and when its words change, not with each trial
    assert all("; next try in " in line for line in lost)
    assert [line for line in daemon.told("info") if "is back" in line] == ["backend: webhook is back"]


@pytest.mark.parametrize(
    ("kills", "mails"),
    [(3, 36), pytest.param(100, 700, marks=[pytest.mark.torture, pytest.mark.timeout(2000)])],
)
def test_deaths_while_effects_are_on_their_way_lose_and_double_nothing(
    sites: Callable[..., Site], kills: int, mails: int
) -> None:
    site = sites(3, 60_000)
    chance = random.Random(20261124)

    async def forgets(_body: object) -> object:
        return await answers(500)({}) if chance.random() < 0.05 else None

    site.receiver.after = forgets  # type: ignore[assignment]
    daemon = site.daemon
    at_work = 0
    for kill in range(kills):
        site.lay(mails // kills, seed=kill)
        before = len(site.receiver.asked)
        daemon.start_and_answer()
        until(lambda: len(site.receiver.asked) > before, 20, 0.002, "the first effect")  # noqa: B023 - called at once
        time.sleep(chance.expovariate(1 / 0.05))
        daemon.kill()
        at_work += len(site.receiver.effects) < len(site.made)
        site.assert_nothing_is_marked_without_its_effect()
    daemon.start_and_answer()
    until(lambda: site.settled() == len(site.made), 400, what="the rest")
    assert daemon.stop() == 0
    repeats = len(site.receiver.asked) - len(site.receiver.effects)
    print(f"{kills} kills, {at_work} amid effects, {repeats} requests asked again; {site.close()}")
    assert at_work >= kills / 2


def test_a_wrong_secret_costs_one_request_and_is_told_without_it(sites: Callable[..., Site]) -> None:
    site = sites(3, 60_000)
    site.receiver.secret = "another"
    site.lay(5, seed=1)
    site.daemon.start_and_answer()
    until(lambda: site.unit("backend")["state"] == "blocked", 20, what="the refusal")
    time.sleep(2)
    assert site.unit("backend")["reason"] == "login_refused"
    assert site.daemon.command("status").returncode == 2
    (line,) = site.daemon.told("error")
    assert line.startswith(f"backend: https://localhost:{site.receiver.port} answered 401 ")
    assert "refuses our signature; blocked until " in line
    assert site.daemon.stop() == 0
    assert SECRET not in site.daemon.log
    site.receiver.secret = SECRET
    site.daemon.start_and_answer()
    until(lambda: site.settled() == len(site.made), 30, what="the mails")
    assert site.daemon.stop() == 0
    site.close()
