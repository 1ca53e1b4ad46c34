"""A process that refreshes a grant over and over, and says each time that it did: `python -m tests.lab.refresher`."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from mailwicket.config.oauth import OAuth
from mailwicket.net.machine import Machine
from mailwicket.net.oauth.bearer import Door
from mailwicket.net.oauth.grant import Kept, client_of
from mailwicket.net.oauth.tokens import Tokens
from mailwicket.net.oauth.wire import Wire
from mailwicket.store.store import Store
from mailwicket.store.tokens import SCHEMA, TokenSafe

DOOR = Door("office", "imap", "desk@example.org")


async def refresh(state_dir: Path, url: str, first: str) -> None:
    oauth = OAuth.model_validate({"client_id": "x", "authorization_url": f"{url}/a", "token_url": f"{url}/token"})
    store = Store(state_dir, [SCHEMA])
    safe = TokenSafe(state_dir, store)
    if first:
        await safe.save("office", Kept(client_of(oauth), first).write())
    wire = Wire(lambda: Machine(state_dir).trust(None))
    tokens = Tokens(lambda: {"office": oauth}, lambda _: frozenset(), safe, wire)
    for kept in (await tokens.kept("office", oauth)).access.values():
        tokens.drop(DOOR, kept.token)  # what is said to be refreshed is
    while True:
        access = await tokens.access(DOOR)
        print("refreshed", flush=True)
        tokens.drop(DOOR, access.token)


if __name__ == "__main__":
    anyio.run(refresh, Path(sys.argv[1]), sys.argv[2], sys.stdin.readline().strip())
