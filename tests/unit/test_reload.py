"""Hot reload: when conf.d is read again, and what an error in it does not do."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from tests.conf import UNIT, Conf
from tests.waiting import becomes

from mailwicket.config.load import Loaded
from mailwicket.config.settings import Settings
from mailwicket.errors import ConflictError
from mailwicket.service import reload
from mailwicket.service.plan import Plan, compare
from mailwicket.service.reload import ConfDir, Reloaded, Reloader

OTHER = UNIT + "title = 'Support'\n"
BROKEN = UNIT + "pasword = 'canary-4711'\n"


class House:
    """What a reloader reloads."""

    def __init__(self, conf: Conf, *, watched: bool = True) -> None:
        self.conf = conf
        loaded = conf.read()
        assert loaded.settings is not None
        self.settings: Settings = loaded.settings
        self.applied: list[str] = []
        self.loads = 0
        self.fail: Exception | None = None
        self.apply_s = 0.0
        directory = ConfDir(conf.directory, self._load, loaded.fingerprint) if watched else None
        self.recorded: list[tuple[str, str, list[str], int]] = []
        self.reloader = Reloader(directory, self._apply, record=self._record)

    def _load(self, _directory: Path):  # type: ignore[no-untyped-def]  # noqa: ANN202 - as conf.read
        self.loads += 1
        return self.conf.read()

    async def _record(self, who: str, loaded: Loaded, done: Reloaded) -> None:
        outcome = "refused" if done.errors else "applied"
        self.recorded.append((who, outcome, [*loaded.hashes], len(done.plan.changes) if done.plan else 0))

    async def _apply(self, new: Settings) -> Plan:
        await anyio.sleep(self.apply_s)
        if self.fail is not None:
            raise self.fail
        plan = compare(self.settings, new)
        self.settings = new
        self.applied += [str(change) for change in plan.changes]
        return plan


@asynccontextmanager
async def running(house: House) -> AsyncIterator[Reloader]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.reloader.run)
        await anyio.sleep(0.2)  # the kernel listens
        yield house.reloader
        tasks.cancel_scope.cancel()


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    conf = Conf(tmp_path)
    conf.write(UNIT)
    return conf


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailwicket.service.watch.SWEEP_S", 0.2)


def write_plainly(path: Path, text: str) -> None:
    path.write_text(text)


def write_in_small_steps(path: Path, text: str) -> None:
    with path.open("w") as file:
        for one in text:
            file.write(one)
            file.flush()


def rename_over(path: Path, text: str) -> None:
    """As vim, sed -i and most editors do."""
    new = path.with_name(f".{path.name}.swp")
    new.write_text(text)
    new.replace(path)


def move_away_and_write(path: Path, text: str) -> None:
    """As vim does with `backupcopy=no`: for a moment there is no such file."""
    path.rename(path.with_name(f"{path.name}~"))
    path.write_text(text)


def delete_and_recreate_the_directory(path: Path, text: str) -> None:
    shutil.rmtree(path.parent)
    time.sleep(0.05)
    path.parent.mkdir()
    path.write_text(text)


def put_another_directory_in_its_place(path: Path, text: str) -> None:
    new = path.parent.with_name("conf.new")
    shutil.rmtree(path.parent.with_name("conf.old"), ignore_errors=True)
    new.mkdir()
    (new / path.name).write_text(text)
    path.parent.rename(path.parent.with_name("conf.old"))
    new.rename(path.parent)


@pytest.mark.parametrize(
    "write",
    [
        write_plainly,
        write_in_small_steps,
        rename_over,
        move_away_and_write,
        delete_and_recreate_the_directory,
        put_another_directory_in_its_place,
    ],
)
async def test_a_changed_file_is_taken_up_however_it_was_written(
    conf: Conf, write: Callable[[Path, str], None]
) -> None:
    house = House(conf)
    async with running(house) as reloader:
        write(conf.directory / "10-test.toml", OTHER)
        await becomes(lambda: house.applied == ["restart incoming/support (title)"])
        await anyio.sleep(0.5)
        assert reloader.generation == 2
        write(conf.directory / "10-test.toml", UNIT)  # a watch on the file would have ended with the first
        await becomes(lambda: reloader.generation == 3)
        assert reloader.errors == ()


async def test_the_swap_of_a_link_is_seen_as_kubernetes_does_it(tmp_path: Path) -> None:
    """`conf.d/10-test.toml` -> `..data/10-test.toml`, and `..data` is exchanged."""
    conf = Conf(tmp_path)
    for name, text in (("..one", UNIT), ("..two", OTHER)):
        (conf.directory / name).mkdir()
        (conf.directory / name / "10-test.toml").write_text(text)
    (conf.directory / "..data").symlink_to("..one")
    (conf.directory / "10-test.toml").symlink_to("..data/10-test.toml")
    house = House(conf)
    async with running(house):
        (conf.directory / "..data_tmp").symlink_to("..two")
        (conf.directory / "..data_tmp").replace(conf.directory / "..data")
        await becomes(lambda: house.applied == ["restart incoming/support (title)"])


async def test_an_edit_of_a_file_elsewhere_that_a_link_points_to_is_seen(tmp_path: Path) -> None:
    conf = Conf(tmp_path)
    real = tmp_path / "elsewhere.toml"
    real.write_text(UNIT)
    (conf.directory / "10-test.toml").symlink_to(real)
    house = House(conf)
    async with running(house):
        real.write_text(OTHER)
        await becomes(lambda: house.applied == ["restart incoming/support (title)"])


async def test_a_conf_d_that_is_itself_a_link_may_be_pointed_elsewhere(tmp_path: Path) -> None:
    for name, text in (("v1", UNIT), ("v2", OTHER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "10-test.toml").write_text(text)
    (tmp_path / "release").mkdir()
    conf = Conf(tmp_path / "release")
    conf.directory.rmdir()
    conf.directory.symlink_to(tmp_path / "v1")
    house = House(conf)
    async with running(house):
        (tmp_path / "next").symlink_to(tmp_path / "v2")
        (tmp_path / "next").replace(conf.directory)
        await becomes(lambda: house.applied == ["restart incoming/support (title)"])


async def test_files_that_are_not_ours_and_the_same_content_again_reload_nothing(conf: Conf) -> None:
    house = House(conf)
    async with running(house) as reloader:
        for name in (".10-test.toml.swp", "10-test.toml~", "README", "10-test.toml.dpkg-old"):
            (conf.directory / name).write_text("x")
        os.utime(conf.directory / "10-test.toml")
        rename_over(conf.directory / "10-test.toml", UNIT)
        await anyio.sleep(1)
        assert (house.loads, reloader.generation) == (0, 1)


async def test_a_file_is_read_when_it_is_quiet_and_not_before(conf: Conf) -> None:
    house = House(conf)
    async with running(house):
        for number in range(8):
            conf.write(UNIT + f"title = '{number}'\n")
            await anyio.sleep(0.12)
        await becomes(lambda: house.applied != [])
        assert house.loads == 1


async def test_an_error_changes_nothing_is_told_once_and_is_over_when_it_is_mended(
    conf: Conf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    house = House(conf)
    before = house.settings
    async with running(house) as reloader:
        conf.write(BROKEN)
        await becomes(lambda: bool(reloader.errors))
        assert house.settings is before
        assert reloader.generation == 1
        assert reloader.refused_since is not None
        since = reloader.refused_since
        assert "unknown key (nearest known key: password)" in str(reloader.errors[0])
        reloader.request()
        await becomes(lambda: house.loads == 2)
        assert reloader.refused_since == since
        conf.write(OTHER)
        await becomes(lambda: reloader.generation == 2)
        assert (reloader.errors, reloader.refused_since) == ((), None)
    told = [line for line in caplog.messages if "refused" in line]
    assert len(told) == 1
    assert "what ran runs on: conf.d/10-test.toml:" in told[0]
    assert "canary" not in caplog.text


async def test_a_mended_file_that_says_what_runs_already_is_good_again_without_a_change(conf: Conf) -> None:
    house = House(conf)
    async with running(house) as reloader:
        conf.write(BROKEN)
        await becomes(lambda: bool(reloader.errors))
        conf.write(UNIT)
        await becomes(lambda: not reloader.errors)
        assert (house.applied, reloader.generation) == ([], 1)


async def test_an_adapter_that_cannot_be_made_is_a_refusal_and_what_ran_runs_on(
    conf: Conf, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(conf)
    house.fail = ZeroDivisionError("canary-4711")
    async with running(house) as reloader:
        conf.write(OTHER)
        done = await reloader.reload()
        assert [str(error) for error in done.errors] == ["conf.d: cannot be carried out: ZeroDivisionError"]
        house.fail = None
        assert (await reloader.reload()).errors == ()
        assert reloader.generation == 2


async def test_1000_signals_in_10_s_are_less_than_20_reloads_and_the_last_one_counts(conf: Conf) -> None:
    house = House(conf)
    async with running(house) as reloader:
        begun = time.monotonic()
        for number in range(250):  # a quarter of the storm
            if number == 249:
                conf.write(OTHER)
            reloader.request()
            await anyio.sleep(0.01)
        await becomes(lambda: reloader.generation == 2)
        assert house.loads <= 20 * (time.monotonic() - begun) / 10 + 2


async def test_requests_that_wait_are_answered_together_by_a_reload_that_began_after_them(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "SPACING_S", 0)
    house = House(conf)
    house.apply_s = 0.2
    generations: list[int] = []

    async def ask() -> None:
        generations.append((await house.reloader.reload()).generation)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.sleep(0.05)
        conf.write(OTHER)  # too late for the first
        for _ in range(50):
            tasks.start_soon(ask)
    assert house.loads == 2
    assert sorted(generations) == [1] + [2] * 50


async def test_without_a_directory_there_is_nothing_to_read_again(conf: Conf) -> None:
    house = House(conf, watched=False)
    with pytest.raises(ConflictError, match="not started from a conf"):
        await house.reloader.look()


async def test_every_load_is_recorded_with_who_asked_for_it(tmp_path: Path) -> None:
    conf = Conf(tmp_path)
    conf.write(UNIT)
    house = House(conf)
    async with running(house) as reloader:
        conf.write(OTHER)
        await becomes(lambda: len(house.recorded) == 1)
        reloader.request()
        await becomes(lambda: len(house.recorded) == 2)
        await reloader.reload("uid 1000")
        async with anyio.create_task_group() as tasks:
            for who in ("token", "uid 2", "token"):  # one load answers them all
                tasks.start_soon(reloader.reload, who)
        conf.write(BROKEN)
        await becomes(lambda: len(house.recorded) == 5)
    files = ["10-test.toml"]
    assert house.recorded == [
        ("conf.d", "applied", files, 1),
        ("signal", "applied", files, 0),
        ("uid 1000", "applied", files, 0),
        ("token, uid 2", "applied", files, 0),
        ("conf.d", "refused", files, 0),
    ]
