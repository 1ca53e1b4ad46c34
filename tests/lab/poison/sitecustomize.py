"""A parser with two bugs: mail that bears `X-Poison: raise` breaks it, mail with `X-Poison: die` kills the process.

Python imports this by its name where its directory stands in PYTHONPATH: a daemon for `tests/real/test_poison.py`.
"""

import os
import signal

from mailwicket.flow import reading

_parse = reading.parse


def parse(raw):  # noqa: ANN001, ANN201 - stands for the true one
    head = bytes(raw[:2000])
    if b"\r\nX-Poison: raise\r\n" in head:
        raise RecursionError("poisoned")
    if b"\r\nX-Poison: die\r\n" in head:
        os.kill(os.getpid(), signal.SIGKILL)
    return _parse(raw)


reading.parse = parse
