"""A process with many outputs is published and deleted fast: the database and disk in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from server.archive import rollback
from server.archive.storage import FileStorage
from server.core.errors import NotFound
from server.core.records import ProcessRecord
from server.store.driver.collection import Collection
from tests.integration.archive.archive_bench import Bench, bench

__all__ = ["bench"]


async def ended_with(bench: Bench, outputs: int) -> ProcessRecord:
    """Return the record of a process that has published so many outputs."""
    target = await bench.target()
    run = await bench.run(target.pk, f"dummy_{outputs}")
    files = bench.outputs(run, *(f"{number}.txt" for number in range(outputs)))
    published = await bench.archive.outputs.publish(run, files)
    await bench.end(run, published.products, published.group)
    await bench.archive.outputs.confirm(published)
    return await bench.store.processes.get(run.pk)


async def delete(bench: Bench, record: ProcessRecord) -> None:
    async def delete_record(_: ProcessRecord) -> None:
        await bench.store.processes.delete(record.pk)

    await bench.archive.transactions.remove_process(record, delete_record)


async def test_the_database_is_asked_as_often_for_many_outputs_as_for_few(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = await ended_with(bench, 2), await ended_with(bench, 40)
    calls: list[str] = []
    call, ours = Collection._call, asyncio.get_running_loop()

    async def counted(self: Collection, operation: str, work: Callable[[], Awaitable[Any]]) -> Any:
        if asyncio.get_running_loop() is ours:  # other tests' server goes on in its own thread
            calls.append(f"{self.name} {operation}")
        return await call(self, operation, work)

    monkeypatch.setattr(Collection, "_call", counted)
    await delete(bench, few)
    for_few = list(calls)
    calls.clear()
    await delete(bench, many)
    assert calls == for_few
    await bench.check_consistent()


class Disk:
    """A storage whose deletions wait until they may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        delete_many = FileStorage.delete_many

        async def slow(storage: FileStorage, keys: Sequence[str]) -> None:
            self.begun.set()
            await self.go_on.wait()
            await delete_many(storage, keys)

        monkeypatch.setattr(FileStorage, "delete_many", slow)
        monkeypatch.setattr(rollback, "AWAITED_FILES", 3)


async def test_a_slow_disk_does_not_hold_up_the_deletion_of_many_outputs(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await ended_with(bench, 4)
    disk = Disk(monkeypatch)
    await delete(bench, record)
    with pytest.raises(NotFound):
        await bench.store.processes.get(record.pk)
    assert await bench.documents() == []
    assert len(bench.stored()) == 4
    disk.go_on.set()
    async with asyncio.timeout(10):
        while await bench.store.journal.all():
            await asyncio.sleep(0.01)
    assert bench.stored() == []
    await bench.check_consistent()


async def test_a_deletion_that_the_stop_met_is_completed_at_the_next_start(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await ended_with(bench, 4)
    disk = Disk(monkeypatch)
    await delete(bench, record)
    await disk.begun.wait()
    await bench.archive.rollback.stop()
    assert len(bench.stored()) == 4
    disk.go_on.set()
    await bench.restarted().rollback.resolve_own()
    assert bench.stored() == []
    await bench.check_consistent()


async def test_publishing_many_outputs_asks_the_database_as_often_as_for_few(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    call, ours = Collection._call, asyncio.get_running_loop()

    async def counted(self: Collection, operation: str, work: Callable[[], Awaitable[Any]]) -> Any:
        published = self.name in ("dataproducts", "memberships", "groups", "journal")
        if published and asyncio.get_running_loop() is ours:
            calls.append(f"{self.name} {operation}")
        return await call(self, operation, work)

    monkeypatch.setattr(Collection, "_call", counted)
    await ended_with(bench, 2)
    for_few = list(calls)
    calls.clear()
    await ended_with(bench, 150)
    assert calls == for_few
    await bench.check_consistent()
