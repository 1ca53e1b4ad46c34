"""A test stand: one mailbox on the server, the daemon that brings its mail in, and the books of both."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.lab.daemon import Daemon
from tests.lab.dovecot import Dovecot
from tests.lab.ledger import Books, close_books, digest
from tests.lab.processes import until


class Stand:
    """One mailbox and its daemon."""

    def __init__(
        self,
        dovecot: Dovecot,
        user: str,
        directory: Path,
        *,
        state_dir: Path | None = None,
        tables: dict[str, Any] | None = None,
        **keys: Any,
    ) -> None:
        """Configure a daemon below *directory* for the mailbox of *user*. Starts nothing.

        *keys* add to `[incoming.box]` or replace, *tables* are further ones of conf.d.
        """
        self.dovecot = dovecot
        self.user = user
        self.made: set[str] = set()
        """Digests of all mails that were laid into the mailbox."""
        self._tables = tables or {}
        dovecot.fill(user, [])
        self.daemon = Daemon(directory, {"box": dovecot.box(user, **keys)}, state_dir=state_dir, **self._tables)

    def configure(self, **keys: Any) -> None:
        """Change `[incoming.box]` before the next start."""
        self.daemon.configure({"box": self.dovecot.box(self.user, **keys)}, **self._tables)

    def lay(self, mails: Iterable[bytes]) -> None:
        """Put *mails* into the mailbox, as they are."""

        def noted() -> Iterator[bytes]:
            for raw in mails:
                self.made.add(digest(raw))
                yield raw

        self.dovecot.fill(self.user, noted())

    def deliver(self, *mails: bytes) -> None:
        """Have *mails* delivered as a mail server does: with lines of its own on top."""
        self.dovecot.deliver(self.user, *mails)
        self.made |= {digest(raw) for _, raw in self.dovecot.served(self.user)}

    def run(self, mails: int, limit_s: float = 60) -> None:
        """Start the daemon, wait until so many mails are settled, and stop it."""
        self.daemon.start_and_answer()
        self.daemon.wait_until_settled(mails, limit_s=limit_s)
        assert self.daemon.stop() == 0

    def catch_up(self, limit_s: float = 60) -> None:
        """Start the daemon, wait until it has settled whatever the mailbox holds under the numbers of now, stop it."""
        self.daemon.start_and_answer()
        self.wait_until_caught_up(limit_s)
        assert self.daemon.stop() == 0

    def discard(self) -> None:
        """Remove its mail and its state."""
        self.daemon.end()
        self.dovecot.forget(self.user)
        shutil.rmtree(self.daemon.directory)

    # --- what must hold

    def close(self, taken: Iterable[str] = ()) -> Books:
        """Close the books: every mail in the mailbox is in a ticket or parked, once, with the server's bytes.

        *taken*: digests of mails that another client took away.
        """
        served = [digest(raw) for _, raw in self.dovecot.served(self.user)]
        taken = set(taken)
        assert set(served) == self.made - taken, "the mailbox does not hold what was laid into it"
        books = close_books(self.daemon.state_dir, served, taken)
        assert books.balanced, str(books)
        assert self.unseen() == [], "tickets exist, the server's copies do not say so"
        return books

    def unseen(self) -> list[int]:
        """UIDs of mails that are not marked as seen."""
        return self.dovecot.uids(self.user, criterion="UNSEEN")

    def decided(self) -> set[int]:
        """UIDs of the mails whose effect is committed, under the numbers of now."""
        epoch = str(self.dovecot.uidvalidity(self.user))
        rows = self.daemon.ask("SELECT remote_id FROM intake WHERE state IN ('done', 'settled') AND epoch = ?", epoch)
        return {int(uid) for (uid,) in rows}

    def assert_nothing_is_marked_without_its_commit(self) -> None:
        """The one order that counts: first the commit, then the server's copy."""
        seen = set(self.dovecot.uids(self.user, criterion="SEEN"))
        assert seen <= self.decided(), f"marked and not committed: {sorted(seen - self.decided())}"

    def wait_until_caught_up(self, limit_s: float = 60) -> None:
        """Wait until every mail of the mailbox is settled under the numbers of now."""
        daemon = self.daemon

        def caught_up() -> bool:
            daemon.expect_running()
            epoch = str(self.dovecot.uidvalidity(self.user))
            rows = daemon.ask("SELECT remote_id FROM intake WHERE state = 'settled' AND epoch = ?", epoch)
            return {str(uid) for uid in self.dovecot.uids(self.user)} <= {uid for (uid,) in rows}

        until(caught_up, limit_s, 0.1, "catching up")
