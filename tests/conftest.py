"""One event loop for all: anyio's own pytest plug-in on asyncio."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
