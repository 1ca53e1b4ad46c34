"""Every verb, every misdeed, through the whole unit: it backs off in time and says why, and nobody else notices.

For each cell: the unit is cancelled at the worst moment and gone within a second; it backs off within its deadline, in
words that name server and verb; a good mailbox beside it goes on; and when the server behaves, each mail is there once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.fakes import mail
from tests.hostile.house import LONGEST_S, House, Tenant, digest, house
from tests.hostile.misdeeds import (
    DEATHS,
    FLOODS,
    HANGS,
    IN_A_LITERAL,
    LIES,
    breaks_off_in_a_handshake,
    changes,
    drips_a_handshake,
    is_silent,
    says,
)
from tests.hostile.server import MailServer, Misdeed, mail_server
from tests.lab.processes import silent_port
from tests.waiting import becomes

from mailwicket.service.units import UnitState
from mailwicket.sources.imap import ImapSource

SLACK_S = 4
"""What a busy machine may add to a deadline; without one, a silent server would be waited for for ever."""

ANY = {**HANGS, **LIES, **FLOODS, **DEATHS}
NEW_NUMBERS = changes(lambda answer: b"* OK [UIDVALIDITY 99] new\r\n" + answer)
OTHER_UID = changes(lambda answer: answer.replace(b"UID 1 ", b"UID 4242 "))
UID_0 = changes(lambda answer: answer.replace(b"UID 1 ", b"UID 0 "))
HUGE_UID = changes(lambda answer: answer.replace(b"UID 1 ", b"UID 99999999999999999999 "))


def twice_with(old: bytes, new: bytes) -> Misdeed:
    """Say everything a second time, with a difference, before the tagged line."""

    def change(answer: bytes) -> bytes:
        untagged = answer[: answer.rindex(b"\r\n", 0, -2) + 2]
        return untagged.replace(old, new) + answer

    return changes(change)


CELLS: Mapping[str, Mapping[str, Misdeed]] = {
    "CONNECT": {name: ANY[name] for name in ("is silent", "drips", "resets", "closes")},
    "TLS": {
        **{name: ANY[name] for name in ("is silent", "resets", "closes", "speaks HTTP", "sends a line of 10 MB")},
        "drips a handshake": drips_a_handshake,
        "speaks plain": says(b"* OK [CAPABILITY IMAP4rev1] ready\r\n"),
        "breaks off in a handshake": breaks_off_in_a_handshake,
    },
    "GREETING": {name: one for name, one in ANY.items() if name not in {"asks for more", "sends literals for ever"}},
    "CAPABILITY": ANY,
    "LOGIN": ANY,
    "SELECT": {
        **ANY,
        "gives no lasting numbers": changes(lambda answer: answer.replace(b"UIDVALIDITY 7", b"UIDVALIDITY 0")),
        "gives huge numbers": changes(lambda answer: answer.replace(b"UIDVALIDITY 7", b"UIDVALIDITY 99999999999")),
    },
    "SEARCH": {
        **ANY,
        "names UID 0": changes(lambda answer: b"* SEARCH 0\r\n" + answer),
        "names a huge UID": changes(lambda answer: b"* SEARCH 99999999999\r\n" + answer),
        "names words": changes(lambda answer: b"* SEARCH one two\r\n" + answer),
        "gives new numbers": NEW_NUMBERS,
    },
    "LOOK": {
        **ANY,
        "names UID 0": UID_0,
        "names a huge UID": HUGE_UID,
        "gives new numbers": NEW_NUMBERS,
        "gives two mails one UID": twice_with(b"SIZE ", b"SIZE 9"),
    },
    "FETCH": {
        **ANY,
        **IN_A_LITERAL,
        "gives another UID": OTHER_UID,
        "gives UID 0": UID_0,
        "gives a huge UID": HUGE_UID,
        "gives new numbers": NEW_NUMBERS,
        "gives two mails one UID": twice_with(b"xx", b"yy"),
        "gives no mail": says(b"$ OK done\r\n"),
    },
    "STORE": ANY,
    "MOVE": ANY,
    "IDLE": ANY,
    "DONE": ANY,
}

HARMLESS = {
    (
        "LOOK",
        "names a huge UID",
    ),  # no number that IMAP knows: the mail is searched for, and taken without size and date
    ("IDLE", "says NO and garbage"),  # then it is polled
    ("IDLE", "says BAD and garbage"),
    ("IDLE", "asks for more"),  # "+" is what IDLE waits for
    ("DONE", "says NO and garbage"),  # the IDLE is over, which was all that was wanted
    ("DONE", "says BAD and garbage"),
    ("DONE", "asks for more"),
}
"""Not a reason to leave: the mail comes all the same."""

BLOCKED = {
    ("LOGIN", "says NO and garbage"): "login_refused",
    ("LOGIN", "says BAD and garbage"): "login_refused",
    ("SELECT", "says NO and garbage"): "folder_unknown",
    ("SELECT", "says BAD and garbage"): "folder_unknown",
    ("SELECT", "gives no lasting numbers"): "refused",
    ("SELECT", "gives huge numbers"): "refused",
}
WORDS = {
    "CONNECT": ("greet", "its greeting"),
    "TLS": ("TLS",),
    "GREETING": ("greet", "its greeting", "refused the connection"),
    "SELECT": ("SELECT", "folder INBOX", "mails of INBOX"),
    "LOOK": ("FETCH", "a mail with UID", "two mails with UID", "new numbers"),
    "FETCH": ("FETCH", "the mail with UID", "under UID", "new numbers"),
    "SEARCH": ("SEARCH", "new numbers"),
    "DONE": ("IDLE",),
}
"""By which the verb is told, where it is not by its name."""


def letter(subject: str) -> bytes:
    return mail(subject, "xx\r\n" * 100, message_id=f"{subject.replace(' ', '.')}@example.org")


class Cell:
    """One verb, one misdeed, one mailbox."""

    def __init__(self, house: House, server: MailServer, number: int, verb: str, misdeed: str) -> None:
        self.house = house
        self.server = server
        self.verb = verb
        self.name = f"{verb} {misdeed}"
        self.key = verb, misdeed
        self.misdeed = CELLS[verb][misdeed]
        keys: dict[str, Any] = {"after": "move:Done"} if verb == "MOVE" else {}
        if verb == "TLS":
            keys |= {"security": "ssl", "ca_file": house.authority}
        poll_s = 1 if self.key in HARMLESS else 60
        self.tenant: Tenant = house.add(f"cell{number}", server.port, poll_s=poll_s, **keys)
        server.exists = 5000 if verb == "SEARCH" else None

    async def run(self) -> None:
        self.server.deliver(letter(f"{self.name} 1"))
        await self._provoke("2")
        spent_s = await self.tenant.stop()
        assert spent_s < 1, f"{self.name}: stopped only after {spent_s:.2f} s"
        await self._provoke("3")
        if self.key in HARMLESS:
            await self._all_there()
            assert not self.tenant.halted, self.name
            return
        await becomes(lambda: self.tenant.halted, LONGEST_S + SLACK_S, f"{self.name}: backing off")
        self._check_words()
        self.server.behave()
        self.server.deliver(letter(f"{self.name} 4"))
        if self.tenant.unit.state is UnitState.BLOCKED:
            await self.tenant.stop()
            self.tenant.start()
        await self._all_there()

    async def _provoke(self, subject: str) -> None:
        """Start the unit and bring the server to the place of its misdeed."""
        self.server.misbehave(self.verb, self.misdeed)
        self.server.lines.clear()
        self.tenant.start()
        if self.verb == "DONE":
            await becomes(lambda: self.server.lines[-1:] and "IDLE" in self.server.lines[-1], 10, f"{self.name}: IDLE")
            self.server.deliver(letter(f"{self.name} {subject}"))
        elif self.verb in {"FETCH", "LOOK", "STORE", "MOVE"}:
            self.server.deliver(letter(f"{self.name} {subject}"))
        with anyio.fail_after(10):
            await self.server.begun.wait()

    def _check_words(self) -> None:
        unit = self.tenant.unit
        said = str(unit.said)
        assert unit.reason == BLOCKED.get(self.key, unit.reason), self.name
        assert (unit.state is UnitState.BLOCKED) == (self.key in BLOCKED), (self.name, said)
        assert unit.reason in {*BLOCKED.values(), "timeout", "server_said", "connection_lost", "unreachable"}, (
            self.name,
            said,
        )
        assert f"127.0.0.1:{self.server.port}" in said, (self.name, said)
        words = WORDS.get(self.verb, (self.verb,))
        assert any(word.lower() in said.lower() for word in words), (self.name, said)
        assert said.isprintable(), said
        print(f"{self.name:45} {unit.state} {unit.reason}: {said}")

    async def _all_there(self) -> None:
        """Every mail is in a ticket, once, and the server's copy says so."""
        await becomes(
            lambda: all(map(self.house.holds, self.server.delivered)) and not self.house.unfinished(self.tenant.name),
            10,
            f"{self.name}: {len(self.server.delivered)} mails",
        )
        effects = self.house.effects()
        assert [effects[digest(raw)] for raw in self.server.delivered] == [1] * len(self.server.delivered), self.name
        assert self.server.settled()


