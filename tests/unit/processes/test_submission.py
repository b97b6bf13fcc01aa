"""Identifiers of processes that are submitted within one second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.core.hub import Hub
from server.core.records import PipelineDescription, Target
from server.processes.repository import ProcessRepository
from server.processes.submission import SubmissionService
from server.processes.validation import make_record
from server.store import Store

SECOND = 1_700_000_000.5
DUMMY = PipelineDescription(name="Dummy", path="a.B", short_name="dummy", process_type="pipeline")
TARGET = Target(pk=1, created=SECOND, identifier="m13", name="M 13")


async def test_after_a_restart_500_of_one_second_cost_a_few_operations(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def submit(service: SubmissionService, pk: int) -> str:
        record = make_record(pk, TARGET, DUMMY, [], {}).evolve(created=SECOND)
        name = record.identifier.rpartition("_")[0] + "_2023-11-14-221320"
        added = await service._add(record.evolve(identifier=name), TARGET)
        return added.identifier.removeprefix(name)

    def service() -> SubmissionService:
        repository = ProcessRepository(store.processes, Hub(), "s1")
        return SubmissionService(
            store, repository, {"Dummy": DUMMY}, 10_000, check_room=lambda: None
        )

    before = service()
    names = [await submit(before, pk) for pk in range(1, 501)]
    assert names == ["", *(f"-{number}" for number in range(2, 501))]

    operations: list[str] = []
    call = store.processes._collection._call

    async def counted(operation: str, work: Callable[[], Awaitable[Any]]) -> Any:
        operations.append(operation)
        return await call(operation, work)

    monkeypatch.setattr(store.processes._collection, "_call", counted)
    after = service()
    assert await submit(after, 501) == "-501"
    assert len(operations) <= 10
    more = await asyncio.gather(*(submit(after, pk) for pk in range(502, 522)))
    assert sorted(more) == [f"-{number}" for number in range(502, 522)]
    assert len(operations) <= 10 + 20 * 2
