"""The outbox and Microsoft Graph, with the daemon as a process: killed around draft and order, it loses nothing."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from tests.lab.daemon import Daemon
from tests.lab.graph import Lab, serving_aside
from tests.lab.processes import until
from tests.postoffice import PostOffice

DESK, ANN = "desk@example.org", "ann@example.com"
SECRET = "client-secret-canary-4711"
PATIENCE_S = 0.6


class Office:
    """A mailbox at Graph by which an outbox is sent, and the daemon that does it."""

    def __init__(self, lab: Lab, directory: Path, *, reads: bool = False, **keys: object) -> None:
        self.lab = lab
        self.box, self.ann = lab.mailbox(DESK), lab.mailbox(ANN)
        lab.tokens.secret = SECRET
        lab.throttling.mailbox_per_10_min = 10**9
        application = {"provider": "microsoft", "tenant": "example.org", "client_id": "app-1", "client_secret": SECRET}
        oauth = {**application, "grant": "client_credentials", "token_url": lab.token_url}
        server = {
            "email": DESK,
            "protocol": "graph",
            "server": lab.origin,
            "oauth": "office",
            "rate_per_minute": 60_000,
        }
        box = {"email": DESK, "protocol": "graph", "server": lab.origin, "oauth": "office", "poll_s": 1}
        tables = {"oauth.office": oauth, "outgoing.main": {**server, **keys}}
        self.daemon = Daemon(directory, {"box": {**box, "enabled": reads}}, **tables)
        self.daemon.patches = {"LAB_GRAPH_PATIENCE_S": str(PATIENCE_S)}
        self.ids: list[str] = []

    def fill(self, mails: int) -> None:
        """Queue *mails* for Ann; the daemon does not run."""

        async def fill() -> None:
            office = PostOffice(self.daemon.state_dir.parent)
            office.clock.now = datetime.now(UTC)
            office.numbers = itertools.count(10 * len(self.ids) + 1)
            queued = await office.queue(*(office.draft(ANN, text="Words.\n" * 20) for _ in range(mails)))
            await office.store.close()
            self.ids += [f"<{one.message_id}>" for one in queued]

        anyio.run(fill)

    def is_done(self) -> bool:
        rows = self.daemon.ask("SELECT count(*) FROM outbox WHERE state = 'sent'")
        return bool(rows) and rows[0][0] == len(self.ids)

    def run(self, limit_s: float = 40) -> None:
        self.daemon.start_and_answer()
        until(self.is_done, limit_s, 0.03, "everything sent")
        assert self.daemon.stop() == 0

    @property
    def copies(self) -> Counter[str]:
        """How often each mail is in Ann's mailbox."""
        return Counter(one.internet_message_id for one in self.ann.messages("inbox"))

    def close(self) -> None:
        """Each mail is there, once, and no draft is left."""
        assert sorted(self.copies) == sorted(self.ids), "lost, or never ours"
        assert [one for one, count in self.copies.items() if count > 1] == []
        assert self.box.messages("drafts") == []


@pytest.fixture
def lab() -> Iterator[Lab]:
    with serving_aside() as one:
        yield one


@pytest.fixture
def office(lab: Lab, tmp_path: Path) -> Iterator[Office]:
    made = Office(lab, tmp_path)
    yield made
    made.daemon.end()


# graph.send: the mailbox is opened, its old drafts are looked for, the draft (3), the order to send it (4)
def test_deaths_around_draft_and_order_lose_nothing_double_nothing_and_leave_no_draft(office: Office) -> None:
    for number, death in enumerate(("graph.send:3:die", "graph.send:4:die", "outbox.submitted:1:die")):
        office.fill(2)
        office.lab.sending.copy_delay_s = 0.3 * (number % 2)
        office.daemon.start(death)
        assert office.daemon.died(), f"{death} was not passed"
    office.run()
    office.close()


def test_what_the_server_answers_late_or_not_at_all_is_sent_once(office: Office) -> None:
    office.fill(4)
    faults = office.lab.faults
    faults.lost_answer("POST */send")
    faults.add("POST */send", after=1, drop="before")
    faults.add("POST */messages", after=2, drop="after")
    office.lab.sending.copy_delay_s = 0.4
    office.run()
    office.close()


def test_a_test_tells_each_stage_and_sends_only_what_it_is_asked_to(lab: Lab, tmp_path: Path) -> None:
    office = Office(lab, tmp_path, reads=True)
    told = office.daemon.command("test", "outgoing/main", "--json")
    (report,) = json.loads(told.stdout)
    assert report["ok"], told.stdout
    names = [stage["name"] for stage in report["stages"]]
    assert names == ["configuration", "dns", "tcp", "token", "drafts", "permission"]
    assert office.lab.sending.sent == []
    assert SECRET not in told.stdout + told.stderr

    told = office.daemon.command("test", "outgoing/main", "--send-to", ANN, "--roundtrip", "--json")
    (report,) = json.loads(told.stdout)
    assert report["ok"], told.stdout
    assert [stage["name"] for stage in report["stages"]][-3:] == ["send", "mailbox", "roundtrip"]
    assert (len(office.ann.messages("inbox")), len(office.box.messages("inbox"))) == (1, 1)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(5))
def test_deaths_at_any_moment_lose_nothing_double_nothing_and_leave_no_draft(office: Office, seed: int) -> None:
    chance = random.Random(seed)
    office.lab.sending.copy_delay_s = 0.5
    for _ in range(20):
        office.fill(20)
        office.daemon.start_and_answer()
        time.sleep(chance.uniform(0.0, 0.8))
        office.daemon.kill()
    office.run(120)
    office.close()
