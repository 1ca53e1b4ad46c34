"""Two desks whose mailboxes write to each other, over real servers: it ends."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.lab import postfix
from tests.lab.daemon import Daemon
from tests.lab.processes import until

pytestmark = pytest.mark.real

DESKS = ("support", "helpdesk")
MARKS = ("Auto-Submitted", "X-Auto-Response-Suppress", "Precedence", "X-Mailwicket-Loop", "List-Id", "List-Unsubscribe")
QUIET_S = 3
MAILS_MAX = 5


@pytest.fixture
def mx() -> Iterator[postfix.Postfix]:
    with postfix.running() as server:
        yield server


def mails(mx: postfix.Postfix) -> int:
    return sum(len(mx.dovecot.uids(desk)) for desk in DESKS)


def quiet(mx: postfix.Postfix) -> int:
    """The number of mails, once it has not grown for QUIET_S."""
    last, since = mails(mx), time.monotonic()
    while time.monotonic() - since < QUIET_S:
        time.sleep(0.1)
        if (now := mails(mx)) != last:
            assert now <= MAILS_MAX, f"they still write to each other: {now} mails"
            last, since = now, time.monotonic()
    return last


@pytest.mark.parametrize("lost", [MARKS, (*MARKS, "References", "In-Reply-To", "Message-ID")], ids=len)
def test_two_desks_that_write_to_each_other_stop_whatever_is_lost_on_the_way(
    mx: postfix.Postfix, lost: tuple[str, ...], tmp_path: Path
) -> None:
    mx.strip(*lost)
    with ExitStack() as stack:
        for desk in DESKS:
            mx.dovecot.fill(desk, [])
            boxes = {"box": mx.dovecot.box(desk, poll_s=1)}
            daemon = Daemon(tmp_path / desk, boxes, **{"outgoing.main": mx.server(desk)})
            stack.callback(daemon.end)
            daemon.start_and_answer()
            daemon.wait_until_idle()
        with smtplib.SMTP("127.0.0.1", mx.relay) as smtp:
            head = "From: helpdesk@example.net\r\nTo: support@example.net\r\nSubject: hello\r\n"
            smtp.sendmail("helpdesk@example.net", "support@example.net", f"{head}\r\nWho is there?\r\n")
        until(lambda: mails(mx) >= 2, 20, what="the first answer")
        count = quiet(mx)
    assert 2 <= count <= MAILS_MAX
    print(f"{count} mails, {len(lost)} headers lost")
