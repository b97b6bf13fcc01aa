"""What the chunks of logs promise, on either engine."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.core.errors import AlreadyTaken
from server.store import Store
from server.store.processes import log_chunks
from server.store.processes.log_chunks import LogChunk


def chunks_of(process: int, sizes: list[int]) -> list[LogChunk]:
    """Make chunks with this many lines each, one after the other."""
    chunks, first = [], 1
    for size in sizes:
        chunks.append(LogChunk(process, first, size, 1, f"lines of {process} from {first}"))
        first += size
    return chunks


async def test_a_chunk_comes_back_as_it_was_inserted(runner: asyncio.Runner, store: Store) -> None:
    chunk = LogChunk(3, 1, 2, 1, '[1,1795485782.4920993,"info","a\\u0000"],[2,2.5,"info","☆"]')
    await store.logs.insert(chunk)
    assert await store.logs.get(3, 1) == chunk
    assert await store.logs.get(3, 2) is None
    assert await store.logs.get(4, 1) is None


async def test_a_line_is_stored_once(runner: asyncio.Runner, store: Store) -> None:
    await store.logs.insert(LogChunk(3, 1, 2, 1, "first"))
    with pytest.raises(AlreadyTaken):
        await store.logs.insert(LogChunk(3, 1, 5, 2, "second"))
    assert await store.logs.read(3, 1, 10) == [LogChunk(3, 1, 2, 1, "first")]


async def test_a_process_without_lines_reads_as_nothing(
    runner: asyncio.Runner, store: Store
) -> None:
    await store.logs.insert(LogChunk(2, 1, 9, 1, "neighbour"))
    await store.logs.insert(LogChunk(4, 1, 9, 1, "neighbour"))
    assert await store.logs.last_line(3) == 0
    for line in (0, 1, 5, 10**9):
        assert await store.logs.read(3, line, 10) == []


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=12),
    first_line=st.integers(0, 90),
    limit=st.integers(1, 5),
)
def test_reading_begins_with_the_chunk_that_holds_the_line(
    runner: asyncio.Runner, store: Store, sizes: list[int], first_line: int, limit: int
) -> None:
    async def read() -> None:
        process = await store.counters.next("process")
        chunks = chunks_of(process, sizes)
        for chunk in chunks:
            await store.logs.insert(chunk)
        wanted = [chunk for chunk in chunks if chunk.last >= first_line][:limit]
        assert await store.logs.read(process, first_line, limit) == wanted
        assert await store.logs.last_line(process) == sum(sizes)

    runner.run(read())


async def test_deleting_takes_one_process_in_steps(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_chunks, "_FIRST_STEP", 2)
    monkeypatch.setattr(log_chunks, "_LARGEST_STEP", 4)
    for process in (1, 2, 3):
        for chunk in chunks_of(process, [1] * 10):
            await store.logs.insert(chunk)
    await store.logs.delete(2)
    await store.logs.delete(2)
    assert [await store.logs.last_line(process) for process in (1, 2, 3)] == [10, 0, 10]
