"""How fast a full mailbox becomes tickets, beside mbsync fetching it: `python -m bench.backlog`.

The daemon is timed from the start of its process to the commit that settles the last ticket, with the server's copies
marked; mbsync from the start of its process to its end. They take turns, server included, on the same machine; the
figure is the median of the ratios of neighbours. Before each run the mailbox is put back as it was seeded.
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

from bench import mbsync
from bench.mailbox import Mailbox, scratch

SETS = {"small": ("small", "none", 10_000), "mix": ("mix", "none", 2_000), "mix_tls": ("mix", "ssl", 2_000)}
LIMIT_S = 300.0


@dataclass
class Figures:
    """What the runs of one set gave."""

    mails: int
    idle_mib: float
    ratios: list[float] = field(default_factory=list)
    ours_s: list[float] = field(default_factory=list)
    mbsync_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    rss_over_idle_mib: list[float] = field(default_factory=list)
    loop_blocked_max_ms: list[float] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """The medians; of memory and of the loop the worst."""
        return {
            "ratio": round(statistics.median(self.ratios), 2),
            "ratios": [round(one, 2) for one in self.ratios],
            "mails_per_s": round(self.mails / statistics.median(self.ours_s)),
            "mbsync_mails_per_s": round(self.mails / statistics.median(self.mbsync_s)),
            "cpu_s_per_1000": round(statistics.median(self.cpu_s) / self.mails * 1000, 2),
            "rss_over_idle_mib": round(max(self.rss_over_idle_mib), 1),
            "loop_blocked_max_ms": round(max(self.loop_blocked_max_ms), 1),
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


def drain(dovecot: Dovecot, mailbox: Mailbox, security: str, directory: Path, into: Figures) -> None:
    """Let the daemon have the mailbox, and note what it cost."""
    daemon = Daemon(scratch(directory), {"box": dovecot.box(mailbox.user, security)})
    begun = time.perf_counter()
    daemon.start()
    try:
        daemon.wait_until_settled(mailbox.count, limit_s=LIMIT_S)
        into.ours_s.append(time.perf_counter() - begun)
        into.cpu_s.append(daemon.cpu_s())
        into.rss_over_idle_mib.append(daemon.memory_peak_bytes() / MIB - into.idle_mib)
        into.loop_blocked_max_ms.append(daemon.metric("mailwicket_loop_lag_max_seconds") * 1000)
        daemon.stop()
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
        drain(dovecot, mailbox, security, dovecot.base / "ours", figures)
        figures.ratios.append(peer_s / figures.ours_s[-1])
        sys.stderr.write(f"  pair {pair + 1}: {figures.ours_s[-1]:.2f} s, mbsync {peer_s:.2f} s\n")
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
