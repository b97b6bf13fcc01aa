"""What the segments of logs promise, on either engine."""

from __future__ import annotations

import asyncio

import pytest

from server.core.errors import AlreadyTaken
from server.store import Store
from server.store.processes import log_segments
from server.store.processes.log_segments import LogSegment


def a_segment(process: int, first: int, last: int) -> LogSegment:
    file = f"logs/{process}/{first}-ab.zst"
    return LogSegment(process, first, last, file, 10 * last, "f0", 40, 90, '{"levels":[0,1]}')


async def test_a_segment_comes_back_as_it_was_inserted(
    runner: asyncio.Runner, store: Store
) -> None:
    segment = a_segment(3, 1, 20)
    await store.segments.insert(segment)
    assert await store.segments.get(3, 1) == segment
    assert await store.segments.get(3, 2) is None


async def test_a_stretch_is_sealed_once(runner: asyncio.Runner, store: Store) -> None:
    await store.segments.insert(a_segment(3, 1, 20))
    with pytest.raises(AlreadyTaken):
        await store.segments.insert(a_segment(3, 1, 30))
    assert await store.segments.read(3) == [a_segment(3, 1, 20)]


async def test_segments_are_read_from_the_one_with_a_line(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_segments, "_BATCH", 2)
    own = [a_segment(3, first, first + 9) for first in range(1, 61, 10)]
    for segment in [*own, a_segment(2, 1, 900), a_segment(4, 1, 900)]:
        await store.segments.insert(segment)
    for line in range(1, 61):
        assert await store.segments.read(3, line) == own[(line - 1) // 10 :]
    assert await store.segments.read(3, 61) == []
    assert await store.segments.read(5) == []
    assert await store.segments.last(3) == own[-1]
    assert await store.segments.last(5) is None


async def test_the_segments_of_one_process_are_deleted(
    runner: asyncio.Runner, store: Store
) -> None:
    for process in (2, 3):
        for first in (1, 11):
            await store.segments.insert(a_segment(process, first, first + 9))
    assert await store.segments.stored_bytes(3) == 300
    assert await store.segments.files(3) == ["logs/3/1-ab.zst", "logs/3/11-ab.zst"]
    await store.segments.delete(3)
    await store.segments.delete(3)
    assert await store.segments.read(3) == []
    assert len(await store.segments.read(2)) == 2
