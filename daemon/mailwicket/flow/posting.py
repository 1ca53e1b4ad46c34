"""What happened becomes mail in the outbox, in the transaction in which it happened.

Who hears of it is decided in `rules.notify`, in which words in `mail.wording`, by which server in `rules.route`; here
they meet. A desk without an outgoing server that is enabled queues nothing.
"""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from mailwicket.config.notification import Notification
from mailwicket.errors import ConflictError, PermanentError
from mailwicket.facts import TicketFacts
from mailwicket.flow.switchboard import Switchboard
from mailwicket.flow.writing import Writing
from mailwicket.mail.wording import Context, Person, TicketWords, Wording
from mailwicket.model import Address, MessageId
from mailwicket.outgoing import ANY_SERVER, Event, Notice
from mailwicket.ports import Transaction
from mailwicket.rules.acknowledge import DAY, Acknowledged, may_acknowledge
from mailwicket.rules.directory import Role
from mailwicket.rules.notify import Happened, is_sent, notices
from mailwicket.rules.own import canonical, domain_of
from mailwicket.rules.policy import Policy
from mailwicket.rules.route import Question, Route, refusal
from mailwicket.store import outbox, outlist
from mailwicket.store.outbox import Draft, File, OutboxId

log = logging.getLogger(__name__)


def new_nonce() -> str:
    """Return what makes a Message-ID one that nobody guesses."""
    return base64.b32encode(secrets.token_bytes(10)).decode().rstrip("=").lower()


@dataclass(frozen=True, slots=True)
class Moment:
    """Where, why and when something happens."""

    tx: Transaction
    key: str
    """Names the effect: the same again queues nothing."""
    now: datetime


@dataclass(frozen=True, slots=True)
class Post:
    """One thing that happened, and what its mail says beside."""

    happened: Happened
    context: Context = field(default_factory=Context)
    names: Mapping[str, str] = field(default_factory=dict)
    """Display names by canonical address, as a mail or the desk told them."""
    answers: MessageId | None = None
    """The mail that caused it, or is answered; None where the recipients do not have it."""
    files: Sequence[File] = ()
    chosen: str | None = None
    source: str | None = None
    """The mailbox (NAME) that it came by, where there is no ticket that is at home in one."""


def write_ahead(tx: Transaction, mail: OutboxId, board: Switchboard, writing: Writing) -> None:
    """Write a small *mail* as the server sends it that it is meant for; what cannot be written fails when sent."""
    found = outbox.find(tx, mail)
    if found is None or not found.waiting or not writing.is_small(found):
        return
    sent_as = board.sent_as(found, found.meant)
    with suppress(PermanentError):
        outbox.keep_raw(tx, mail, sent_as, writing.write(found, sent_as))


def meant_for(event: Event, route: Route) -> str:
    """Return the server that takes a mail: of an alert whichever works, as it may be about the one of *route*."""
    return ANY_SERVER if event is Event.ALERT else route.meant


