"""Death at every step: the daemon kills itself at a failpoint, the next one goes on, and nothing is lost or doubled.

SQLite's method: at the first passing of the failpoint, at the second, the third, until a run ends without.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from tests.lab import mailmix
from tests.lab.age import age
from tests.lab.dovecot import Dovecot
from tests.lab.ledger import Books
from tests.lab.processes import side_by_side, until
from tests.lab.stand import Stand

import mailwicket
from mailwicket.failpoint import NAMES
from mailwicket.flow.reading import MANY_MAILS

pytestmark = pytest.mark.real

RECLAIMING = "segment.unlink"  # passed only when mail is old
OVER_POP3 = "pop3.send"  # tests/real/test_pop3.py
RETRYING = ("quarantine.decided", "quarantine.retried")  # passed only when a person asks: tests/flow/test_at_the_desk
READER = "reader.in_hand"  # kills the process that reads for the daemon, not the daemon
PASSED_TWICE = (
    "commit.before",
    "commit.after",
    "raw.rename",
    "spool.write",
    "intake.in_hand",
    "imap.send",
)  # by any run
RAW_KEEP_DAYS = 90


def feed(name: str, seed: int, batches: int = 1) -> list[bytes]:
    """Mails that pass *name* on their way: answers, one that is parked, in each batch two that come in slices."""
    if name == "intake.in_hand":  # so few are read in the daemon itself
        return [*mailmix.small(11, seed), mailmix.anonymous(seed)]
    mails = [*mailmix.mix(27, seed, largest_bytes=30_000), mailmix.anonymous(seed)]
    for number in range(2 * batches):
        mails.insert(number * 5 + 1, mailmix.large(1_200_000 if batches == 1 else 1_900_000, seed * 10 + number))
    return mails


def die(stand: Stand, name: str, hit: int) -> bool:
    """Let the daemon die at the *hit*-th passing of *name*; False when all mail was settled without it."""
    stand.daemon.start(f"{name}:{hit}:die")
    died = stand.daemon.ended_by_itself(lambda: stand.daemon.count("settled") == len(stand.made))
    stand.assert_nothing_is_marked_without_its_commit()
    return died


def recover(stand: Stand) -> Books:
    stand.run(len(stand.made))
    assert list((stand.daemon.state_dir / "spool").iterdir()) == []
    return stand.close()


def die_everywhere(stand: Stand, names: Sequence[str]) -> None:
    """In one mailbox: a death at the first passing of each of *names*, and amid the recovery one at the second."""
    for name in names:
        if name == "intake.in_hand":
            recover(stand)  # what is left over would make a large batch
        stand.lay(feed(name, NAMES.index(name)))
        for hit in (1, 2) if name in PASSED_TWICE else (1,):
            assert die(stand, name, hit), f"{name} was not passed {hit} times"
    recover(stand)


def test_every_failpoint_is_passed_somewhere_in_the_code() -> None:
    daemon = Path(mailwicket.__file__).parent
    passed = [
        name for path in daemon.rglob("*.py") for name in re.findall(r'failpoint\("([\w.]+)"\)', path.read_text())
    ]
    assert sorted(set(passed)) == sorted(NAMES)


def test_deaths_at_every_failpoint_and_amid_the_recovery_lose_and_double_nothing(
    stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    apart = {RECLAIMING, READER, OVER_POP3, *RETRYING}
    names = [name for name in NAMES if name not in apart and not name.startswith(("outbox.", "tokens.", "graph."))]
    side_by_side([partial(die_everywhere, stands(dovecot), names[part::2]) for part in range(2)])


# --- the reader's process


def die_reading(stand: Stand, hit: int) -> int:
    """Let every reader die with its *hit*-th mail in hand; return how many deaths were told."""
    stand.lay(mailmix.small(MANY_MAILS + 4, seed=hit))
    stand.daemon.start(f"{READER}:{hit}:die")
    stand.daemon.wait_until_settled(len(stand.made))
    assert stand.daemon.stop() == 0
    deaths = sum("a reader died" in line for line in stand.daemon.told("error"))
    assert stand.close().parked <= deaths / 2
    return deaths


def test_deaths_of_the_reader_are_survived(stands: Callable[..., Stand], dovecot: Dovecot) -> None:
    for hit in (1, 2, MANY_MAILS):
        assert die_reading(stands(dovecot), hit)


# --- reclaiming


def old_store(stand: Stand) -> None:
    """A store whose mail is all older than it is kept, and a new mail on the server."""
    stand.lay(feed(RECLAIMING, 0))
    stand.run(len(stand.made))
    assert len(age(stand.daemon.state_dir, RAW_KEEP_DAYS + 10)) == 4  # a segment, two large mails, a parked one
    stand.lay([*mailmix.small(1, seed=99)])


def reclaimed(stand: Stand) -> bool:
    """Only the segment with the new mail is left."""
    files = list((stand.daemon.state_dir / "raw").iterdir())
    return len(files) == 1 and stand.daemon.count("settled") == len(stand.made)


def check_reclaimed(stand: Stand) -> None:
    """Everything old is gone, and what tickets show of it is there."""
    daemon = stand.daemon
    daemon.start_and_answer()
    until(lambda: reclaimed(stand), 20, what="reclaiming")
    assert daemon.stop() == 0
    stand.close()
    assert daemon.ask("SELECT kind, count(*) FROM event GROUP BY kind") == [("MailExpired", 1), ("MailQuarantined", 1)]
    wanted = dict(daemon.ask("SELECT sha256, size FROM desk_attachment"))
    assert wanted
    for path in (daemon.state_dir / "attachments").glob("*/*"):
        content = path.read_bytes()
        assert hashlib.sha256(content).hexdigest() == path.name
        assert wanted.pop(path.name) == len(content)
    assert wanted == {}, "attachments went with their raw mail"
    number = daemon.ask("SELECT ticket FROM desk_entry JOIN desk_attachment USING (entry) LIMIT 1")[0][0]
    shown = json.loads(daemon.command("tickets", "show", str(number), "--json").stdout)
    assert any(entry["attachments"] for entry in shown["entries"])


def die_reclaiming(stand: Stand, hit: int) -> bool:
    stand.daemon.start(f"{RECLAIMING}:{hit}:die")
    return stand.daemon.ended_by_itself(lambda: reclaimed(stand))


def test_a_death_while_old_mail_is_reclaimed_leaves_no_file_behind_and_no_attachment_missing(stand: Stand) -> None:
    old_store(stand)
    for hit in (1, 4):  # the files go one by one, and the death comes before one goes
        assert die_reclaiming(stand, hit), "nothing was reclaimed"
    check_reclaimed(stand)


# --- the full form


def die_at_every_passing(stands: Callable[[], Stand], name: str) -> int:
    """Return how often *name* is passed: a death at each passing, in a store of its own."""
    hit, died = 0, True
    while died:
        hit += 1
        stand = stands()
        if name == RECLAIMING:
            old_store(stand)
            died = die_reclaiming(stand, hit)
            check_reclaimed(stand)
        elif name == READER:
            died = die_reading(stand, hit) > 0
        else:
            stand.lay(feed(name, hit, batches=3))
            died = die(stand, name, hit)
            assert recover(stand).parked == 1, "a mail was blamed for one death"
        stand.discard()
    print(f"{name:16} {hit - 1:4} deaths", flush=True)
    return hit - 1


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_a_death_at_every_passing_of_every_failpoint_loses_and_doubles_nothing(
    stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    hits: dict[str, int] = {}

    def all_of(name: str) -> None:
        hits[name] = die_at_every_passing(lambda: stands(dovecot), name)

    names = [name for name in NAMES if name not in {OVER_POP3, *RETRYING}]
    side_by_side([partial(all_of, name) for name in names])
    reached = sum(1 for count in hits.values() if count)
    print(f"failpoints hit / failpoints in code = {reached} / {len(names)} = {100 * reached // len(names)} %")
    print(f"deaths: {sum(hits.values())}")
    assert reached == len(names), hits
