"""Keys that a scenario may hold and this version does not know: those of servers, which nothing is sent by here."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, Final

from mailwicket.config.mistake import ConfigError

SENDING: Final = re.compile(
    r"(?:outgoing|outgoing_rule|notification|proxy|oauth)|incoming\.[^.]+\.(?:primary|outgoing|proxy|provider|auth|oauth)"
)
"""Tables and keys by which mail is sent and servers are reached; no decision about a mail that came hangs on them."""

UNKNOWN: Final = ("unknown key", "unknown table")


def unheeded(errors: Iterable[ConfigError]) -> list[str]:
    """Return which keys of SENDING the configuration does not know, out of its *errors*."""
    return [one.key for one in errors if one.message.startswith(UNKNOWN) and SENDING.fullmatch(one.key)]


def leave_out(path: Path, keys: Iterable[str]) -> None:
    """Write the TOML file *path* anew without *keys*; one without any of them stays as it is."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return
    removed = [key for key in keys if _is_removed(told, key.split("."))]
    if removed:
        path.write_text("".join(f"{_toml(name)} = {_toml(value)}\n" for name, value in told.items()), encoding="utf-8")


def _is_removed(table: Any, path: list[str]) -> bool:  # noqa: ANN401 - whatever TOML holds
    if not isinstance(table, dict) or path[0] not in table:
        return False
    if len(path) > 1:
        return _is_removed(table[path[0]], path[1:])
    del table[path[0]]
    return True


def _toml(value: Any) -> str:  # noqa: ANN401 - whatever TOML holds
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(name)} = {_toml(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
