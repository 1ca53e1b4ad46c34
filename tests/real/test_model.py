"""Anything in any order (imaptest's idea): other people work in the mailbox, its numbers change, the daemon dies.

At checkpoints the books balance: what lies in the mailbox is in a ticket once; what was taken away, at most once.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

import pytest
from tests.lab import mailmix
from tests.lab.dovecot import Dovecot
from tests.lab.ledger import close_books, digest
from tests.lab.processes import until
from tests.lab.stand import Stand

pytestmark = [pytest.mark.real, pytest.mark.torture]

STEPS = 300
CHECKPOINT_STEPS = 30
MAILS_MAX = 5 * STEPS
ELSEWHERE = "Elsewhere"


class Model:
    """One mailbox, and everything that may happen to it and to its daemon."""

    def __init__(self, stand: Stand, seed: int) -> None:
        self.stand = stand
        self.dovecot = stand.dovecot
        self.chance = random.Random(seed)
        self.feed = mailmix.mix(MAILS_MAX, seed, largest_bytes=40_000)
        self.seed = seed
        self.happened: Counter[str] = Counter()
        self.renumberings = 0
        with self.dovecot.session(stand.user, readonly=False) as imap:
            imap.create(ELSEWHERE)

    def step(self) -> None:
        """Let one thing happen, and time pass."""
        weights = {
            self.arrive: 30, self.arrive_large: 2, self.be_appended: 8, self.be_expunged: 12, self.be_moved_away: 8,
            self.be_moved_back: 6, self.be_flagged: 10, self.get_new_numbers: 3, self.get_new_uidvalidity: 2,
            self.lose_the_connection: 6, self.die: 8, self.stop: 3,
        }  # fmt: skip
        (event,) = self.chance.choices([*weights], [*weights.values()])
        event()
        self.happened[event.__name__] += 1
        if not self.runs():
            self.stand.daemon.start()
        time.sleep(self.chance.expovariate(1 / 0.1))

    def runs(self) -> bool:
        process = self.stand.daemon.process
        return process is not None and process.poll() is None

    # --- mail

    def arrive(self) -> None:
        self.stand.lay(next(self.feed) for _ in range(self.chance.randrange(1, 6)))

    def arrive_large(self) -> None:
        self.stand.lay([mailmix.large(1_200_000, self.seed * 1_000_000 + self.happened.total())])

    def be_appended(self) -> None:
        raw = next(self.feed)
        self.stand.made.add(digest(raw))
        with self.dovecot.session(self.stand.user) as imap:
            assert imap.append("INBOX", r"(\Seen)", None, raw)[0] == "OK"

    # --- other people

    def some(self, folder: str = "INBOX") -> str:
        """A few UIDs of *folder*, or none."""
        uids = self.dovecot.uids(self.stand.user, folder)
        return ",".join(map(str, sorted(self.chance.sample(uids, min(len(uids), self.chance.randrange(1, 5))))))

    def command(self, folder: str, *words: str) -> None:
        if chosen := self.some(folder):
            with self.dovecot.session(self.stand.user, folder, readonly=False) as imap:
                assert imap.uid(words[0], chosen, *words[1:])[0] == "OK"
                if words[-1] == r"(\Deleted)":
                    imap.uid("EXPUNGE", chosen)

    def be_expunged(self) -> None:
        self.command("INBOX", "STORE", "+FLAGS.SILENT", r"(\Deleted)")

    def be_moved_away(self) -> None:
        self.command("INBOX", "MOVE", ELSEWHERE)

    def be_moved_back(self) -> None:
        self.command(ELSEWHERE, "MOVE", "INBOX")

    def be_flagged(self) -> None:
        sign, flag = self.chance.choice("+-"), self.chance.choice((r"(\Seen)", r"(\Flagged)", r"(\Answered)"))
        self.command("INBOX", "STORE", f"{sign}FLAGS", flag)

    # --- the server, and us

    def get_new_numbers(self) -> None:
        self.dovecot.renumber(self.stand.user)

    def get_new_uidvalidity(self) -> None:
        self.dovecot.revalidate(self.stand.user)

    def lose_the_connection(self) -> None:
        self.dovecot.kick(self.stand.user)

    def die(self) -> None:
        if self.runs():
            self.stand.daemon.kill()

    def stop(self) -> None:
        if self.runs() and self.stand.daemon.socket.exists():
            until(self.stand.daemon.answers, 30)
            assert self.stand.daemon.stop() == 0

    # --- what must hold

    def check(self) -> None:
        """The books of now."""
        self.stand.wait_until_caught_up()
        until(lambda: self.stand.daemon.count("seen") == 0, 20, what="noticing what is gone")
        there = {digest(raw) for _, raw in self.dovecot.served(self.stand.user)}
        assert there <= self.stand.made
        books = close_books(self.stand.daemon.state_dir, there, self.stand.made - there)
        assert books.balanced, f"{books} (lost and so on, of those in the mailbox) after {self.happened}"
        assert self.stand.daemon.told("error") == []


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_happens_in_whatever_order_the_books_balance(
    stands: Callable[..., Stand], dovecot: Dovecot, seed: int
) -> None:
    model = Model(stands(dovecot, poll_s=1), seed)
    model.stand.daemon.start()
    for step in range(1, STEPS + 1):
        model.step()
        if step % CHECKPOINT_STEPS == 0:
            model.check()
    assert model.stand.daemon.stop() == 0
    told = ", ".join(f"{name} {count}" for name, count in model.happened.most_common())
    parked = model.stand.daemon.ask("SELECT count(*) FROM intake WHERE parked = 1")[0][0]
    print(f"model, seed {seed}: {len(model.stand.made)} mails, {STEPS} steps, {parked} parked: {told}")
