"""Delta queries over one folder: rounds of pages, kept by the server under opaque tokens.

A round lists what changed up to its beginning; what comes meanwhile is the next round's, or this one's at its end
where `sees_latecomers` is on. A token may be used again: a client that died before it kept the next one will do so.
"""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit

from tests.lab.graph import view
from tests.lab.graph.ask import Answer, Ask
from tests.lab.graph.clock import Clock
from tests.lab.graph.mailboxes import Change, Folder, Mailbox, Message
from tests.lab.graph.odata import Options
from tests.lab.graph.problem import GraphError, bad_request

DEFAULT_PAGE = 10
DELTA_OPTIONS = ("$select", "$top", "$expand", "$filter", "$orderby", "changeType")
LOST = "The sync state generation is not found; generation=149;[highest=157][lowest=150]."


@dataclass
class DeltaManners:
    """Each habit of the service, for a test to switch."""

    partial_rows: bool = True
    """A row about a read flag holds `id`, `isRead` and `parentFolderId` alone."""
    shuffled: bool = False
    duplicates: bool = False
    """Each row comes once more, at the end of the round."""
    replays: int = 0
    """A round begins that many changes before where the last one ended."""
    empty_pages: int = 0
    """So many pages without a row come before the first of a round."""
    sees_latecomers: bool = False
    """What changes during a round comes at its end."""
    delay_s: float = 0.0
    """Changes are reported no earlier than that after they happened."""
    first_round_removals: bool = False
    """The first round tells of mails that are gone as well."""
    link_origin: str = ""
    """Links lead to this scheme and host, as no honest service has it."""
    filtered_limit: int = 5000
    """More than that a first round with a filter never tells of."""
    seed: int = 7


@dataclass(frozen=True)
class Row:
    """One thing to report."""

    message: str
    rest_id: str
    kind: str
    detail: str = ""


@dataclass(frozen=True)
class Round:
    """Where a client stands. Never altered: each token names one."""

    mailbox: str
    folder: str
    options: Options
    since: int
    """Changes up to this one were reported in rounds before."""
    until: int = 0
    """Changes up to this one belong to this round."""
    rows: tuple[Row, ...] = ()
    empty_pages: int = 0
    fresh: bool = True
    """No page was asked for yet."""
    first: bool = True
    """All that is there is to be told, not what changed."""


