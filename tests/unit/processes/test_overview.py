"""What runs, waits and has failed, over all targets, and processes by what one knows of them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from server.core.errors import DamagedFile
from server.core.hub import Hub
from server.core.records import ProcessRecord, State
from server.logs.reader import LinesPage
from server.processes.overview import Overview
from server.processes.repository import ProcessRepository
from server.store import Store
from tests.fakes.some_records import a_record


class Logs:
    """Logs that all end in the same traceback."""

    def __init__(self) -> None:
        self.read = 0
        self.fault: Exception | None = None

    async def lines(self, record: ProcessRecord, *_asked: Any, **_how: Any) -> LinesPage:
        self.read += 1
        if self.fault is not None:
            raise self.fault
        texts = ["Traceback (most recent call last):", "  File x", "ValueError: no stars"]
        entries = [json.dumps([n, 1.5, "error", text]).encode() for n, text in enumerate(texts, 1)]
        return LinesPage(entries, 3, True)


@pytest.fixture
def logs() -> Logs:
    return Logs()


async def an_overview(store: Store, logs: Logs) -> tuple[Overview, ProcessRepository]:
    repository = ProcessRepository(store.processes, Hub(), "s1")
    return Overview(store.processes, repository, logs), repository  # type: ignore[arg-type]


async def test_what_runs_and_waits_is_listed_in_order(
    runner: asyncio.Runner, store: Store, logs: Logs
) -> None:
    overview, repository = await an_overview(store, logs)
    for pk in range(1, 8):
        await repository.add(a_record(pk).evolve(target=1 if pk < 6 else pk))
    for _ in range(2):
        await repository.claim()
    await repository.move(5, to_front=True)
    assert overview.counts == (2, 5)
    assert [each.pk for each in await overview.queued(9)] == [5, 7, 2, 3, 4]
    assert [each.pk for each in await overview.queued(2)] == [5, 7]
    assert [each.pk for each in await overview.running(9)] == [6, 1]
    assert [each.pk for each in await overview.running(1)] == [6]
    await store.processes.delete(7)
    repository._records.clear()
    assert [each.pk for each in await overview.queued(9)] == [5, 2, 3, 4]


async def failed(store: Store, pk: int, at: float, message: str) -> None:
    ended = {"state": State.FAILED, "terminal_timestamp": at, "failure_message": message}
    await store.processes.insert(a_record(pk).evolve(attempt=1, **ended))


async def test_what_failed_in_the_last_day_has_its_sentence_read_once(
    runner: asyncio.Runner, store: Store, logs: Logs
) -> None:
    overview, _ = await an_overview(store, logs)
    now = time.time()
    await failed(store, 1, now - 30, "An unexpected error occurred")
    await failed(store, 2, now - 90_000, "Long ago")
    await failed(store, 3, now - 600, "Clouds")
    for _ in range(2):
        found = await overview.failed(10, now)
        assert [(each.record.pk, each.sentence) for each in found] == [
            (1, "ValueError: no stars"),
            (3, "Clouds"),
        ]
    assert logs.read == 2
    assert len(await overview.failed(1, now)) == 1


async def test_a_log_that_cannot_be_read_leaves_the_message(
    runner: asyncio.Runner, store: Store, logs: Logs
) -> None:
    overview, _ = await an_overview(store, logs)
    logs.fault = DamagedFile("x", "it is cut")
    await failed(store, 1, time.time(), "An unexpected error occurred")
    [only] = await overview.failed(10)
    assert only.sentence == "An unexpected error occurred"


async def test_processes_are_found_by_what_one_knows(
    runner: asyncio.Runner, store: Store, logs: Logs
) -> None:
    overview, _ = await an_overview(store, logs)
    day = 1_513_728_000.0  # 2017-12-20
    for pk, created in ((1, day - 1), (2, day), (3, day + 86_399), (4, day + 86_400)):
        await store.processes.insert(
            a_record(pk).evolve(created=created, target=pk % 2 + 1, pipeline=f"P{pk}")
        )

    async def found(text: str, targets: tuple[int, ...] = (), *pipelines: str) -> list[int]:
        return [each.pk for each in await overview.search(text, targets, pipelines, 3)]

    assert await found("2017-12-20") == [3, 2]
    assert await found("2017-12-32") == []
    assert await found("0001-01-01") == []
    assert await found("DUMMY_M13_4") == [4]
    assert await found("dummy") == [4, 3, 2]
    assert await found("3") == [3]
    assert await found("99999999999999999999") == []
    assert await found("x", (2,)) == [3, 1]
    assert await found("x", (2,), "P1") == [1]
    assert await found("x", (), "P1", "P2") == [2, 1]
    assert await found("x" * 200) == []
