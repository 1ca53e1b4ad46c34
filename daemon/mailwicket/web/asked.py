"""What a request asks for, and who asks."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from mailwicket.flow.acting import Asked
from mailwicket.timestamp import moment_of
from mailwicket.web.problem import BadRequestError

TOKEN: Final = "token"  # noqa: S105 - the word for whoever has it

KEY_MAX_CHARS: Final = 255

_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid; unix(7)


def actor_of(request: web.Request) -> str:
    """Return who asks, as the audit has it: `uid N` over the unix socket, else `token`."""
    peer: Any = None if request.transport is None else request.transport.get_extra_info("socket")
    if peer is None or peer.family != socket.AF_UNIX:
        return TOKEN
    try:
        _, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    except OSError:  # no descriptor is left to ask by: an admin is to be let in just then
        return "uid unknown"
    return f"uid {uid}"


def asked_of(request: web.Request, at: object = None) -> Asked:
    """Return who asks, under which key, and when it happened.

    Raises:
        BadRequestError: the header `Idempotency-Key` or *at* cannot be that.
    """
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > KEY_MAX_CHARS:
        raise BadRequestError(f"an Idempotency-Key has at most {KEY_MAX_CHARS} characters")
    try:
        key.encode()
    except ValueError as error:
        raise BadRequestError("an Idempotency-Key is text") from error
    try:
        moment = moment_of(at) if isinstance(at, str) and at else None
    except ValueError as error:
        raise BadRequestError("at is RFC 3339, with an offset") from error
    return Asked(actor_of(request), key, moment)


async def body_of(request: web.Request, keys: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """Return the JSON object of the body, none of whose keys are others than *keys*, each of its type.

    No body is an empty object.

    Raises:
        BadRequestError: it is something else.
    """
    return checked(json_of(await request.read()), keys)


def json_of(raw: bytes) -> dict[str, Any]:
    """Return the JSON object that *raw* is; nothing is an empty one.

    Raises:
        BadRequestError: it is something else.
    """
    try:
        told = json.loads(raw) if raw else {}
        json.dumps(told, ensure_ascii=False).encode()  # lone surrogates are no text
    except (ValueError, RecursionError) as error:
        raise BadRequestError("the body is no JSON") from error
    if not isinstance(told, dict):
        raise BadRequestError("the body is no JSON object")
    return told


def checked(told: dict[str, Any], keys: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """Return *told*, which has no other keys than *keys*, each of its type.

    Raises:
        BadRequestError: it has.
    """
    for key, value in told.items():
        if key not in keys:
            raise BadRequestError(f"the body has a key that is not known here; there are: {', '.join(keys)}")
        if not isinstance(value, keys[key]) or (isinstance(value, bool) and keys[key] is not bool):
            raise BadRequestError(f"{key} is of the wrong kind")
        if isinstance(value, str) and "\0" in value:
            raise BadRequestError(f"{key} holds a NUL")
        if isinstance(value, list) and not all(isinstance(one, str) for one in value):
            raise BadRequestError(f"{key} is a list of text")
    return told
