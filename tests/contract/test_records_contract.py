"""What the store promises of targets, products, groups and its own records, on either engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from server.core.errors import AlreadyTaken, NotFound
from server.core.records import DataProduct, DataProductGroup, Target
from server.store import Store
from server.store.archive import targets
from server.store.archive.journal import JournalEntry
from server.store.processes.idempotency_keys import Submission

NOW = 1795485782.4920993


def a_target(pk: int, **fields: Any) -> Target:
    return Target(**{"pk": pk, "created": NOW, "identifier": f"t{pk}", "name": f"T {pk}"} | fields)


def a_product(pk: int, **fields: Any) -> DataProduct:
    known = {"name": "a.fits", "target": 1, "size": 5, "sha256": "ab", "content_type": "text/plain"}
    return DataProduct(**{"pk": pk, "created": NOW} | known | fields)


def a_group(pk: int, products: list[int], process: int | None = None) -> DataProductGroup:
    return DataProductGroup(pk=pk, created=NOW, name=f"G{pk}", products=products, process=process)


async def test_the_facts_of_an_attempt_are_kept_apart(runner: asyncio.Runner, store: Store) -> None:
    for attempt, facts in ((1, "one"), (2, "two"), (2, "two again")):
        await store.receipts.put(7, attempt, facts)
    await store.receipts.put(8, 1, "another's")
    assert await store.receipts.get(7, 1) == "one"
    assert await store.receipts.get(7, 2) == "two again"
    await store.receipts.delete(7)
    assert await store.receipts.get(7, 2) is None
    assert await store.receipts.get(8, 1) == "another's"


async def test_a_group_is_added_to(runner: asyncio.Runner, store: Store) -> None:
    await store.groups.insert(a_group(1, [1, 2]))
    await store.groups.add_products(1, [3, 2, 4, 3])
    assert (await store.groups.get(1)).products == [1, 2, 3, 4]
    assert await store.groups.containing([2, 4, 5]) == {2: [1], 4: [1], 5: []}
    await store.groups.add_products(9, [1])
    assert await store.groups.containing([1]) == {1: [1]}


async def test_many_add_to_a_group_at_once(runner: asyncio.Runner, store: Store) -> None:
    await store.groups.insert(a_group(1, [1]))
    await asyncio.gather(*(store.groups.add_products(1, [pk]) for pk in range(2, 12)))
    assert sorted((await store.groups.get(1)).products) == list(range(1, 12))


async def test_what_targets_have_is_counted_up_to_a_limit(
    runner: asyncio.Runner, store: Store
) -> None:
    assert await store.products.count(1, 3) == 0
    await store.products.insert_many([a_product(pk) for pk in range(1, 6)])
    await store.products.insert_many([a_product(pk, target=2) for pk in (6, 7)])
    assert await store.products.count(1, 3) == 4
    assert await store.products.count(2, 3) == 2
    await store.products.delete_many([6])
    assert await store.products.count(2, 3) == 1


async def test_each_try_of_an_examination_is_taken_once(
    runner: asyncio.Runner, store: Store
) -> None:
    await store.products.insert_many(
        [a_product(1), a_product(2, examinations_left=2), a_product(3, examinations_left=5)]
    )
    due = await store.products.unexamined(10)
    assert [product.pk for product in due] == [3, 2]
    assert [product.pk for product in await store.products.unexamined(1)] == [3]
    taken = await asyncio.gather(*(store.products.take_examination(due[0]) for _ in range(8)))
    assert sorted(taken) == [False] * 7 + [True]
    assert (await store.products.get(3)).examinations_left == 4
    await store.products.set_metadata(3, {"date": None, "filter": "V", "width": 80})
    await store.products.set_metadata(2, None)
    await store.products.set_metadata(9, None)
    assert await store.products.unexamined(10) == []
    found = [(product.pk, product.fits) for product in (await store.products.find(1)).items]
    assert found == [(3, {"date": None, "filter": "V", "width": 80}), (2, None), (1, None)]


async def test_counters_never_give_a_number_twice(runner: asyncio.Runner, store: Store) -> None:
    counts = [1, 3] * 40
    firsts = await asyncio.gather(*(store.counters.next("process", count) for count in counts))
    given = [
        first + step for first, count in zip(firsts, counts, strict=True) for step in range(count)
    ]
    assert sorted(given) == list(range(1, sum(counts) + 1))
    assert await store.counters.next("target") == 1


async def test_a_target_comes_back_as_it_was_inserted(runner: asyncio.Runner, store: Store) -> None:
    extra = {"a.b": 1, "$c": [None, {"": "ß"}], "2026-11-24": "2026-11-24T00:00:00"}
    target = a_target(1, ra=0.1, dec=-89.123456789012345, extra_fields=extra)
    await store.targets.insert(target)
    assert await store.targets.get(1) == target
    assert await store.targets.by_identifier("t1") == target
    with pytest.raises(NotFound, match="There is no target 2"):
        await store.targets.get(2)


@pytest.mark.parametrize("identifier", ["m13", "2026-11-24", "2026-11-24-comet", "11-24-2026", "7"])
async def test_an_identifier_is_taken_once(
    runner: asyncio.Runner, store: Store, identifier: str
) -> None:
    await store.targets.insert(a_target(1, identifier=identifier))
    await store.targets.insert(a_target(2, identifier="another"))
    with pytest.raises(AlreadyTaken):
        await store.targets.insert(a_target(3, identifier=identifier))
    with pytest.raises(AlreadyTaken):
        await store.targets.change(2, identifier=identifier)
    assert await store.targets.by_identifier(identifier) == a_target(1, identifier=identifier)
    await store.targets.change(1, identifier="free")
    await store.targets.change(2, identifier=identifier)
    assert await store.targets.by_identifier(identifier) == a_target(2, identifier=identifier)


async def test_a_target_is_changed_in_the_fields_given(
    runner: asyncio.Runner, store: Store
) -> None:
    await store.targets.insert(a_target(1, ra=1.5))
    changed = await store.targets.change(1, name="New", ra=None, extra_fields={"x": 1})
    assert changed == a_target(1, name="New", ra=None, extra_fields={"x": 1})
    assert await store.targets.get(1) == changed
    with pytest.raises(NotFound):
        await store.targets.change(2, name="New")


async def test_targets_are_listed_in_pages_and_searched(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "_SEARCH_BATCH", 4)
    monkeypatch.setattr(targets, "_EXAMINED_LIMIT", 8)
    for pk in range(1, 13):
        await store.targets.insert(a_target(pk, name="Große Galaxie" if pk % 5 == 1 else "Stern"))
    page = await store.targets.find(limit=5)
    assert [target.pk for target in page.items] == [12, 11, 10, 9, 8]
    assert page.next == 8
    assert [target.pk for target in (await store.targets.find(before=3)).items] == [2, 1]
    first = await store.targets.find(search="GROSSE g")
    assert [target.pk for target in first.items] == [11, 6]
    assert first.next == 5  # as many as one search examines
    rest = await store.targets.find(search="GROSSE g", before=first.next)
    assert [target.pk for target in rest.items] == [1]
    assert rest.next is None
    assert [target.pk for target in (await store.targets.find(search="T12")).items] == [12]
    assert (await store.targets.find(search="G", limit=1)).next == 11


async def test_products_come_back_by_pk_target_and_process(
    runner: asyncio.Runner, store: Store
) -> None:
    fits = {"date": "2026-11-24T00:10:02.5", "exposure": 1.5, "filter": None, "width": 9576}
    products = [
        a_product(1, fits=fits),
        a_product(2, target=2),
        a_product(3, process=7, attempt=1),
        a_product(4, process=7, attempt=2),
    ]
    await store.products.insert_many(products)
    assert await store.products.get(1) == products[0]
    assert await store.products.get_many([3, 9, 1]) == [products[2], products[0]]
    assert await store.products.of_process(7) == products[2:]
    page = await store.products.find(1, limit=2)
    assert (page.items, page.next) == ([products[3], products[2]], 3)
    assert (await store.products.find(1, before=3)).items == [products[0]]
    assert (await store.products.find(2)).items == [products[1]]
    await store.products.delete_many([1, 3, 9])
    await store.products.delete(2)
    assert await store.products.get_many([1, 2, 3, 4]) == [products[3]]
    with pytest.raises(AlreadyTaken):
        await store.products.insert_many([a_product(4)])


async def test_each_product_knows_its_groups(runner: asyncio.Runner, store: Store) -> None:
    await store.groups.insert(a_group(1, [1, 2]))
    await store.groups.insert(a_group(12, [2, 3, 3], process=7))
    assert await store.groups.get(12) == a_group(12, [2, 3, 3], process=7)
    assert await store.groups.of_process(7) == [a_group(12, [2, 3, 3], process=7)]
    assert [group.pk for group in (await store.groups.find()).items] == [12, 1]
    assert await store.groups.containing([1, 2, 3, 4]) == {1: [1], 2: [1, 12], 3: [12], 4: []}
    await store.groups.remove_products([2])
    assert await store.groups.containing([1, 2, 3]) == {1: [1], 2: [], 3: [12]}
    assert (await store.groups.get(1)).products == [1]
    assert (await store.groups.get(12)).products == [3, 3]
    await store.groups.delete(12)
    await store.groups.delete(12)
    assert await store.groups.containing([3]) == {3: []}
    with pytest.raises(NotFound):
        await store.groups.get(12)


async def test_many_products_leave_a_group_at_once(runner: asyncio.Runner, store: Store) -> None:
    await store.groups.insert(a_group(1, list(range(1, 13))))
    await asyncio.gather(*(store.groups.remove_products([pk]) for pk in range(1, 11)))
    assert (await store.groups.get(1)).products == [11, 12]


async def test_products_leave_all_their_groups_together(
    runner: asyncio.Runner, store: Store
) -> None:
    await store.groups.insert(a_group(1, list(range(1, 1501))))
    await store.groups.insert(a_group(2, [1500, 2000]))
    await store.groups.remove_products([*range(2, 1501), 9999])
    assert (await store.groups.get(1)).products == [1]
    assert (await store.groups.get(2)).products == [2000]
    assert await store.groups.containing([1, 2, 1500, 2000]) == {1: [1], 2: [], 1500: [], 2000: [2]}


async def test_a_product_joins_many_groups_at_once(runner: asyncio.Runner, store: Store) -> None:
    await asyncio.gather(*(store.groups.insert(a_group(pk, [5])) for pk in range(1, 11)))
    assert await store.groups.containing([5]) == {5: list(range(1, 11))}


async def test_journal_entries_are_found_by_server_and_process(
    runner: asyncio.Runner, store: Store
) -> None:
    upload = JournalEntry(1, "s1", [1, 2], ["1/a.fits", "2/b.fits"])
    outputs = JournalEntry(2, "s2", [3], ["3/c.csv"], group=4, process=7, attempt=2)
    await store.journal.insert(upload)
    await store.journal.insert(outputs)
    assert await store.journal.of_server("s1") == [upload]
    assert await store.journal.of_process(7) == [outputs]
    assert sorted(entry.pk for entry in await store.journal.all()) == [1, 2]
    with pytest.raises(AlreadyTaken):
        await store.journal.insert(upload)
    await store.journal.delete(upload)
    await store.journal.delete(upload)
    assert await store.journal.all() == [outputs]


async def test_a_journal_entry_is_not_another_of_the_same_pk(
    runner: asyncio.Runner, store: Store
) -> None:
    entry = JournalEntry(1, "s1", [1], ["1/a.fits"], token="t0a", made_by=["t0a"])
    other = replace(entry, token="t0b", made_by=["t0b"])
    await store.journal.insert(entry)
    assert await store.journal.take_over(other, "s2") is None
    assert not await store.journal.close(other)
    await store.journal.delete(other)
    assert await store.journal.all() == [entry]
    assert await store.journal.take_over(entry, "s2") == replace(entry, server="s2")


async def test_heartbeats_are_counted(runner: asyncio.Runner, store: Store) -> None:
    assert await store.servers.beat("s1", 1.5) == 1
    await asyncio.gather(*(store.servers.beat("s2", 1.5) for _ in range(20)))
    assert await store.servers.beat("s1", 2.5) == 2
    assert await store.servers.all() == {"s1": 2, "s2": 20}
    await store.servers.delete("s1")
    assert await store.servers.all() == {"s2": 20}


@pytest.mark.parametrize("key", ["a", "12", "1e5", "a" * 24, "2026-11-24", "é\xff", "x" * 5000])
async def test_an_idempotency_key_is_used_once(
    runner: asyncio.Runner, store: Store, key: str
) -> None:
    submission = Submission(key, "digest", 7, NOW)
    await store.submissions.insert(submission)
    with pytest.raises(AlreadyTaken):
        await store.submissions.insert(Submission(key, "other", 8, NOW))
    assert await store.submissions.get(key) == submission
    assert await store.submissions.get(f"{key} ") is None
    await store.submissions.delete(key)
    assert await store.submissions.get(key) is None


async def test_old_idempotency_keys_are_forgotten(runner: asyncio.Runner, store: Store) -> None:
    for number in range(6):
        await store.submissions.insert(Submission(f"key {number}", "d", number, NOW + number))
    assert await store.submissions.delete_older(NOW + 3) == 3
    found = [await store.submissions.get(f"key {number}") for number in range(6)]
    assert [submission is None for submission in found] == [True] * 3 + [False] * 3


async def test_opening_a_store_again_finds_everything(
    runner: asyncio.Runner, store: Store, database: Any
) -> None:
    await store.targets.insert(a_target(1))
    again = await Store.open(database)
    assert await again.targets.get(1) == a_target(1)
