"""From what a mail did, or what became of one of ours, to what people hear of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from mailwicket.errors import PermanentError
from mailwicket.facts import TicketFacts
from mailwicket.flow.judgement import Told
from mailwicket.flow.posting import Moment, Post, Posting
from mailwicket.flow.saying import PAUSED, written
from mailwicket.mail.explain import new_words
from mailwicket.mail.wording import Context, Failure, Passage, Person
from mailwicket.model import Address, AttachmentPlace, EntryKind, Flag, IntakeKey, Mail, Reason, TicketNumber, TicketRef
from mailwicket.outgoing import Event
from mailwicket.ports import JoinsTransaction, MarksEntries, Transaction
from mailwicket.rules.decide import home_of
from mailwicket.rules.notify import Happened
from mailwicket.rules.outcome import Append, Create, Quarantine
from mailwicket.rules.own import canonical
from mailwicket.store import journal, outlist
from mailwicket.store.attempts import Attempt, Noted
from mailwicket.store.outbox import Claimed, File
from mailwicket.store.raw import RawPlace
from mailwicket.timestamp import timestamp

log = logging.getLogger(__name__)

OF_MACHINES: Final = frozenset({Reason.AUTO_REPLY_ATTACHED, Reason.BOUNCE_ATTACHED})
"""What machines say is no news."""

QUIET: Final = frozenset({Event.DELIVERY_FAILED, Event.ANNOUNCEMENT, Event.MAIL_REFUSED, Event.ALERT})
"""Of these nobody hears by another mail that they did not arrive: one would follow the other."""

REPORTED: Final = frozenset({Reason.BOUNCE_ATTACHED, Reason.AUTO_IGNORED})
"""A delivery report about a mail of ours: of a ticket, or of none."""

STALE: Final = timedelta(days=5)
"""Of mail that came longer ago nobody is told: a mailbox whose old mail is taken in would wake everybody in it."""

SAID_CHARS: Final = 300


class Telling:
    """Tells by one `Posting`."""

    def __init__(self, posting: Posting, desk: Callable[[], object] = lambda: None) -> None:
        """Queue what is told by *posting*; *desk* shows what became of it, where it lives in our store."""
        self.posting = posting
        self._desk = desk

    def after_mail(self, moment: Moment, told: Told, facts: TicketFacts | None) -> None:
        """Tell people of what the mail *told* did to the ticket *facts*. A bug of ours costs no mail its ticket."""
        mail, outcome = told.read.mail, told.outcome
        is_report = mail is not None and mail.bounce is not None and outcome.reason in REPORTED
        is_refused = isinstance(outcome, Quarantine) and outcome.author is not None
        if mail is None or not (
            is_report or is_refused or (facts is not None and isinstance(outcome, Create | Append))
        ):
            return
        received_at = told.read.kept.ref.received_at
        if received_at is not None and moment.now - received_at > STALE:
            return
        moment.tx.execute("SAVEPOINT posting")
        try:
            if is_report:
                self._bounced(moment, mail, facts)
            elif isinstance(outcome, Quarantine):
                self._refused(moment, told, outcome)
            elif facts is None:
                pass
            elif isinstance(outcome, Create):
                self._opened(moment, mail, outcome, facts)
            elif isinstance(outcome, Append) and outcome.author is not None:
                self._joined(moment, told, outcome, facts)
        except (ValueError, LookupError, TypeError, AttributeError):
            log.exception("nobody is told of mail intake=%s", told.read.kept.intake_id)
            moment.tx.execute("ROLLBACK TO posting")
        moment.tx.execute("RELEASE posting")

    def _refused(self, moment: Moment, told: Told, outcome: Quarantine) -> None:
        """Tell who wrote that his mail was not accepted, once a day: two machines would not leave it at that."""
        mail, author, posting = told.read.mail, outcome.author, self.posting
        if mail is None or author is None or not posting.tells(Event.MAIL_REFUSED):
            return
        may = posting.may_acknowledge(moment, author.address, verified=True)
        if may and not outlist.was_refused(moment.tx, author.address, moment.now):
            happened = Happened(Event.MAIL_REFUSED, None, "", author=author, acknowledge=True, verified=True)
            post = Post(
                happened,
                names=_names([author]),
                answers=mail.message_id,
                source=home_of(mail, posting.policy, told.source).source,
            )
            posting.post(moment, post)

    def _opened(self, moment: Moment, mail: Mail, outcome: Create, facts: TicketFacts) -> None:
        verified = outcome.verified
        allowed = outcome.acknowledge and self.posting.may_acknowledge(moment, facts.requester, verified=verified)
        text = mail.text if outcome.text is None else outcome.text
        happened = Happened(
            Event.CREATED,
            facts,
            facts.subject,
            author=outcome.author,
            text=text,
            acknowledge=allowed,
            verified=verified,
            forwarder=outcome.note_author,
        )
        words = Passage(text, "" if outcome.text is not None else mail.html or "")
        names = _names([outcome.requester, outcome.author, *outcome.cc])
        self.posting.post(moment, Post(happened, Context(words=words), names, mail.message_id))

    def _joined(self, moment: Moment, told: Told, outcome: Append, facts: TicketFacts) -> None:
        mail, author = told.read.mail, outcome.author
        assert mail is not None  # noqa: S101 - asked before
        assert author is not None  # noqa: S101 - asked before
        event = _event(outcome, of_the_desk=self.posting.answers_for_the_desk(author, facts))
        answers_all = event is Event.TECHNICIAN_REPLIED
        reached = frozenset(canonical(one.address) for one in (*mail.to, *mail.cc))
        happened = Happened(
            event,
            facts,
            facts.subject,
            author=author,
            public=outcome.public,
            by_machine=outcome.reason in OF_MACHINES,
            reached=reached if answers_all else frozenset(),
        )
        files = _files(mail, told.read.kept.raw) if answers_all else ()
        names = _names([author, *mail.to, *mail.cc])
        context = Context(words=Passage(new_words(mail)))
        answers = None if answers_all else mail.message_id  # they get it by this mail
        heard = self.posting.post(moment, Post(happened, context, names, answers, files))
        if answers_all:
            self._tell_failure(moment, event, facts, sorted(outlist.paused_among(moment.tx, heard)), PAUSED)
        if outcome.cc and outcome.public:
            added = tuple(Person(one.name or one.address, one.address) for one in outcome.cc)
            news = Happened(Event.CC_ADDED, facts, facts.subject, author=author)
            self.posting.post(moment, Post(news, Context(added=added), names, mail.message_id), but=heard)

    def _bounced(self, moment: Moment, mail: Mail, facts: TicketFacts | None) -> None:
        """A delivery report, about a mail of a ticket or of none."""
        bounce = mail.bounce
        if bounce is None or bounce.permanent is False:
            return
        known = [canonical(one) for one in bounce.recipients]
        row = self._reported(moment.tx, mail, facts, known)
        sent = outlist.sent_mail(moment.tx, row) if row is not None else None
        if row is None or sent is None:
            return
        lost = [one for one in sent.addresses if one in known] or (sent.addresses if len(sent.addresses) == 1 else [])
        said = " ".join(mail.text.split())[:SAID_CHARS]
        for address in lost:
            if outlist.note_bounce(moment.tx, row, address, said, moment.now):
                _note(moment.tx, moment.now, "AddressPaused", sent.ticket, address=address)
        if facts is not None:
            self._tell_failure(moment, sent.event, facts, lost, "a delivery report came back")

    def _reported(self, tx: Transaction, mail: Mail, facts: TicketFacts | None, known: Sequence[str]) -> int | None:
        """The row of the mail that is reported: by our own Message-ID, else the newest of the ticket to *known*."""
        bounce, keys = mail.bounce, self.posting.policy.keys
        returned = bounce.original_message_id if bounce is not None else None
        for one in (returned, *mail.in_reply_to, *mail.references):
            if one and (token := keys.read_id(one)) is not None:
                return token.row
        return None if facts is None else outlist.last_to(tx, facts.number, known)

    def ended(self, tx: Transaction, mail: Claimed, attempt: Attempt, noted: Noted, now: datetime) -> None:
        """Note what became of a mail that did not arrive, or of which nobody knows; tell who answers for its ticket."""
        if attempt.outcome == "uncertain":
            _note(tx, now, "DeliveryUncertain", mail.ticket, mail=mail.outbox_id, via=attempt.server)
            desk = self._desk()
            if isinstance(desk, MarksEntries):
                desk.mark(tx, _effect(mail), Flag.DELIVERY_UNCERTAIN)
            return
        paused = []
        for address in noted.failed:
            _note(tx, now, "DeliveryFailed", mail.ticket, mail=mail.outbox_id, address=address, said=attempt.said)
            if outlist.pause_if_hopeless(tx, address, now):
                _note(tx, now, "AddressPaused", mail.ticket, address=address)
                paused.append(address)
        facts = outlist.facts(tx, mail.ticket)
        if facts is not None and noted.failed and mail.event not in QUIET:
            moment = Moment(tx, f"outbox-{mail.outbox_id}-{mail.attempts}", now)
            self._enter(moment, facts, _lost(mail, noted.failed, attempt.said, paused))
            self._tell_failure(moment, mail.event, facts, noted.failed, attempt.said)

    def _enter(self, moment: Moment, facts: TicketFacts, text: str) -> None:
        """Write down on the ticket what became of a mail about it, where its desk lives in our store."""
        desk = self._desk()
        if not isinstance(desk, JoinsTransaction):
            return
        key = IntakeKey(moment.key)
        joined = desk.join(moment.tx, [key])
        try:
            joined.append(TicketRef(facts.number), written(EntryKind.EVENT, None, text, moment.now), key)
        except PermanentError as error:  # what became of the mail is noted all the same
            log.warning("%s: %s", text, error)
        joined.write()

    def _tell_failure(self, moment: Moment, event: Event, facts: TicketFacts, lost: Sequence[str], said: str) -> None:
        if event in QUIET or not lost:
            return
        context = Context(failure=Failure(", ".join(lost), said))
        happened = Happened(Event.DELIVERY_FAILED, facts, facts.subject, public=False)
        self.posting.post(moment, Post(happened, context))


def _effect(mail: Claimed) -> IntakeKey:
    """Return the key of the effect that caused *mail* (`Draft.cause`)."""
    return IntakeKey(mail.cause.partition(f"/{mail.event.value}/")[0])


def _lost(mail: Claimed, addresses: Sequence[str], said: str, paused: Sequence[str]) -> str:
    text = f"Mail {mail.outbox_id} ({mail.event}) did not reach {', '.join(addresses)}: {said or 'no reason is known'}"
    return f"{text}\nNothing is sent to {', '.join(paused)} any more." if paused else text


def _event(outcome: Append, *, of_the_desk: bool) -> Event:
    if outcome.reason is Reason.REOPENED:
        return Event.REOPENED
    if outcome.reason is Reason.ADDED_CLOSED:
        return Event.ADDED_TO_CLOSED
    if not outcome.public:
        return Event.COLLABORATION_ADDED
    return Event.TECHNICIAN_REPLIED if of_the_desk else Event.REQUESTER_REPLIED


def _names(people: Iterable[Address]) -> dict[str, str]:
    return {canonical(one.address): one.name for one in reversed(list(people)) if one.name}


def _files(mail: Mail, raw: RawPlace) -> list[File]:
    return [
        File(
            one.filename or "unnamed",
            one.content_type,
            one.sha256,
            one.content_id if one.inline else None,
            raw,
            AttachmentPlace(one.sha256, one.span, one.encoding),
        )
        for one in mail.attachments
    ]


def _note(tx: Transaction, now: datetime, kind: str, ticket: TicketNumber | None, **detail: object) -> None:
    journal.note_event(tx, journal.Event(timestamp(now), kind, "outbox", {"ticket": ticket, **detail}))