@dataclass
class Deltas:
    """All tokens given out."""

    clock: Clock
    boxes: dict[str, Mailbox]
    manners: DeltaManners = field(default_factory=DeltaManners)
    tokens: dict[str, tuple[Round, str]] = field(default_factory=dict)
    """Each with the link under which it must come back."""
    dead: set[str] = field(default_factory=set)
    altered: list[str] = field(default_factory=list)
    """Links that came back other than they were given."""
    death: GraphError = field(default_factory=lambda: GraphError(410, "SyncStateNotFound", LOST))
    rounds: int = 0
    """How many first requests came."""

    def expire(self, error: GraphError | None = None) -> None:
        """Every link that was given out is worth nothing from now on; *error* is what is answered."""
        self.dead |= set(self.tokens)
        if error is not None:
            self.death = error

    def page(self, ask: Ask) -> Answer:
        """Answer one request."""
        box = ask.mailbox
        folder = box.folder(ask.segments["folder"])
        round_ = self._asked(ask, folder)
        if round_.fresh:
            round_ = self._begun(round_, box.folders[round_.folder])
        size = ask.prefer.page_size or round_.options.top or DEFAULT_PAGE
        if round_.empty_pages:
            rest = replace(round_, empty_pages=round_.empty_pages - 1)
            return self._answer(ask, [], rest, more=True)
        now, later = round_.rows[:size], round_.rows[size:]
        rest = replace(round_, rows=later)
        if not later and self.manners.sees_latecomers:
            rest = self._begun(replace(rest, since=round_.until), folder, again=True)
        value = [shown for row in now if (shown := self._shown(row, box, folder, ask, round_.options)) is not None]
        return self._answer(ask, value, rest, more=bool(rest.rows))

    # --- where a client stands --------------------------------------------------------------------------------------

    def _asked(self, ask: Ask, folder: Folder) -> Round:
        told = {name.lower(): value for name, value in ask.query}
        token = told.get("$skiptoken", told.get("$deltatoken"))
        if token is None:
            self._check(ask.options)
            self.rounds += 1
            return Round(ask.mailbox.address, folder.id, ask.options, since=0)
        if token in self.dead:
            raise self.death
        if token not in self.tokens:
            raise bad_request("Badly formed token.", "SyncStateInvalid")
        round_, link = self.tokens[token]
        if ask.url != link:
            self.altered.append(ask.url)
            raise bad_request("The link was altered.", "SyncStateInvalid")
        return round_

    def _check(self, asked: Options) -> None:
        for term in asked.terms:
            if term.name != "receivedDateTime" or term.operator not in {"ge", "gt"}:
                raise bad_request("Only receivedDateTime ge or gt is supported in delta.", "ErrorInvalidUrlQueryFilter")
        if asked.orderby not in {(), (("receivedDateTime", True),)}:
            raise bad_request("Only receivedDateTime desc is supported in delta.")
        if asked.change_type not in {"", "created", "updated", "deleted"}:
            raise bad_request("The value of changeType is not supported.")

    # --- what a round reports ---------------------------------------------------------------------------------------

    def _begun(self, round_: Round, folder: Folder, *, again: bool = False) -> Round:
        """List what is to be told."""
        first = round_.first and not again
        since = round_.since if again else max(0, round_.since - self.manners.replays)
        ripe = self.clock.epoch_s() - self.manners.delay_s
        changes = []
        for change in folder.history:  # in order: one that is not ripe keeps back those after it
            if change.sequence > since:
                if self.manners.delay_s and change.at_s > ripe:
                    break
                changes.append(change)
        until = max((change.sequence for change in changes), default=round_.since)
        rows = self._rows(changes, first=first)
        if first:
            rows = self._bounded(rows, round_.options, self.boxes[round_.mailbox], folder)
        if self.manners.shuffled:
            random.Random(self.manners.seed).shuffle(rows)
        if self.manners.duplicates:
            rows += rows
        empty = 0 if again else self.manners.empty_pages
        return replace(round_, rows=tuple(rows), until=max(until, round_.since), empty_pages=empty, fresh=False)

    def _rows(self, changes: list[Change], *, first: bool) -> list[Row]:
        """One a message: the last word about it."""
        told: dict[str, Row] = {}
        for change in changes:
            before = told.pop(change.message, None)
            kind, detail = change.kind, change.detail
            if kind == "updated" and before is not None and before.kind == "created":
                kind, detail = "created", ""
            elif kind == "updated" and before is not None and before.detail != detail:
                detail = ""
            told[change.message] = Row(change.message, change.rest_id, kind, detail)
        removals = not first or self.manners.first_round_removals
        return [row for row in told.values() if removals or row.kind != "removed"]

    def _bounded(self, rows: list[Row], asked: Options, box: Mailbox, folder: Folder) -> list[Row]:
        """In the order asked for; where a filter was given, so many at most."""
        there = [(row, item) for row in rows if (item := box.here(row.message, folder)) is not None]
        if asked.orderby:
            rows = [row for row, _ in sorted(there, key=lambda pair: pair[1].received, reverse=True)]
        if asked.terms:
            hits = {row for row, item in there if _fits(item, asked)}
            rows = [row for row in rows if row in hits][: self.manners.filtered_limit]
        return rows

    def _shown(self, row: Row, box: Mailbox, folder: Folder, ask: Ask, asked: Options) -> dict[str, Any] | None:
        """The row as it is by now; None where it is not wanted."""
        immutable = ask.prefer.immutable
        wanted = asked.change_type
        item = None if row.kind == "removed" else box.here(row.message, folder)
        if item is None:
            if wanted not in {"", "deleted"}:
                return None
            why = row.detail if row.kind == "removed" else "deleted"
            gone = row.message if immutable else row.rest_id
            return {"@odata.type": "#microsoft.graph.message", "id": gone, "@removed": {"reason": why}}
        if wanted and wanted != row.kind:
            return None
        if not _fits(item, asked):
            return None
        shown = view.message(item, immutable=immutable, select=asked.select, expand=asked.expand)
        if self.manners.partial_rows and row.kind == "updated" and row.detail == "isRead":
            shown = {"id": shown["id"], "isRead": item.is_read, "parentFolderId": item.folder_id}
        return {"@odata.type": "#microsoft.graph.message", **shown}

    # --- links ------------------------------------------------------------------------------------------------------

    def _answer(self, ask: Ask, value: list[dict[str, Any]], rest: Round, *, more: bool) -> Answer:
        if more:
            links = {"@odata.nextLink": self._link(ask, "skiptoken", rest)}
        else:
            done = replace(rest, since=rest.until, rows=(), fresh=True, first=False)
            links = {"@odata.deltaLink": self._link(ask, "deltatoken", done)}
        return Answer(body=view.page(ask, value, links, "Collection(message)"))

    def _link(self, ask: Ask, kind: str, round_: Round) -> str:
        """An absolute URL, escaped as no library would do it again."""
        token = f"{secrets.token_urlsafe(24)}+/_-=="
        place = f"{ask.prefix}/mailFolders('{quote(round_.folder, safe='')}')/messages/delta"
        link = f"{place}?%24{kind}={quote(token, safe='').replace('%2B', '%2b')}"
        self.tokens[token] = (round_, link)
        if self.manners.link_origin:
            return self.manners.link_origin + urlsplit(link)._replace(scheme="", netloc="").geturl()
        return link


def _fits(item: Message, asked: Options) -> bool:
    return all(term.holds(view.value_of(item, term.name)) for term in asked.terms)
