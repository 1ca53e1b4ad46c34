"""Very large mails: in slices, through a file, never as a whole in memory; and what is over the limit."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable

import pytest
from tests.lab import mailmix
from tests.lab.daemon import MIB
from tests.lab.dovecot import Dovecot
from tests.lab.ledger import close_books, digest
from tests.lab.stand import Stand

pytestmark = pytest.mark.real


def test_a_mail_of_50_mb_costs_at_most_64_mib_and_the_mail_behind_it_arrives(stand: Stand) -> None:
    daemon = stand.daemon
    daemon.start()
    daemon.wait_until_idle()
    idle = daemon.memory_bytes()
    large = mailmix.large(50_000_000)
    stand.lay([large, *mailmix.small(1)])
    daemon.wait_until_settled(2)
    over_idle = daemon.memory_peak_bytes() - idle
    assert daemon.unit()["state"] == "running"
    assert daemon.stop() == 0
    assert stand.close().parked == 0
    assert daemon.reasons() == ["created", "created"]
    travelled = large[large.rindex(b"\r\n\r\n") + 4 : large.rindex(b"\r\n--")]
    content = base64.b64decode(travelled)
    shown = json.loads(daemon.command("tickets", "show", "1", "--json").stdout)
    (attachment,) = shown["entries"][0]["attachments"]
    assert (attachment["size"], attachment["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    print(f"50 MB: {over_idle / MIB:.1f} MiB over idle")
    assert over_idle <= 64 * MIB


@pytest.mark.parametrize("after", ["seen", "delete"])
def test_a_mail_over_the_limit_is_a_ticket_from_its_headers_and_stays_on_the_server(
    stands: Callable[..., Stand], dovecot: Dovecot, after: str
) -> None:
    stand = stands(dovecot, max_mail_bytes=1_000_000, after=after)
    large, small = mailmix.large(1_600_000), next(mailmix.small(1))
    stand.lay([large, small])
    stand.run(2)
    headers = large[: large.index(b"\r\n\r\n") + 4]
    books = close_books(stand.daemon.state_dir, [headers, small])
    assert books.balanced, str(books)
    assert stand.daemon.reasons() == ["too_large_truncated", "created"]
    assert stand.daemon.ask("SELECT flags FROM desk_entry ORDER BY entry") == [('["truncated"]',), ("[]",)]
    left = {digest(raw) for _, raw in dovecot.served(stand.user)}
    assert left == ({digest(large)} if after == "delete" else {digest(large), digest(small)})
    assert stand.unseen() == []
