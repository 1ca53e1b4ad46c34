"""A crier and a courier in a process of their own, which a test kills: `python -m tests.lab.crier STATE_DIR PORT`.

It ends when everybody was written to and the outbox is empty.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from mailwicket.flow.delivery import Courier
from mailwicket.flow.handing import Office
from mailwicket.flow.judge import utc_now
from mailwicket.flow.posting import Posting
from mailwicket.flow.switchboard import Exchange, Switchboard
from mailwicket.flow.writing import Writing
from mailwicket.net.machine import Machine
from mailwicket.rules.policy import Policy
from mailwicket.senders.smtp import SmtpSender
from mailwicket.service.couriers import CourierUnit
from mailwicket.service.crier import Crier
from mailwicket.service.units import Unit
from mailwicket.store import announcements, outlist
from mailwicket.store.store import Store
from tests.lab.courier import LOOK_S, Nothing, local

EVERY_S = 0.01


async def cry(state_dir: Path, port: int) -> None:
    store = Store(state_dir)
    config = local(port, 1)
    board = Switchboard(Exchange({"main": config}))
    writing = Writing(store.raw, state_dir / "attachments")
    office = Office(board, writing, Nothing())
    posting = Posting(Policy(keys=store.keys), {}, board, writing=writing)
    crier = Crier(store, lambda: posting, utc_now, EVERY_S)
    sender = SmtpSender("main", config, Machine(state_dir))
    courier = Courier("main", sender, store, office, CourierUnit(Unit("outgoing/main", "sink")), connections=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(courier.run)
        tasks.start_soon(crier.run)
        while store.read(lambda tx: announcements.to_write(tx, 1)) or store.read(outlist.backlog):  # noqa: ASYNC110
            await anyio.sleep(LOOK_S)
        tasks.cancel_scope.cancel()
    await store.close()


if __name__ == "__main__":
    anyio.run(cry, Path(sys.argv[1]), int(sys.argv[2]))
