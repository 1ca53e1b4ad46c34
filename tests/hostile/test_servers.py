"""Servers with one bad habit each, by name. Whatever it is: the unit ends in backoff within its deadline, takes no
memory for it, and once the habit is dropped the mails are there, once.
"""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.fakes import mail
from tests.hostile.house import House, digest, house
from tests.hostile.misdeeds import (
    breaks_off_in_a_literal,
    changes,
    closes,
    drips,
    floods,
    is_silent,
    resets,
    says,
    says_bye_in_a_literal,
)
from tests.hostile.server import Misdeed, Wire, mail_server
from tests.waiting import becomes

from mailwicket.service.units import UnitState
from mailwicket.sources import _imap_bodies
from mailwicket.sources.imap import ImapSource

MIB = 1024 * 1024


@dataclass(frozen=True)
class Habit:
    """Where it shows, what it is, and how it ends."""

    place: str
    misdeed: Misdeed
    reason: str
    words: str


def gives(old: bytes, new: bytes) -> Misdeed:
    return changes(lambda answer: answer.replace(old, new))


def beside(said: bytes) -> Misdeed:
    return changes(lambda answer: said + answer)


async def a_byte_a_minute(wire: Wire, answer: bytes) -> None:
    """Scaled: the deadlines are, too."""
    for octet in answer:
        await wire.send(bytes([octet]))
        await asyncio.sleep(0.1)


def no_end(announced: int) -> Misdeed:
    return floods(b"x" * 65_536, b"* 1 FETCH (UID 1 BODY[] {%d}\r\n" % announced)


SERVERS: Mapping[str, Habit] = {
    "has no greeting": Habit("GREETING", is_silent, "timeout", "did not greet in time"),
    "greets a byte a minute": Habit("GREETING", a_byte_a_minute, "timeout", "did not greet in time"),
    "greets with a goodbye": Habit("GREETING", says(b"* BYE full\r\n"), "server_said", 'the connection ("BYE full")'),
    "is a web server": Habit("GREETING", says(b"HTTP/1.1 200 OK\r\n\r\n"), "server_said", '("HTTP/1.1 200 OK")'),
    "hangs up on everybody": Habit("GREETING", closes, "connection_lost", "closed the connection before its greeting"),
    "answers the login a byte a minute": Habit("LOGIN", drips, "timeout", "did not answer LOGIN in time"),
    "hangs up at the login": Habit("LOGIN", resets, "connection_lost", "closed the connection during LOGIN"),
    "answers under another tag": Habit("LOGIN", says(b"Z9 OK in\r\n"), "server_said", "that nobody sent during LOGIN"),
    "asks for more than there is": Habit("LOGIN", says(b"+ more\r\n" * 9), "server_said", "asked LOGIN for more"),
    "has no lasting numbers": Habit("SELECT", gives(b"UIDVALIDITY", b"X"), "refused", "no lasting numbers"),
    "names UID 0": Habit("LOOK", gives(b"UID 1 ", b"UID 0 "), "server_said", "a mail with UID 0"),
    "renumbers while we look": Habit("LOOK", beside(b"* OK [UIDVALIDITY 9] new\r\n"), "server_said", "new numbers"),
    "names mails that cannot be": Habit("SEARCH", beside(b"* SEARCH 4294967296\r\n"), "server_said", "out of range"),
    "names everything there is": Habit(
        "SEARCH", beside(b"* ESEARCH UID ALL 1:4294967295\r\n"), "server_said", "more than two million"
    ),
    "announces 9999999999 bytes": Habit(
        "FETCH", says(b"* 1 FETCH (UID 1 BODY[] {9999999999}\r\n"), "server_said", "a literal of 9999999999 bytes"
    ),
    "announces a mail and goes on for ever": Habit("FETCH", no_end(50 * MIB), "server_said", "a line of more than"),
    "announces a mail and is silent": Habit(
        "FETCH", says(b"* 1 FETCH (UID 1 BODY[] {500}\r\nFrom"), "timeout", "did not answer FETCH in time"
    ),
    "gives a mail a byte a minute": Habit("FETCH", a_byte_a_minute, "timeout", "did not answer FETCH in time"),
    "gives another mail than asked for": Habit(
        "FETCH", gives(b"UID 1 ", b"UID 4242 "), "server_said", "does not give the mail with UID 1"
    ),
    "says goodbye inside a mail": Habit("FETCH", says_bye_in_a_literal, "connection_lost", "during FETCH"),
    "hangs up inside a mail": Habit("FETCH", breaks_off_in_a_literal, "connection_lost", "during FETCH"),
    "never ends its answers": Habit(
        "FETCH", floods(b"* 1 FETCH (FLAGS ())\r\n" * 999), "server_said", "an answer of more than 16777216 bytes"
    ),
    "sends a line of 10 MB": Habit("FETCH", floods(b"x" * 65_536), "server_said", "a line of more than 65536 bytes"),
    "sends NUL": Habit("STORE", says(b"\x00" * 99 + b"\r\n"), "server_said", "no IMAP during STORE"),
    "never lets go of IDLE": Habit("DONE", is_silent, "timeout", "did not answer IDLE in time"),
}