class Neighbour:
    """A good mailbox beside them: a mail every tenth of a second, and how long each took."""

    def __init__(self, house: House, server: MailServer) -> None:
        self.house = house
        self.server = server
        self.latencies_s: list[float] = []

    async def run(self) -> None:
        self.house.add("neighbour", self.server.port, ImapSource).start()
        await becomes(lambda: self.server.lines[-1:] and "IDLE" in self.server.lines[-1], 10, "the neighbour's IDLE")
        while True:
            raw = letter(f"neighbour {len(self.latencies_s)}")
            begun = time.perf_counter()
            self.server.deliver(raw)
            await becomes(lambda: self.house.holds(raw), 20, "a mail of the neighbour")  # noqa: B023 - awaited at once
            self.latencies_s.append(time.perf_counter() - begun)
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "verbs",
    ["CONNECT TLS GREETING CAPABILITY LOGIN SELECT", "SEARCH LOOK FETCH", "STORE MOVE IDLE DONE"],
)
async def test_a_server_that_hangs_lies_floods_or_dies_hurts_its_own_mailbox_alone(tmp_path: Path, verbs: str) -> None:
    async with house(tmp_path / "state") as one, mail_server() as good, anyio.create_task_group() as tasks:
        neighbour = Neighbour(one, good)
        tasks.start_soon(neighbour.run)
        problems: list[BaseException] = []
        for floods in (False, True):  # a flood takes the time of the loop that measures the others' deadlines
            cells = [
                _cell(one, number, verb, misdeed)
                for number, (verb, misdeed) in enumerate((verb, one) for verb in verbs.split() for one in CELLS[verb])
                if (misdeed in FLOODS) == floods
            ]
            ended = await asyncio.gather(*cells, return_exceptions=True)
            problems += [problem for problem in ended if problem is not None]
        await becomes(lambda: len(neighbour.latencies_s) >= 5, 30, "five mails of the neighbour")
        assert good.connections == 1, "the neighbour lost its connection"
        tasks.cancel_scope.cancel()
    if problems:
        raise BaseExceptionGroup(verbs, problems)
    print(
        f"neighbour: {len(neighbour.latencies_s)} mails, the slowest after {max(neighbour.latencies_s) * 1000:.0f} ms"
    )


