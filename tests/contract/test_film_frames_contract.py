"""What the store relies on to keep the frames of films."""

from __future__ import annotations

import asyncio

from server.store import Store
from server.store.processes.film_frames import FramesChunk


async def test_chunks_come_back_in_their_order_and_the_last_is_replaced(
    runner: asyncio.Runner, store: Store
) -> None:
    first, half, whole = (FramesChunk(f'{{"n":{n}}}', "") for n in range(3))
    await store.film_frames.put(7, 1, 1, half)
    await store.film_frames.put(7, 1, 0, first)
    for _ in range(2):
        await store.film_frames.put(7, 1, 1, whole)
    await store.film_frames.put(8, 1, 0, FramesChunk("of another process", ""))
    assert await store.film_frames.read(7, 1) == [first, whole]
    assert await store.film_frames.read(6, 1) == []


async def test_each_attempt_has_frames_of_its_own(runner: asyncio.Runner, store: Store) -> None:
    for attempt in (1, 2):
        await store.film_frames.put(7, attempt, 0, FramesChunk(str(attempt), ""))
    await store.film_frames.put(7, 1, 1, FramesChunk("late, by one that was given up for lost", ""))
    assert await store.film_frames.read(7, 2) == [FramesChunk("2", "")]
    assert await store.film_frames.read(7, 3) == []


async def test_more_chunks_than_are_read_at_a_time(runner: asyncio.Runner, store: Store) -> None:
    chunks = [FramesChunk(str(number), f"left {number}") for number in range(203)]
    for number, chunk in enumerate(chunks):
        await store.film_frames.put(7, 1, number, chunk)
    assert await store.film_frames.read(7, 1) == chunks
    await store.film_frames.delete(7)
    assert await store.film_frames.read(7, 1) == []


async def test_deleted_frames_are_gone_of_all_attempts(
    runner: asyncio.Runner, store: Store
) -> None:
    for process in (6, 7, 8):
        for attempt in (1, 2):
            await store.film_frames.put(process, attempt, 0, FramesChunk("x", ""))
    await store.film_frames.delete(7)
    found = [len(await store.film_frames.read(pk, at)) for pk in (6, 7, 8) for at in (1, 2)]
    assert found == [1, 1, 0, 0, 1, 1]
