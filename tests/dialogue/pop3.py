"""Scripts of POP3: as `server`, where every line of a client is awaited with `C|`, because POP3 has no tags."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.dialogue.server import PASSWORD, Scripted

from mailwicket.errors import MailwicketError
from mailwicket.model import MailRef
from mailwicket.net.deadlines import Deadlines
from mailwicket.net.machine import Machine
from mailwicket.sources.pop3 import Pop3Source

USER = "desk@example.org"
BRISK = Deadlines(connect_s=2, greeting_s=0.3, command_s=0.3, silence_s=0.3, batch_s=0.8, farewell_s=0.2)
CAPABILITIES = ("TOP", "UIDL", "USER", "RESP-CODES")


def lines(*content: str) -> str:
    """The script of an answer of many lines."""
    return "\n".join(["S: +OK", *(f"S: {line}" for line in content), "S: ."]) + "\n"


def greeted(*capabilities: str) -> str:
    """The script of a greeting and CAPA."""
    return "S: +OK ready\nC| CAPA\n" + lines(*(capabilities or CAPABILITIES))


def inside(*capabilities: str) -> str:
    """The script of a login."""
    return f"{greeted(*capabilities)}C| USER {USER}\nS: +OK\nC| PASS {PASSWORD}\nS: +OK in\n"


def listed(*names: str, sizes: Iterable[int] = ()) -> str:
    """The script of a maildrop with mails of these ids."""
    if not names:
        return "C| STAT\nS: +OK 0 0\n"
    told = list(sizes) or [100] * len(names)
    return (
        f"C| STAT\nS: +OK {len(names)} {sum(told)}\nC| UIDL\n"
        + lines(*(f"{number} {name}" for number, name in enumerate(names, 1)))
        + "C| LIST\n"
        + lines(*(f"{number} {size}" for number, size in enumerate(told, 1)))
    )


def opened(*names: str, sizes: Iterable[int] = ()) -> str:
    """The script of a login to such a maildrop."""
    return inside() + listed(*names, sizes=sizes)


def bye() -> str:
    """The script of a QUIT."""
    return "C| QUIT\nS: +OK bye\nX: close\n"


def ref(name: str, size_bytes: int = 100) -> MailRef:
    """A mail of that maildrop."""
    return MailRef("INBOX", "", name, size_bytes, None)


def source(running: Scripted, tmp_path: Path, /, deadlines: Deadlines = BRISK, **changes: Any) -> Pop3Source:
    """A source that talks to it; *changes* are keys of its table in conf.d, or a limit below what that allows."""
    limits = {key: changes.pop(key) for key in ("max_mail_bytes",) if key in changes}
    table = {
        "email": USER,
        "password": PASSWORD,
        "server": "127.0.0.1",
        "port": running.port,
        "security": "none",
        "start_from": "all",
        **changes,
    }
    config = Pop3Source.Config.model_validate(table).model_copy(update=limits)
    made = Pop3Source("office", config, Machine(tmp_path))  # type: ignore[arg-type]  # it is one
    made.deadlines = deadlines  # type: ignore[misc]  # of this one alone
    made.chance = lambda: 0.0
    return made


async def failure(running: Scripted, tmp_path: Path, /, **changes: Any) -> MailwicketError:
    """What connecting to it raises; never with the password in it."""
    with pytest.raises(MailwicketError) as caught:
        async with source(running, tmp_path, **changes).connect():
            pass
    assert PASSWORD not in str(caught.value)
    return caught.value
