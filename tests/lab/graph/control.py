"""Levers for a test that runs the double as a process: everything below `/_lab`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.lab.graph import view
from tests.lab.graph.problem import GraphError

if TYPE_CHECKING:
    from tests.lab.graph.lab import Lab


class Control:
    """Each route does what one call does in the same process."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    async def state(self, _: web.Request) -> web.Response:
        lab = self.lab
        return web.json_response(
            {
                "base": lab.base,
                "token_url": lab.token_url,
                "authorize_url": lab.authorize_url,
                "device_url": lab.device_url,
                "uploads": lab.uploads.origin,
                "openapi": lab.openapi.says,
                "throttled": lab.throttling.refused,
                "early": lab.throttling.early,
                "peak": max(lab.throttling.peak.values(), default=0),
                "tokens_refused": lab.tokens.refused_graph,
                "violations": lab.openapi.violations,
            }
        )

    async def mailbox(self, request: web.Request) -> web.Response:
        told = await request.json()
        for name in ("aliases", "full_access", "send_as"):
            if name in told:
                told[name] = set(told[name])
        box = self.lab.mailbox(**told)
        return web.json_response({"address": box.address, "folders": [one.well_known for one in box.folders.values()]})

    async def deliver(self, request: web.Request) -> web.Response:
        box = self.lab.mailbox(request.match_info["address"])
        item = box.deliver(await request.read(), request.query.get("folder", "inbox"))
        return web.json_response({"id": item.immutable_id, "restId": item.rest_id}, status=201)

    async def messages(self, request: web.Request) -> web.Response:
        self.lab.clock.run_due()
        box = self.lab.mailbox(request.match_info["address"])
        listed = [
            {
                **view.message(item, immutable=True, select=("subject", "isRead", "isDraft", "internetMessageId")),
                "folder": box.folders[item.folder_id].well_known or box.folders[item.folder_id].display_name,
            }
            for item in box.messages(request.query.get("folder"))
        ]
        return web.json_response(listed)

    async def act(self, request: web.Request) -> web.Response:
        """What a person does with a mail: `read`, `unread`, `move` (with `folder`), `remove`."""
        told = await request.json()
        box = self.lab.mailbox(request.match_info["address"])
        item = box.message(told["id"])
        match told["act"]:
            case "read" | "unread":
                box.read(item, is_read=told["act"] == "read")
            case "move":
                box.move(item, box.folder(told["folder"]))
            case "remove":
                box.take(item)
        return web.json_response({})

    async def fault(self, request: web.Request) -> web.Response:
        self.lab.faults.add(**await request.json())
        return web.json_response({}, status=201)

    async def clear_faults(self, _: web.Request) -> web.Response:
        self.lab.faults.clear()
        return web.json_response({})

    async def switch(self, request: web.Request) -> web.Response:
        """Set switches by noun: `{"delta": {"duplicates": true}, "manners": {"mime": "rebuilt"}}`."""
        lab = self.lab
        nouns: dict[str, Any] = {
            "delta": lab.delta.manners,
            "manners": lab.manners,
            "sending": lab.sending,
            "throttling": lab.throttling,
            "tokens": lab.tokens,
            "uploads": lab.uploads,
        }
        for noun, switches in (await request.json()).items():
            for name, value in switches.items():
                if not hasattr(nouns[noun], name):
                    raise web.HTTPBadRequest(text=f"{noun} has no {name}")
                setattr(nouns[noun], name, value)
        return web.json_response({})

    async def clock(self, request: web.Request) -> web.Response:
        self.lab.clock.advance((await request.json())["advance_s"])
        return web.json_response({})

    async def token(self, request: web.Request) -> web.Response:
        return web.json_response({"token": self.lab.tokens.accept(**await request.json())})

    async def expire(self, request: web.Request) -> web.Response:
        """`{"what": "tokens"}`, or `{"what": "delta", "status": 410, "code": "SyncStateNotFound"}`."""
        told = await request.json()
        if told["what"] == "tokens":
            self.lab.tokens.expire_all()
        else:
            error = GraphError(told["status"], told["code"], told["code"]) if "status" in told else None
            self.lab.delta.expire(error)
        return web.json_response({})

    async def requests(self, _: web.Request) -> web.Response:
        told = [
            {"method": one.method, "path": one.path, "status": one.status, "headers": one.headers}
            for one in self.lab.requests
        ]
        return web.json_response(told)

    async def sent(self, _: web.Request) -> web.Response:
        told = [
            {
                "mailbox": one.mailbox,
                "recipients": one.recipients,
                "way": one.way,
                "content": one.content.decode("utf-8", "surrogateescape"),
            }
            for one in self.lab.sending.sent
        ]
        return web.json_response(told, dumps=lambda value: json.dumps(value, ensure_ascii=True))


def add_routes(app: web.Application, lab: Lab) -> None:
    control = Control(lab)
    app.add_routes(
        [
            web.get("/_lab", control.state),
            web.post("/_lab/mailboxes", control.mailbox),
            web.get("/_lab/mailboxes/{address}/messages", control.messages),
            web.post("/_lab/mailboxes/{address}/messages", control.deliver),
            web.post("/_lab/mailboxes/{address}/act", control.act),
            web.post("/_lab/faults", control.fault),
            web.delete("/_lab/faults", control.clear_faults),
            web.patch("/_lab/switches", control.switch),
            web.post("/_lab/clock", control.clock),
            web.post("/_lab/tokens", control.token),
            web.post("/_lab/expire", control.expire),
            web.get("/_lab/requests", control.requests),
            web.get("/_lab/sent", control.sent),
        ]
    )
