"""The order of the queue, and lists of processes by time and text, on either engine."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any

import pytest

from server.core.hub import Hub
from server.core.records import ProcessRecord, State
from server.processes.repository import ProcessRepository
from server.store import Store
from server.store.processes import by_time
from server.store.processes.by_time import Span
from tests.fakes.some_records import a_record

EPOCH = 1_795_485_782.25


def repositories(store: Store, count: int) -> list[ProcessRepository]:
    return [ProcessRepository(store.processes, Hub(), f"s{number}") for number in range(count)]


async def hear(store: Store, *servers: ProcessRepository) -> None:
    """Have servers hear what the others have stored."""
    for record in await store.processes.get_many(range(1, 100)):
        for server in servers:
            server.accept(record)


async def claimed_targets(servers: list[ProcessRepository]) -> list[int]:
    """Have the servers claim all that is queued in turn, and return the targets."""
    targets = []
    for server in itertools.cycle(servers):
        if (record := await server.claim()) is None:
            return targets
        targets.append(record.target)
    raise AssertionError


async def test_targets_take_turns_over_several_servers(
    runner: asyncio.Runner, store: Store
) -> None:
    servers = repositories(store, 3)
    for pk in range(1, 21):
        await servers[pk % 2].add(a_record(pk))
        await hear(store, *servers)
    await servers[0].claim()
    await hear(store, *servers)
    for pk in (21, 22):
        await servers[2].add(a_record(pk).evolve(target=2))
    assert await claimed_targets(servers) == [2, 1, 2] + [1] * 18


async def test_submits_at_once_take_turns_too(runner: asyncio.Runner, store: Store) -> None:
    [server] = repositories(store, 1)
    records = [a_record(pk).evolve(target=1 if pk <= 12 else 2) for pk in range(1, 16)]
    await asyncio.gather(*map(server.add, records))
    assert await claimed_targets([server]) == [1, 2, 1, 2, 1, 2] + [1] * 9


async def test_the_last_one_moved_to_the_front_goes_first_whoever_moved_it(
    runner: asyncio.Runner, store: Store
) -> None:
    servers = repositories(store, 2)
    for pk in range(1, 7):
        await servers[0].add(a_record(pk).evolve(target=1 + pk % 2))
    before = await store.processes.get(5)
    # The second server has heard of nothing.
    for number, pk in enumerate((5, 6, 4)):
        moved = await servers[number % 2].move(pk, to_front=True)
        assert moved is not None
        assert moved.pk == pk
    back = await servers[1].move(1, to_front=False)
    assert back == await store.processes.get(1)
    assert (await store.processes.get(5)).version == before.version + 1
    assert [each.pk for each in await store.processes.queued()] == [4, 6, 5, 2, 3, 1]
    claimed = [await servers[number % 2].claim() for number in range(6)]
    assert [record.pk for record in claimed if record] == [4, 6, 5, 2, 3, 1]


async def test_only_what_is_queued_is_moved(runner: asyncio.Runner, store: Store) -> None:
    [server] = repositories(store, 1)
    await server.add(a_record(1))
    running = await server.claim()
    assert await server.move(1, to_front=True) is None
    assert await server.move(2, to_front=True) is None
    assert await store.processes.get(1) == running
    assert await store.processes.queued() == []


async def test_a_run_that_goes_back_has_its_place(runner: asyncio.Runner, store: Store) -> None:
    [server] = repositories(store, 1)
    for pk in range(1, 4):
        await server.add(a_record(pk))
    first = await server.claim()
    assert first is not None
    back = await server.requeue(first)
    assert back.place == first.place
    assert [each.pk for each in await store.processes.queued()] == [1, 2, 3]
    assert server.queue.queued == [1, 2, 3]


def submitted(pk: int, created: float, **fields: Any) -> ProcessRecord:
    return a_record(pk).evolve(created=created, **fields)


async def pages(store: Store, limit: int, **asked: Any) -> list[int]:
    """Return the PKs of all pages, which must be full but for the last."""
    pks: list[int] = []
    before = None
    for _ in range(100):
        page = await store.processes.find(**asked, before=before, limit=limit)
        assert len(page.items) <= limit
        pks += [record.pk for record in page.items]
        if (before := page.next) is None:
            return pks
    raise AssertionError


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_a_span_of_time_is_listed_to_its_beginning_whatever_the_clocks_did(
    runner: asyncio.Runner, store: Store, limit: int
) -> None:
    chance = random.Random(limit)
    times = [EPOCH + chance.choice([0, 0, 0, 1.5, 2, -300, 4.25]) for _ in range(24)]
    for pk, created in enumerate(times, 1):
        states = {"state": State.FAILED} if pk % 3 else {}
        await store.processes.insert(submitted(pk, created, target=1 + pk % 2, **states))
    newest = sorted(range(1, 25), key=lambda pk: (times[pk - 1], pk), reverse=True)
    for span in (Span(EPOCH), Span(None, EPOCH), Span(EPOCH, EPOCH + 2), Span(EPOCH + 9, None)):
        within = [pk for pk in newest if span.holds({"created": times[pk - 1]})]
        assert await pages(store, limit, span=span) == within
        failed = [pk for pk in within if pk % 3]
        assert await pages(store, limit, span=span, states=[State.FAILED]) == failed
        of_target = sorted((pk for pk in within if pk % 2), reverse=True)
        assert await pages(store, limit, span=span, target=2) == of_target


async def test_a_cursor_whose_process_is_deleted_leads_on(
    runner: asyncio.Runner, store: Store
) -> None:
    for pk in range(1, 8):
        await store.processes.insert(submitted(pk, EPOCH + pk))
    page = await store.processes.find(span=Span(EPOCH), limit=3)
    assert page.next == 5
    await store.processes.delete(5)
    rest = await store.processes.find(span=Span(EPOCH), before=page.next, limit=3)
    assert [record.pk for record in rest.items] == [4, 3, 2]
    for pk in (1, 2, 3, 4):
        await store.processes.delete(pk)
    assert (await store.processes.find(span=Span(EPOCH), before=3)).items == []


async def test_a_page_examines_a_bounded_number_and_says_where_to_go_on(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_time, "EXAMINED_LIMIT", 4)
    for pk in range(1, 11):
        await store.processes.insert(submitted(pk, EPOCH + pk, pipeline="A" if pk == 2 else "B"))
    page = await store.processes.find(span=Span(EPOCH), pipelines=["A"], limit=5)
    assert (page.items, page.next) == ([], 7)
    assert await pages(store, 5, span=Span(EPOCH), pipelines=["A"]) == [2]


async def test_words_are_found_in_what_people_read_of_a_process(
    runner: asyncio.Runner, store: Store
) -> None:
    failed = {"state": State.FAILED, "status": "failed", "failure_message": "No star in V"}
    await store.processes.insert(submitted(1, EPOCH, **failed))
    await store.processes.insert(submitted(2, EPOCH, pipeline="Straße", status="Measuring"))
    for words, pks in (
        (["star"], [1]),
        (["dummy_m13"], [2, 1]),
        (["strasse"], [2]),
        (["star", "measuring"], []),
        ([".*"], []),
        (["no", "failed"], [1]),
    ):
        assert await pages(store, 10, words=words) == pks
        assert await pages(store, 10, words=words, span=Span(EPOCH)) == pks
