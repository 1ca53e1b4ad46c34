"""A random walk: whatever mails, people and configurations do, what must never be never is."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.stage import ANN, BOB, CONF, EVE, TINA, TOM, VERIFIER, Stage, settings_of

from mailwicket.errors import MailwicketError
from mailwicket.facts import TicketFacts
from mailwicket.mail.parse import parse
from mailwicket.mail.token import flipped
from mailwicket.model import IntakeId, MessageId, Reason, TicketNumber, TicketStatus
from mailwicket.rehearsal.world import KEYS, Delivered, World
from mailwicket.rules.decide import Arrival, decide
from mailwicket.rules.outcome import Append, Create, Ignore, Quarantine
from mailwicket.rules.own import canonical
from mailwicket.store.threads import Threads
from mailwicket.store.tickets import TicketBook

OWN = "support@desk.example", "Support+tag@DESK.example", "sales@desk.example", "old@desk.example"
OUTSIDE = ANN, BOB, EVE, "cy@else.example", "rita@example.com", "rita@home.example", "no-reply@shop.example"
STAFF = TINA, TOM, "left@desk.example"
BLOCKED = "blocked@example.com", "left@desk.example"
MORE = """
[incoming.sales]
email = "sales@desk.example"
primary = true
server = "mail.example"
password = "none"
group = "second"
[incoming.old]
email = "old@desk.example"
server = "mail.example"
password = "none"
enabled = false
"""
VERDICTS = (None, None, "pass", "pass", "none", "fail", "fail (p=reject)")
PREFERENCES = {
    "allow_guests": ("true", "true", "false"),
    "cc_from": ("['cc']", "['to', 'cc']", "[]"),
    "requester_from_reply_to": ("true", "false"),
    "forwarded_by_technician_uses_original_sender": ("true", "false"),
    "reply_to_closed": tuple(
        f"{{action = '{one}', grace_days = {n}}}" for one in ("add", "reopen", "new") for n in (0, 7)
    ),
    "reply_from_other_technician": ("'reply'", "'collaboration'"),
    "cc_from_replies": ("'participants'", "'participants'", "'never'"),
    "technician_cc": ("'follower'", "'cc'", "'drop'"),
    "max_cc": ("48", "2"),
    "cross_mailbox": ("'one'", "'per_mailbox'"),
    "auth_policy": ("'quarantine'", "'quarantine'", "'flag'", "'off'"),
    "no_reopen_patterns": ("['^thank']", "[]"),
}
FILTERS = ("", "", "", "[incoming.support.filter]\ntype = 'ignore'\nkeywords = ['lottery']\n")
TEXTS = (
    "It burns.",
    "Thanks!",
    "A lottery.",
    "Fine.\n\nOn Thu, Jan 1, 2026 at 9:00 AM Desk <support@desk.example> wrote:\n> A lottery?\n",
    "\n---------- Forwarded message ---------\nFrom: Cy <cy@else.example>\nDate: x\nSubject: Door\nTo: x\n\nBroken.\n",
    "\n---------- Forwarded message ---------\nFrom: <support@desk.example>\nDate: x\nSubject: Door\nTo: x\n\nNews.\n",
)


class Walk:
    """One desk, walked over by chance."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.stage = Stage(MORE)
        self.world: World = self.stage.world
        self.mails: list[tuple[bytes, str]] = []
        self.parked: list[Delivered] = []
        self.tally = dict.fromkeys(("mails", "created", "joined", "ignored", "parked"), 0)
        self.reasons: set[Reason] = set()

    def go(self, steps: int) -> None:
        doings: list[Callable[[], None]] = [self.mail] * 12 + [self.act] * 5 + [self.again, self.retry, self.configure]
        for number in range(steps):
            pause = timedelta(seconds=self.chance.choice((1, 60, 86_400, 3 * 86_400)))
            self.world.proceed(self.world.now + pause)
            self.chance.choice(doings)()
            if number % 500 == 499:
                self.everything_is_somewhere()
        self.everything_is_somewhere()
        self.world.close()

    # --- what happens

    def number(self) -> TicketNumber:
        highest = self.tally["created"]
        return TicketNumber(self.chance.randint(max(1, highest - 15), max(1, highest)))

    def people(self, most: int) -> list[str]:
        return self.chance.sample((*OWN, *OUTSIDE, *STAFF, "blocked@example.com"), self.chance.randint(0, most))

    def cited(self) -> list[str]:
        ticket, chance = self.number(), self.chance
        ours = self.stage.ours(ticket, chance.randint(1, 9), internal=chance.random() < 0.2)
        known = f"{chance.randint(1, len(self.mails) + 2)}@mail.example"
        forged = str(flipped(ours, chance.randrange(128)))
        return chance.choice(([], [], [ours], [ours], [known], [known, ours], [forged], [forged, known]))

    def mail(self) -> None:
        chance, ticket = self.chance, self.number()
        author = chance.choice((*OUTSIDE, *STAFF, *OUTSIDE, TINA, OWN[chance.randrange(4)], f"{ANN}, {TINA}", ""))
        verdict = chance.choice(VERDICTS)
        cites = self.cited()
        domain = author.partition(",")[0].rpartition("@")[2].lower()
        to = chance.choice((OWN[0], OWN[0], OWN[2], f"{OWN[0]}, {OWN[2]}", KEYS.plus_address(OWN[0], ticket), BOB))
        tag = chance.choice(("", "", f"[#{ticket}] "))
        header = {
            "Authentication-Results": f"mx.desk.example; dmarc={verdict} header.from={domain}" if verdict else "",
            "From": author,
            "To": ", ".join([to, *self.people(2)]),
            "Cc": ", ".join(self.people(3)),
            "Reply-To": chance.choice(("", "", "", *self.people(1))),
            "Subject": chance.choice(("", "Re: ", "Fwd: ")) + tag + chance.choice(("Printer", "Lottery")),
            "Message-ID": "" if chance.random() < 0.05 else f"<{len(self.mails) + 1}@mail.example>",
            "In-Reply-To": f"<{cites[0]}>" if cites else "",
            "References": " ".join(f"<{one}>" for one in reversed(cites)),
            "Auto-Submitted": chance.choice(("", "", "", "", "", "auto-replied")),
            "List-Id": chance.choice(("", "", "", "", "<x.example>")),
        }
        lines = [f"{name}: {value}" for name, value in header.items() if value]
        raw = "\r\n".join([*lines, "", chance.choice(TEXTS)]).encode()
        self.mails.append((raw, chance.choice(("support", "sales"))))
        self.deliver(*self.mails[-1])

    def again(self) -> None:
        if self.mails:
            raw, source = self.chance.choice(self.mails[-30:])
            self.deliver(raw, source)

    def retry(self) -> None:
        if not self.parked:
            return
        one = self.parked.pop(self.chance.randrange(len(self.parked)))
        self.tally["mails"] -= 1
        self.tally["parked"] -= 1
        before = self.before()
        self.judge(self.world.retry(one), before)

    def configure(self) -> None:
        lines = [f"{name} = {self.chance.choice(values)}" for name, values in PREFERENCES.items()]
        text = CONF.format(verifier=VERIFIER) + MORE + "\n".join(["[preferences]", *lines, self.chance.choice(FILTERS)])
        self.world.configure(settings_of(text))

    def act(self) -> None:
        do = self.chance.choice(
            ("close", "close", "close", "reopen", "assign", "note", "merge", "delete", "spam", "remove-cc")
        )
        to = {"assign": self.chance.choice((TINA, TOM, "")), "merge": str(self.number())}.get(do, "")
        ticket = self.number()
        if do == "remove-cc":
            facts = self.world.facts(ticket)
            to = self.chance.choice(sorted(facts.cc)) if facts is not None and facts.cc else ANN
        with suppress(MailwicketError):
            self.stage.do(do, ticket, to)

    # --- what must hold

    def before(self) -> dict[TicketNumber, TicketFacts]:
        """Return what is known of the tickets that mail may go to."""
        highest = self.tally["created"]
        with self.world._transaction() as tx:
            return TicketBook(tx).all_of(TicketNumber(number) for number in range(max(1, highest - 60), highest + 1))

    def decided_twice_alike(self, raw: bytes, source: str) -> None:
        mail, now = parse(raw), self.world.now
        with self.world._transaction() as tx:
            threads = Threads(tx, [mail], self.world.policy, TicketBook(tx))
            one, other = (
                decide(mail, threads.facts(mail), self.world.policy, Arrival(source, now, now)) for _ in range(2)
            )
        assert one == other
        assert one == decide(parse(raw), threads.facts(mail), self.world.policy, Arrival(source, now, now))

    def deliver(self, raw: bytes, source: str) -> None:
        if self.chance.random() < 0.1:
            self.decided_twice_alike(raw, source)
        before = self.before()
        self.judge(self.world.deliver(raw, source, self.world.now), before)

    def judge(self, done: Delivered, before: dict[TicketNumber, TicketFacts]) -> None:
        outcome = done.outcome
        assert outcome.reason in Reason
        assert outcome.trace
        self.reasons.add(outcome.reason)
        self.tally["mails"] += 1
        kind = {Create: "created", Append: "joined", Ignore: "ignored", Quarantine: "parked"}[type(outcome)]
        self.tally[kind] += 1
        if isinstance(outcome, Quarantine):
            self.parked.append(done)
        if isinstance(outcome, Create):
            assert done.ticket == self.tally["created"]
            self.opened(outcome, self.facts(done.ticket))
        if isinstance(outcome, Append):
            assert done.ticket is not None
            self.joined(done, outcome, before.get(done.ticket), self.facts(done.ticket))

    def facts(self, number: TicketNumber | None) -> TicketFacts:
        facts = self.world.facts(number) if number is not None else None
        assert facts is not None
        directory, own = self.world.policy.directory, self.world.policy.own
        assert facts.requester not in own
        assert not any(one in own for one in facts.cc)
        assert facts.requester not in facts.cc
        assert not facts.cc & facts.removed
        assert all(directory.is_technician(one) for one in facts.followers)
        return facts

    def opened(self, outcome: Create, facts: TicketFacts) -> None:
        assert canonical(outcome.requester.address) not in BLOCKED
        assert facts.requester not in facts.cc
        assert len(facts.cc) <= self.world.policy.preferences.max_cc
        if outcome.author.address in STAFF and outcome.requester.address != outcome.author.address:
            assert outcome.verified is False

    def joined(self, done: Delivered, outcome: Append, before: TicketFacts | None, after: TicketFacts) -> None:
        if before is None:
            return
        assert after.requester == before.requester
        assert after.removed == before.removed
        assert after.status in {before.status, TicketStatus.OPEN}
        if outcome.author is None:
            assert (after.cc, after.status, outcome.public) == (before.cc, before.status, False)
            return
        directory, preferences = self.world.policy.directory, self.world.policy.preferences
        author = directory.find(outcome.author.address)
        of_author = author.addresses | {canonical(outcome.author.address)}
        replying = done.mail.reply_to if preferences.requester_from_reply_to else ()
        borrowed = {canonical(one.address) for one in replying}
        borrowed |= {address for one in replying for address in directory.find(one.address).addresses}
        if directory.is_technician(outcome.author.address):
            assert author.active
            if before.requester not in of_author:
                assert after.status is before.status
                proven = any(one.rule == "authentication" and "=pass" in one.answer for one in outcome.trace)
                assert proven or not outcome.public
        elif not (({before.requester} | before.cc) - before.removed) & (of_author | borrowed):
            assert (after.cc, after.status) == (before.cc, before.status)
            assert not outcome.public or outcome.reason is Reason.JOINED_LATE

    def everything_is_somewhere(self) -> None:
        tally = self.tally
        assert tally["mails"] == sum(tally[name] for name in ("created", "joined", "ignored", "parked"))
        with self.world._transaction() as tx:

            def count(sql: str) -> int:
                return int(tx.execute(sql).fetchone()[0])

            assert count("SELECT count(*) FROM intake_row") == tally["mails"]
            assert count("SELECT count(*) FROM decision") == tally["mails"]
            assert count("SELECT count(*) FROM decision WHERE parked = 1") == tally["parked"] == len(self.parked)
            assert count("SELECT count(*) FROM desk_ticket") == tally["created"]
            assert count("SELECT count(*) FROM desk_entry WHERE kind = 'mail'") == tally["created"] + tally["joined"]
            rows = tx.execute("SELECT number, status FROM desk_ticket").fetchall()
            known = TicketBook(tx).all_of(TicketNumber(number) for number, _ in rows)
            copies: dict[int, set[str]] = {}
            for number, address in tx.execute("SELECT ticket, address FROM desk_cc"):
                copies.setdefault(number, set()).add(canonical(address))
        for number, status in rows:
            facts = known[TicketNumber(number)]
            assert (facts.status, facts.cc) == (status, copies.get(number, set()))


