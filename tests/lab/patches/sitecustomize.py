"""Changes a test makes to the daemon's code: Python imports this where its directory stands in PYTHONPATH.

`LAB_WHOLE_BYTES=N`: mails over N bytes come in slices, so that a test needs no mail of 9 MB for that.
`LAB_LOGINS_AT_ONCE=N`: so many log in to one host at a time.
`LAB_BUSY_S=N`: a database that somebody else holds is waited for N seconds, not a minute.
`LAB_GRAPH_PATIENCE_S=N`: what was sent by Graph may look as if it was not for N seconds, and is asked after each half.
`LAB_POISON=1`: a parser with two bugs: `X-Poison: raise` in a mail breaks it, `X-Poison: die` kills its process.
"""

import os
import signal


def poison() -> None:
    """Before anybody imports the true one."""
    from mailwicket.mail import parse as module

    true_parse = module.parse

    def parse(raw):  # noqa: ANN001, ANN202 - stands for the true one
        head = bytes(raw[:2000])
        if b"\r\nX-Poison: raise\r\n" in head:
            raise RecursionError("poisoned")
        if b"\r\nX-Poison: die\r\n" in head:
            os.kill(os.getpid(), signal.SIGKILL)
        return true_parse(raw)

    module.parse = parse


if "LAB_POISON" in os.environ:
    poison()
if "LAB_BUSY_S" in os.environ:
    from mailwicket.store import writer

    writer.BUSY_TIMEOUT_S = float(os.environ["LAB_BUSY_S"])
if "LAB_GRAPH_PATIENCE_S" in os.environ:
    from datetime import timedelta

    from mailwicket.flow import carrying, handing
    from mailwicket.senders._graph_submission import GraphSubmission

    GraphSubmission.patience_s = float(os.environ["LAB_GRAPH_PATIENCE_S"])
    carrying.IDLE_S = GraphSubmission.patience_s / 2
    handing.UNCERTAIN = timedelta(seconds=carrying.IDLE_S)
if "LAB_WHOLE_BYTES" in os.environ:
    from mailwicket.net import receiver
    from mailwicket.sources import _imap_bodies

    _imap_bodies.WHOLE_BYTES = receiver.WHOLE_BYTES = int(os.environ["LAB_WHOLE_BYTES"])
if "LAB_LOGINS_AT_ONCE" in os.environ:
    from mailwicket.net.entrance import Entrance

    Entrance.__init__.__defaults__ = (int(os.environ["LAB_LOGINS_AT_ONCE"]),)
