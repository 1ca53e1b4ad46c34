"""What an admin does to the outbox, by command and API: told, carried out and audited."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.flow.test_announce_command import House, house_of

PAUSED = {"address": "ada@example.org", "since": "2026-01-01T09:00:00.000000Z", "why": "5 permanent bounces in a row"}
ROUTE = "/api/v1/outbox"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with house_of(tmp_path) as one:
        yield one


def pause(house: House) -> None:
    with closing(sqlite3.connect(house.daemon.state_dir / "mailwicket.db", timeout=10)) as database, database:
        database.execute(
            "INSERT INTO paused_address (address, since, why) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET lifted_at = NULL",
            tuple(PAUSED.values()),
        )


async def test_a_paused_address_is_told_wherever_one_looks_until_a_person_has_mail_sent_there_again(
    house: House,
) -> None:
    pause(house)
    line = "to 1 address nothing is sent: mailwicket outbox paused"
    assert (await house.run("outbox", "list")).stdout.splitlines()[-1] == line
    assert line in (await house.run("status")).stdout.splitlines()
    assert (await house.told("outbox", "paused"), await house.ask("GET", f"{ROUTE}/paused")) == (
        [PAUSED],
        (200, [PAUSED]),
    )
    assert house.daemon.metric("mailwicket_outbox_paused_addresses") == 1
    done = await house.run("outbox", "unpause", "Ada@Example.org")
    assert (done.exit_code, done.stdout) == (0, "mail is sent to Ada@Example.org again\n")
    assert (await house.run("outbox", "paused")).stdout == "no address is paused\n"
    assert line not in (await house.run("status")).stdout
    refused = await house.run("outbox", "unpause", "ada@example.org")
    assert (refused.exit_code, "is not paused" in refused.stderr) == (1, True)
    pause(house)
    assert await house.ask("DELETE", f"{ROUTE}/paused/ada@example.org") == (200, {"address": "ada@example.org"})
    assert (await house.ask("DELETE", f"{ROUTE}/paused/ada@example.org"))[0] == 404
    deeds = [(one["action"], one["object"]) for one in await house.told("audit")]
    assert deeds.count(("outbox.unpause", "ada@example.org")) == 2


async def test_what_is_retried_and_cancelled_is_audited(tmp_path: Path) -> None:
    async with house_of(tmp_path, rate_per_minute=1) as house:
        whom = "a@example.org,b@example.org,c@example.org"
        await house.run("announce", "--to", whom, "-", text="Subject: x\n\ny")
        await house.sent(1)
        number = (await house.told("outbox", "list"))[-1]["id"]
        assert (await house.run("outbox", "cancel", str(number))).exit_code == 0
        assert (await house.run("outbox", "retry", str(number))).exit_code == 0
        told = await house.told("outbox", "list")
        assert (await house.ask("GET", ROUTE))[1] == told
        assert [one["state"] for one in told].count("waiting") == 2
        assert (await house.ask("GET", f"{ROUTE}?all=0"))[1] == await house.told("outbox", "list", "--open") == told[1:]
        deeds = [(one["action"], one["object"]) for one in await house.told("audit")]
        assert deeds[-2:] == [("outbox.cancel", str(number)), ("outbox.retry", str(number))]
