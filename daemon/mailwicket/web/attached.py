"""A request that brings files along: `attachments`, a list of `{filename, content_type, content}` in base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import anyio
import anyio.to_thread
from aiohttp import web

from mailwicket.flow.uploads import FILES_MAX_BYTES, Upload, objection
from mailwicket.web.asked import checked, json_of
from mailwicket.web.problem import BadRequestError, TooLargeError

KEY: Final = "attachments"
KEYS: Final = frozenset({"filename", "content_type", "content"})

BODY_MAX_BYTES: Final = FILES_MAX_BYTES // 3 * 4 + 1024 * 1024
"""The files as base64, and as much beside them as any other request may hold."""

SMALL_BYTES: Final = 64 * 1024
"""A larger body is read in a thread, so that nobody waits for it."""

BODY_S: Final = 120
"""So long a body may take to come: others wait for who reads it."""

READERS: Final = 2
"""So many large bodies are in memory at a time, the others wait."""


class Reader:
    """Reads such requests."""

    def __init__(self) -> None:
        """Nobody reads yet."""
        self._readers: anyio.CapacityLimiter | None = None

    async def read(self, request: web.Request, keys: Mapping[str, type]) -> tuple[dict[str, Any], list[Upload]]:
        """Return the JSON object of the body, as `asked.body_of` does for *keys*, and its files.

        Raises:
            BadRequestError: it is something else.
            TooLargeError: it is more than goes with a mail.
        """
        if request.content_length is not None and request.content_length <= SMALL_BYTES:
            return _read(await _body(request), keys)
        if self._readers is None:
            self._readers = anyio.CapacityLimiter(READERS)
        async with self._readers:
            return await anyio.to_thread.run_sync(_read, await _body(request), keys)


async def _body(request: web.Request) -> bytes:
    try:
        with anyio.fail_after(BODY_S):
            return await request.clone(client_max_size=BODY_MAX_BYTES).read()
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLargeError(f"a request holds at most {BODY_MAX_BYTES} bytes, files as base64") from error
    except TimeoutError as error:
        raise BadRequestError(f"the body did not come within {BODY_S} s") from error


def _read(raw: bytes, keys: Mapping[str, type]) -> tuple[dict[str, Any], list[Upload]]:
    told = json_of(raw)
    attached = told.pop(KEY, [])
    told = checked(told, {**keys, KEY: list})
    if not isinstance(attached, list):
        raise BadRequestError(f"{KEY} is of the wrong kind")
    uploads = [_upload(one, f"{KEY}[{number}]") for number, one in enumerate(attached)]
    if (why := objection([len(one.content) for one in uploads])) is not None:
        raise TooLargeError(why)
    return told, uploads


def _upload(one: Any, where: str) -> Upload:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(one, dict) or not one.keys() <= KEYS or not all(isinstance(value, str) for value in one.values()):
        raise BadRequestError(f"{where} is an object of text; its keys are: {', '.join(sorted(KEYS))}")
    if "content" not in one or not one.get("filename"):
        raise BadRequestError(f"{where} wants a filename and its content")
    try:
        content = base64.b64decode(one["content"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequestError(f"{where}.content is no base64") from error
    return Upload(one["filename"], one.get("content_type", ""), content)
