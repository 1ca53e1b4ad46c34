"""How long any mail holds up the event loop: `python -m bench.loop`.

Hostile mails, one at a time, then mails of 10 to 50 MB, go through a Dovecot to a daemon that has nothing else to do.
After each the metric `mailwicket_loop_lag_max_seconds` is read; the last line is the worst of all, and whose it was.
"""

from __future__ import annotations

import json
import sys

from tests.lab import mailmix
from tests.lab.bombs import BOMBS
from tests.lab.daemon import Daemon
from tests.lab.dovecot import running

from bench.mailbox import scratch

SENDER = b"From: somebody@example.org\r\n"
LARGE_MB = (10, 25, 50)


def main() -> None:
    """Feed them and print one JSON object."""
    bombs = {name: raw if raw.startswith(b"From:") else SENDER + raw for name, raw in BOMBS.items()}
    mails = {**bombs, **{f"{size} MB": mailmix.large(size * 1_000_000, size) for size in LARGE_MB}}
    blocked: dict[str, float] = {}
    with running() as dovecot:
        dovecot.fill("bombs", [])
        daemon = Daemon(scratch(dovecot.base / "ours"), {"box": dovecot.box("bombs", max_mail_bytes=100_000_000)})
        try:
            daemon.start_and_answer()
            before = daemon.metric("mailwicket_loop_lag_max_seconds")
            for number, (name, raw) in enumerate(mails.items(), 1):
                dovecot.fill("bombs", [raw])
                daemon.wait_until_settled(number, limit_s=120)
                now = daemon.metric("mailwicket_loop_lag_max_seconds")
                if now > before:  # a new worst
                    blocked[name] = round(now * 1000, 1)
                before = now
                sys.stderr.write(f"  {name}: {daemon.reasons()[-1]}, worst so far {now * 1000:.1f} ms\n")
            daemon.stop()
        finally:
            daemon.end()
    worst = max(blocked, key=blocked.__getitem__) if blocked else "none"
    print(json.dumps({"loop_blocked_max_ms": blocked.get(worst, 0.0), "worst": worst, "mails": len(mails)}))


if __name__ == "__main__":
    main()
