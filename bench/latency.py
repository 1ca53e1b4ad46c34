"""How soon a mail that the server announces is a committed ticket: `python -m bench.latency`.

Mails are delivered one by one while the daemon idles. The time runs from the moment in which the server's EXISTS goes
over the wire to the daemon until another process can read the ticket in the database, looked for every half
millisecond. fetchmail, idling behind such a wire, is timed until the file of the mail has its name. They take turns.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from tests.lab import mailmix
from tests.lab.daemon import Daemon
from tests.lab.dovecot import Dovecot, running
from tests.lab.processes import until

from bench import fetchmail
from bench.mailbox import scratch
from bench.wire import Wire

LOOK_S = 0.0005
GAP_S = (0.55, 0.85)  # Dovecot gathers what comes within half a second
LIMIT_S = 20.0


def arrivals(deliver: Callable[[bytes], None], mails: list[bytes], wire: Wire, count: Callable[[], int]) -> list[float]:
    """Deliver *mails* one by one; return the seconds from each EXISTS to the rise of *count*."""
    took: list[float] = []
    held = count()
    gaps = random.Random(held + len(mails))
    for raw in mails:
        time.sleep(gaps.uniform(*GAP_S))
        deliver(raw)
        end = time.perf_counter() + LIMIT_S
        while count() == held:
            if time.perf_counter() > end:
                raise TimeoutError("a mail did not arrive")
            time.sleep(LOOK_S)
        now = time.perf_counter()
        held += 1
        took.append(now - wire.told[held])
    return took


def ours(dovecot: Dovecot, user: str, mails: list[bytes], directory: Path) -> tuple[list[float], float]:
    """Return the latencies of the daemon, and its worst event loop lag in seconds."""
    dovecot.fill(user, [])
    wire = Wire(dovecot.imap)
    daemon = Daemon(scratch(directory), {"box": {**dovecot.box(user, poll_s=60), "port": wire.port}})
    try:
        daemon.start_and_answer()
        until(lambda: daemon.unit()["last_success"], LIMIT_S, what="the first look")
        path = daemon.state_dir / "mailwicket.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:

            def count() -> int:
                return int(database.execute("SELECT coalesce(max(entry), 0) FROM desk_entry").fetchone()[0])

            took = arrivals(partial(dovecot.deliver, user), mails, wire, count)
        lag = daemon.metric("mailwicket_loop_lag_max_seconds")
        daemon.stop()
    finally:
        daemon.end()
        wire.close()
    return took, lag


def peers(dovecot: Dovecot, user: str, mails: list[bytes], directory: Path) -> list[float]:
    """Return the latencies of fetchmail."""
    dovecot.fill(user, mails[:1])
    wire = Wire(dovecot.imap)
    try:
        with fetchmail.idling(user, wire.port, directory) as arrived:

            def count() -> int:
                return sum("." not in path.name for path in arrived.iterdir())

            until(lambda: count() == 1, LIMIT_S, what="fetchmail's first mail")
            time.sleep(1)  # until it idles
            return arrivals(partial(dovecot.deliver, user), mails[1:], wire, count)
    finally:
        wire.close()


def figures(took: list[float]) -> dict[str, float]:
    """The distribution in milliseconds."""
    ms = sorted(one * 1000 for one in took)
    told = {f"p{share}_ms": round(ms[len(ms) * share // 100], 2) for share in (50, 90, 99)}
    return {**told, "max_ms": round(ms[-1], 2), "mails": len(ms)}


def main() -> None:
    """Take turns and print one JSON object."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--pairs", type=int, default=5)
    asked.add_argument("--mails", type=int, default=40, help="a round")
    chosen = asked.parse_args()
    mails = list(mailmix.small(chosen.pairs * chosen.mails * 2 + 2 * chosen.pairs))
    took: list[float] = []
    peer: list[float] = []
    ratios: list[float] = []
    lags: list[float] = []
    with running() as dovecot:
        for pair in range(chosen.pairs):
            batch, mails = mails[: chosen.mails], mails[chosen.mails :]
            mine, lag = ours(dovecot, f"ours{pair}", batch, dovecot.base / "ours")
            batch, mails = mails[: chosen.mails + 1], mails[chosen.mails + 1 :]
            theirs = peers(dovecot, f"peer{pair}", batch, dovecot.base / "peer")
            took += mine
            peer += theirs
            lags.append(lag)
            ratios.append(statistics.median(theirs) / statistics.median(mine))
            sys.stderr.write(f"  pair {pair + 1}: {figures(mine)}, fetchmail {figures(theirs)}\n")
    told: dict[str, Any] = {
        **figures(took),
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(one, 2) for one in ratios],
        "fetchmail": figures(peer),
        "loop_blocked_max_ms": round(max(lags) * 1000, 1),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
