"""The embedded engine as a process: started, killed, started again, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from server.core.disk.data_folder import DataFolder
from server.core.errors import DatabaseAway, StartError
from server.store.driver.collection import Collection
from server.store.driver.connection import Database
from server.store.engine import child
from server.store.engine import supervisor as engine_module
from server.store.engine.supervisor import Engine
from tests.fakes.folders import file_bytes

PATIENCE_SECONDS = 20


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder with a short path: pytest's own may be too long for a socket."""
    with tempfile.TemporaryDirectory(prefix="heliograph-") as path:
        yield Path(path)


@asynccontextmanager
async def running(folder: DataFolder) -> AsyncIterator[tuple[Engine, Database]]:
    engine = Engine()
    database = await Database.open(await engine.start(folder))
    try:
        yield engine, database
    finally:
        database.close()
        await engine.stop()
        folder.close()


async def until_inserted(collection: Collection, pk: int) -> None:
    """Insert a document as soon as the database accepts it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            await collection.replace({"_id": pk}, upsert=True)
            return
        except DatabaseAway:
            assert time.monotonic() < deadline, "the engine did not come back"
            await asyncio.sleep(0.02)


def pid_of(engine: Engine) -> int:
    assert engine.pid is not None
    return engine.pid


def wait_for_end(process: psutil.Process) -> None:
    """Wait for a process that is not our child; its new parent may leave it a zombie."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the engine outlived its server"
        time.sleep(0.01)


async def test_the_socket_is_for_its_owner_only(runner: asyncio.Runner, folder: Path) -> None:
    data_folder = DataFolder.open(folder)
    async with running(data_folder):
        socket = data_folder.database / "engine.sock"
        assert socket.is_socket()
        assert socket.stat().st_mode & 0o077 == 0
        assert data_folder.database.stat().st_mode & 0o777 == 0o700
    assert not socket.exists()


async def test_everything_is_there_after_a_stop_and_a_start(
    runner: asyncio.Runner, folder: Path
) -> None:
    for start in range(3):
        async with running(DataFolder.open(folder)) as (_, database):
            things = database.collection("things")
            assert len(await things.find({})) == start
            await things.insert({"_id": start})


async def test_a_killed_engine_is_started_again_and_has_lost_nothing(
    runner: asyncio.Runner, folder: Path
) -> None:
    async with running(DataFolder.open(folder)) as (engine, database):
        things = database.collection("things")
        acknowledged = []
        for round_ in range(2):
            killed = pid_of(engine)
            killer = asyncio.get_running_loop().call_later(0.05, os.kill, killed, signal.SIGKILL)
            for pk in range(round_ * 10_000, round_ * 10_000 + 10_000):
                try:
                    await things.insert({"_id": pk})
                except DatabaseAway:
                    break
                acknowledged.append(pk)
            killer.cancel()
            await until_inserted(things, -1 - round_)
            assert pid_of(engine) != killed
        found = {document["_id"] for document in await things.find({})}
        assert found.issuperset(acknowledged)
        assert len(acknowledged) > 2
        # What was in progress may be there or not, but nothing else is.
        assert len(found - set(acknowledged)) <= 4


async def test_an_insert_of_many_is_not_cut_by_a_kill(runner: asyncio.Runner, folder: Path) -> None:
    """It is a transaction, which MongoDB does not promise, nor does the store rely on it."""
    async with running(DataFolder.open(folder)) as (engine, database):
        things = database.collection("things")
        await things.insert({"_id": -1})

        async def kill_again_and_again() -> None:
            while True:  # a kill between two inserts may cut none of them
                await asyncio.sleep(random.uniform(0.1, 0.3))
                if engine.pid is not None:  # None while it is started again
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(engine.pid, signal.SIGKILL)

        async def insert_for_ever() -> None:
            for start in itertools.count(0, 20_000):
                await things.insert_many([{"_id": pk} for pk in range(start, start + 20_000)])

        killing = asyncio.create_task(kill_again_and_again())
        with pytest.raises(DatabaseAway):
            await insert_for_ever()
        killing.cancel()
        await until_inserted(things, -1)
        assert len(await things.find({"_id": {"$in": list(range(20_000))}})) in (0, 20_000)


