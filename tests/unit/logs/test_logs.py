"""The logs in memory: cut, joined, cached and dropped, the same whatever is in memory."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import DatabaseAway, LeaseLost
from server.core.records import State
from server.logs.cache import Slice
from server.logs.entries import encode_entries
from server.store.processes.log_chunks import LogChunk
from tests.fakes.log_fakes import PK, Reading, a_process, lines


def numbers(part: Slice) -> list[int]:
    entries = json.loads(b"[%b]" % part.entries)
    return [entry[0] for entry in entries]


def two_servers(watched: bool) -> tuple[Reading, Reading]:
    """Make two servers on one store; if `watched`, the second hears of what the first writes."""
    one, other = Reading(alone=False), Reading(alone=False)
    other.logs._chunks = one.logs._chunks
    other.logs.set_notified(watched)
    return one, other


def a_slice(first: int, count: int) -> Slice:
    return Slice(first, first + count - 1, encode_entries(first, lines(count, first=first)))


@given(st.integers(1, 40), st.integers(1, 20), st.integers(0, 19), st.integers(0, 19))
def test_a_slice_is_cut_by_line_numbers(first: int, count: int, skip: int, keep: int) -> None:
    part = a_slice(first, count)
    start, stop = first + skip % count, first + keep % count
    assert numbers(part.after(start - 1)) == list(range(start, first + count))
    assert numbers(part.upto(stop)) == list(range(first, stop + 1))
    both = part.after(start - 1)
    if stop >= start:
        assert numbers(both.upto(stop)) == list(range(start, stop + 1))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=10), st.data())
def test_reading_from_any_cursor_gives_the_lines_behind_it(
    sizes: list[int], data: st.DataObject
) -> None:
    cache_bytes = data.draw(st.sampled_from([0, 2_000, 2**20]))
    after = data.draw(st.integers(0, sum(sizes)))
    limit_bytes = data.draw(st.sampled_from([1, 500, 2**20]))

    async def scenario() -> list[int]:
        reading = Reading(cache_bytes)
        for size in sizes:
            await reading.write(size)
        found: list[int] = []
        while part := await reading.logs.read(PK, found[-1] if found else after, limit_bytes):
            found += numbers(part)
        return found

    assert asyncio.run(scenario()) == list(range(after + 1, sum(sizes) + 1))


def test_what_was_just_written_is_read_from_memory() -> None:
    async def scenario() -> int:
        reading = Reading()
        await reading.write(10)
        before = reading.chunks.reads
        assert await reading.logs.read(PK, 3) is not None
        assert await reading.logs.read(PK, 10) is None
        return reading.chunks.reads - before

    assert asyncio.run(scenario()) == 0


def test_memory_stays_within_its_bound_and_a_long_log_does_not_drive_others_out() -> None:
    async def scenario() -> tuple[int, int]:
        reading = Reading(cache_bytes=200_000)
        await reading.write(1_000, process=1)
        for _ in range(50):
            await reading.write(1_000, process=2)
        cursor = 0
        while (part := await reading.logs.read(2, cursor)) is not None:
            cursor = part.last
            assert reading.logs._known.used_bytes <= 200_000
        before = reading.chunks.reads
        await reading.logs.read(1, 0)
        assert cursor == 50_000
        used = sum(log.slices.size for log in reading.logs._known._logs.values())
        assert used == reading.logs._known.used_bytes
        return used, reading.chunks.reads - before

    used, reads = asyncio.run(scenario())
    assert 0 < used <= 200_000
    assert reads == 0


def test_a_forgotten_log_frees_what_it_took() -> None:
    async def scenario() -> int:
        reading = Reading()
        await reading.write(100)
        reading.logs.forget(PK)
        return reading.logs._known.used_bytes

    assert asyncio.run(scenario()) == 0


def test_many_who_ask_for_the_same_at_once_make_one_reading() -> None:
    async def scenario() -> int:
        reading = Reading(cache_bytes=0)
        await reading.write(10)
        await reading.write(10)
        await reading.logs.read(PK, 10)
        before = reading.chunks.reads
        found = await asyncio.gather(*(reading.logs.read(PK, 0) for _ in range(100)))
        assert {part.last for part in found if part} == {20}
        return reading.chunks.reads - before

    assert asyncio.run(scenario()) == 1


def test_a_log_of_short_chunks_is_read_in_few_readings() -> None:
    async def scenario() -> int:
        reading = Reading(cache_bytes=0)
        for _ in range(2_000):
            await reading.write(1)
        before, cursor = reading.chunks.reads, 0
        while (part := await reading.logs.read(PK, cursor)) is not None:
            cursor = part.last
        assert cursor == 2_000
        return reading.chunks.reads - before

    assert asyncio.run(scenario()) < 10


def test_what_another_server_wrote_is_seen_once_it_is_told() -> None:
    async def scenario() -> list[Any]:
        one, other = two_servers(watched=True)
        await one.write(5)
        seen: list[Any] = [await other.logs.last_line(PK)]
        await one.write(5)
        seen.append(await other.logs.read(PK, 5))
        other.logs.grown(PK)
        part = await other.logs.read(PK, 5)
        assert part is not None
        return [*seen, part.last, await other.logs.last_line(PK)]

    assert asyncio.run(scenario()) == [5, None, 10, 10]


def test_who_asks_while_another_one_looks_is_not_told_less() -> None:
    async def scenario() -> list[int | None]:
        one, other = two_servers(watched=True)
        await one.write(5)
        await other.logs.last_line(PK)
        await one.write(5)
        other.logs.grown(PK)
        found = await asyncio.gather(other.logs.read(PK, 5), other.logs.read(PK, 5))
        return [part and part.last for part in found]

    assert asyncio.run(scenario()) == [10, 10]


def test_who_knows_that_more_is_stored_gets_it_though_nobody_told() -> None:
    async def scenario() -> list[int | None]:
        one, other = two_servers(watched=True)
        await one.write(5)
        await other.logs.last_line(PK)
        await one.write(5)
        ended = a_process(state=State.SUCCEEDED, log_lines=10)
        found = [await other.logs.read(PK, 5), await other.reader.read(ended, 5)]
        return [part and part.last for part in found]

    assert asyncio.run(scenario()) == [None, 10]


def test_an_unwatched_log_is_looked_for_each_time() -> None:
    async def scenario() -> list[int]:
        one, other = two_servers(watched=False)
        ends = []
        for _ in range(2):
            await one.write(5)
            ends.append(await other.logs.last_line(PK))
        return ends

    assert asyncio.run(scenario()) == [5, 10]


def test_a_database_that_was_away_leaves_nothing_believed() -> None:
    async def scenario() -> int:
        one, other = two_servers(watched=True)
        await one.write(5)
        await other.logs.last_line(PK)
        await one.write(5)
        other.logs.grown(PK)
        one.chunks.fault = DatabaseAway()
        with pytest.raises(DatabaseAway):
            await other.logs.last_line(PK)
        one.chunks.fault = None
        return await other.logs.last_line(PK)

    assert asyncio.run(scenario()) == 10


def test_who_meets_the_lines_of_another_writer_has_lost_the_log() -> None:
    async def scenario() -> int:
        reading = Reading()
        await reading.write(3)
        foreign = encode_entries(4, lines(2, "foreign", first=4)).decode()
        await reading.chunks.insert(LogChunk(PK, 4, 2, 2, foreign))
        with pytest.raises(LeaseLost):
            await reading.write(1)
        return await reading.logs.last_line(PK)

    assert asyncio.run(scenario()) == 5


def test_who_begins_a_new_log_knows_that_it_is_empty() -> None:
    async def scenario() -> tuple[int, list[int], int]:
        reading = Reading(alone=False)
        reading.logs.begin(PK, new=True)
        assert await reading.logs.read(PK, 0) is None
        before = reading.chunks.reads
        await reading.write(3)
        part = await reading.logs.read(PK, 0)
        assert part is not None
        return before, numbers(part), reading.chunks.reads

    assert asyncio.run(scenario()) == (0, [1, 2, 3], 0)


def test_who_begins_an_old_log_goes_on_where_the_other_server_ended() -> None:
    async def scenario() -> list[int]:
        one, other = two_servers(watched=True)
        await one.write(5)
        await other.logs.last_line(PK)
        await one.write(5)
        other.logs.begin(PK, new=False)
        await other.write(2)
        part = await other.logs.read(PK, 8)
        assert part is not None
        return numbers(part)

    assert asyncio.run(scenario()) == [9, 10, 11, 12]


def test_levels_are_counted_as_lines_are_written_and_known_after_a_restart() -> None:
    async def scenario() -> list[list[int]]:
        reading = Reading()
        await reading.write(3)
        await reading.write(2, level="error")
        found = [list(await reading.logs.levels(PK))]
        reading.logs.forget(PK)
        reads = reading.chunks.reads
        found.append(list(await reading.logs.levels(PK)))
        assert reading.chunks.reads == reads + 1  # the end of the log alone
        return found

    assert asyncio.run(scenario()) == [[0, 3, 0, 2], [0, 3, 0, 2]]


def test_levels_of_a_log_from_before_they_were_counted_are_counted_once() -> None:
    async def scenario() -> tuple[list[list[int]], int]:
        reading = Reading(0)
        for level in ("info", "error", "debug"):
            await reading.write(2, level=level)
        stored = reading.chunks.stored[PK]
        stored[:] = [replace(chunk, levels=None) for chunk in stored]
        reading.logs.forget(PK)
        await asyncio.gather(*(reading.logs.levels(PK) for _ in range(5)))
        reads = reading.chunks.reads
        first = list(await reading.logs.levels(PK))
        await reading.write(1, level="warning")
        second = list(await reading.logs.levels(PK))
        assert reading.chunks.stored[PK][-1].levels == second
        return [first, second], reading.chunks.reads - reads

    found, reads = asyncio.run(scenario())
    assert found == [[2, 2, 0, 2], [2, 2, 1, 2]]
    assert reads == 0


def test_a_log_that_another_server_writes_is_counted_on_from_where_it_was_counted() -> None:
    async def scenario() -> list[list[int]]:
        one, other = two_servers(watched=False)
        found = []
        for level in ("info", "error"):
            await one.write(3, level=level)
            found.append(list(await other.logs.levels(PK)))
        return found

    assert asyncio.run(scenario()) == [[0, 3, 0, 0], [0, 3, 0, 3]]
