"""The routes about folders, and the plain lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tests.lab.graph import view
from tests.lab.graph.ask import Answer, Ask
from tests.lab.graph.mailboxes import Folder, Message
from tests.lab.graph.problem import GraphError

if TYPE_CHECKING:
    from tests.lab.graph.lab import Lab

DEFAULT_PAGE = 10


async def top_folders(_: Lab, ask: Ask) -> Answer:
    return _folders(ask, ask.mailbox.folder("msgfolderroot"))


async def child_folders(_: Lab, ask: Ask) -> Answer:
    return _folders(ask, ask.mailbox.folder(ask.segments["folder"]))


async def one_folder(_: Lab, ask: Ask) -> Answer:
    return Answer(body=view.folder(ask.mailbox, ask.mailbox.folder(ask.segments["folder"]), ask.options.select))


async def folder_delta(_lab: Lab, _ask: Ask) -> Answer:
    raise GraphError(501, "NotImplemented", "The double keeps no history of folders.")


async def message_delta(lab: Lab, ask: Ask) -> Answer:
    return lab.delta.page(ask)


async def folder_messages(_: Lab, ask: Ask) -> Answer:
    return _messages(ask, ask.mailbox.messages(ask.segments["folder"]))


async def all_messages(_: Lab, ask: Ask) -> Answer:
    return _messages(ask, ask.mailbox.messages())


def _folders(ask: Ask, parent: Folder) -> Answer:
    hidden = ask.options.others.get("includeHiddenFolders", "").lower() == "true"
    found = [view.folder(ask.mailbox, child) for child in ask.mailbox.children(parent, hidden=hidden)]
    found = [one for one in found if all(term.holds(one.get(term.name)) for term in ask.options.terms)]
    select = ask.options.select
    shown = [{key: value for key, value in one.items() if not select or key in {"id", *select}} for one in found]
    return _page(ask, shown, "mailFolders")


def _messages(ask: Ask, items: list[Message]) -> Answer:
    asked = ask.options
    if any(name == "$search" for name, _ in ask.query):
        raise GraphError(501, "NotImplemented", "The double searches nothing.")
    found = [item for item in items if all(term.holds(view.value_of(item, term.name)) for term in asked.terms)]
    for name, descends in reversed(asked.orderby or (("receivedDateTime", True),)):
        found.sort(key=lambda item, by=name: view.value_of(item, by), reverse=descends)
    immutable = ask.prefer.immutable
    shown = [view.message(item, immutable=immutable, select=asked.select, expand=asked.expand) for item in found]
    return _page(ask, shown, "messages")


def _page(ask: Ask, shown: list[dict[str, Any]], name: str) -> Answer:
    asked = ask.options
    size = asked.top or ask.prefer.page_size or DEFAULT_PAGE
    here = shown[asked.skip : asked.skip + size]
    links: dict[str, Any] = {"@odata.count": len(shown)} if asked.count else {}
    if asked.skip + size < len(shown):
        query = [*((key, value) for key, value in ask.query if key != "$skip"), ("$skip", str(asked.skip + size))]
        links["@odata.nextLink"] = f"{ask.url.partition('?')[0]}?{urlencode(query, quote_via=quote)}"
    return Answer(body=view.page(ask, here, links, name))