async def _cell(one: House, number: int, verb: str, misdeed: str) -> None:
    async with mail_server(one.certificate if verb == "TLS" else None) as server:
        cell = Cell(one, server, number, verb, misdeed)
        try:
            await cell.run()
        finally:
            await cell.tenant.stop()  # before its server ends: somebody else may get the port


LAST_WORDS = {
    **{name: one for name, one in ANY.items() if name != "answers under another tag"},
    "is never asked": is_silent,
}


async def test_whatever_a_server_does_at_logout_a_unit_is_gone_within_a_second_and_comes_back(tmp_path: Path) -> None:
    async def part(one: House, number: int, name: str) -> None:
        async with mail_server() as server:
            tenant = one.add(f"cell{number}", server.port)
            server.misbehave("DONE" if name == "is never asked" else "LOGOUT", LAST_WORDS[name])
            tenant.start()
            await becomes(lambda: "IDLE" in " ".join(server.lines[-1:]), 10, f"{name}: IDLE")
            await asyncio.sleep(0.05)  # the answer to it is on its way
            spent_s = await tenant.stop()
            assert spent_s < 1, f"{name}: stopped only after {spent_s:.2f} s"
            assert server.times == 1, name
            server.behave()
            server.deliver(letter(f"{name} 1"))
            tenant.start()
            await becomes(lambda: one.holds(server.delivered[0]), 10, f"{name}: its mail")
            await tenant.stop()

    async with house(tmp_path / "state") as one:
        cells = [part(one, number, name) for number, name in enumerate(LAST_WORDS)]
        problems = [problem for problem in await asyncio.gather(*cells, return_exceptions=True) if problem is not None]
    if problems:
        raise BaseExceptionGroup("LOGOUT", problems)


async def test_a_server_that_never_accepts_is_left_in_time_and_tried_again(tmp_path: Path) -> None:
    """Its queue of connections is full: the kernel answers no further SYN."""
    async with house(tmp_path / "state") as one, AsyncExitStack() as silence:
        port = silence.enter_context(silent_port())
        tenant = one.add("office", port)
        tenant.start()
        await asyncio.sleep(0.1)
        assert await tenant.stop() < 1
        tenant.start()
        await becomes(lambda: tenant.halted, LONGEST_S + SLACK_S, "backing off")
        assert (tenant.unit.reason, tenant.unit.said) == (
            "timeout",
            f"127.0.0.1:{port} did not answer in time: nobody answers at 127.0.0.1",
        )
        await silence.aclose()
        async with mail_server(port=port) as server:
            server.deliver(letter("at last"))
            await becomes(lambda: one.holds(server.delivered[0]), 10, "its mail")
