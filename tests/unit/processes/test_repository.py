"""What a repository keeps in memory of records that go while it reads them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.core.errors import NotFound
from server.core.hub import Hub
from server.core.records import ProcessRecord
from server.processes.repository import ProcessRepository
from server.store import Store


def a_record(pk: int) -> ProcessRecord:
    """The record of a new process of target 1."""
    return ProcessRecord(
        pk=pk,
        created=1795485782.4920993,
        identifier=f"dummy_m13_{pk}",
        process_type="pipeline",
        pipeline="Dummy",
        target=1,
        products=[1],
        flags={},
    )


@pytest.fixture
def repository(runner: asyncio.Runner, store: Store) -> ProcessRepository:
    """A repository that has nothing in memory of the two records in its store."""
    for pk in (1, 2):
        runner.run(store.processes.insert(a_record(pk)))
    return ProcessRepository(store.processes, Hub(), "s1")


def deleting(
    store: Store, repository: ProcessRepository, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let process 1 be deleted just after a read has found it."""
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
