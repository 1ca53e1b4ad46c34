"""What a machine may lack: on a person's machine a test is skipped for that; where a change is judged it may not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import CalledProcessError
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """Skip this test for want of *what*; fail it under CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@contextmanager
def allowed(what: str) -> Iterator[None]:
    """Do inside what takes root, and more than every machine grants."""
    try:
        if os.getuid():
            raise PermissionError("only root may")
        yield
    except (OSError, CalledProcessError) as error:
        lacking(f"{what}: {error}")
