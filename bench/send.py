"""How fast the outbox is sent, over one connection and over four: `python -m bench.send [--mails N] [--rounds N]`.

The outbox is full when the time begins, its mails written as they were queued, and ends when every mail is at Postfix's
smtp-sink and every row says so, synced to the disk. A bare loop over aiosmtplib sends the same bytes over as many
connections; it keeps no books. They take turns; the figures are medians. `best` compares the fastest round of each:
other work on the machine only ever slows one down.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import aiosmtplib
import anyio
from tests.lab.courier import Nothing, local

from bench.sink import smtp_sink
from mailwicket.flow.delivery import Courier
from mailwicket.flow.handing import Office
from mailwicket.flow.posting import write_ahead
from mailwicket.flow.switchboard import Exchange, Switchboard
from mailwicket.flow.writing import Writing
from mailwicket.model import Address, TicketNumber
from mailwicket.net.machine import Machine
from mailwicket.outgoing import Event
from mailwicket.ports import Transaction
from mailwicket.senders.smtp import SmtpSender
from mailwicket.service.couriers import CourierUnit
from mailwicket.service.units import Unit
from mailwicket.store import outbox, outlist
from mailwicket.store.outbox import Draft, SentAs
from mailwicket.store.store import Store

CONNECTIONS = (1, 4)
TEXT = "Thank you for your patience. The printer was out of paper, and is not any more.\n" * 12
HTML = "<p>Thank you for your patience. The printer was out of <b>paper</b>, and is not any more.</p>\n" * 12
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


def draft(number: int) -> Draft:
    return Draft(
        cause=f"bench-{number}/technician_replied/requester",
        event=Event.TECHNICIAN_REPLIED,
        ticket=TicketNumber(number),
        to=[Address("Ann Example", f"ann{number}@example.com")],
        cc=[],
        subject=f"Re: [#{number}] The printer on the second floor",
        text=TEXT,
        html=HTML,
        meant="main",
        route={"meant": "main", "via": "main"},
        domain="example.org",
        automatic=False,
    )


class Ours:
    """A store with a full outbox, and couriers."""

    def __init__(self, directory: Path, port: int, connections: int) -> None:
        self.store = Store(directory)
        config = local(port, connections)
        self.board = Switchboard(Exchange({"main": config}))
        self.writing = Writing(self.store.raw, directory / "attachments")
        office = Office(self.board, self.writing, Nothing())
        sender = SmtpSender("main", config, Machine(directory))
        self.unit = Unit("outgoing/main", "sink")
        told = CourierUnit(self.unit)
        self.courier = Courier("main", sender, self.store, office, told, connections=connections)

    async def fill(self, mails: int) -> list[bytes]:
        """Queue them, and return them as they will be sent."""

        def job(tx: Transaction) -> None:
            now = datetime.now(UTC)
            for number in range(1, mails + 1):
                nonce = "".join(LETTERS[number // 32**place % 32] for place in range(4))
                queued = outbox.queue(tx, draft(number), self.store.keys, nonce, now)
                write_ahead(tx, queued.outbox_id, self.board, self.writing)

        await self.store.write(job)
        first = await self.store.write(lambda tx: outbox.claim(tx, "main", ["main"], datetime.now(UTC), 50))
        raws = [await self.writing(one, SentAs("desk@example.org", None, None, "desk@example.org")) for one in first]
        await self.store.write(lambda tx: outbox.release_all(tx, "main", believed=True))
        return raws

    async def send(self, mails: int) -> float:
        """Send all of them; return for how many seconds."""
        begin = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.courier.run)
            while self.unit.sent_mails < mails or self.store.read(outlist.backlog):  # noqa: ASYNC110 - none tells
                await anyio.sleep(0.01)
            took = time.perf_counter() - begin
            tasks.cancel_scope.cancel()
        return took


async def bare(port: int, connections: int, raws: Sequence[bytes], mails: int) -> float:
    """Send as many mails over as many connections; return for how many seconds."""
    numbers = iter(range(mails))

    async def send() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, use_tls=False) as client:
            for number in numbers:
                await client.sendmail("desk@example.org", [f"ann{number}@example.com"], raws[number % len(raws)])

    begin = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(connections)))
    return time.perf_counter() - begin


async def measure(mails: int, rounds: int, port: int, connections: int) -> dict[str, float]:
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        with TemporaryDirectory(prefix="mailwicket-bench-") as name:
            desk = Ours(Path(name), port, connections)
            raws = await desk.fill(mails)
            ours.append(mails / await desk.send(mails))
            await desk.store.close()
            theirs.append(mails / await bare(port, connections, raws, mails))
        sys.stderr.write(f"{connections} connections: ours {ours[-1]:.0f}/s, bare {theirs[-1]:.0f}/s\n")
    ratio = statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
    return {
        "mails_per_s": round(statistics.median(ours)),
        "bare_per_s": round(statistics.median(theirs)),
        "ratio": round(ratio, 2),
        "best": round(max(ours) / max(theirs), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--profile", action="store_true", help="one round over one connection, and where the time goes")
    asked = parser.parse_args()
    with smtp_sink() as port:
        if asked.profile:
            with cProfile.Profile() as profile:
                anyio.run(measure, asked.mails, 1, port, 1)
            profile.print_stats("tottime")
            return
        table = {
            f"over {connections}": anyio.run(measure, asked.mails, asked.rounds, port, connections)
            for connections in CONNECTIONS
        }
    print(json.dumps(table))


if __name__ == "__main__":
    main()
