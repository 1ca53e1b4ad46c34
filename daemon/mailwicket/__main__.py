"""`python -m mailwicket` is the command `mailwicket`."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["run"]:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a reload that is asked for before we can is no end; `process`
    from mailwicket.cli import main as command  # noqa: PLC0415 - takes half a second

    command()


if __name__ == "__main__":
    main()
