"""The safe for tokens: rows of the database, encrypted with a key that is in a file beside it and nowhere else."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import anyio
import anyio.to_thread

from mailwicket.durable import sync_directory
from mailwicket.errors import BlockedError, StoreError
from mailwicket.ports import Schema, Transaction
from mailwicket.sql import statements
from mailwicket.store.raw import disk_error
from mailwicket.timestamp import timestamp

SCHEMA: Final = Schema("tokens", Path(__file__).with_name("tokens_migrations"))
SQL: Final = statements(Path(__file__).with_name("tokens.sql"))

KEY_FILE: Final = "tokens.key"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12  # NIST SP 800-38D 5.2.1.1; at random, for far fewer than 2**32 rows of one key
PURPOSE: Final = b"mailwicket oauth grant 1 "


class Writes(Protocol):
    """The store, or one that behaves."""

    async def write(self, job: Any, /) -> Any: ...  # noqa: ANN401, D102

    def read(self, question: Any, /) -> Any: ...  # noqa: ANN401, D102


class TokenSafe:
    """Keeps text by name. The key is made at the first `save`."""

    def __init__(self, state_dir: Path, store: Writes) -> None:
        """Keep rows in *store*, the key in *state_dir*. Touches nothing yet."""
        self._path = state_dir / KEY_FILE
        self._store = store
        self._key: bytes | None = None

    async def load(self, name: str) -> str | None:
        """Return what was saved as *name*, None where nothing was.

        Raises:
            BlockedError: it cannot be opened with the key that there is.
            StoreError: the database or the disk does not answer.
        """
        row = self._store.read(lambda tx: tx.execute(SQL.grant, (name,)).fetchone())
        if row is None:
            return None
        key = await self._read_key()
        opened = None if key is None else _open(key, name, bytes(row[0]), bytes(row[1]))
        if opened is None:
            what = "is gone" if key is None else "is another"
            raise BlockedError(
                f"oauth {name}: its tokens cannot be opened, the key {self._path} {what}; "
                f'"mailwicket oauth login {name}"',
                reason="needs_sign_in",
            )
        return opened

    async def save(self, name: str, text: str) -> None:
        """Keep *text* as *name*; on disk when this returns, and until then what was there before is.

        Raises:
            StoreError: the disk refuses.
        """
        key = await self._read_key() or await self._make_key()
        nonce = secrets.token_bytes(NONCE_BYTES)
        row = (name, nonce, _seal(key, name, nonce, text), timestamp(datetime.now(UTC)))

        def keep(tx: Transaction) -> None:
            tx.execute(SQL.keep_grant, row)

        await self._store.write(keep)

    async def _read_key(self) -> bytes | None:
        if self._key is None:
            self._key = await anyio.to_thread.run_sync(_key_in, self._path)
        return self._key

    async def _make_key(self) -> bytes:
        with anyio.CancelScope(shield=True):
            self._key = await anyio.to_thread.run_sync(_make_key, self._path)
        assert self._key is not None  # noqa: S101 - it was made, or that raised
        return self._key


def _key_in(path: Path) -> bytes | None:
    """Return the key in *path*, None where there is none. Blocking.

    Raises:
        StoreError: the file cannot be read, or holds no key.
    """
    try:
        key = path.read_bytes()
        if path.stat().st_mode & 0o077:  # a restore from somewhere else may have widened it
            path.chmod(0o600)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise disk_error(path, error) from error
    if len(key) != KEY_BYTES:
        raise StoreError(
            f"{path}: holds no key of {KEY_BYTES} bytes; move it away, and sign in again", reason="disk_error"
        )
    return key


def _make_key(path: Path) -> bytes:
    """Make the key, durably, unless somebody was quicker; return the one that there is. Blocking."""
    part = path.with_name(f"{path.name}.part")
    try:
        with suppress(FileNotFoundError):
            part.unlink()
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(fd, secrets.token_bytes(KEY_BYTES))
            os.fsync(fd)
        finally:
            os.close(fd)
        with suppress(FileExistsError):
            path.hardlink_to(part)  # unlike a rename it replaces nothing
        part.unlink()
        sync_directory(path.parent)
    except OSError as error:
        raise disk_error(path, error) from error
    key = _key_in(path)
    if key is None:
        raise StoreError(f"{path}: was made and is gone", reason="disk_error")
    return key


def _seal(key: bytes, name: str, nonce: bytes, text: str) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 50 ms that most runs do not need

    return AESGCM(key).encrypt(nonce, text.encode(), PURPOSE + name.encode())


def _open(key: bytes, name: str, nonce: bytes, sealed: bytes) -> str | None:
    """Return what was sealed; None where key, name or bytes are others."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    try:
        return AESGCM(key).decrypt(nonce, sealed, PURPOSE + name.encode()).decode()
    except (InvalidTag, ValueError):
        return None
