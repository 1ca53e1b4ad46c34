"""How fast a full mailbox becomes tickets, beside mbsync fetching it: `python -m bench.backlog`.

The daemon is timed from the moment in which it serves (its next step is to connect) to the commit of the last ticket,
mbsync from the start of its process to its end. `ratio_from_start` counts the start of the daemon's process, too, and
`ratio_settled` waits until the server's copies are marked as seen. They take turns, server included, on one machine;
each figure is the median of the ratios of neighbours. Before each run the mailbox is put back as it was seeded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab import mailmix
from tests.lab.daemon import MIB, Daemon
from tests.lab.dovecot import Dovecot, running
from tests.lab.ledger import close_books
from tests.lab.processes import until

from bench import mbsync
from bench.mailbox import Mailbox, scratch

SETS = {"small": ("small", "none", 10_000), "mix": ("mix", "none", 2_000), "mix_tls": ("mix", "ssl", 2_000)}
LIMIT_S = 300.0
LAST_DECIDED = "SELECT max(intake_id) FROM decision"
OPEN = "SELECT count(*) FROM intake_row WHERE state < 4"


@dataclass
class Run:
    """One backlog, from the daemon's side: moments in seconds after the start of its process, and what it cost."""

    up_s: float
    committed_s: float
    settled_s: float
    cpu_s: float
    peak_mib: float
    loop_blocked_ms: float


@dataclass
class Figures:
    """What the runs of one set gave."""

    mails: int
    idle_mib: float
    runs: list[Run] = field(default_factory=list)
    mbsync_s: list[float] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """The medians; of memory and of the loop the worst."""
        pairs = list(zip(self.mbsync_s, self.runs, strict=True))
        ratios = [peer / (run.committed_s - run.up_s) for peer, run in pairs]
        return {
            "ratio": round(statistics.median(ratios), 2),
            "ratios": [round(one, 2) for one in ratios],
            "ratio_settled": round(statistics.median(peer / (run.settled_s - run.up_s) for peer, run in pairs), 2),
            "ratio_from_start": round(statistics.median(peer / run.committed_s for peer, run in pairs), 2),
            "mails_per_s": round(self.mails / statistics.median(run.committed_s - run.up_s for run in self.runs)),
            "mbsync_mails_per_s": round(self.mails / statistics.median(self.mbsync_s)),
            "cpu_s_per_1000": round(statistics.median(run.cpu_s for run in self.runs) / self.mails * 1000, 2),
            "rss_over_idle_mib": round(max(run.peak_mib for run in self.runs) - self.idle_mib, 1),
            "loop_blocked_max_ms": round(max(run.loop_blocked_ms for run in self.runs), 1),
        }


def idle_bytes(dovecot: Dovecot, directory: Path) -> int:
    """Return the memory of a daemon that has an empty mailbox and waits."""
    dovecot.fill("nobody", [])
    daemon = Daemon(scratch(directory), {"box": dovecot.box("nobody")})
    daemon.start_and_answer()
    time.sleep(1.5)
    held = daemon.memory_bytes()
    daemon.stop()
    return held


def drain(dovecot: Dovecot, mailbox: Mailbox, security: str, directory: Path) -> Run:
    """Let the daemon have the mailbox, and note what it cost."""
    daemon = Daemon(scratch(directory), {"box": dovecot.box(mailbox.user, security)})
    begun = time.perf_counter()
    try:
        daemon.start_and_answer()
        up_s = time.perf_counter() - begun
        cpu_before_s = daemon.cpu_s()
        moments = []
        # Cheap questions, in the order of work: whoever asks shares the processors.
        for question, wanted in ((LAST_DECIDED, mailbox.count), (OPEN, 0)):
            until(lambda: daemon.ask(question) == [(wanted,)], LIMIT_S, 0.02, "the last ticket")  # noqa: B023 - called at once
            moments.append(time.perf_counter() - begun)
        run = Run(
            up_s,
            *moments,
            cpu_s=daemon.cpu_s() - cpu_before_s,
            peak_mib=daemon.memory_peak_bytes() / MIB,
            loop_blocked_ms=daemon.metric("mailwicket_loop_lag_max_seconds") * 1000,
        )
        daemon.stop()
        return run
    finally:
        daemon.end()


def compare(dovecot: Dovecot, mailbox: Mailbox, security: str, pairs: int, idle_mib: float) -> Figures:
    """Let the two take turns."""
    figures = Figures(mailbox.count, idle_mib)
    for pair in range(pairs):
        mailbox.restore()
        peer_s = mbsync.drain(dovecot, mailbox.user, security, dovecot.base / "peer", mailbox.count)
        figures.mbsync_s.append(peer_s)
        mailbox.restore()
        run = drain(dovecot, mailbox, security, dovecot.base / "ours")
        figures.runs.append(run)
        sys.stderr.write(
            f"  pair {pair + 1}: {run.committed_s - run.up_s:.2f} s (process started {run.up_s:.2f} s before), "
            f"mbsync {peer_s:.2f} s\n"
        )
    return figures


def main() -> None:
    """Run every set and print one JSON object."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--pairs", type=int, default=5)
    asked.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    chosen = asked.parse_args()
    told: dict[str, Any] = {}
    with running() as dovecot:
        idle_mib = idle_bytes(dovecot, dovecot.base / "idle") / MIB
        told["idle_rss_mib"] = round(idle_mib, 1)
        mailbox: Mailbox | None = None
        kind = ""
        for name in chosen.sets:
            wanted, security, count = SETS[name]
            if mailbox is None or wanted != kind:
                if mailbox is not None:
                    mailbox.remove()
                kind = wanted
                mailbox = Mailbox(dovecot, kind, getattr(mailmix, kind)(count))
                size = mailbox.size_bytes / mailbox.count / 1000
                sys.stderr.write(f"{kind}: {mailbox.count} mails, mean {size:.1f} kB\n")
            sys.stderr.write(f"{name}\n")
            told[name] = compare(dovecot, mailbox, security, chosen.pairs, idle_mib).told()
            books = close_books(dovecot.base / "ours" / "state", (raw for _, raw in dovecot.served(kind)))
            assert books.balanced, str(books)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
