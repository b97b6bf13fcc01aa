"""PKs that a database hands out twice: nobody deletes what another has stored under them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from server.core.errors import HeliographError
from server.store.archive.journal import JournalEntry
from tests.integration.archive.archive_bench import Bench, bench

__all__ = ["bench"]

FIRST = "content of a.fits"


async def again(bench: Bench, kind: str) -> None:
    """Let the next PK of this kind be the last one once more."""
    await bench.store.counters._collection.change({"_id": kind}, inc={"last": -1})


@pytest.mark.parametrize("name", ["a.fits", "b.fits"])
async def test_an_upload_with_a_taken_pk_leaves_the_first_alone(
    runner: asyncio.Runner, bench: Bench, name: str
) -> None:
    target = (await bench.target()).pk
    [first] = await bench.upload(target, "a.fits")
    await again(bench, "dataproduct")
    [second] = await bench.upload(target, name)
    assert second.pk != first.pk
    assert await bench.content(second) == f"content of {name}".encode()
    assert await bench.archive.products.get(first.pk) == first
    assert await bench.content(first) == FIRST.encode()
    await bench.check_consistent()


@pytest.mark.parametrize("kind", ["journal", "group", "dataproduct"])
async def test_a_publication_with_a_taken_pk_leaves_the_first_alone(
    runner: asyncio.Runner, bench: Bench, kind: str
) -> None:
    target = (await bench.target()).pk
    runs = [await bench.run(target, name) for name in ("one", "two")]
    first = await bench.archive.outputs.publish(runs[0], bench.outputs(runs[0], "a.txt"))
    await again(bench, kind)
    second = await bench.archive.outputs.publish(runs[1], bench.outputs(runs[1], "b.txt"))
    assert set(second.products).isdisjoint(first.products)
    assert second.group != first.group
    await bench.end(runs[0], first.products, first.group)
    await bench.end(runs[1], second.products, second.group)
    stored = await bench.store.journal.all()
    assert sorted(stored, key=lambda each: each.pk) == [first.entry, second.entry]
    assert first.group is not None
    assert (await bench.store.groups.get(first.group)).products == first.products
    [product] = await bench.archive.products.get_many(first.products)
    assert await bench.content(product) == b"content of a.txt"
    assert await bench.store.groups.containing(first.products) == {product.pk: [first.group]}
    await bench.archive.outputs.confirm(first)
    await bench.archive.outputs.confirm(second)
    await bench.check_consistent()


async def test_measurements_with_taken_numbers_leave_the_first_alone(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = (await bench.target()).pk
    runs = [await bench.run(target, name) for name in ("one", "two")]
    first = await bench.archive.outputs.publish(runs[0], [bench.measurements(runs[0], 3)])
    await bench.store.counters._collection.change({"_id": "measurement"}, inc={"last": -3})
    with pytest.raises(HeliographError):
        await bench.archive.outputs.publish(runs[1], [bench.measurements(runs[1], 3)])
    await bench.end(runs[0], [], None, first.series)
    page = await bench.archive.light_curves.page(target, before=None, limit=10)
    assert len(page.rows) == 3


async def left_by_a_killed_server(bench: Bench, entry: JournalEntry) -> None:
    await bench.store.journal.insert(replace(entry, token="t0b", made_by=["t0b"]))
    await bench.restarted().rollback.resolve_own()


async def test_an_upload_that_a_kill_cut_short_leaves_the_first_alone(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = (await bench.target()).pk
    [first] = await bench.upload(target, "a.fits")
    server = bench.folder.server_id
    entry = JournalEntry(99, server, [first.pk], [first.key], process=7, attempt=1)
    await left_by_a_killed_server(bench, entry)
    assert await bench.store.journal.all() == []
    assert await bench.content(await bench.archive.products.get(first.pk)) == FIRST.encode()


async def test_a_file_whose_record_is_not_there_yet_is_kept(
    runner: asyncio.Runner, bench: Bench
) -> None:
    """Another server has stored its file and is about to store the record."""
    target = (await bench.target()).pk
    [first] = await bench.upload(target, "a.fits")
    await bench.store.products.delete(first.pk)
    held = JournalEntry(
        98, "another", [first.pk], [first.key], token=first.token, made_by=[first.token]
    )
    await bench.store.journal.insert(held)
    server = bench.folder.server_id
    await left_by_a_killed_server(bench, JournalEntry(99, server, [first.pk], [first.key]))
    assert await bench.store.journal.all() == [held]
    assert bench.stored() == [first.key]


async def test_two_deletions_of_one_product_do_not_wait_for_each_other(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = (await bench.target()).pk
    [first] = await bench.upload(target, "a.fits")
    outcomes = await asyncio.gather(
        *(bench.archive.products.delete(first.pk) for _ in range(5)), return_exceptions=True
    )
    assert None in outcomes
    assert bench.stored() == []
    assert await bench.store.journal.all() == []


async def test_what_was_stored_before_there_were_tokens_is_deleted(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = (await bench.target()).pk
    [first, second] = await bench.upload(target, "a.fits", "b.fits")
    for product in (first, second):
        await bench.store.products._collection.change({"_id": product.pk}, unset=("token",))
    await bench.archive.products.delete(first.pk)
    old = JournalEntry(99, bench.folder.server_id, [second.pk], [second.key], process=7)
    document = {
        name: value for name, value in vars(old).items() if name not in ("token", "made_by")
    }
    await bench.store.journal._collection.insert({"_id": old.pk, **document})
    await bench.restarted().rollback.resolve_own()
    assert bench.stored() == []
    assert await bench.documents() == []
    assert await bench.store.journal.all() == []
