"""Which paths there are below a mailbox, what each takes, and who may ask."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tests.lab.graph import drafts, folders, messages, sending, uploads, view
from tests.lab.graph.ask import Answer, Ask
from tests.lab.graph.delta import DELTA_OPTIONS
from tests.lab.graph.problem import GraphError, bad_request

if TYPE_CHECKING:
    from tests.lab.graph.lab import Lab

Handler = Callable[["Lab", Ask], Awaitable[Answer]]

LIST = ("$top", "$skip", "$filter", "$count", "$orderby", "$select", "$expand")
FOLDERS = (*LIST, "includeHiddenFolders")
ONE = ("$select", "$expand")
MESSAGES = (*LIST, "$search")
LINKS = ("$skiptoken", "$deltatoken", "$skipToken", "$deltaToken")


@dataclass(frozen=True)
class Route:
    handler: Handler
    needs: str = "read"
    """`read`, `write` or `send`."""
    options: tuple[str, ...] = ()
    properties: tuple[str, ...] = view.SELECTABLE


ROUTES: dict[str, dict[str, Route]] = {
    "mailFolders": {"GET": Route(folders.top_folders, options=FOLDERS, properties=view.FOLDER)},
    "mailFolders/delta": {"GET": Route(folders.folder_delta, options=(*DELTA_OPTIONS, *LINKS), properties=view.FOLDER)},
    "mailFolders/{folder}": {
        "GET": Route(folders.one_folder, options=(*ONE, "includeHiddenFolders"), properties=view.FOLDER)
    },
    "mailFolders/{folder}/childFolders": {
        "GET": Route(folders.child_folders, options=FOLDERS, properties=view.FOLDER),
    },
    "mailFolders/{folder}/messages": {"GET": Route(folders.folder_messages, options=MESSAGES)},
    "mailFolders/{folder}/messages/delta": {"GET": Route(folders.message_delta, options=(*DELTA_OPTIONS, *LINKS))},
    "messages": {
        "GET": Route(folders.all_messages, options=(*MESSAGES, "includeHiddenMessages")),
        "POST": Route(drafts.create, "write"),
    },
    "messages/{message}": {
        "GET": Route(messages.get, options=(*ONE, "includeHiddenMessages")),
        "PATCH": Route(messages.patch, "write"),
        "DELETE": Route(messages.delete, "write"),
    },
    "messages/{message}/$value": {"GET": Route(messages.get_value)},
    "messages/{message}/attachments": {
        "GET": Route(drafts.attachments, options=ONE, properties=view.ATTACHMENT),
        "POST": Route(drafts.attach, "write"),
    },
    "messages/{message}/attachments/{attachment}": {
        "GET": Route(drafts.attachment, options=ONE, properties=view.ATTACHMENT)
    },
    "messages/{message}/attachments/createUploadSession": {"POST": Route(uploads.create_session, "write")},
    "messages/{message}/move": {"POST": Route(messages.move, "write")},
    "messages/{message}/createReply": {"POST": Route(drafts.create_reply, "write")},
    "messages/{message}/reply": {"POST": Route(sending.reply, "send")},
    "messages/{message}/send": {"POST": Route(sending.send, "send")},
    "messages/{message}/permanentDelete": {"POST": Route(messages.permanent_delete, "write")},
    "sendMail": {"POST": Route(sending.send_mail, "send")},
}


def split(raw_path: str) -> list[str]:
    """Segments of a path, each unescaped by itself; `name('key')` is two."""
    parts: list[str] = []
    for segment in raw_path.strip("/").split("/"):
        keyed = re.fullmatch(r"([A-Za-z]+)\('(.*)'\)", unquote(segment))
        parts += [keyed[1], keyed[2]] if keyed else [unquote(segment).removeprefix("microsoft.graph.")]
    return parts


def template(parts: list[str]) -> tuple[str, dict[str, str]]:
    """Find the path that these segments follow, and what stands for its names.

    Raises:
        GraphError: there is none.
    """
    for name in sorted(ROUTES, key=lambda known: known.count("{")):
        wanted = name.split("/")
        if len(wanted) == len(parts) and all(
            want == part or (want.startswith("{") and part) for want, part in zip(wanted, parts, strict=True)
        ):
            found = zip(wanted, parts, strict=True)
            return name, {want.strip("{}"): part for want, part in found if want.startswith("{")}
    raise bad_request(f"Resource not found for the segment '{parts[-1]}'.")


def route(method: str, parts: list[str]) -> tuple[Route, dict[str, str]]:
    """What answers a request.

    Raises:
        GraphError: nothing does, or not to this method.
    """
    name, segments = template(parts)
    by_method = ROUTES[name]
    if method not in by_method:
        allowed = {"Allow": ", ".join(by_method)}
        raise GraphError(405, "ErrorInvalidRequest", "The OData request is not supported.", allowed)
    return by_method[method], segments
