"""What a repository keeps in memory of processes that are deleted while others read them."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

import pytest

from server.core.errors import NotFound
from server.core.hub import Hub
from server.core.records import ProcessRecord, Queued
from server.processes import repository as repository_module
from server.processes.repository import ProcessRepository
from server.store import Store
from tests.fakes.some_records import a_record


@pytest.fixture
def repository(runner: asyncio.Runner, store: Store) -> ProcessRepository:
    """Return a repository that has neither of the two records in its store in memory."""
    for pk in (1, 2):
        runner.run(store.processes.insert(a_record(pk)))
    return ProcessRepository(store.processes, Hub(), "s1")


def deleting(
    store: Store, repository: ProcessRepository, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delete process 1 just after a read has found it."""
    read = getattr(store.processes, name)

    async def read_and_delete(asked: int) -> Any:
        found = await read(asked)
        monkeypatch.undo()
        await repository.delete(a_record(1))
        return found

    monkeypatch.setattr(store.processes, name, read_and_delete)


async def test_a_record_that_is_deleted_while_it_is_read_is_not_kept(
    runner: asyncio.Runner,
    store: Store,
    repository: ProcessRepository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deleting(store, repository, "get", monkeypatch)
    assert (await repository.get(1)).pk == 1
    with pytest.raises(NotFound):
        await repository.get(1)
    assert (await repository.get(2)).pk == 2


async def test_a_board_does_not_show_what_was_deleted_while_it_was_filled(
    runner: asyncio.Runner,
    store: Store,
    repository: ProcessRepository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deleting(store, repository, "of_target", monkeypatch)
    board = await repository.board(1)
    assert len(board) == 1


async def test_a_copy_that_arrives_after_the_deletion_while_a_board_loads_is_not_shown(
    runner: asyncio.Runner,
    store: Store,
    repository: ProcessRepository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = store.processes.of_target

    async def read_and_delete(target: int) -> list[ProcessRecord]:
        found = await read(target)
        await repository.delete(a_record(1))
        repository.accept(a_record(1).evolve(version=9))
        return found

    monkeypatch.setattr(store.processes, "of_target", read_and_delete)
    board = await repository.board(1)
    assert len(board) == 1
    repository.accept(a_record(1).evolve(version=10))
    assert len(board) == 1


async def test_a_copy_that_arrives_after_the_deletion_is_kept_nowhere(
    runner: asyncio.Runner, store: Store, repository: ProcessRepository
) -> None:
    board = await repository.board(1)
    stale = await repository.get(1)
    await repository.delete(stale)
    repository.accept(stale.evolve(version=9))
    assert len(board) == 1
    assert repository.queue.queued == []
    assert not repository.knows(1, 1)
    with pytest.raises(NotFound):
        await repository.get(1)


async def test_what_happens_while_the_queue_is_read_anew_is_not_forgotten(
    runner: asyncio.Runner,
    store: Store,
    repository: ProcessRepository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await repository.load()
    read = store.processes.queued

    async def read_and_go_on() -> list[Queued]:
        found = await read()
        claimed = await repository.claim()
        assert claimed is not None
        assert claimed.pk == 1
        await repository.add(a_record(3))
        return found

    monkeypatch.setattr(store.processes, "queued", read_and_go_on)
    await repository.forget()
    assert repository.queue.queued == [2, 3]
    assert list(repository.queue.running) == [1]


async def test_many_deletions_take_no_memory_on_any_board(
    runner: asyncio.Runner,
    store: Store,
    repository: ProcessRepository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for target in range(1, 101):
        await repository.board(target)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for pk in range(1_000, 3_000):
            repository.gone(pk)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2_000 * 1_000  # on each of a hundred boards it would be ten times that


def test_only_the_newest_deletions_are_remembered(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository_module, "DELETIONS", 3)
    repository = ProcessRepository(store.processes, Hub(), "s1")
    for pk in range(1, 11):
        repository.gone(pk)
    for pk in range(1, 11):
        repository.accept(a_record(pk))
    assert repository.queue.queued == [1, 2, 3, 4, 5, 6, 7]