async def test_the_engine_ends_with_its_input_whatever_signals_say(
    runner: asyncio.Runner, folder: Path
) -> None:
    async with running(DataFolder.open(folder)) as (engine, database):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid_of(engine), number)
        pid = pid_of(engine)
        await database.collection("things").insert({"_id": 1})
        assert pid_of(engine) == pid
        assert os.getsid(pid) == pid
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("damage", [b"garbage", b""], ids=["garbage", "a page"])
async def test_a_damaged_database_is_not_served(
    runner: asyncio.Runner, folder: Path, damage: bytes
) -> None:
    async with running(DataFolder.open(folder)) as (_, database):
        await database.collection("things").insert_many([{"_id": pk} for pk in range(1000)])
    path = folder / "database" / "heliograph.db"
    content = path.read_bytes()
    page = 4096
    path.write_bytes(damage * 1000 or content[: 2 * page] + b"\xff" * page + content[3 * page :])
    data_folder = DataFolder.open(folder)
    with pytest.raises(StartError, match=r"is damaged \(heliograph\.db\): restore") as refused:
        await Engine().start(data_folder)
    assert "\n" not in str(refused.value)
    data_folder.close()


def test_serving_does_not_wait_for_the_end_of_a_long_examination(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "large.db").write_bytes(b"garbage" * 1000)
    goes_on = threading.Event()
    examine = child._is_damaged
    monkeypatch.setattr(child, "_is_damaged", lambda path: goes_on.wait(60) and examine(path))
    monkeypatch.setattr(child, "CHECK_SECONDS", 0.01)
    child._check(folder)
    goes_on.set()
    said, deadline = "", time.monotonic() + PATIENCE_SECONDS
    while "is damaged (large.db)" not in said:
        assert time.monotonic() < deadline, "the damage was not reported"
        said += capfd.readouterr().err
        time.sleep(0.01)


SERVER = """
import asyncio, sys
from server.core.disk.data_folder import DataFolder
from server.store.driver.connection import Database
from server.store.engine.supervisor import Engine

async def main():
    engine = Engine()
    database = await Database.open(await engine.start(DataFolder.open(sys.argv[1])))
    things = database.collection("things")
    print(engine.pid, len(await things.find({})), flush=True)
    for pk in range(10**9):
        await things.replace({"_id": pk}, upsert=True)
        print(pk, flush=True)

asyncio.run(main())
"""


