"""Counting the failures of the last 24 hours along their index."""

from __future__ import annotations

import asyncio

import pytest

from server.core.records import ProcessRecord, State
from server.processes import recent_failures
from server.processes.recent_failures import DAY_SECONDS, RecentFailures
from server.store import Store
from tests.fakes.some_records import a_record

NOW = 2_000_000_000.0


async def fail(store: Store, pk: int, at: float) -> None:
    """Store a process that failed at this time."""
    await store.processes.insert(
        a_record(pk).evolve(state=State.FAILED, status="failed", terminal_timestamp=at)
    )


async def test_only_failures_of_the_last_day_count(runner: asyncio.Runner, store: Store) -> None:
    for pk, age in ((1, 10.0), (2, DAY_SECONDS - 1), (3, DAY_SECONDS + 1)):
        await fail(store, pk, NOW - age)
    await store.processes.insert(
        a_record(4).evolve(state=State.SUCCEEDED, terminal_timestamp=NOW - 5)
    )
    await store.processes.insert(a_record(5))
    failures = RecentFailures(store.processes)
    assert await failures.count(NOW) == 2
    assert await failures.count(NOW + 2) == 1
    assert await failures.count(NOW + DAY_SECONDS) == 0


async def test_a_run_that_fails_counts_and_one_that_is_cancelled_does_not(
    runner: asyncio.Runner, store: Store
) -> None:
    for pk in (1, 2):
        await store.processes.insert(a_record(pk))
    record = await store.processes.claim("s1", NOW - 50)
    assert record is not None
    end = {"state": State.FAILED, "status": "failed", "terminal_timestamp": NOW - 20}
    await store.processes.end(record.pk, 1, "s1", end)
    await store.processes.cancel_queued(
        3 - record.pk, {"status": "cancelled", "terminal_timestamp": NOW - 10}
    )
    assert await RecentFailures(store.processes).count(NOW) == 1


async def test_more_than_a_batch_is_counted_and_the_next_look_reads_the_new_ones_only(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_failures, "BATCH", 4)
    monkeypatch.setattr(recent_failures, "OVERLAP_SECONDS", 60.0)
    for pk in range(1, 11):
        await fail(store, pk, NOW - 5000 + 100 * pk)
    failures = RecentFailures(store.processes)
    assert await failures.count(NOW) == 10
    since: list[float] = []
    read = store.processes.ended_since

    async def noted(start: float, before: float, limit: int) -> list[ProcessRecord]:
        since.append(start)
        return await read(start, before, limit)

    monkeypatch.setattr(store.processes, "ended_since", noted)
    await fail(store, 11, NOW - 4010)  # by a server whose clock is a little behind
    assert await failures.count(NOW) == 11
    assert since == [NOW - 4000 - recent_failures.OVERLAP_SECONDS]


async def test_many_failures_at_one_time_end(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_failures, "BATCH", 3)
    for pk in range(1, 8):
        await fail(store, pk, NOW - 5)
    async with asyncio.timeout(10):
        assert await RecentFailures(store.processes).count(NOW) >= 3
