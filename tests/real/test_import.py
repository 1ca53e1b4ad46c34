"""Old mail from files beside a mailbox that is being read: what is in both is one mail."""

from __future__ import annotations

import json

import pytest
from tests.lab import mailmix
from tests.lab.stand import Stand

pytestmark = pytest.mark.real


def test_the_maildir_of_the_server_holds_nothing_new_once_the_mailbox_was_read(stand: Stand) -> None:
    """Its files have lines that end in LF; on the wire they do not, and what is kept is what came over the wire."""
    stand.lay([*mailmix.mix(60, largest_bytes=60_000), mailmix.anonymous()])
    stand.daemon.start_and_answer()
    stand.daemon.wait_until_settled(61)
    told = stand.daemon.command("import", str(stand.dovecot.home(stand.user) / "Maildir"), "--unit", "box", "--json")
    assert (told.returncode, told.stderr) == (0, "")
    assert json.loads(told.stdout)["reasons"] == {"duplicate": 60, "no_sender": 1}
    ours = {sha256 for (sha256,) in stand.daemon.ask("SELECT raw_sha256 FROM intake WHERE source = '(import)'")}
    assert ours == stand.made
    assert stand.daemon.stop() == 0