def start_server(folder: Path) -> tuple[subprocess.Popen[str], psutil.Process, int]:
    """Start a process with an engine; return both, and how many documents the engine found."""
    command = [sys.executable, "-c", SERVER, str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    pid, found = server.stdout.readline().split()
    return server, psutil.Process(int(pid)), int(found)


def kill(server: subprocess.Popen[str]) -> int:
    """Kill the server; return how many documents were acknowledged as stored."""
    server.kill()
    assert server.stdout is not None
    acknowledged = len(server.stdout.read().split())
    server.wait(PATIENCE_SECONDS)
    server.stdout.close()
    return acknowledged


def test_a_start_right_after_a_kill_finds_everything(folder: Path) -> None:
    server, engine, found = start_server(folder)
    assert found == 0
    stored = 0
    for _ in range(2):
        assert server.stdout is not None
        server.stdout.readline()
        stored = max(stored, kill(server) + 1)
        old = engine
        server, engine, found = start_server(folder)
        assert found >= stored
        wait_for_end(old)
    kill(server)
    wait_for_end(engine)
    assert not (folder / "database" / "engine.sock").exists()


async def test_a_second_engine_on_the_same_files_is_told_who_has_them(
    runner: asyncio.Runner, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    impatient = engine_module._CHILD.read_text().replace(
        "LOCK_WAIT_SECONDS = 5.0", "LOCK_WAIT_SECONDS = 0.1"
    )
    child = tmp_path / "child.py"
    child.write_text(impatient)
    data_folder = DataFolder.open(folder)
    async with running(data_folder) as (engine, _):
        monkeypatch.setattr(engine_module, "_CHILD", child)
        second = Engine()
        with pytest.raises(StartError) as raised:
            await second.start(data_folder)
        assert f"pid {engine.pid}" in str(raised.value)
        assert str(folder) in str(raised.value)


async def test_an_engine_that_cannot_start_says_so(
    runner: asyncio.Runner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = folder / "broken.py"
    broken.write_text("raise SystemExit('no such package')")
    monkeypatch.setattr(engine_module, "_CHILD", broken)
    data_folder = DataFolder.open(folder)
    with pytest.raises(StartError, match=r"did not start in .*: no such package"):
        await Engine().start(data_folder)
    data_folder.close()


async def test_a_path_too_long_for_a_socket_is_gone_round(
    runner: asyncio.Runner, folder: Path
) -> None:
    data_folder = DataFolder.open(folder / ("n" * 100))
    async with running(data_folder) as (engine, database):
        await database.collection("things").insert({"_id": 1})
        assert not (data_folder.database / "engine.sock").exists()
        private = engine._socket.parent
        assert private.stat().st_mode & 0o777 == 0o700
        os.kill(pid_of(engine), signal.SIGKILL)
        await until_inserted(database.collection("things"), 2)
    assert not private.exists()


async def test_a_stopped_engine_leaves_no_process(runner: asyncio.Runner, folder: Path) -> None:
    before = {child.pid for child in psutil.Process().children()}
    async with running(DataFolder.open(folder)):
        pass
    assert {child.pid for child in psutil.Process().children()} == before


def disk_bytes(folder: DataFolder) -> int:
    return file_bytes(folder.database, "heliograph.db")


@pytest.mark.slow
async def test_what_is_deleted_is_given_back_without_holding_others_up(
    runner: asyncio.Runner, folder: Path
) -> None:
    data_folder = DataFolder.open(folder)
    async with running(data_folder) as (_, database):
        collection = database.collection("heavy")
        for start in range(0, 120, 20):
            text = "x" * 200_000
            await collection.insert_many(
                [{"_id": pk, "text": text} for pk in range(start, start + 20)]
            )
        await collection.insert({"_id": 1_000, "text": "kept"})
        assert disk_bytes(data_folder) > 24_000_000
        await collection.delete_many(range(0, 120))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while disk_bytes(data_folder) > 2_000_000:
            assert time.monotonic() < deadline, "the database did not shrink"
            assert await collection.get(1_000) == {"_id": 1_000, "text": "kept"}


async def test_room_that_is_used_again_at_once_is_kept(runner: asyncio.Runner) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("CREATE TABLE texts (text TEXT)")

    def free() -> int:
        return int(connection.execute("PRAGMA freelist_count").fetchone()[0])

    class Handler:
        def lock_of(self, name: str) -> threading.RLock:
            return threading.RLock()

        def file_of(self, name: str) -> Path:
            return Path("/nowhere") / name

    # The two methods above are all that it uses of the engine's handler.
    shrinking = child.Shrinking(Handler())  # type: ignore[arg-type]
    for _ in range(3 * child.SETTLED_LOOKS):
        connection.execute("INSERT INTO texts VALUES (?)", ("x" * 2_000_000,))
        with contextlib.suppress(OSError):
            shrinking.look("texts", connection)
        connection.execute("DELETE FROM texts")
        assert free() > 400
    for _ in range(child.SETTLED_LOOKS):
        with contextlib.suppress(OSError):
            shrinking.look("texts", connection)
    assert free() <= child.SPARE_PAGES
    connection.close()
