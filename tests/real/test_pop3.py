"""POP3 with a real Dovecot: mails come once and whole, and leave only when their ticket is on disk."""

from __future__ import annotations

import itertools
import poplib
import re
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.lab import mailmix
from tests.lab.daemon import MIB, Daemon
from tests.lab.dovecot import POP3_BINARY, Dovecot
from tests.lab.imap_server import PASSWORD
from tests.lab.ledger import close_books, digest
from tests.lab.processes import until

pytestmark = pytest.mark.real

NUMBERS = itertools.count(1)


class Drop:
    """A maildrop, and the daemon that takes its mail over POP3."""

    def __init__(self, dovecot: Dovecot, directory: Path, security: str = "none", **keys: Any) -> None:
        self.dovecot = dovecot
        self.user = f"popped{next(NUMBERS)}"
        self.made: set[str] = set()
        dovecot.fill(self.user, [])
        self.daemon = Daemon(directory, {"box": dovecot.popped_box(self.user, security, **keys)})
        self.daemon.patches = {"LAB_WHOLE_BYTES": str(MIB)}

    def lay(self, mails: list[bytes]) -> None:
        """Put *mails* in."""
        self.made |= {digest(raw) for raw in mails}
        self.dovecot.fill(self.user, mails)

    def there(self) -> int:
        """How many mails lie there, asked by another client over IMAP."""
        return len(self.dovecot.uids(self.user))

    def settled(self) -> int:
        return self.daemon.count("settled")

    def run(self) -> None:
        """Run the daemon until every mail is settled."""
        self.daemon.start_and_answer()
        self.daemon.wait_until_settled(len(self.made), limit_s=60)
        assert self.daemon.stop() == 0

    def close(self, parked: int = 0) -> None:
        """Close the books: every mail is in a ticket or parked, once, with the server's bytes."""
        books = close_books(self.daemon.state_dir, self.made, set())
        assert books.balanced, str(books)
        assert books.parked == parked

    def expect_nothing_gone_without_its_commit(self) -> None:
        """The one order that counts: first the commit, then the server's copy."""
        there = self.there()  # first: the daemon may be at work
        rows = self.daemon.ask("SELECT count(*) FROM intake WHERE state IN ('done', 'settled')")
        assert len(self.made) - there <= rows[0][0]


@pytest.fixture
def drops(dovecot: Dovecot, tmp_path: Path) -> Iterator[Callable[..., Drop]]:
    if not POP3_BINARY.exists():
        pytest.skip("Dovecot's POP3 is missing: apt-get install dovecot-pop3d")
    made: list[Drop] = []

    def make(**keys: Any) -> Drop:
        made.append(Drop(dovecot, tmp_path / str(len(made)), **keys))
        return made[-1]

    yield make
    for drop in made:
        drop.daemon.end()
        dovecot.forget(drop.user)


def feed(seed: int, count: int = 12) -> list[bytes]:
    """Mails of all kinds, one of them large."""
    return [*mailmix.mix(count, seed, largest_bytes=30_000), mailmix.large(1_300_000, seed)]


@pytest.mark.parametrize("security", ["none", "tls", "ssl"])
def test_mails_become_tickets_and_stay_where_they_are(drops: Callable[..., Drop], security: str) -> None:
    drop = drops(security=security)
    drop.lay(feed(1))
    drop.run()
    assert drop.there() == len(drop.made)
    drop.lay(feed(2))
    drop.run()
    assert drop.there() == len(drop.made)
    drop.close()


def test_mails_are_deleted_where_that_is_asked_for(drops: Callable[..., Drop]) -> None:
    drop = drops(after="delete")
    for seed in (3, 4):
        drop.lay(feed(seed))
        drop.run()
        assert drop.there() == 0
    drop.close()


def test_when_a_mail_was_received_is_what_the_server_wrote_on_top(drops: Callable[..., Drop]) -> None:
    drop = drops()
    sent_at = datetime.now(UTC).replace(microsecond=0)
    drop.dovecot.deliver(drop.user, b"From: ada@example.org\r\nSubject: hello\r\n\r\nHello.\r\n")
    drop.daemon.start_and_answer()
    drop.daemon.wait_until_settled(1)
    assert drop.daemon.stop() == 0
    ((told,),) = drop.daemon.ask("SELECT received_at FROM intake")
    assert abs(datetime.fromisoformat(told) - sent_at) <= timedelta(seconds=5)
    ((entry,),) = drop.daemon.ask("SELECT received FROM desk_entry")
    assert entry == told


def test_a_second_program_may_come_in_between_two_looks(drops: Callable[..., Drop]) -> None:
    drop = drops()
    drop.lay(feed(5))
    drop.daemon.start_and_answer()
    drop.daemon.wait_until_settled(len(drop.made))

    def let_in() -> bool:
        pop = poplib.POP3("127.0.0.1", drop.dovecot.pop3, timeout=5)
        try:
            pop.user(f"{drop.user}@example.net")
            pop.pass_(PASSWORD)
            return bool(pop.stat()[0] == len(drop.made))
        except poplib.error_proto:
            return False
        finally:
            pop.quit()

    until(let_in, 10, 0.3, "a login between two looks")
    assert drop.daemon.stop() == 0


STEPS = (
    "pop3.send", "intake.looked", "intake.fetched", "commit.before", "commit.after", "intake.committed",
    "intake.settled",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "after"),
    [
        *((step, "delete") for step in STEPS),
        ("intake.settled", "leave"),
        *(pytest.param(step, "leave", marks=pytest.mark.torture) for step in STEPS[:-1]),
    ],
)
def test_a_death_at_any_step_loses_and_doubles_nothing(drops: Callable[..., Drop], name: str, after: str) -> None:
    drop = drops(after=after)
    died = 0
    hits = (9, 12, 16, 24, 27, 32) if name == "pop3.send" else (1, 2)  # amid RETR, DELE and QUIT
    for hit in hits:
        drop.lay(feed(hit * 100 + len(name), count=6))
        drop.daemon.start(f"{name}:{hit}:die")
        died += drop.daemon.ended_by_itself(lambda: drop.settled() == len(drop.made))
        drop.expect_nothing_gone_without_its_commit()
    assert died >= len(hits) / 2, "the failpoint was hardly passed"
    drop.run()
    assert drop.there() == (len(drop.made) if after == "leave" else 0)
    drop.close()


def test_a_server_that_dies_between_dele_and_quit_has_deleted_nothing(own_dovecot: Dovecot, tmp_path: Path) -> None:
    drop = Drop(own_dovecot, tmp_path / "drop", after="delete")
    drop.lay(feed(7))
    drop.daemon.start_and_answer()
    until(lambda: drop.settled() or re.search(r"retr=\d", log(own_dovecot)) or drop.daemon.count("done"), 30, 0.005)
    own_dovecot.crash()
    own_dovecot.start()
    drop.expect_nothing_gone_without_its_commit()
    drop.daemon.wait_until_settled(len(drop.made), limit_s=60)
    assert drop.daemon.stop() == 0
    assert drop.there() == 0
    drop.close()


def log(dovecot: Dovecot) -> str:
    return (dovecot.base / "dovecot.log").read_text(errors="replace")


def test_the_lab_s_pop3_shows_the_certificate_that_is_trusted(dovecot: Dovecot) -> None:
    context = ssl.create_default_context(cafile=str(dovecot.ca_file))
    pop = poplib.POP3_SSL("127.0.0.1", dovecot.pop3s, context=context, timeout=10)
    assert pop.capa()
    pop.quit()
