"""Puts a first conf.d onto the disk: all of it or nothing, and never over what is there."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import Final

from mailwicket.cli.settings import load_with
from mailwicket.config.draft import FILE_NAME, Draft
from mailwicket.config.plugins import installed
from mailwicket.durable import sync_directory
from mailwicket.errors import MailwicketError

DIRECTORY_MODE: Final = 0o750
CONF_MODE: Final = 0o640
SECRET_MODE: Final = 0o600


def expect_room(directory: Path) -> None:
    """See that a conf.d can begin in *directory*.

    Raises:
        MailwicketError: something is there already.
    """
    try:
        there = sorted(path.name for path in directory.iterdir() if path.name.endswith(".toml"))
    except FileNotFoundError:
        return
    except OSError as error:
        raise MailwicketError(f"{directory}: {error.strerror}") from error
    if there:
        raise MailwicketError(f"{directory} is a conf.d already, with {there[0]}: nothing was written")


def expect_good(directory: Path, draft: Draft) -> None:
    """See that *draft* passes `check`, before it is anywhere.

    Raises:
        MailwicketError: what is wrong, a line each.
    """
    with tempfile.TemporaryDirectory() as place:
        trial = Path(place, directory.name)
        trial.mkdir()
        (trial / FILE_NAME).write_text(draft.text(), encoding="utf-8")
        result = load_with(installed(), trial, {})
    if result.errors:
        raise MailwicketError("\n".join(map(str, result.errors)))


def lay(directory: Path, draft: Draft, password: str | None) -> Path:
    """Write *draft* into *directory*, and *password* into its file, which is ours alone; return the path of the draft.

    Raises:
        MailwicketError: it cannot be written, or is there already; then nothing is changed but directories made.
    """
    conf = directory / FILE_NAME
    secret = draft.password_file
    try:
        _make_directories(directory)
        if password is not None:
            _write(secret, f"{password}\n", SECRET_MODE)
        try:
            _write(conf, draft.text(), CONF_MODE)
        except BaseException:
            if password is not None:
                secret.unlink(missing_ok=True)
            raise
    except FileExistsError as error:
        raise MailwicketError(f"{error.filename2 or error.filename} is there already: nothing was written") from error
    except OSError as error:
        raise MailwicketError(f"{error.filename or directory}: {error.strerror}: nothing was written") from error
    return conf


def _make_directories(directory: Path) -> None:
    for path in (*reversed(directory.parents), directory):
        with contextlib.suppress(FileExistsError):
            path.mkdir(DIRECTORY_MODE)
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is no directory", str(directory))


def _write(path: Path, text: str, mode: int) -> None:
    """Write a whole file or none: under a hidden name, synced, then linked, which never replaces."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    hidden = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, mode)
            file.write(text)
            file.flush()
            os.fsync(handle)
        os.link(hidden, path)
    finally:
        hidden.unlink()
    sync_directory(path.parent)
