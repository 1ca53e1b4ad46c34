"""How long a decision takes beside reading the mail: `python -m bench.decide`.

The mix of a helpdesk (`tests.lab.mailmix`), a directory of 200 people, a verifier; a third of the
mails answer one of ours. Two configurations: without a filter, and with one that searches the text. One core.
"""

from __future__ import annotations

import base64
import hashlib
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from tests.lab import mailmix

from mailwicket.config.filter import Filter
from mailwicket.facts import Facts, TicketFacts
from mailwicket.mail.parse import parse
from mailwicket.mail.token import Keyring, Token
from mailwicket.model import Mail, TicketNumber, TicketStatus
from mailwicket.rules.decide import Arrival, decide
from mailwicket.rules.directory import Directory, Person, Role
from mailwicket.rules.own import OwnAddresses, canonical
from mailwicket.rules.policy import Home, Policy

NOW: Final = datetime(2026, 1, 1, 9, tzinfo=UTC)
KEYS: Final = Keyring([hashlib.sha256(b"bench").digest()])
TURNS: Final = 5
WORDS: Final = ("lottery", "prize", "gewinnspiel", r"re:\bcasino\b")


def policy(mails: Sequence[Mail], rules: Filter | None) -> Policy:
    """A desk that knows 200 people: 20 technicians, and requesters of whom some are in the mix."""
    authors = list(dict.fromkeys(canonical(mail.author.address) for mail in mails if mail.author is not None))[:90]
    people = [
        Person(f"t{n}@desk.example", f"Tech {n}", Role.TECHNICIAN, groups=frozenset({"first"})) for n in range(20)
    ]
    named = [*authors, *(f"r{n}@example.com" for n in range(180 - len(authors)))]
    people += [Person(one, one.partition("@")[0], Role.REQUESTER, addresses=frozenset({one})) for one in named]
    home = Home("support", "support@desk.example", "first", None, None, rules, frozenset({"mx.desk.example"}))
    return Policy(
        own=OwnAddresses((), {"support@desk.example": "support", "help@desk.example": "support"}),
        directory=Directory(people),
        homes={"support": home},
        keys=KEYS,
    )


def cases(mails: Sequence[Mail]) -> list[tuple[Mail, Facts]]:
    """Each mail with what the store knows; a third cites a mail of ours."""
    found = []
    for number, mail in enumerate(mails):
        if number % 3 or mail.author is None:
            found.append((mail, Facts()))
            continue
        ticket = TicketNumber(number + 1)
        nonce = base64.b32encode(b"%05d" % number).decode().lower().rstrip("=")
        ours = KEYS.message_id(Token(ticket, number), nonce, "desk.example")
        facts = TicketFacts(ticket, TicketStatus.OPEN, canonical(mail.author.address), source="support")
        found.append((replace(mail, in_reply_to=(ours,), references=(ours,)), Facts(tickets={ticket: facts})))
    return found


def median_ms(work: Callable[[Any], object], of: Sequence[Any]) -> tuple[float, float]:
    """Return the median and the 99th percentile of one call, the best of TURNS."""
    best: list[tuple[float, float]] = []
    for _ in range(TURNS):
        each = []
        for one in of:
            begun = time.perf_counter()
            work(one)
            each.append(1000 * (time.perf_counter() - begun))
        best.append((statistics.median(each), statistics.quantiles(each, n=100)[98]))
    return min(best)


def _judge(rulebook: Policy, case: tuple[Mail, Facts]) -> object:
    return decide(*case, rulebook, Arrival("support", NOW, NOW))


def main() -> None:
    """Measure and print one JSON object."""
    raws = list(mailmix.mix(400, seed=7))
    mails = [parse(raw) for raw in raws]
    read_ms, read_p99_ms = median_ms(parse, raws)
    told: dict[str, Any] = {"parse": {"median_ms": round(read_ms, 4), "p99_ms": round(read_p99_ms, 3)}}
    for name, rules in {
        "decide": None,
        "decide, filter with words": Filter.model_validate({"type": "ignore", "keywords": WORDS}),
    }.items():
        judge = partial(_judge, policy(mails, rules))
        once_ms, p99_ms = median_ms(judge, cases(mails))
        told[name] = {
            "median_ms": round(once_ms, 4),
            "p99_ms": round(p99_ms, 3),
            "beside parsing": round(once_ms / read_ms, 3),
        }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
