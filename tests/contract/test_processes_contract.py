"""What the records of processes promise, on either engine."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest

from server.core.errors import AlreadyTaken, CancelRequested, LeaseLost, NotFound
from server.core.records import ProcessRecord, Progress, Resources, State
from server.store import Store
from server.store.processes import index
from server.store.processes.by_time import Span
from server.store.processes.records import Published


def a_process(pk: int, **fields: Any) -> ProcessRecord:
    """Make a record of a queued process."""
    known = {
        "created": 1795485782.4920993,
        "identifier": f"dummy_m13_{pk}",
        "process_type": "pipeline",
        "pipeline": "Dummy",
        "target": 1,
        "products": [1, 2],
        "flags": {"deep": True, "slow": False},
    }
    return ProcessRecord(pk=pk, **known | fields)


async def queued_pks(store: Store) -> list[int]:
    return [process.pk for process in await store.processes.queued()]


async def insert(store: Store, *records: ProcessRecord) -> None:
    for record in records:
        await store.processes.insert(record)


async def test_a_record_comes_back_as_it_was_inserted(runner: asyncio.Runner, store: Store) -> None:
    record = a_process(7)
    await insert(store, record)
    assert await store.processes.get(7) == record
    assert await store.processes.by_identifier(record.identifier) == record
    assert await store.processes.get_many([8, 7]) == [record]
    assert await store.processes.of_target(1) == [record]


async def test_a_missing_record_is_not_found(runner: asyncio.Runner, store: Store) -> None:
    with pytest.raises(NotFound):
        await store.processes.get(7)
    assert await store.processes.by_identifier("nothing") is None


@pytest.mark.parametrize("identifier", ["dummy_m13_1", "2026-11-24_m13", "2026-11-24-001002", "12"])
async def test_pk_and_identifier_are_taken_once(
    runner: asyncio.Runner, store: Store, identifier: str
) -> None:
    first = a_process(1, identifier=identifier)
    await insert(store, first)
    with pytest.raises(AlreadyTaken):
        await insert(store, a_process(1, identifier="another"))
    with pytest.raises(AlreadyTaken):
        await insert(store, a_process(2, identifier=identifier))
    assert await store.processes.by_identifier(identifier) == first


async def test_the_oldest_in_the_queue_is_claimed_first(
    runner: asyncio.Runner, store: Store
) -> None:
    await insert(store, *(a_process(pk) for pk in (5, 3, 9)))
    assert await queued_pks(store) == [3, 5, 9]
    claimed = await store.processes.claim("s1", 2.5)
    assert claimed == a_process(3).evolve(
        state=State.RUNNING, status="running", owner="s1", started=2.5, attempt=1, version=2
    )
    assert await store.processes.get(3) == claimed
    assert await queued_pks(store) == [5, 9]


async def test_an_empty_queue_gives_nothing(runner: asyncio.Runner, store: Store) -> None:
    await insert(store, a_process(1, state=State.FAILED, status="failed"))
    assert await store.processes.claim("s1", 2.5) is None


async def test_many_claims_at_once_take_each_process_once(
    runner: asyncio.Runner, store: Store
) -> None:
    await insert(store, *(a_process(pk) for pk in range(1, 31)))
    claims = [store.processes.claim(f"s{number % 3}", 2.5) for number in range(60)]
    claimed = [record for record in await asyncio.gather(*claims) if record is not None]
    assert sorted(record.pk for record in claimed) == list(range(1, 31))
    assert {record.attempt for record in claimed} == {1}


async def test_a_write_of_a_run_changes_what_it_says_and_the_version(
    runner: asyncio.Runner, store: Store
) -> None:
    await insert(store, a_process(1))
    claimed = await store.processes.claim("s1", 2.5)
    assert claimed is not None
    changes = {"status": "Measuring", "progress": Progress(1, 3), "log_lines": 12}
    written = await store.processes.write(1, 1, "s1", changes)
    assert written == claimed.evolve(**changes, version=3)
    assert await store.processes.get(1) == written


async def test_a_field_that_no_record_has_cannot_be_written(
    runner: asyncio.Runner, store: Store
) -> None:
    with pytest.raises(TypeError, match="statos"):
        await store.processes.write(1, 1, "s1", {"statos": "x"})


@pytest.mark.parametrize(("attempt", "owner"), [(2, "s1"), (0, "s1"), (1, "s2"), (1, "")])
async def test_a_run_that_lost_its_lease_writes_nothing(
    runner: asyncio.Runner, store: Store, attempt: int, owner: str
) -> None:
    await insert(store, a_process(1))
    claimed = await store.processes.claim("s1", 2.5)
    ending = {"state": State.FAILED, "terminal_timestamp": 3.5}
    with pytest.raises(LeaseLost):
        await store.processes.write(1, attempt, owner, {"status": "x"})
    with pytest.raises(LeaseLost):
        await store.processes.end(1, attempt, owner, ending)
    with pytest.raises(LeaseLost):
        await store.processes.requeue(1, attempt, owner, {})
    assert await store.processes.get(1) == claimed


async def test_the_end_is_written_once_and_may_be_repeated(
    runner: asyncio.Runner, store: Store
) -> None:
    await insert(store, a_process(1))
    claimed = await store.processes.claim("s1", 2.5)
    assert claimed is not None
    ending = {
        "state": State.SUCCEEDED,
        "status": "created",
        "terminal_timestamp": 1795485783.4920993,
        "outputs": [7, 8],
        "group": 3,
        "resources": Resources(1.5, 2**31, "exit code 0"),
    }
    ended = await store.processes.end(1, 1, "s1", ending)
    assert ended == claimed.evolve(**ending, owner=None, version=3)
    assert await store.processes.end(1, 1, "s1", ending) == ended
    with pytest.raises(LeaseLost):
        await store.processes.end(1, 1, "s1", ending | {"state": State.FAILED})
    with pytest.raises(LeaseLost):
        await store.processes.write(1, 1, "s1", {"status": "x"})
    assert await store.processes.get(1) == ended
    assert await store.processes.running() == []


async def test_a_run_goes_back_to_the_queue_and_is_claimed_as_a_new_attempt(
    runner: asyncio.Runner, store: Store
) -> None:
    await insert(store, a_process(1), a_process(2))
    await store.processes.claim("s1", 2.5)
    await store.processes.write(1, 1, "s1", {"status": "Measuring", "progress": Progress(1, 3)})
    back = await store.processes.requeue(1, 1, "s1", {"lost": 1, "log_lines": 4})
    assert (back.state, back.status, back.started, back.progress, back.owner) == (
        *(State.QUEUED, "pending", None, None, None),
    )
    assert (back.lost, back.log_lines, back.attempt) == (1, 4, 1)
    assert await queued_pks(store) == [1, 2]
    again = await store.processes.claim("s2", 3.5)
    assert again is not None
    assert (again.pk, again.attempt, again.owner) == (1, 2, "s2")
    with pytest.raises(LeaseLost):
        await store.processes.write(1, 1, "s1", {"status": "x"})


async def test_a_queued_process_is_cancelled_and_never_claimed(
    runner: asyncio.Runner, store: Store
) -> None:
    await insert(store, a_process(1))
    ending = {"status": "cancelled", "terminal_timestamp": 2.5, "failure_message": "Cancelled"}
    cancelled = await store.processes.cancel_queued(1, ending)
    assert cancelled == a_process(1, **ending, state=State.CANCELLED, version=2)
    assert await store.processes.cancel_queued(1, ending) is None
    assert await store.processes.claim("s1", 3.5) is None
    assert (await store.processes.find(states=[State.CANCELLED])).items == [cancelled]


async def test_of_a_claim_and_a_cancel_at_once_one_wins(
    runner: asyncio.Runner, store: Store
) -> None:
    for pk in range(1, 21):
        await insert(store, a_process(pk))
        claimed, cancelled = await asyncio.gather(
            store.processes.claim("s1", 2.5), store.processes.cancel_queued(pk, {})
        )
        assert (claimed is None) != (cancelled is None)
        assert (await store.processes.get(pk)) == (claimed or cancelled)


async def test_a_cancel_is_asked_for_only_of_what_runs(
    runner: asyncio.Runner, store: Store
) -> None:
    await insert(store, a_process(1))
    assert await store.processes.request_cancel(1) is None
    await store.processes.claim("s1", 2.5)
    asked = await store.processes.request_cancel(1)
    assert asked is not None
    assert asked.cancel_requested is True
    assert await store.processes.get(1) == asked
    await store.processes.end(1, 1, "s1", {"state": State.CANCELLED})
    assert await store.processes.request_cancel(1) is None


async def test_of_a_cancel_and_a_success_at_once_one_wins(
    runner: asyncio.Runner, store: Store
) -> None:
    succeeded = {"state": State.SUCCEEDED, "status": "created"}
    for pk in range(1, 21):
        await insert(store, a_process(pk))
        await store.processes.claim("s1", 2.5)
        asked, ended = await asyncio.gather(
            store.processes.request_cancel(pk),
            store.processes.end(pk, 1, "s1", succeeded),
            return_exceptions=True,
        )
        stored = await store.processes.get(pk)
        if asked is None:
            assert stored == ended
        else:
            assert isinstance(ended, CancelRequested)
            assert stored == asked
            await store.processes.end(pk, 1, "s1", {"state": State.CANCELLED})


async def test_what_runs_is_known_by_owner(runner: asyncio.Runner, store: Store) -> None:
    await insert(store, *(a_process(pk) for pk in range(1, 6)))
    for owner in ("s1", "s2", "s1", "s3"):
        await store.processes.claim(owner, 2.5)
    owned = await store.processes.owned_by(["s1", "s3", "s9"])
    assert sorted(record.pk for record in owned) == [1, 3, 4]
    assert sorted(record.pk for record in await store.processes.running()) == [1, 2, 3, 4]


async def test_the_unended_users_of_a_product_are_known(
    runner: asyncio.Runner, store: Store
) -> None:
    ended = a_process(1, state=State.FAILED, products=[5])
    others = [
        a_process(pk, products=products) for pk, products in ((2, [5]), (3, [4]), (4, [4, 5]))
    ]
    await insert(store, ended, *others)
    await store.processes.claim("s1", 2.5)
    assert await store.processes.users_of([5]) == {5: 2}
    assert await store.processes.users_of([6]) == {}


async def test_what_a_record_publishes_can_be_forgotten(
    runner: asyncio.Runner, store: Store
) -> None:
    await insert(store, a_process(1, outputs=[7, 8], group=3), a_process(2))
    forgotten = await store.processes.forget_outputs(1, [7])
    assert forgotten is not None
    assert (forgotten.outputs, forgotten.version) == ([8], 2)
    assert await store.processes.forget_outputs(1, [7]) is None
    assert await store.processes.forget_outputs(99, [7]) is None
    assert await store.processes.forget_group(1, 4) is None
    assert await store.processes.published_by([1, 2, 99]) == {
        1: Published(frozenset({8}), 3),
        2: Published(frozenset(), None),
    }
    ungrouped = await store.processes.forget_group(1, 3)
    assert ungrouped is not None
    assert ungrouped.group is None


async def test_a_deleted_record_is_gone_from_everywhere(
    runner: asyncio.Runner, store: Store
) -> None:
    await insert(store, a_process(1))
    await store.processes.delete(1)
    await store.processes.delete(1)
    assert await queued_pks(store) == []
    assert (await store.processes.find()).items == []
    await insert(store, a_process(1))


TARGETS, PIPELINES = (1, 2, 3), ("Dummy", "2026-11-24 survey", "Dum")


async def populate(store: Store) -> dict[int, ProcessRecord]:
    """Insert two processes per target, pipeline and state; two servers own the running ones."""
    kinds = itertools.product(TARGETS, PIPELINES, State, (1, 2))
    records = {}
    for pk, (target, pipeline, state, number) in enumerate(kinds, 1):
        owner = f"s{number}" if state is State.RUNNING else None
        records[pk] = a_process(pk, target=target, pipeline=pipeline, state=state, owner=owner)
    await insert(store, *records.values())
    return records


FILTERS: list[dict[str, Any]] = [
    {},
    {"target": 2},
    {"target": 9},
    {"states": [State.QUEUED]},
    {"states": [State.RUNNING, State.FAILED]},
    {"states": []},
    {"pipelines": ["Dum"]},
    {"pipelines": ["2026-11-24 survey", "Dummy"]},
    {"pipelines": ["Nothing"]},
    {"states": [State.SUCCEEDED, State.QUEUED], "pipelines": ["Dummy"]},
    {"target": 3, "states": [State.CANCELLED], "pipelines": ["Dum", "Dummy"]},
]


async def test_pages_hold_what_matches_newest_first_and_lead_to_each_other(
    runner: asyncio.Runner, store: Store
) -> None:
    records = await populate(store)
    for wanted, limit in itertools.product(FILTERS, (1, 7, 100)):
        found: list[int] = []
        before = None
        while True:
            page = await store.processes.find(**wanted, before=before, limit=limit)
            assert len(page.items) <= limit
            assert all(record == records[record.pk] for record in page.items)
            found += [record.pk for record in page.items]
            before = page.next
            if before is None:
                break
        matching = [
            pk
            for pk, record in records.items()
            if record.target == wanted.get("target", record.target)
            and record.state in wanted.get("states", [record.state])
            and record.pipeline in wanted.get("pipelines", [record.pipeline])
        ]
        assert found == sorted(matching, reverse=True), wanted


async def test_a_page_looks_at_a_bounded_number_and_then_is_short(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "EXAMINED_LIMIT", 10)
    monkeypatch.setattr(index, "_LARGEST_BATCH", 5)
    await insert(store, a_process(1, pipeline="Rare"), *(a_process(pk) for pk in range(2, 40)))
    pages, before = 0, None
    while True:
        page = await store.processes.find(target=1, pipelines=["Rare"], before=before, limit=3)
        pages += 1
        before = page.next
        if before is None:
            break
        assert page.items == []
    assert [record.pk for record in page.items] == [1]
    assert pages == 3


async def test_no_operation_slows_down_as_records_pile_up(
    runner: asyncio.Runner, store: Store
) -> None:
    """A scan of the embedded engine costs 1 µs or more per document: with 6,000 it would show."""

    def failed(pk: int) -> dict[str, Any]:
        return {"state": State.FAILED, "pipeline": f"P{pk % 50}"}

    def ended(first: int, count: int) -> list[dict[str, Any]]:
        records = (
            a_process(pk, created=1e9 + pk, target=pk % 50 + 10, **failed(pk))
            for pk in range(first, first + count)
        )
        return [record.to_document() | index.index_keys(record) for record in records]

    await insert(store, a_process(1), a_process(2))
    await store.processes.claim("s1", 2.5)
    operations = [
        lambda: store.processes.write(1, 1, "s1", {"status": "x"}),
        lambda: store.processes.claim("s1", 2.5),
        lambda: queued_pks(store),
        lambda: store.processes.first_place(),
        lambda: store.processes.move(2, 5),
        lambda: store.processes.users_of([1]),
        lambda: store.processes.by_identifier("dummy_m13_2"),
        lambda: store.processes.find(limit=5),
        lambda: store.processes.find(target=12, limit=5),
        lambda: store.processes.find(states=[State.FAILED, State.RUNNING], limit=5),
        lambda: store.processes.find(pipelines=["P2"], limit=5),
        lambda: store.processes.find(span=Span(1e9, 1e9 + 300), limit=5),
    ]

    async def costs() -> list[float]:
        cheapest = []
        for operation in operations:
            taken = []
            for _ in range(7):
                start = time.perf_counter()
                await operation()
                taken.append(time.perf_counter() - start)
            cheapest.append(min(taken))
        return cheapest

    await store.processes._collection.insert_many(ended(100, 500))
    few = await costs()
    await store.processes._collection.insert_many(ended(600, 6_000))
    many = await costs()
    for number, (before, after) in enumerate(zip(few, many, strict=True)):
        assert after < 2 * before + 0.02, f"operation {number}: {before} s, then {after} s"
