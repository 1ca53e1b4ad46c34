"""Couriers in a process of their own, which a test kills: `python -m tests.lab.courier STATE_DIR PORT CONNECTIONS`.

It ends when the outbox is empty.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import anyio

from mailwicket.config.outgoing import Outgoing
from mailwicket.flow.delivery import Courier
from mailwicket.flow.handing import Office
from mailwicket.flow.switchboard import Exchange, Switchboard
from mailwicket.flow.writing import Writing
from mailwicket.net.machine import Machine
from mailwicket.ports import Transaction
from mailwicket.senders.smtp import SmtpSender
from mailwicket.service.couriers import CourierUnit
from mailwicket.service.units import Unit
from mailwicket.store import outlist
from mailwicket.store.attempts import Attempt, Noted
from mailwicket.store.outbox import Claimed
from mailwicket.store.store import Store

LOOK_S = 0.02


class Nothing:
    """What follows from an attempt."""

    def ended(self, tx: Transaction, mail: Claimed, attempt: Attempt, noted: Noted, now: datetime) -> None:
        """Nothing does."""


def local(port: int, connections: int) -> Outgoing:
    keys = {"email": "desk@example.org", "server": "127.0.0.1", "port": port, "security": "none"}
    return Outgoing.model_validate({**keys, "authentication": False, "connections": connections})


async def send_all(state_dir: Path, port: int, connections: int) -> None:
    store = Store(state_dir)
    config = local(port, connections)
    board = Switchboard(Exchange({"main": config}))
    office = Office(board, Writing(store.raw, state_dir / "attachments"), Nothing())
    sender = SmtpSender("main", config, Machine(state_dir))
    courier = Courier(
        "main", sender, store, office, CourierUnit(Unit("outgoing/main", "sink")), connections=connections
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(courier.run)
        while store.read(outlist.backlog):  # noqa: ASYNC110 - the store tells nobody
            await anyio.sleep(LOOK_S)
        tasks.cancel_scope.cancel()
    await store.close()


if __name__ == "__main__":
    anyio.run(send_all, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