def test_there_are_twenty_five() -> None:
    assert len(SERVERS) == 25


async def _meet(one: House, number: int, name: str) -> None:
    habit = SERVERS[name]
    async with mail_server() as server:
        server.exists = 5000 if habit.place == "SEARCH" else None
        server.misbehave(habit.place, habit.misdeed)
        server.deliver(mail(name, message_id=f"{number}.1@example.org"))
        # What ends a lie or a flood is what it says, so the deadlines are those of every day.
        patience = {"source": ImapSource} if habit.reason == "server_said" else {}
        tenant = one.add(f"box{number}", server.port, **patience)
        tenant.start()
        if habit.place == "DONE":
            await becomes(lambda: "IDLE" in " ".join(server.lines[-1:]), 20, f"{name}: IDLE")
            server.deliver(mail(name, message_id=f"{number}.2@example.org"))
        await becomes(lambda: tenant.halted, 20, f"{name}: backing off")
        unit = tenant.unit
        assert (unit.reason, f"127.0.0.1:{server.port}" in str(unit.said)) == (habit.reason, True), (name, unit.said)
        assert habit.words in str(unit.said), name
        server.behave()
        if unit.state is UnitState.BLOCKED:
            await tenant.stop()
            tenant.start()
        await becomes(lambda: all(map(one.holds, server.delivered)), 20, f"{name}: its mails")
        effects = one.effects()
        assert {effects[digest(raw)] for raw in server.delivered} == {1}, name
        await tenant.stop()


async def test_twenty_five_bad_servers_end_in_backoff_and_their_mails_come_in_the_end(tmp_path: Path) -> None:
    async with house(tmp_path / "state") as one:
        tracemalloc.start()
        try:
            met = await asyncio.gather(*(_meet(one, n, name) for n, name in enumerate(SERVERS)), return_exceptions=True)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    if problems := [problem for problem in met if problem is not None]:
        raise BaseExceptionGroup("bad servers", problems)
    print(f"all of them at once, and the mail servers themselves: {peak / MIB:.1f} MiB at most")
    assert peak < 32 * MIB  # together: so each of them, too


async def test_a_mail_that_comes_byte_by_byte_ends_as_a_whole_and_holds_up_the_next_for_three_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every slice is there in time; all of them together would take for ever."""
    monkeypatch.setattr(_imap_bodies, "WHOLE_BYTES", 1000)
    pace = 0.1

    async def a_byte_a_slice(wire: Wire, answer: bytes) -> None:
        head, announced, rest = answer.partition(b"{")
        if b"BODY[]<" in head:
            await asyncio.sleep(pace)
            body = rest.partition(b"\r\n")[2]
            answer = head + announced + b"1}\r\n" + body[:1] + body[body.rindex(b")\r\n") :]
        await wire.send(answer)

    async with house(tmp_path / "state") as one, mail_server() as server:
        server.misbehave("FETCH", a_byte_a_slice)
        slow, next_one = (
            mail("slow", "x\r\n" * 500, message_id="slow@example.org"),
            mail("next", message_id="n@example.org"),
        )
        server.deliver(slow, next_one)
        tenant = one.add("box", server.port, after="delete")
        tenant.start()
        await becomes(lambda: tenant.halted, 20, "backing off")
        assert tenant.unit.reason == "timeout"
        assert "bytes of the mail with UID 1" in str(tenant.unit.said)
        await becomes(lambda: one.holds(next_one), 20, "the mail behind it")
        assert await tenant.stop() < 1
        flags = one.store.read(lambda tx: tx.execute("SELECT flags FROM desk_entry ORDER BY entry").fetchall())
        assert ["truncated" in str(flag) for (flag,) in flags] == [True, False]
        assert 1 in server.mails, "we hold its headers alone"
    assert not any((tmp_path / "state" / "spool").iterdir())
    assert server.connections <= 4


async def test_a_server_that_counts_its_mails_wrongly_costs_none(tmp_path: Path) -> None:
    for exists in (0, 1, 4_294_967_295):
        async with house(tmp_path / str(exists)) as one, mail_server(exists=exists) as server:
            server.deliver(*(mail(f"{n}", message_id=f"{n}@example.org") for n in range(3)))
            one.add("box", server.port, poll_s=1).start()
            await becomes(lambda: all(map(one.holds, server.delivered)), 10, f"mails of {exists}")
