"""One Dovecot for all tests, and for each of them mailboxes and daemons that end with it."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.lab.daemon import MIB
from tests.lab.dovecot import BINARY, Dovecot, running
from tests.lab.stand import Stand

NUMBERS = itertools.count(1)


def need_dovecot() -> None:
    """On a person's machine the tests may be skipped; where a change is judged they may not."""
    if BINARY.exists():
        return
    if os.environ.get("CI") == "true":
        pytest.fail("Dovecot is missing: tests/real/install")
    pytest.skip("Dovecot is missing: apt-get install dovecot-imapd dovecot-lmtpd")


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    need_dovecot()
    with running() as server:
        yield server


@pytest.fixture
def own_dovecot() -> Iterator[Dovecot]:
    """For a test that ends it."""
    need_dovecot()
    with running() as server:
        yield server


@pytest.fixture
def stands(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Stand]]:
    """Make stands: `stands(dovecot, **keys)`. No process outlives its test, and no state one that passed."""
    made: list[Stand] = []
    failed_before = request.session.testsfailed

    def make(server: Dovecot, **keys: object) -> Stand:
        number = next(NUMBERS)
        made.append(Stand(server, f"user{number}", tmp_path / str(number), **keys))  # type: ignore[arg-type]
        made[-1].daemon.patches = {"LAB_WHOLE_BYTES": str(MIB)}  # what comes in slices need not be larger than that
        return made[-1]

    yield make
    for stand in made:
        stand.daemon.end()
        stand.dovecot.forget(stand.user)
    if request.session.testsfailed == failed_before:
        shutil.rmtree(tmp_path)


@pytest.fixture
def stand(stands: Callable[..., Stand], dovecot: Dovecot) -> Stand:
    """An empty mailbox, whatever is laid into it is to be taken and marked as seen; the daemon is not started."""
    return stands(dovecot)
