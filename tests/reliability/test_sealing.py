"""Long logs on a real server: sealed while they grow and are read, and small on the disk after."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from tornado.websocket import websocket_connect

from tests.fakes.folders import file_bytes, living_files
from tests.reliability.tools.observer import Observer
from tests.reliability.tools.scenario import wrongs
from tests.reliability.tools.serving import Client, Server, short_folder

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=280), pytest.mark.timeout(290)]

MEMORY_BYTES = 400 * 1024**2
#: What the disk has again so soon after an end or a deletion.
SHRUNK_SECONDS = 30.0
SHRUNK_BYTES = 4_000_000
#: While this file is in the data folder, runs rest half-way.
HOLD = "hold"


@asynccontextmanager
async def observed() -> AsyncIterator[tuple[Observer, int]]:
    """Yield an observer of a server with one data product, and the PK of that."""
    with short_folder() as folder:
        server = Server(folder / "data")
        try:
            await server.start()
            observer = Observer(Client(server), patience_seconds=250)
            await observer.begin("sealing")
            (server.data / HOLD).touch()
            [product] = await observer.upload("a.fits")
            yield observer, product
        finally:
            await server.close()


def said(count: int) -> str:
    return "".join(f"line {number} of {count}\n" for number in range(1, count + 1))


async def follow(observer: Observer, pk: int, reconnects: int) -> tuple[list[list[Any]], int]:
    """Read a log by websocket, cut off at random; return its entries and how often that was."""
    chance, entries, done = random.Random(5), [], 0
    url = (await observer.client.server.url()).replace("http", "ws", 1)
    while True:
        last = entries[-1][0] if entries else 0
        socket = await websocket_connect(f"{url}/ws/pipeline/logs/{pk}/?after={last}")
        frames = chance.randint(1, 2)
        try:
            while frames or done >= reconnects:
                message = await socket.read_message()
                if message is None:
                    break
                frame = json.loads(message)
                if frame["type"] == "end":
                    return entries, done
                if frame["type"] == "lines":
                    entries += frame["lines"]
                    frames -= 1
        finally:
            socket.close()
        done += 1


def disk_bytes(data: Path) -> int:
    return file_bytes(data / "database", "heliograph.db")


async def until_small(data: Path) -> None:
    """Wait until the database is small again."""
    deadline = time.monotonic() + SHRUNK_SECONDS
    while disk_bytes(data) > SHRUNK_BYTES:
        assert time.monotonic() < deadline, f"the database has {disk_bytes(data)} bytes"
        await asyncio.sleep(0.2)


async def sealed_whole(observer: Observer, pk: int) -> list[Path]:
    """Return the files of a log once they are all that its receipt says is stored of it."""
    folder = observer.client.server.data / "files" / f"log-{pk}"
    async with asyncio.timeout(SHRUNK_SECONDS):
        while True:
            receipt = await observer.client.call(f"/api/processes/{pk}/receipt/")
            sizes = dict(await asyncio.to_thread(lambda: list(living_files(folder))))
            if receipt["log_stored_bytes"] == sum(state.st_size for state in sizes.values()):
                return list(sizes)
            await asyncio.sleep(0.2)


async def text_of(observer: Observer, pk: int) -> str:
    return (await observer.client.fetch(f"/api/processes/{pk}/logs.txt")).body.decode()


@pytest.mark.parametrize(
    ("million", "reconnects"), [(False, 8), pytest.param(True, 100, marks=pytest.mark.long)]
)
async def test_a_log_sealed_while_it_grows_is_read_whole_and_leaves_a_small_database(
    million: bool, reconnects: int
) -> None:
    async with observed() as (observer, product):
        pk = await observer.submit("Streams", [product], million=million)
        data, server = observer.client.server.data, psutil.Process(observer.client.server.pid)
        reading = asyncio.create_task(follow(observer, pk, reconnects))
        most, sealed_live = 0, 0
        while not reading.done():
            most = max(most, server.memory_info().rss)
            record = await observer.client.call(f"/api/processes/{pk}/")
            if record["state"] == "running":
                sealed_live = len(list((data / "files" / f"log-{pk}").glob("*.segment")))
            if sealed_live >= 2:
                (data / HOLD).unlink(missing_ok=True)
            await asyncio.sleep(0.1)
        entries, done = await reading
        record = await observer.ended(pk)
        expected = said(1_000_000 if million else 100_000)
        assert done >= reconnects
        assert [entry[0] for entry in entries] == list(range(1, len(entries) + 1))
        assert "".join(f"{entry[3]}\n" for entry in entries) == expected
        assert await text_of(observer, pk) == expected
        assert record["log_bytes"] == len(expected.encode())
        assert most < MEMORY_BYTES
        print(f"server at most {most >> 20} MiB, {done} reconnects, {sealed_live} files while live")
        await until_small(data)
        files = await sealed_whole(observer, pk)
        assert sum(path.stat().st_size for path in files) < record["log_bytes"] / 2
        assert await wrongs(observer, data, set()) == []
        await observer.delete(pk)
        assert not any(path.exists() for path in files)
        await until_small(data)
        assert await wrongs(observer, data, set()) == []


async def test_a_kill_while_a_log_is_written_and_sealed_loses_nothing() -> None:
    async with observed() as (observer, product):
        pk = await observer.submit("Streams", [product])
        server = observer.client.server
        folder = server.data / "files" / f"log-{pk}"
        while len(list(folder.glob("*.segment"))) < 2:
            await asyncio.sleep(0.01)
        before = await text_of(observer, pk)
        await server.end(signal.SIGKILL)
        (server.data / HOLD).unlink()
        await server.restart()
        record = await observer.ended(pk)
        assert (record["state"], record["attempt"]) == ("succeeded", 2)
        text, expected = await text_of(observer, pk), said(100_000)
        first, second = text.split("Attempt 2 begins\n")
        assert text.startswith(before)
        assert expected.startswith(first[: first.rindex("Lost: ")])
        assert second == expected
        assert await wrongs(observer, server.data, set()) == []


async def test_a_damaged_file_of_a_log_is_an_error_and_not_a_gap() -> None:
    async with observed() as (observer, product):
        server = observer.client.server
        (server.data / HOLD).unlink()
        pk = await observer.submit("Streams", [product])
        await observer.ended(pk)
        await until_small(server.data)
        damaged = max((server.data / "files" / f"log-{pk}").iterdir())
        content = bytearray(damaged.read_bytes())
        content[len(content) // 2] ^= 255
        damaged.chmod(0o600)
        damaged.write_bytes(content)
        await server.end(signal.SIGTERM)
        await server.restart()
        after, answer = 0, None
        while True:
            answer = await observer.client.fetch(
                f"/api/processes/{pk}/logs/?after={after}&limit=9000"
            )
            if answer.code != 200 or json.loads(answer.body)["ended"]:
                break
            after = json.loads(answer.body)["next"]
        assert answer.code == 500
        async with asyncio.timeout(20):  # what it logs comes after its answer
            while not any("damaged" in line.lower() for line in server.printed):
                await asyncio.sleep(0.02)
