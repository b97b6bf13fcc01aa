"""Claims of queued processes by several servers at once, beside a bare `find_one_and_update`.

Each server is an OS process with the repository of its own, and claims until nothing is queued.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient

from benchmarks.serving import forget_main
from server.config.sections import MongoDB
from server.core.hub import Hub
from server.core.metrics import Metrics
from server.core.records import ProcessRecord
from server.processes.repository import ProcessRepository
from server.store import Store
from server.store.driver.connection import Database

START_SECONDS, CLAIM_SECONDS = 60, 300
BARE = "bare_queue"
#: Claims something; returns whether there was something.
Claim = Callable[[], Awaitable[bool]]


@contextmanager
def claimers(database: MongoDB, count: int) -> Iterator[list[Connection]]:
    """Start this many servers, as far as they claim, until the block is left."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for number in range(count):
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(database, f"server-{number}", theirs))
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        for pipe in pipes:
            if not pipe.poll(START_SECONDS):
                raise TimeoutError("the claimers did not start in time")
            pipe.recv()
        yield pipes
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(START_SECONDS)


def rates(database: MongoDB, pipes: list[Connection], queued: int) -> tuple[float, float]:
    """Return the claims per second of all together: of the floor, and of ours."""
    asyncio.run(_fill(database, queued))
    return _claimed(pipes, BARE, queued), _claimed(pipes, "ours", queued)


def _claimed(pipes: list[Connection], what: str, queued: int) -> float:
    """Let all claim at once; return the claims per second. All must be claimed, each once."""
    for pipe in pipes:
        pipe.send(what)
    spans = []
    for pipe in pipes:
        if not pipe.poll(CLAIM_SECONDS):
            raise TimeoutError("the claims took too long")
        spans.append(pipe.recv())
    claimed = sum(count for _, _, count in spans)
    if claimed != queued:
        raise RuntimeError(f"{claimed} claims of {queued} processes")
    seconds: float = max(end for _, end, _ in spans) - min(begun for begun, _, _ in spans)
    return queued / seconds


async def _fill(given: MongoDB, queued: int) -> None:
    """Queue as many processes, and as many documents of the floor; what was there is dropped."""
    database = await Database.open(given.uri or "", given.database)
    store = Store(database)
    raw = database._client[given.database]
    for name in ("processes", BARE):
        await raw[name].delete_many({})
    await store.processes.ensure_indexes()
    await raw[BARE].create_index("queued")
    for pk in range(1, queued + 1):
        await store.processes.insert(_record(pk))
    await raw[BARE].insert_many([{"_id": pk, "queued": pk} for pk in range(1, queued + 1)])
    database.close()


def _record(pk: int) -> ProcessRecord:
    return ProcessRecord(
        pk=pk,
        created=time.time(),
        identifier=f"nothing_{pk}",
        process_type="pipeline",
        pipeline="Nothing",
        target=1,
        products=[1],
        flags={},
    )


def _serve(given: MongoDB, name: str, pipe: Connection) -> None:
    forget_main()
    asyncio.run(_claim_when_told(given, name, pipe))


async def _claim_when_told(given: MongoDB, name: str, pipe: Connection) -> None:
    database = await Database.open(given.uri or "", given.database)
    repository = ProcessRepository(Store(database).processes, Hub(), name, Metrics())
    client: AsyncIOMotorClient[Any] = AsyncIOMotorClient(given.uri, w="majority", journal=True)
    bare = client[given.database][BARE]

    async def claim() -> bool:
        return await repository.claim() is not None

    async def claim_bare() -> bool:
        changes = {"$set": {"owner": name}, "$unset": {"queued": ""}}
        queued = {"queued": {"$gt": 0}}
        found = await bare.find_one_and_update(queued, changes, sort=[("queued", 1)])
        return found is not None

    pipe.send("ready")
    try:
        while True:
            what = await asyncio.to_thread(pipe.recv)
            pipe.send(await _timed(claim_bare if what == BARE else claim))
    except (EOFError, OSError):
        return
    finally:
        client.close()
        database.close()


async def _timed(claim: Claim) -> tuple[float, float, int]:
    """Claim until there is nothing; return begin and end, which all processes share, and how many.

    The end is that of the last claim that there was.
    """
    begun = ended = time.monotonic()
    count = 0
    while await claim():
        count, ended = count + 1, time.monotonic()
    return begun, ended, count
