"""Delivery reports: about whom, about which mail, and whether the server gave up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from mailwicket.mail.absence import absent, answers
from mailwicket.mail.automatic import open_to_all
from mailwicket.mail.header import Header, ids, parameters, words
from mailwicket.mail.notice import Notice, addresses, read
from mailwicket.mail.postmaster import nowhere, server, unnamed
from mailwicket.mail.report_words import DIGESTS, FAILED, GREETINGS, LATE, PASSED, PASSED_TITLES, REASONS, SUBJECTS
from mailwicket.mail.status import Fate, Fields, fields
from mailwicket.model import Bounce, MessageId

LOOK_MAX_CHARS: Final = 64 * 1024

_OTHER_REPORTS: Final = frozenset({"disposition-notification", "feedback-report", "tlsrpt"})
_NOT_PASSED: Final = ("unsuccess", "undelivered", "not ")
ENOUGH: Final = 2
SURE: Final = 3


def bounce(
    header: Header,
    subject: str,
    text: str,
    status: Sequence[str],
    returned: Sequence[Header],
) -> Bounce | None:
    """Read the report that a mail is, or None.

    *subject* and *text* are decoded; *status* are its message/delivery-status parts, *returned* the
    headers of the mails that it returns. A report of success is none, nor is what a person writes about one:
    no word of the text is looked at unless the header speaks of a machine.
    Source: RFC 3464, and the words of those who do not follow it.
    """
    kind, options = parameters(header.get("content-type"))
    told = options.get("report-type", "").strip().casefold()
    reported = kind == "multipart/report" or told == "delivery-status"
    if reported and told in _OTHER_REPORTS and not _refused(text):
        return None
    seen = evidence(header, subject)
    if seen.weight + 2 * reported < ENOUGH:
        return None
    titled = seen.titled and (seen.server or reported)
    sure = titled and seen.weight + 2 * reported >= SURE
    human = seen.may_be_human and not reported
    return _Report(header, subject, text, tuple(returned), titled=titled, sure=sure, may_be_human=human).told(status)


def _refused(text: str) -> bool:
    """Whether a filter (RFC 5429) refused the mail by a notification that it was not shown (RFC 8098)."""
    return "automatically rejected" in text[:2000]


class Evidence(NamedTuple):
    """What a header says for a mail server as the author of a report."""

    weight: int
    """ENOUGH: the text may be read as a report's. SURE: it is one even if no phrase in it is known."""
    server: bool
    """The author, or a field that only servers set, says that a mail server wrote it."""
    titled: bool
    """The subject, or that field, speaks of mail that did not arrive."""
    may_be_human: bool = False
    """Nothing else speaks for a mail server than that subject, and a name that people have, too."""


def evidence(header: Header, subject: str) -> Evidence:
    """Weigh a header; a subject counts only beside something that people's mail does not have."""
    author = header.get("from")
    weight = server(author)
    if weight == 1 and "postmaster@" in author.casefold() and unnamed(author) and not answers(subject):
        weight = 2
    failed = "x-failed-recipients" in header
    failed |= author.strip() == "<>" and nowhere(header)  # from nobody to nowhere
    by_server = weight > 0 or failed
    weight += SURE * failed + nowhere(header)
    said = header.get("auto-submitted")[:5].casefold() == "auto-"
    may_be_human = by_server and weight == 1 and not said
    bulk = header.get("precedence").strip().casefold() in {"bulk", "junk"} and not open_to_all(header)
    if (not weight and not said and not bulk) or answers(subject) or absent(subject):
        return Evidence(weight if weight >= ENOUGH else 0, by_server, failed)
    title = subject.casefold().strip(" *[]-!").replace("\u2019", "'")
    titled = any(word in title for word in SUBJECTS) if weight else title.startswith(SUBJECTS)
    said = said or bulk
    return Evidence(weight + titled + (said and (weight > 0 or titled)), by_server, failed or titled, may_be_human)


@dataclass(frozen=True)
class _Report:
    """A mail that seems to be a report, as it is read."""

    header: Header
    subject: str
    text: str
    returned: Sequence[Header]
    titled: bool
    sure: bool
    may_be_human: bool

    def told(self, status: Sequence[str]) -> Bounce | None:
        if not status:
            low = self.text[:LOOK_MAX_CHARS].casefold()
            if "action:" in low and ("final-recipient:" in low or "original-recipient:" in low):
                status = (self.text[:LOOK_MAX_CHARS],)  # lost its type on the way
        found = fields(status)
        if found.failed and Fate.FAILED in found.fates:
            return self._bounce(found.failed, found, None, permanent=True)
        if found.late and not found.failed:
            return self._bounce(found.late, found, None, permanent=False)
        if found.fates == {Fate.PASSED}:
            return None
        return self._in_words(found)

    def _in_words(self, found: Fields) -> Bounce | None:
        """Read the text: there is no status, or it leaves out whom it is about or what became of the mail."""
        title = self.subject.casefold()
        if any(word in title for word in PASSED_TITLES) and not any(word in title for word in _NOT_PASSED):
            return None
        own = [one for name in ("to", "from", "reply-to") for one in addresses(self.header.get(name))]
        sender = next(iter(addresses(self.header.get("from"))), "")
        notice = read(self.text, own, sender.rpartition("@")[2])
        late = any(word in notice.words or word in title for word in LATE)
        reasons = FAILED + REASONS if self.titled else FAILED
        failed = any(word in notice.words for word in reasons)
        if not self.titled and any(word in notice.words for word in DIGESTS):
            return None
        passed = not (late or failed) and any(word in notice.words for word in PASSED)
        if passed or not (late or failed or self.sure or found.failed):
            return None
        who = found.failed or found.late or self._recipients(notice)
        if self.may_be_human and (not who or "?" in notice.words or notice.words.startswith(GREETINGS)):
            return None
        permanent: bool | None = False if late else (failed or self.sure) or None
        if Fate.FAILED in found.fates:
            permanent = True
        elif Fate.LATE in found.fates:
            permanent = False
        return self._bounce(who, found, notice, permanent=permanent)

    def _recipients(self, notice: Notice) -> Sequence[str]:
        named = addresses(words(self.header.get("x-failed-recipients")))
        if named and not {one.casefold() for one in named} <= {one.casefold() for one in notice.recipients}:
            return named
        if notice.recipients:
            return notice.recipients
        for to in (*(addresses(words(one.get("to"))) for one in self.returned), notice.returned_to):
            if len(to) == 1:
                return to
            if to:  # of several we cannot tell which
                return notice.others or [one for one in notice.bare if one in to]
        return notice.others or notice.bare

    def _bounce(self, who: Sequence[str], found: Fields, notice: Notice | None, *, permanent: bool | None) -> Bounce:
        about = next((known for one in self.returned if (known := ids(one.get("message-id")))), None)
        original = about[0] if about else found.message_id
        if original is None:
            if notice is None:
                notice = read(self.text, (), "")
            cited = (*ids(self.header.get("in-reply-to")), *reversed(ids(self.header.get("references"))))
            original = MessageId(notice.message_id) if notice.message_id else next(iter(cited), None)
        return Bounce(tuple(who), permanent, original)