class Posting:
    """By one configuration. Called in the writer's thread, or where its transaction is."""

    def __init__(  # noqa: PLR0913 - what words and decisions are made of
        self,
        policy: Policy,
        notifications: Mapping[str, Notification],
        board: Switchboard,
        *,
        desks: Mapping[str, str] | None = None,
        nonce: Callable[[], str] = new_nonce,
        writing: Writing | None = None,
    ) -> None:
        """Write by *policy* and *notifications*; *desks*: how each mailbox (NAME) is called.

        With *writing* small mails are written when they are queued, and only handed over when they are sent.
        """
        self.policy = policy
        self._notifications = notifications
        self._wording = Wording(notifications)
        self._board = board
        self._desks = desks or {}
        self._nonce = nonce
        self._writing = writing
        self._acknowledged: list[Acknowledged] | None = None

    @property
    def sends(self) -> bool:
        """Whether there is a server by which anything goes."""
        return any(one.enabled for one in self._board.exchange.servers.values())

    def tells(self, event: Event) -> bool:
        """Tell whether anybody may hear of *event*."""
        return self.sends and is_sent(event, self.policy, self._notifications)

    def wake(self) -> None:
        """The transaction is over: have what it queued sent."""
        self._board.wake()

    def answers_for_the_desk(self, author: Address, facts: TicketFacts) -> bool:
        """Tell whether *author* is a technician, and not the one who asks in *facts*."""
        person = self.policy.directory.find(author.address)
        return person.role is Role.TECHNICIAN and facts.requester not in person.addresses | {person.address}

    def may_acknowledge(self, moment: Moment, address: str, *, verified: bool) -> bool:
        """Tell whether the caps let *address* be told by itself that his mail arrived."""
        return may_acknowledge(address, self._lately(moment), moment.now, verified=verified)

    def check_choice(self, chosen: str, facts: TicketFacts, by: str = "") -> None:
        """Refuse a choice of server that the technician *by* is not allowed.

        Raises:
            ConflictError: it is not, and why.
        """
        own = self.policy.directory.find(by).groups if by else ()
        if (why := refusal(chosen, facts.group, self._board.map, own)) is not None:
            raise ConflictError(why)

    def offer(self, facts: TicketFacts, by: str = "") -> Mapping[str, object]:
        """Return to whom a reply of *by* about *facts* would go, by which server, and which others he may choose."""
        author = Address(None, by) if by else None
        happened = Happened(Event.TECHNICIAN_REPLIED, facts, facts.subject, author=author)
        found = [one for one in notices(happened, self.policy, self._notifications) if not one.automatic]
        route = self._board.route(self.question(Event.TECHNICIAN_REPLIED, facts))
        own, where = self.policy.directory.find(by).groups if by else (), self._board.map
        return {
            "to": [address for one in found for address in one.to],
            "cc": [address for one in found for address in one.cc],
            "outgoing": None if route is None else route.meant,
            "from": None if route is None else self._board.exchange.servers[route.meant].email,
            "choices": [name for name in where.servers if refusal(name, facts.group, where, own) is None],
        }

    def post(self, moment: Moment, post: Post, *, but: Iterable[str] = ()) -> set[str]:
        """Queue every mail that tells of what *post* says happened, but to those of *but*; return who gets one.

        Raises:
            ConflictError: the server that was chosen may not be.
        """
        if not self.sends:
            return set()
        facts = post.happened.ticket
        if facts is not None and post.chosen is not None:
            author = post.happened.author
            self.check_choice(post.chosen, facts, author.address if author is not None else "")
        heard, left_out = set(but), set(but)
        for notice in notices(post.happened, self.policy, self._notifications):
            if left_out & {*notice.to, *notice.cc}:
                continue
            if self._queue(moment, notice, post):
                heard |= {*notice.to, *notice.cc}
        return heard

    def _queue(self, moment: Moment, notice: Notice, post: Post) -> bool:
        facts = post.happened.ticket
        source = post.source if facts is None else facts.source
        route = self._board.route(replace(self.question(notice.event, facts, post.chosen), received_at=source))
        if route is None:
            return False
        words = self._wording.write(notice, self._context(notice, post, facts))
        for fault in words.faults:
            log.warning("%s; the shipped words are sent", fault)
        parents = self._parents(moment.tx, notice, post)
        author = post.happened.author
        draft = Draft(
            cause=f"{moment.key}/{notice.event}/{notice.audience}/{notice.to[0]}",
            event=notice.event,
            ticket=None if facts is None else facts.number,
            to=self._people(notice.to, post, fixed=notice.fixed),
            cc=self._people(notice.cc, post, fixed=notice.fixed),
            subject=words.subject,
            text=words.text,
            html=words.html,
            meant=meant_for(notice.event, route),
            route=self.told(route),
            domain=self._domain(facts, route),
            internal=notice.internal,
            automatic=notice.automatic,
            author=None if notice.automatic or author is None else self._name(author, post),
            in_reply_to=parents[-1] if parents else None,
            references=parents,
            files=post.files if not notice.internal else (),
            received_at=source,
            chosen=post.chosen,
        )
        queued = outbox.queue(moment.tx, draft, self.policy.keys, self._nonce(), moment.now)
        if queued.is_new and self._writing is not None and draft.meant != ANY_SERVER:
            write_ahead(moment.tx, queued.outbox_id, self._board, self._writing)
        if queued.is_new and notice.acknowledges:
            self._lately(moment).extend(Acknowledged(moment.now, one) for one in notice.to)
        return True

    # --- the parts of a mail

    def question(self, event: Event, facts: TicketFacts | None, chosen: str | None = None) -> Question:
        """Return what a route is chosen by."""
        if facts is None:
            return Question(event.value, chosen=chosen)
        return Question(
            event.value,
            facts.group,
            facts.assignee,
            facts.category,
            facts.company,
            facts.status.value,
            facts.requester,
            facts.source,
            chosen,
        )

    def told(self, route: Route) -> Mapping[str, object]:
        """Return a route as it is kept beside its mail."""
        return {**route.told(), "from": self._board.exchange.servers[route.via].email}

    def _context(self, notice: Notice, post: Post, facts: TicketFacts | None) -> Context:
        author, given = post.happened.author, post.context
        preferences = self.policy.preferences
        return Context(
            ticket=None if facts is None else self._ticket(facts, post),
            author=given.author if author is None else Person(self._name(author, post), author.address),
            words=given.words,
            quote=given.quote,
            added=given.added,
            failure=given.failure,
            desk=self._desks.get((post.source if facts is None else facts.source) or "", given.desk),
            subject=post.happened.subject,
            grace_days=preferences.reply_to_closed.grace_days,
            delimiter=given.delimiter,
            mark=self._mark(notice, facts) if facts is not None and preferences.body_marker else "",
        )

    def _mark(self, notice: Notice, facts: TicketFacts) -> str:
        return self.policy.keys.mark(facts.number, internal=notice.internal)

    def _ticket(self, facts: TicketFacts, post: Post) -> TicketWords:
        return TicketWords(
            str(facts.number),
            self.policy.tag.write(facts.number),
            facts.subject,
            facts.status.value,
            facts.group or "",
            self._known(facts.requester, post),
            self._known(facts.assignee, post) if facts.assignee else Person("", ""),
            tuple(self._known(one, post) for one in sorted(facts.cc)),
        )

    def _known(self, address: str, post: Post) -> Person:
        name = post.names.get(address) or self.policy.directory.find(address).name
        return Person(name or address, address)

    def _name(self, author: Address, post: Post) -> str:
        return self.policy.directory.find(author.address).name or author.name or self._known(author.address, post).name

    def _people(self, addresses: Sequence[str], post: Post, *, fixed: bool) -> list[Address]:
        if fixed:
            return [Address(None, one) for one in addresses]
        return [Address(post.names.get(one) or self.policy.directory.find(one).name, one) for one in addresses]

    def _domain(self, facts: TicketFacts | None, route: Route) -> str:
        home = self.policy.address_of(facts.source) if facts is not None else None
        return domain_of(canonical(home or self._board.exchange.servers[route.meant].email))

    def _parents(self, tx: Transaction, notice: Notice, post: Post) -> list[MessageId]:
        """The thread as the recipient has it: the mail that began it, and the one that this one answers."""
        facts = post.happened.ticket
        if facts is None:
            return [post.answers] if post.answers is not None else []
        root = facts.root or outlist.first_id(tx, facts.number)
        caused = None if notice.internal else post.answers
        return list(dict.fromkeys(one for one in (root, caused) if one is not None))

    def _lately(self, moment: Moment) -> list[Acknowledged]:
        """The acknowledgements of a day, the oldest first; what a transaction that failed added is counted, too."""
        if self._acknowledged is None:
            self._acknowledged = list(outlist.acknowledged(moment.tx, moment.now))
        if self._acknowledged and self._acknowledged[0].at <= moment.now - DAY:
            self._acknowledged = [one for one in self._acknowledged if one.at > moment.now - DAY]
        return self._acknowledged
