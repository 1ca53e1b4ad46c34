"""Microsoft Graph and the daemon as a process: deaths, tokens that end, pauses, and nothing is lost or doubled."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from tests.lab import mailmix
from tests.lab.daemon import Daemon
from tests.lab.graph import Lab, serving_aside
from tests.lab.ledger import close_books, digest
from tests.lab.processes import until

USER = "desk@example.org"
SECRET = "client-secret-canary-0815"
DEATHS = ("intake.looked", "intake.fetched", "spool.write", "commit.after", "intake.settled")


class Office:
    """A mailbox at Graph, and the daemon that serves it by an application's own token."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.box = lab.mailbox(USER)
        self.made: set[str] = set()
        lab.manners.mime = "verbatim"
        lab.tokens.secret = SECRET
        box = {"email": USER, "protocol": "graph", "server": lab.origin, "oauth": "office", "poll_s": 1}
        application = {"provider": "microsoft", "tenant": "example.org", "client_id": "app-1", "client_secret": SECRET}
        oauth = {**application, "grant": "client_credentials", "token_url": lab.token_url}
        self.daemon = Daemon(
            directory, {"box": {**box, "start_from": "all", "after": "move:archive"}}, **{"oauth.office": oauth}
        )

    def lay(self, mails: Iterable[bytes]) -> None:
        mails = list(mails)
        self.made |= {digest(raw) for raw in mails}
        for raw in mails:
            self.box.deliver(raw)

    def settled(self) -> bool:
        return self.daemon.count("settled") == len(self.made)

    def close(self) -> None:
        """Every mail is in a ticket, once, with the server's bytes; and every copy is where it is to be."""
        books = close_books(self.daemon.state_dir, self.made, set())
        assert books.balanced, str(books)
        assert len(self.box.messages("archive")) == len(self.made)
        assert self.box.messages("inbox") == []


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with serving_aside() as lab:
        made = Office(lab, tmp_path / "office")
        try:
            yield made
        finally:
            made.daemon.end()


def test_deaths_at_the_steps_of_a_mail_lose_and_double_nothing(office: Office) -> None:
    for number, name in enumerate(DEATHS):
        office.lay(
            [*mailmix.small(5, seed=number), mailmix.large(9_000_000 if name == "spool.write" else 9_000, number)]
        )
        office.daemon.start(f"{name}:1:die")
        assert office.daemon.ended_by_itself(office.settled), f"{name} was not passed"
        rows = office.daemon.ask("SELECT count(*) FROM intake WHERE state IN ('done', 'settled')")
        assert len(office.box.messages("archive")) <= (rows[0][0] if rows else 0), "first the commit, then the copy"
    office.daemon.start_and_answer()
    until(office.settled, 30, 0.03, "everything settled")
    assert office.daemon.stop() == 0
    office.close()
    assert list((office.daemon.state_dir / "spool").iterdir()) == []


@pytest.mark.torture
def test_deaths_at_any_moment_with_a_server_that_misbehaves_lose_and_double_nothing(office: Office) -> None:
    chance = random.Random(5)
    manners = office.lab.delta.manners
    manners.duplicates = manners.shuffled = manners.sees_latecomers = True
    for number in range(60):
        office.lay([*mailmix.small(chance.randrange(1, 20), seed=number), mailmix.large(1_200_000, number)])
        match chance.randrange(4):
            case 0:
                office.lab.delta.expire()
            case 1:
                office.lab.tokens.expire_all()
            case 2:
                office.lab.faults.add("*/messages/*", drop=chance.choice(["before", "after"]))
            case 3:
                office.lab.faults.busy("GET *", status=503)
        office.daemon.start()
        time.sleep(chance.uniform(0.6, 2.0))
        office.daemon.kill()
        rows = office.daemon.ask("SELECT count(*) FROM intake WHERE state IN ('done', 'settled')")
        assert len(office.box.messages("archive")) <= (rows[0][0] if rows else 0)
    office.lab.faults.clear()
    office.daemon.start_and_answer()
    until(office.settled, 120, 0.1, "everything settled")
    assert office.daemon.stop() == 0
    office.close()


def test_a_token_that_ends_and_a_pause_are_lived_through_and_no_secret_is_told(office: Office) -> None:
    office.lay(mailmix.small(3, seed=1))
    office.daemon.start_and_answer()
    until(office.settled, 30, 0.03, "the first mails")
    office.lab.tokens.expire_all()
    office.lay(mailmix.small(3, seed=2))
    until(office.settled, 30, 0.03, "mails with another token")
    assert office.daemon.unit()["state"] == "running"
    office.lab.faults.throttled("GET */delta", retry_after=2)
    office.lay(mailmix.small(3, seed=3))
    office.daemon.wait_until(lambda unit: unit["reason"] == "throttled")
    until(office.settled, 30, 0.03, "mails after a pause")
    assert office.lab.throttling.early == 0
    told = office.daemon.command("test", "incoming/box", "--json")
    (report,) = json.loads(told.stdout)
    assert report["ok"], told.stdout
    assert [stage["name"] for stage in report["stages"]][-4:] == ["token", "folder", "after", "read"]
    assert office.daemon.stop() == 0
    office.close()
    said = told.stdout + told.stderr + office.daemon.log
    kept = b"".join(path.read_bytes() for path in office.daemon.state_dir.rglob("*") if path.is_file())
    for token in (*office.lab.tokens.grants, SECRET):
        assert token not in said
        assert token.encode() not in kept
