"""The server closes at byte k of a mail, for all k: what came of it is never taken for the mail."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import anyio
import pytest
from tests.fakes import mail
from tests.hostile.house import Tenant, house
from tests.hostile.server import MailServer, Wire, mail_server
from tests.lab.ledger import close_books
from tests.waiting import becomes

from mailwicket.errors import TransientError
from mailwicket.service.supervisor import first_failure

MAIL_BYTES: Final = 4096


def letter(number: int) -> bytes:
    head = mail(f"number {number}", "", message_id=f"{number}@example.org")
    return head + (b"%07d\r\n" % number * MAIL_BYTES)[: MAIL_BYTES - len(head)]


async def _cut(server: MailServer, tenant: Tenant, byte: int) -> None:
    """Have a mail broken off at *byte*; every second time it is a RST."""

    async def break_off(wire: Wire, answer: bytes) -> None:
        await wire.send(answer[: answer.index(b"}\r\n") + 3 + byte])
        await asyncio.sleep(0)
        wire.close() if byte % 2 else wire.reset()

    server.misbehave("FETCH", break_off)
    try:
        with anyio.fail_after(10):
            await tenant.intake.run()
    except Exception as error:  # noqa: BLE001 - which one it is, is what is asked
        failure = first_failure(error)
        assert isinstance(failure, TransientError), failure
        assert failure.reason == "connection_lost", failure
    server.behave()


async def cut_at(directory: Path, positions: Iterable[int]) -> None:
    async with house(directory) as one, mail_server() as server:
        tenant = one.add("box", server.port)
        for number, byte in enumerate(positions):
            server.deliver(letter(number))
            assert len(server.delivered[-1]) == MAIL_BYTES
            await _cut(server, tenant, byte)
            assert not one.holds(server.delivered[-1])
            assert server.times == 1, byte
            if number % 2:  # two wait then: one is whole, the other was cut
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(tenant.intake.run)
                    await becomes(lambda: one.holds(server.delivered[-1]), 10, f"the mail cut at {byte}")
                    await becomes(server.settled, 10, "settling")
                    tasks.cancel_scope.cancel()
        made = list(server.delivered)
    books = close_books(directory, made)
    print(books)
    assert books.balanced, books


async def test_a_mail_that_is_cut_is_never_torn(tmp_path: Path) -> None:
    """Its first and last bytes, and every 32nd between."""
    edge = 8
    between = range(edge, MAIL_BYTES - edge, 32)
    await cut_at(tmp_path / "state", [*range(edge), *between, *range(MAIL_BYTES - edge, MAIL_BYTES + 2)])


@pytest.mark.torture
@pytest.mark.timeout(900)
async def test_a_mail_that_is_cut_at_any_byte_is_never_torn(tmp_path: Path) -> None:
    await cut_at(tmp_path / "state", range(MAIL_BYTES))
