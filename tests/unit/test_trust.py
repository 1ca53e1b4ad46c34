"""One TLS context for all who trust the same, and another when what they trust changes."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
import trustme

from mailwicket.errors import BlockedError
from mailwicket.net import trust
from mailwicket.net.machine import Machine
from mailwicket.net.trust import Trust


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return path


def replace(ca_file: Path) -> bytes:
    """Put another authority in its place, as a tool that renews it does: same size, same time, by a rename."""
    before = ca_file.stat()
    new = b""
    while len(new) != before.st_size:
        new = trustme.CA().cert_pem.bytes()
    fresh = ca_file.with_suffix(".new")
    fresh.write_bytes(new)
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.replace(ca_file)
    return new


def test_a_thousand_mailboxes_with_one_authority_share_one_context(ca_file: Path) -> None:
    shared = Trust()
    assert len({id(shared.context(ca_file)) for _ in range(1000)}) == 1
    assert shared.context(None) is shared.context(None)
    assert shared.context(None) is not shared.context(ca_file)


def test_another_authority_in_the_same_file_is_trusted_from_the_next_connection_on(ca_file: Path) -> None:
    shared = Trust()
    before = shared.context(ca_file)
    assert shared.at_hand(ca_file) is before
    replace(ca_file)
    assert shared.at_hand(ca_file) is None
    after = shared.context(ca_file)
    held = {one["serialNumber"] for one in after.get_ca_certs()} - {
        one["serialNumber"] for one in before.get_ca_certs()
    }
    assert len(held) == 1
    assert shared.context(ca_file) is after


def test_a_file_that_went_is_missed_and_one_that_came_back_is_read(ca_file: Path) -> None:
    shared = Trust()
    before = shared.context(ca_file)
    content = ca_file.read_bytes()
    ca_file.unlink()
    for _ in range(2):
        with pytest.raises(BlockedError, match="No such file"):
            shared.context(ca_file)
    ca_file.write_bytes(content)
    assert shared.context(ca_file) is not before


def test_a_change_of_the_systems_own_store_is_seen(
    tmp_path: Path, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system.pem"
    trustme.CA().cert_pem.write_to_path(system)
    monkeypatch.setenv("SSL_CERT_FILE", str(system))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    shared = Trust()
    assert len(shared.context(ca_file).get_ca_certs()) == 2
    system.write_bytes(system.read_bytes() + trustme.CA().cert_pem.bytes())
    assert len(shared.context(ca_file).get_ca_certs()) == 3


async def test_of_all_who_ask_at_once_one_reads(tmp_path: Path, ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path | None] = []
    truly = trust._loaded
    monkeypatch.setattr(trust, "_loaded", lambda path: (read.append(path), truly(path))[1])
    machine = Machine(tmp_path)
    got = set()

    async def ask() -> None:
        got.add(id(await machine.trust(ca_file)))

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(ask)
    assert read == [ca_file]
    assert len(got) == 1
