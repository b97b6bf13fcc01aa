"""Measurements inside the serving process: the floors, and lines appended directly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any, ClassVar
from urllib.parse import quote

from motor.motor_asyncio import AsyncIOMotorClient
from tornado.websocket import WebSocketHandler

from server.app.server import Server
from server.logs.entries import Line, encode_entries
from server.store.processes.index import index_keys
from server.store.processes.log_chunks import LogChunk, LogChunks
from server.store.processes.records import ProcessStore

#: The text of a typical log line.
TEXT = "Processing frame 123456"
#: Processes that are stored at once, the first of the targets that these have, and how many.
BATCH, OTHER_TARGET, OTHER_TARGETS = 1_000, 1_000_000, 1_000


class BareSocket(WebSocketHandler):
    """A viewer of the floor, which receives what is broadcast."""

    viewers: ClassVar[set[BareSocket]] = set()

    def open(self, *_arguments: str) -> None:
        """Add the socket to the viewers."""
        self.set_nodelay(True)
        self.viewers.add(self)

    def on_close(self) -> None:
        """Remove the socket from the viewers."""
        self.viewers.discard(self)


async def broadcast(_server: Server, count: int) -> float:
    """Write one ready-made string to each viewer `count` times; return the seconds taken."""
    ready = b'{"type":"lines","lines":[%b]}' % encode_entries(1, [Line(time.time(), "info", TEXT)])
    begun = time.perf_counter()
    for _ in range(count):
        written = None
        for viewer in BareSocket.viewers:
            written = viewer.write_message(ready)
        if written is not None:
            await written
    return time.perf_counter() - begun


async def append(server: Server, pk: int, count: int, stored: bool) -> float:
    """Append lines one by one, as a run that logs slowly would; return the seconds taken.

    Lines that are not stored are only pushed, which measures the fan-out alone.
    """
    assert server.services is not None
    logs = server.services.processes._logs
    chunks, logs._chunks = logs._chunks, logs._chunks if stored else _Nowhere()
    begun = time.perf_counter()
    for _ in range(count):
        await logs.append(pk, 1, [Line(time.time(), "info", TEXT)])
    await logs.append(pk, 1, [Line(time.time(), "info", "the last one")])
    seconds = time.perf_counter() - begun
    logs._chunks = chunks
    return seconds


class _Nowhere(LogChunks):
    """Chunks that are dropped, which takes no time."""

    def __init__(self) -> None:
        pass

    async def insert(self, chunk: LogChunk) -> None:
        """Let other tasks run, as the database would."""
        await asyncio.sleep(0)


async def insert(server: Server, chunks: int, lines: int) -> float:
    """Have Motor insert ready-made chunks one after the other; return the seconds taken."""
    folder = server.config.data
    [socket] = await asyncio.to_thread(lambda: list(folder.rglob("engine.sock")))
    uri = f"mongodb://{quote(str(socket), safe='')}"
    client: AsyncIOMotorClient[Any] = AsyncIOMotorClient(uri, w="majority", journal=True)
    collection = client["benchmark"]["chunks"]
    entries = encode_entries(1, [Line(time.time(), "info", TEXT)] * lines).decode()
    await collection.create_index("key", unique=True)
    begun = time.perf_counter()
    start = time.time_ns()
    for number in range(start, start + chunks):
        await collection.insert_one({"_id": number, "key": number, "entries": entries})
    seconds = time.perf_counter() - begun
    await client.drop_database("benchmark")
    client.close()
    return seconds


async def sealed(server: Server, pk: int) -> float:
    """Return how many lines of a log are in segments."""
    assert server.services is not None
    logs = server.services.processes._logs
    await logs.sealed.refresh(pk)
    return (await logs.sealed.of(pk)).last


async def stored(server: Server, pk: int) -> float:
    """Return the bytes that the segments of a log take: their files, and what the database has."""
    assert server.services is not None
    found = await server.services.processes._store.segments.read(pk)
    return sum(segment.size + len(segment.index) for segment in found)


async def disk(server: Server) -> float:
    """Return the bytes of the data folder."""
    folder = server.config.data
    return await asyncio.to_thread(
        lambda: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    )


async def cpu(_server: Server) -> float:
    """Return the processor time of the serving process so far, in seconds."""
    return time.process_time()


async def fill(server: Server, like: int, first: int, count: int) -> float:
    """Store ended processes like this one, of a thousand other targets; return the seconds taken.

    In batches, not by the API: their PKs begin at `first`.
    """
    processes = _processes(server)
    record = await processes.get(like)
    begun = time.perf_counter()
    for start in range(first, first + count, BATCH):
        pks = range(start, min(start + BATCH, first + count))
        records = [
            record.evolve(
                pk=pk, identifier=f"filled_{pk}", target=OTHER_TARGET + pk % OTHER_TARGETS
            )
            for pk in pks
        ]
        documents = [each.to_document() | index_keys(each) for each in records]
        await processes._collection.insert_many(documents)
    return time.perf_counter() - begun


async def of_target(server: Server, target: int) -> float:
    """Read all processes of a target, as its first poll does; return the median seconds."""
    return await _median(lambda: _processes(server).of_target(target))


async def by_primary_key(server: Server, target: int) -> float:
    """Have Motor read the same documents by their `_id`; return the median seconds."""
    pks = [record.pk for record in await _processes(server).of_target(target)]
    collection = _processes(server)._collection._collection
    return await _median(lambda: collection.find({"_id": {"$in": pks}}).to_list(None))


async def newest(server: Server) -> float:
    """Read the newest fifty of all processes, as their page does; return the median seconds."""
    return await _median(lambda: _processes(server).find(limit=50))


async def _median(work: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(10):
        begun = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - begun)
    return median(taken)


def _processes(server: Server) -> ProcessStore:
    return server.services.processes._store.processes


COMMANDS: dict[str, Callable[..., Awaitable[float]]] = {
    each.__name__: each
    for each in (
        *(broadcast, append, insert, sealed, stored, disk, cpu),
        *(fill, of_target, by_primary_key, newest),
    )
}
