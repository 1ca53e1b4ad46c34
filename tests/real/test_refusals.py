"""What only a human can mend blocks the unit, with a line that says unit, server, its words and what happens next.

Nothing is lost by it: when the configuration is mended the mail comes.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.lab import mailmix
from tests.lab.dovecot import Dovecot, running
from tests.lab.processes import until
from tests.lab.stand import Stand

pytestmark = pytest.mark.real

COUNT = 5
NEXT = '; blocked until conf.d changes, "mailwicket reload" (a secret) or "mailwicket unblock incoming/box"'
CANARY = "canary-Pa55w0rd"


def refused(stand: Stand, reason: str) -> str:
    """Start the daemon, wait until its unit is blocked for *reason*, and return the line that says so."""
    daemon = stand.daemon
    stand.lay(mailmix.small(COUNT))
    daemon.start_and_answer()
    until(lambda: daemon.unit()["state"] == "blocked", 20, what="being blocked")
    unit = daemon.unit()
    assert unit["reason"] == reason
    assert json.loads(daemon.get("/readyz"))["ready"] is False
    assert daemon.stop() == 0
    (line,) = daemon.told("error")
    assert line == f"incoming/box: {unit['said']}{NEXT}"
    return line


def mend(stand: Stand, **keys: object) -> None:
    stand.configure(**keys)
    stand.run(COUNT)
    stand.close()


def test_a_refused_login_is_tried_once_and_never_tells_the_password(
    stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    stand = stands(dovecot, password=CANARY, tables={"daemon": {"log_level": "debug"}})
    line = refused(stand, "login_refused")
    assert f"127.0.0.1:{dovecot.imap} refused login of {stand.user}@example.net (" in line
    assert "[AUTHENTICATIONFAILED]" in line
    assert CANARY not in stand.daemon.log
    attempts = [line for line in (dovecot.base / "dovecot.log").read_text().splitlines() if f"<{stand.user}>" in line]
    assert len(attempts) == 1
    assert "auth failed, 1 attempts" in attempts[0]
    mend(stand)


def test_a_certificate_of_an_unknown_authority_is_refused(stands: Callable[..., Stand], dovecot: Dovecot) -> None:
    stand = stands(dovecot, security="ssl", ca_file=None)
    line = refused(stand, "certificate")
    assert f"127.0.0.1:{dovecot.imaps}: the certificate is refused: " in line
    mend(stand, security="ssl")


def test_a_certificate_of_an_unknown_authority_is_refused_after_starttls(
    stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    stand = stands(dovecot, security="tls", ca_file=None)
    line = refused(stand, "certificate")
    assert f"127.0.0.1:{dovecot.imap}: the certificate is refused: " in line
    mend(stand, security="tls")


def test_a_certificate_with_another_name_is_refused(stands: Callable[..., Stand]) -> None:
    with running("mail.example.org") as elsewhere:
        stand = stands(elsewhere, security="ssl")
        line = refused(stand, "certificate")
        assert "127.0.0.1" in line
        assert "mismatch" in line
        mend(stand, security="none", ca_file=None)


def test_a_folder_that_is_not_there_is_named(stands: Callable[..., Stand], dovecot: Dovecot) -> None:
    stand = stands(dovecot, folder="Support")
    line = refused(stand, "folder_unknown")
    assert f'127.0.0.1:{dovecot.imap} does not open the folder Support ("' in line
    assert "doesn't exist" in line
    mend(stand)


def test_a_folder_to_move_to_that_cannot_be_is_named_and_the_tickets_are_there_before(
    stands: Callable[..., Stand], dovecot: Dovecot
) -> None:
    stand = stands(dovecot, after="move:Done/in.2026")
    line = refused(stand, "refused")
    assert f"127.0.0.1:{dovecot.imap}" in line
    assert "Done/in.2026" in line
    assert stand.daemon.count("done") == COUNT
    mend(stand)
    assert stand.daemon.ask("SELECT count(*) FROM desk_entry") == [(COUNT,)]
