"""Whatever Graph and the line do by chance while mail is sent: each mail is sent, and none is sent twice."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.dialogue.graph_send import ID, TO_ADA, Post, large, mail, post, sender

from mailwicket.errors import TransientError, UncertainError

MAILS = 5
TRIES = 60
HARD_TRIES = 30
ENOUGH_S = 60
DEATHS_S = [*[ENOUGH_S] * 8, 0.002, 0.01]
MINUTE_S, HOUR_S = 60, 3600
LATE_S = 40
BINS = ["deleteditems", "recoverableitemsdeletions", "recoverableitemspurges"]
TROUBLES: list[dict[str, Any]] = [
    {"drop": "before"},
    {"drop": "after"},
    {"drop": "after", "times": 2},
    {"status": 500},
    {"status": 502, "html": True},
    {"status": 503, "code": "ServiceUnavailable"},
    {"status": 429, "code": "ApplicationThrottled", "retry_after": 2},
    {"cut_after": 10},
]
PLACES = [
    "*",
    "POST */messages",
    "PATCH *",
    "POST */send",
    "POST */send",
    "GET *",
    "DELETE *",
    "POST */attachments",
    "PUT *",
]


class Play:
    """One course of events; a mail that may have been sent is looked for first, as the outbox has it."""

    def __init__(self, at: Post, directory: Path, chance: random.Random) -> None:
        self.at = at
        self.directory = directory
        self.chance = chance
        self.life = anyio.CancelScope()
        at.lab.sending.copy_delay_s = chance.choice([0, LATE_S])
        at.lab.sending.leave_delay_s = chance.choice([0, 0, LATE_S])
        at.lab.sending.keeps_message_id = chance.random() < 0.8
        at.lab.manners.deletes_to = chance.choice(BINS)

    def trouble(self) -> None:
        """Something goes wrong with a request; or the daemon dies of it, which is never done, done, or done later."""
        faults, place = self.at.lab.faults, self.chance.choice(PLACES)
        if self.chance.random() < 0.4:
            faults.add(place, **self.chance.choice(TROUBLES))
        elif self.chance.random() < 0.2:
            end: dict[str, Any] = self.chance.choice([{"drop": "before"}, {}, {}, {"held_s": LATE_S}])
            faults.add(place, does=self.die, **end)

    def die(self) -> None:
        """Whatever is done at this moment is left as it is."""
        self.life.cancel()

    async def sent(self, raw: bytes) -> bool:
        """Try until it is sent; a daemon that dies remembers nothing but that it had begun.

        What may have been sent is looked for until a server has told what became of it.
        """
        uncertain = False
        for number in range(TRIES):
            is_hard = number < HARD_TRIES
            if is_hard:
                self.trouble()
            else:  # no trouble lasts for ever
                self.at.lab.faults.clear()
            begun, died = False, True
            with anyio.move_on_after(self.chance.choice(DEATHS_S) if is_hard else ENOUGH_S) as self.life:
                try:
                    async with self.at.sender.connect() as submission:
                        begun = True
                        if not uncertain:
                            return bool(await submission.submit(TO_ADA, raw))
                        if await submission.resume(TO_ADA, raw) is not None:
                            return True
                except UncertainError:
                    uncertain = True
                except TransientError:  # it was not sent by this order
                    pass
                died = False
            if died:
                uncertain = uncertain or begun
                if self.chance.random() < 0.5:
                    self.at.sender = sender(self.at.lab, self.directory, {})
            await self.at.passes(MINUTE_S)
        return False


async def played(seed: int, directory: Path) -> None:
    chance = random.Random(seed)
    async with post(directory) as at:
        play = Play(at, directory, chance)
        more = [f"<mw-8-{number}-p-abc-abcdefghijklmnopqrstuvwxyz@example.org>" for number in range(MAILS)]
        for raw in (large(10, 3_500_000), *map(mail, more)):
            assert await play.sent(raw), "it is never done"
        at.lab.faults.clear()
        await at.passes(HOUR_S)
        assert at.sent == [ID, *more]
        assert at.lab.uploads.with_authorization == 0


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_each_mail_is_sent_once(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await played(seed, tmp_path)


@pytest.mark.torture
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(1000, 1400, 100))
async def test_whatever_happens_again_and_again(seed: int, tmp_path: Path) -> None:
    for one in range(seed, seed + 100):
        try:
            await played(one, tmp_path)
        except BaseException as error:
            error.add_note(f"seed {one}")
            raise
