"""A full mailbox becomes tickets."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.lab import mailmix
from tests.lab.stand import Stand

pytestmark = pytest.mark.real

COUNT = 2_000


def quick_mix() -> Iterator[bytes]:
    """The helpdesk's mix without its long attachments, and three mails that come in slices."""
    yield from mailmix.mix(COUNT - 3, largest_bytes=60_000)
    yield from (mailmix.large(size, number) for number, size in enumerate((1_100_000, 1_500_000, 3_200_000)))


def take_all(stand: Stand, mails: Iterator[bytes], limit_s: float) -> None:
    stand.lay(mails)
    assert len(stand.made) == COUNT
    stand.daemon.start()
    stand.daemon.wait_until_settled(COUNT, limit_s=limit_s)
    status = stand.daemon.command("status", "--json")
    assert status.returncode == 0
    unit = json.loads(status.stdout)["units"][0]
    assert (unit["state"], unit["backlog"]) == ("running", 0)
    assert stand.daemon.stop() == 0
    books = stand.close()
    assert books.parked == 0
    tickets = json.loads(stand.daemon.command("tickets", "list", "--all", "--json").stdout)
    assert sum(ticket["entries"] for ticket in tickets) == COUNT
    assert stand.daemon.told("warning", "error") == []


def test_2000_mixed_mails_become_tickets_each_once_with_the_servers_bytes(stand: Stand) -> None:
    take_all(stand, quick_mix(), limit_s=60)
    assert stand.daemon.ask("SELECT count(*) FROM kept WHERE file LIKE '%.eml'") == [(3,)]


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_2000_mails_of_the_true_mix_become_tickets_each_once(stand: Stand) -> None:
    take_all(stand, mailmix.mix(COUNT, seed=2), limit_s=300)
    print(f"true mix: {COUNT} mails, {sum(length for (length,) in stand.daemon.ask('SELECT length FROM kept'))} bytes")
