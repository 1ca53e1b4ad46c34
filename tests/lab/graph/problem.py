"""Microsoft's way of saying no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class GraphError(Exception):
    """An answer other than a success: status, code, words."""

    def __init__(self, status: int, code: str, words: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {words}")
        self.status = status
        self.code = code
        self.words = words
        self.headers = dict(headers or {})

    def body(self, request_id: str, client_request_id: str, date: str) -> dict[str, Any]:
        inner = {"date": date, "request-id": request_id, "client-request-id": client_request_id}
        return {"error": {"code": self.code, "message": self.words, "innerError": inner}}


def bad_request(words: str, code: str = "BadRequest") -> GraphError:
    return GraphError(400, code, words)


def no_such_item() -> GraphError:
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def access_denied(words: str = "Access is denied. Check credentials and try again.") -> GraphError:
    return GraphError(403, "ErrorAccessDenied", words)


def too_large(words: str = "The request entity is too large.") -> GraphError:
    return GraphError(413, "ErrorMessageSizeExceeded", words)
