"""The peer: aioimaplib as it comes, logged in and idling on many mailboxes, and nothing else.

`python -m bench.idler CA_FILE PASSWORD USER:PORT...` says `idling` in a line when all of them idle, and waits for the
end of its input.
"""

from __future__ import annotations

import asyncio
import ssl
import sys

import aioimaplib

LOGINS_AT_ONCE = 64


async def idle(user: str, port: int, password: str, tls: ssl.SSLContext, door: asyncio.Semaphore) -> None:
    """Log in, open INBOX, idle for ever."""
    async with door:
        client = aioimaplib.IMAP4_SSL("localhost", port, timeout=60, ssl_context=tls)
        await client.wait_hello_from_server()
        await client.login(user, password)
        await client.select("INBOX")
    await client.idle_start(timeout=1740)
    READY.release()
    while True:
        await client.wait_server_push()


READY = asyncio.Semaphore(0)


async def main() -> None:
    """Do it for all."""
    ca_file, password, *boxes = sys.argv[1:]
    tls = ssl.create_default_context(cafile=ca_file)
    door = asyncio.Semaphore(LOGINS_AT_ONCE)
    tasks = []
    for box in boxes:
        user, _, port = box.partition(":")
        tasks.append(asyncio.create_task(idle(user, int(port), password, tls, door)))
    for _ in tasks:
        await READY.acquire()
    print("idling", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
