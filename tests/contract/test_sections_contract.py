"""What the store relies on to keep where in a log each status begins."""

from __future__ import annotations

import asyncio

from server.store import Store
from server.store.processes.sections import NEWEST, Section


async def test_sections_come_back_in_the_order_of_their_lines(
    runner: asyncio.Runner, store: Store
) -> None:
    kept = [Section(line, line + 0.25, f"2026-0{line}-01") for line in (1, 2, 5)]
    for _ in range(2):
        await store.sections.put(7, kept[::-1])
    await store.sections.put(8, [Section(3, 1.5, "another process")])
    assert await store.sections.newest(7) == kept
    assert await store.sections.newest(6) == []


async def test_the_later_of_two_at_one_line_counts(runner: asyncio.Runner, store: Store) -> None:
    await store.sections.put(7, [Section(1, 1.5, "Reading")])
    await store.sections.put(7, [Section(1, 2.5, "Measuring")])
    assert await store.sections.newest(7) == [Section(1, 2.5, "Measuring")]


async def test_of_many_the_newest_are_told(runner: asyncio.Runner, store: Store) -> None:
    await store.sections.put(7, [Section(line, 1.5, "x") for line in range(1, NEWEST + 4)])
    told = await store.sections.newest(7)
    assert (told[0].line, told[-1].line, len(told)) == (4, NEWEST + 3, NEWEST)


async def test_deleted_sections_are_gone(runner: asyncio.Runner, store: Store) -> None:
    for process in (6, 7, 8):
        await store.sections.put(process, [Section(1, 1.5, "x")])
    await store.sections.delete(7)
    assert [len(await store.sections.newest(process)) for process in (6, 7, 8)] == [1, 0, 1]
