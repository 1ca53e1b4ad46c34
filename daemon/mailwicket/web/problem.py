"""Answers in JSON, and errors as problem documents (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from mailwicket.errors import ConflictError, MailwicketError, UnknownError

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BadRequestError(Exception):
    """The request is not what the route takes."""


class TooLargeError(Exception):
    """The request holds more than the route takes."""


def problem(status: int, title: str, detail: str, **more: object) -> web.Response:
    """Return a problem document; *more* are members of its own."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return web.json_response(body, status=status, content_type="application/problem+json", dumps=_dumps)


def answer(told: Any, status: int = 200) -> web.Response:  # noqa: ANN401 - whatever JSON holds
    """Return *told* as JSON."""
    return web.json_response(told, status=status, dumps=_dumps)


def _dumps(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    return json.dumps(value, ensure_ascii=False)


@web.middleware
async def as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure of the API is a problem document."""
    try:
        return await handler(request)
    except BadRequestError as error:
        return problem(400, "bad request", str(error))
    except TooLargeError as error:
        return problem(413, "content too large", str(error))
    except UnknownError as error:
        return problem(404, "not found", str(error))
    except ConflictError as error:
        return problem(409, "conflict", str(error))
    except MailwicketError as error:
        return problem(503, "not possible now", str(error))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        told = problem(error.status, error.reason.lower(), f"{request.method} {request.path}: {error.reason}")
        if isinstance(error, web.HTTPMethodNotAllowed):
            told.headers["Allow"] = error.headers["Allow"]
        return told
    except Exception:
        log.exception("request failed method=%s path=%s", request.method, request.path)
        return problem(500, "a mistake of ours", "the log tells more")
