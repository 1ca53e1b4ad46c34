"""What another IMAP client sees of a real server's mailboxes, whoever's server it is."""

from __future__ import annotations

import imaplib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

PASSWORD: Final = "only-for-tests"


class ImapServer:
    """A running server; everybody's password is PASSWORD."""

    imap: int
    imaps: int
    ca_file: Path

    @contextmanager
    def session(self, user: str, folder: str = "INBOX", *, readonly: bool = True) -> Iterator[imaplib.IMAP4]:
        """Open a *folder* of *user* as another client."""
        with imaplib.IMAP4("127.0.0.1", self.imap) as imap:
            imap.login(user, PASSWORD)
            result, words = imap.select(folder, readonly=readonly)
            assert result == "OK", words
            yield imap

    def uids(self, user: str, folder: str = "INBOX", criterion: str = "ALL") -> list[int]:
        """Tell the UIDs that a SEARCH finds."""
        with self.session(user, folder) as imap:
            _, found = imap.uid("SEARCH", criterion)
        return [int(uid) for uid in found[0].split()]

    def served(self, user: str, folder: str = "INBOX") -> Iterator[tuple[int, bytes]]:
        """Yield UID and bytes of every mail, as an IMAP client is given them, a few at a time."""
        uids = self.uids(user, folder)
        with self.session(user, folder) as imap:
            for start in range(0, len(uids), 50):
                chosen = ",".join(map(str, uids[start : start + 50]))
                _, answers = imap.uid("FETCH", chosen, "(UID BODY.PEEK[])")
                for answer in answers:
                    if isinstance(answer, tuple) and (named := re.search(rb"UID (\d+)", answer[0])):
                        yield int(named[1]), answer[1]

    def expunge(self, user: str, uids: Sequence[int]) -> None:
        """Delete mails as another client."""
        with self.session(user, readonly=False) as imap:
            chosen = ",".join(map(str, uids))
            imap.uid("STORE", chosen, "+FLAGS.SILENT", r"(\Deleted)")
            imap.uid("EXPUNGE", chosen)

    def uidvalidity(self, user: str, folder: str = "INBOX") -> int:
        """Tell the UIDVALIDITY of a folder."""
        with self.session(user, folder) as imap:
            return int(imap.response("UIDVALIDITY")[1][0])

    def box(self, user: str, security: str = "none", **keys: Any) -> dict[str, Any]:
        """Return `[incoming.NAME]` for the mailbox of *user*; *keys* add to it or replace."""
        return {
            "email": f"{user}@example.net",
            "server": "127.0.0.1",
            "port": self.imaps if security == "ssl" else self.imap,
            "security": security,
            "password": PASSWORD,
            "start_from": "all",
            **({} if security == "none" else {"ca_file": str(self.ca_file)}),
            **keys,
        }
