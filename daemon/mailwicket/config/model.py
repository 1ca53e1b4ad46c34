"""What every table of conf.d has in common, and the kinds of text its keys take."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Strict
from pydantic_core import PydanticCustomError


class Table(BaseModel):
    """A table of conf.d: unknown keys are errors, nothing is converted (`"993"` is no port), nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    not_taken: ClassVar[Mapping[str, str]] = {}
    """Keys of other tables of this kind that this one does not have, each with the reason."""


@dataclass(frozen=True, slots=True)
class Says:
    """Stands in `Annotated[...]`: what a value may be, in words for errors and for the reference."""

    words: str


WRONG = "wrong"
"""Type of the errors whose text is ours: it never holds the value."""


def wrong(what: str) -> PydanticCustomError:
    """Return the error that says *what* is wrong with a value, without showing it."""
    return PydanticCustomError(WRONG, "{what}", {"what": what})


def _text(value: str) -> str:
    if not value.strip():
        raise wrong("is empty")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
        raise wrong("holds a control character or a line end")
    return value


def is_addr_spec(text: str) -> bool:
    """Tell whether *text* is an address without display name, as we take them in conf.d."""
    return re.fullmatch(r"[^@\s<>,;:\"()]+@[^@\s<>,;:\"()]+", text) is not None


def _address(value: str) -> str:
    if not is_addr_spec(value):
        raise wrong("is no address")
    return value


def is_host(text: str) -> bool:
    """Tell whether *text* can be a host's name or address."""
    return _ip_address(text) is not None or re.fullmatch(r"[\w.-]+", text) is not None


def _host(value: str) -> str:
    if not is_host(value):
        raise wrong("is no host name (it has no scheme, port, user or brackets)")
    return value


def _path(value: object) -> object:
    return _text(value) if isinstance(value, str) else value


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise wrong("is no path from the root")
    return value


Text = Annotated[str, AfterValidator(_text), Says("text, one line")]
AddrSpec = Annotated[str, AfterValidator(_text), AfterValidator(_address), Says('an address, "local@domain"')]
"""RFC 5322 3.4.1, without display name."""
HostName = Annotated[str, AfterValidator(_text), AfterValidator(_host), Says("a host name or an IP address")]
FilePath = Annotated[Path, Strict(strict=False), BeforeValidator(_path), Says("the path of a file")]
DirectoryPath = Annotated[
    Path, Strict(strict=False), BeforeValidator(_path), AfterValidator(_absolute), Says("the path of a directory")
]
UNIT_NAME = Says('lower-case letters, digits, "_" and "-", first a letter or a digit, at most 64')
"""`NAME` of `[incoming.NAME]`: part of metrics, of log lines and of file names."""


def is_unit_name(text: str) -> bool:
    """Tell whether a unit may be named *text*."""
    return re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", text) is not None


def is_address(host: str) -> bool:
    """Tell whether *host* is an IP address."""
    return _ip_address(host) is not None


def is_loopback(host: str) -> bool:
    """Tell whether *host* is this machine itself, as far as its name says."""
    address = _ip_address(host)
    return host.casefold() == "localhost" if address is None else address.is_loopback


def _ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
