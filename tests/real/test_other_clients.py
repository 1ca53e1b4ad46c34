"""Other people work in the mailbox, too: what they take away is gone, and no mail comes under another's number."""

from __future__ import annotations

import random
import threading

import pytest
from tests.lab import mailmix
from tests.lab.dovecot import Dovecot
from tests.lab.ledger import close_books, digest
from tests.lab.processes import until
from tests.lab.stand import Stand

pytestmark = pytest.mark.real

COUNT = 2_000


def take_away(dovecot: Dovecot, user: str, uids: list[int]) -> None:
    """Expunge *uids*, some at a time, as fast as the server lets us."""
    with dovecot.session(user, readonly=False) as imap:
        for start in range(0, len(uids), 10):
            chosen = ",".join(map(str, sorted(uids[start : start + 10])))
            imap.uid("STORE", chosen, "+FLAGS.SILENT", r"(\Deleted)")
            imap.uid("EXPUNGE", chosen)


def test_mails_that_another_client_expunges_meanwhile_are_gone_and_the_others_come_as_themselves(
    stand: Stand, dovecot: Dovecot
) -> None:
    stand.lay(mailmix.mix(COUNT - 5, seed=5, largest_bytes=20_000))
    stand.lay(mailmix.large(1_300_000, number) for number in range(5))
    listing = {uid: digest(raw) for uid, raw in dovecot.served(stand.user)}
    assert len(listing) == COUNT
    chance = random.Random(5)
    doomed = chance.sample(sorted(listing), 1_200)

    other = threading.Thread(target=take_away, args=(dovecot, stand.user, doomed))
    stand.daemon.start()
    until(lambda: stand.daemon.count("seen"), 20, 0.002)
    other.start()
    other.join()
    stand.wait_until_caught_up()
    until(lambda: stand.daemon.count("seen") == 0, 20)
    assert stand.daemon.stop() == 0
    rows = {
        int(uid): (state, sha256)
        for uid, state, sha256 in stand.daemon.ask("SELECT remote_id, state, raw_sha256 FROM intake")
    }

    gone = {uid for uid, (state, _) in rows.items() if state == "gone"} | (listing.keys() - rows.keys())
    kept = {uid: sha256 for uid, (state, sha256) in rows.items() if state == "settled"}
    assert gone | kept.keys() == listing.keys()
    assert kept == {uid: listing[uid] for uid in kept}, "a mail came under another's number"
    assert gone <= set(doomed)
    print(f"expunged {len(doomed)}: {len(gone)} before they were fetched")
    assert 100 < len(gone) < len(doomed), "the other client was not there meanwhile"
    books = close_books(stand.daemon.state_dir, kept.values())
    assert books.balanced, str(books)
    assert stand.daemon.told("warning", "error") == []
