"""The books of a run: what the generator made against what the store holds. Four figures, all of which must be 0.

`lost`: made, but neither in a ticket nor parked (or expired after that) with an event that says so. `doubled`: in
tickets or parked more than once. `torn`: the kept bytes are not those that the server gives. `ghost`: in a ticket or
parked, but never made.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from mailwicket.model import Sha256
from mailwicket.store.raw import RawPlace, RawStore

EFFECTS = """
SELECT raw_sha256 FROM desk_entry WHERE kind = 'mail'
UNION ALL
SELECT i.raw_sha256 FROM intake AS i
WHERE (i.parked = 1 OR i.reason = 'expired_from_quarantine')
AND EXISTS (SELECT 1 FROM event AS e WHERE e.intake_id = i.intake_id AND e.kind = 'MailQuarantined')
"""
KEPT = "SELECT file, first_byte, length, sha256 FROM kept WHERE file IS NOT NULL"
OPEN = "SELECT count(*) FROM intake WHERE state IN ('seen', 'fetched', 'done')"
UNBOUND = """
SELECT count(*) FROM intake AS i WHERE i.ticket IS NOT NULL AND i.reason <> 'duplicate'
AND NOT EXISTS (SELECT 1 FROM desk_entry AS e WHERE e.ticket = i.ticket AND e.raw_sha256 = i.raw_sha256)
"""


@dataclass
class Books:
    """The figures, each as the digests that make it up."""

    made: int
    lost: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    torn: set[str] = field(default_factory=set)
    ghost: set[str] = field(default_factory=set)
    parked: int = 0
    """Kept for a person: no fault, but worth a look in a test that feeds nothing odd."""

    def __str__(self) -> str:
        """One line for a report."""
        figures = {name: len(getattr(self, name)) for name in ("lost", "doubled", "torn", "ghost")}
        return f"{self.made} made, " + ", ".join(f"{name} {count}" for name, count in figures.items())

    @property
    def balanced(self) -> bool:
        """Whether nothing is lost, doubled, torn or ghost."""
        return not (self.lost or self.doubled or self.torn or self.ghost)


def digest(raw: bytes) -> str:
    """Name a mail by its bytes."""
    return hashlib.sha256(raw).hexdigest()


def close_books(state_dir: Path, made: Iterable[bytes | str], taken: Iterable[bytes | str] = ()) -> Books:
    """Compare the store below *state_dir* with the mails *made* (bytes as the server gives them, or their digests).

    Of those *taken* from the server by somebody else nobody can say whether they were to be fetched: they may
    be missing, and are otherwise as the others. Two mails of the same bytes would be one here: the generator makes
    each only once.
    """
    wanted, optional = ({mail if isinstance(mail, str) else digest(mail) for mail in mails} for mails in (made, taken))
    books = Books(len(wanted))
    with closing(sqlite3.connect(f"file:{state_dir}/mailwicket.db?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchone() is None
        assert database.execute(OPEN).fetchone() == (0,), "the run is not over"
        assert database.execute(UNBOUND).fetchone() == (0,), "a mail names a ticket that does not hold it"
        effects = Counter(name for (name,) in database.execute(EFFECTS))
        kept = database.execute(KEPT).fetchall()
        books.parked = int(database.execute("SELECT count(*) FROM intake WHERE parked = 1").fetchone()[0])
    books.lost = wanted - effects.keys()
    books.ghost = effects.keys() - wanted - optional
    books.doubled = {name for name, count in effects.items() if count > 1}
    raw = RawStore(state_dir)
    for file, first, length, sha256 in kept:
        found = digest(raw.read(RawPlace(file, first, length, Sha256(sha256))))
        if found != sha256 or found not in wanted | optional:
            books.torn.add(sha256)
    raw.close()
    return books