@pytest.mark.parametrize(
    ("seed", "steps"),
    [
        (0, 1000),
        *(
            pytest.param(seed, 10_000, marks=[pytest.mark.torture, pytest.mark.timeout(3600)])
            for seed in range(100, 110)
        ),
    ],
)
def test_a_walk_breaks_nothing_that_was_promised(seed: int, steps: int) -> None:
    walk = Walk(seed)
    walk.go(steps)
    assert len(walk.reasons) > 15, walk.reasons


def test_an_id_whose_ticket_is_gone_is_no_trouble() -> None:
    with Stage() as stage:
        done = stage.mail(ANN, cites=MessageId(stage.ours(TicketNumber(10**17))))
        assert done.outcome.reason is Reason.CREATED
        again = replace(done, intake_id=IntakeId(99))
        with pytest.raises(MailwicketError):
            stage.world.retry(again)


CORPUS = sorted((Path(__file__).parents[1] / "corpus").glob("*.eml"))
ALL_ON = """
[preferences]
requester_from_reply_to = true
forwarded_by_technician_uses_original_sender = true
cc_from = ["to", "cc"]
no_reopen_patterns = ["^(thank|danke)"]
[incoming.support.filter]
type = "ignore"
mode = "log"
keywords = ["lottery", "re:^x"]
"""


@pytest.mark.parametrize(
    ("more", "each"),
    [
        ("", 8),
        (ALL_ON, 8),
        pytest.param("", 1, marks=pytest.mark.torture),
        pytest.param(ALL_ON, 1, marks=pytest.mark.torture),
    ],
)
def test_every_mail_of_the_corpus_is_decided_with_a_reason_and_the_same_way_again(more: str, each: int) -> None:
    assert CORPUS
    with Stage(MORE + more) as stage:
        for path in CORPUS[::each]:
            raw = path.read_bytes()
            done = stage.world.deliver(raw, "support", stage.world.now)
            assert done.outcome.reason in Reason, path.name
            again = stage.world.deliver(raw, "support", stage.world.now)
            if not isinstance(done.outcome, Quarantine):
                assert again.outcome.reason is Reason.DUPLICATE, path.name
            elif done.outcome.reason is not Reason.DUPLICATE:
                assert again.outcome.reason is done.outcome.reason, path.name
