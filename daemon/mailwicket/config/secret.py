"""A value that nobody may see: a password, a token. Written in one of five forms, read when it is needed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from mailwicket.config.command import run
from mailwicket.config.model import wrong
from mailwicket.errors import BlockedError, TransientError, is_shortage
from mailwicket.redact import REDACTOR

FORMS: Final = ("credential", "file", "env", "command")
"""Besides the literal text."""

ALLOWED: Final = (
    'text, or one of {credential = "NAME"}, {file = "PATH"}, {env = "NAME"}, {command = ["PROGRAM", "ARGUMENT"]}'
)

COMMAND_S: Final = 10
"""Time limit of a command: a person who is asked to unlock something does not sit before a daemon."""

LIMIT_BYTES: Final = 64 * 1024
"""No secret is longer; a path that leads to something endless is a mistake."""


class Secret:
    """Where a secret is, or the secret itself. Its text is told by `reveal` alone: not by repr, errors or dumps."""

    __slots__ = ("_form", "_used", "_value")

    def __init__(self, value: object) -> None:
        """Take a literal text or a table with one of FORMS; nothing is read yet.

        Raises:
            ValueError: it is neither; the text says why and never holds the value.
        """
        self._form, self._value = _read_form(value)
        self._used: bytes | None = None

    @property
    def form(self) -> str:
        """`literal` or one of FORMS."""
        return self._form

    @property
    def at_hand(self) -> bool:
        """Whether `reveal` blocks nobody: neither a file nor a command is behind it."""
        return self._form in {"literal", "env"}

    @property
    def path(self) -> Path | None:
        """The file that holds it, as far as it is one and can be named now."""
        if self._form == "file":
            return Path(self._value)
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        return Path(directory, self._value) if self._form == "credential" and directory else None

    def reveal(self) -> str:
        """Return the secret, read now; one line end behind it is not part of it.

        Blocking unless it is `at_hand`: call it in a thread.

        From now on no log line holds it: `redact`.

        Raises:
            BlockedError: it is not there, reason `secret_missing`. The text names the place, never the secret.
            TransientError: no descriptor was left to read it by.
        """
        try:
            text = self._read()
        except _MissingError as error:
            # from None: what lies below may quote what was read
            if error.passes:
                raise TransientError(f"secret from {self.place} {error}", reason="too_many_files") from None
            raise BlockedError(f"secret from {self.place} {error}", reason="secret_missing") from None
        self._used = _trace(text)
        REDACTOR.learn(text)
        return text

    def is_stale(self) -> bool:
        """Tell whether it reads otherwise now than when it was last revealed. Blocking: call it in a thread.

        One that was never used, or cannot be had now, is not: who uses it next finds that out.
        """
        if self._used is None or self._form in {"literal", "credential"}:  # systemd fills credentials at the start
            return False
        try:
            return _trace(self._read()) != self._used
        except _MissingError:
            return False

    def problem(self) -> str | None:
        """Read it as `reveal` does, and return why that fails, without its place; None where it works."""
        try:
            self._read()
        except _MissingError as error:
            return f"its {self._form} {error}"
        return None

    def _read(self) -> str:
        match self._form:
            case "literal":
                return str(self._value)
            case "env":
                return _decode(_variable(self._value))
            case "command":
                return _decode(_output(self._value))
        if self.path is None:
            raise _MissingError("cannot be found: $CREDENTIALS_DIRECTORY is not set (systemd sets it: LoadCredential=)")
        return _decode(_content(self.path))

    @property
    def place(self) -> str:
        """Where it is, in words; of a command only the program, as arguments may be secrets."""
        match self._form:
            case "literal":
                return "conf.d"
            case "command":
                return f'command "{self._value[0]}"'
            case "env":
                return f"environment variable {self._value}"
            case form:
                return f"{form} {self._value}"

    def __repr__(self) -> str:
        return f"Secret({self._form})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return (self._form, self._value) == (other._form, other._value)

    def __hash__(self) -> int:
        return hash((self._form, str(self._value)))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate from TOML's types; dump as repr."""
        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.plain_serializer_function_ser_schema(repr)
        )

    @classmethod
    def _validate(cls, value: object) -> Secret:
        if isinstance(value, cls):
            return value
        try:
            return cls(value)
        except ValueError as error:
            raise wrong(str(error)) from None


TRACE_KEY: Final = os.urandom(32)


def _trace(text: str) -> bytes:
    """What tells two secrets apart without being one: of no use outside of this process."""
    return hashlib.blake2b(text.encode(), key=TRACE_KEY, digest_size=16).digest()


def _read_form(value: object) -> tuple[str, Any]:
    if isinstance(value, str):
        if not value:
            raise ValueError("is empty")
        return "literal", value
    if not isinstance(value, Mapping):
        raise ValueError("is neither text nor a table")  # noqa: TRY004 - ValueError is what pydantic collects
    if len(value) != 1 or not set(value) <= set(FORMS):
        raise ValueError("is a table without exactly one known key")
    form, place = next(iter(value.items()))
    if form == "command":
        if not (isinstance(place, list | tuple) and place and all(isinstance(word, str) for word in place)):
            raise ValueError("has a command that is no list of texts")
        return form, tuple(place)
    if not isinstance(place, str) or not place or not place.isprintable():
        raise ValueError(f"has no text of one line behind {form}")
    if form == "credential" and ("/" in place or place in {".", ".."}):
        raise ValueError("has a credential that is no bare name")
    if form == "env" and "=" in place:
        raise ValueError("has an env that is no name of a variable")
    return str(form), place


class _MissingError(Exception):
    """Why a secret cannot be had, as the end of a sentence."""

    def __init__(self, words: str, of: Exception | None = None) -> None:
        """*of* is what the system said."""
        super().__init__(words)
        self.passes = is_shortage(of)


def _variable(name: str) -> bytes:
    value = os.environb.get(os.fsencode(name))
    if value is None:
        raise _MissingError("is not set")
    return value


def _content(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _MissingError("is no regular file")  # a pipe would keep us waiting
        with path.open("rb") as file:
            return file.read(LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _MissingError(f"cannot be read: {_reason(error)}", error) from None


def _output(command: Sequence[str]) -> bytes:
    try:
        ended = run(command, limit_bytes=LIMIT_BYTES + 1, limit_s=COMMAND_S)
    except TimeoutError:
        raise _MissingError(f"did not end within {COMMAND_S} s") from None
    except (OSError, ValueError) as error:
        raise _MissingError(f"cannot be run: {_reason(error)}", error) from None
    if ended.status:
        raise _MissingError(f"ended with status {ended.status}")
    return ended.output


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or "its name is none"


def _decode(content: bytes) -> str:
    if len(content) > LIMIT_BYTES:
        raise _MissingError(f"gives more than {LIMIT_BYTES} bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise _MissingError("gives no UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise _MissingError("is empty")
    return text
