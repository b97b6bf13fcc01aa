"""What becomes of a lost run when two tasks find it at the same time."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from server.archive.archive import Archive
from server.config import Config
from server.core.errors import StorageAway
from server.core.hub import Hub
from server.core.records import ProcessRecord, State
from server.execution.recovery import Recovery
from server.logs.logs import Logs
from server.processes.repository import ProcessRepository
from server.store import Store
from server.store.archive.journal import JournalEntry
from tests.fakes.some_records import a_record


class SlowArchive:
    """An archive with nothing to withdraw, which blocks until `go_on` is set.

    Its storage is away: what waits for that fails.
    """

    def __init__(self) -> None:
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        self.outputs = self.rollback = self

    async def withdraw(self, process: int, attempt: int) -> None:
        self.reached.set()
        await self.go_on.wait()

    async def discard(self, process: int, attempt: int) -> None:
        raise StorageAway

    async def resolve_leftovers(self) -> None:
        raise StorageAway

    async def resolve_waiting(self) -> None:
        pass

    async def unfinished_of_others(self) -> list[JournalEntry]:
        return []


class Lost:
    """A recovery, and a run of its own server that it is about to settle."""

    def __init__(self, store: Store) -> None:
        self.store, self.archive, hub = store, SlowArchive(), Hub()
        repository = ProcessRepository(store.processes, hub, "s1")
        logs = Logs(store.logs, hub, 1_000_000)
        archive = cast(Archive, self.archive)
        self.recovery = Recovery(store, repository, logs, archive, Config())

    async def settling(self) -> tuple[ProcessRecord, asyncio.Task[None]]:
        """Return the run, and the task that is settling it."""
        await self.store.processes.insert(a_record(1))
        record = await self.store.processes.claim("s1", 5.0)
        assert record is not None
        task = asyncio.create_task(self.recovery.settle_left(record))
        await self.archive.reached.wait()
        return record, task

    async def lines_per_chunk(self) -> list[Any]:
        return [chunk.count for chunk in await self.store.logs.read(1, 1, 10)]

    async def state(self) -> tuple[State, int, int]:
        record = await self.store.processes.get(1)
        return record.state, record.attempt, record.lost


@pytest.fixture
def lost(runner: asyncio.Runner, store: Store) -> Lost:
    async def made() -> Lost:
        return Lost(store)

    return runner.run(made())


async def test_a_lost_run_is_settled_once_by_the_first_to_find_it(
    runner: asyncio.Runner, lost: Lost
) -> None:
    record, settling = await lost.settling()
    await lost.recovery.put_back(record)
    await lost.recovery.settle_left(record)
    assert await lost.state() == (State.RUNNING, 1, 0)
    lost.archive.go_on.set()
    await settling
    assert await lost.state() == (State.QUEUED, 1, 1)
    assert await lost.lines_per_chunk() == [1]


async def test_a_record_read_before_it_was_settled_changes_nothing(
    runner: asyncio.Runner, lost: Lost
) -> None:
    record, settling = await lost.settling()
    lost.archive.go_on.set()
    await settling
    await lost.recovery.put_back(record)
    assert await lost.state() == (State.QUEUED, 1, 1)
    await lost.store.processes.claim("s1", 6.0)
    await lost.recovery.put_back(record)
    assert await lost.state() == (State.RUNNING, 2, 1)
    assert await lost.lines_per_chunk() == [1]


async def test_the_runs_of_a_server_that_is_gone_are_settled_while_the_storage_is_away(
    runner: asyncio.Runner, lost: Lost
) -> None:
    await lost.store.processes.insert(a_record(1))
    await lost.store.processes.claim("s2", 5.0)
    lost.archive.go_on.set()
    asks: list[set[str]] = []

    async def still(servers: set[str]) -> set[str]:
        asks.append(servers)
        return servers

    lost.recovery.heartbeats.still = still  # type: ignore[method-assign]
    async with asyncio.timeout(10):
        await lost.recovery.settle_others()
    assert asks == [{"s2"}]
    assert await lost.state() == (State.QUEUED, 1, 1)
