"""Imports into light curves: each measurement once, all or none, and gone with their file."""

from __future__ import annotations

import asyncio

import pytest

from server.archive.light_curves import CHUNK_ROWS, Curve, Imported
from server.core.errors import DatabaseAway, NotFound
from tests.integration.archive.archive_bench import Bench, Faults, bench

__all__ = ["bench"]


async def test_what_is_imported_twice_or_from_two_files_is_there_once(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    first, second = await bench.upload(target.pk, "a.csv", "b.csv")
    assert not await bench.archive.light_curves.has_imports(target.pk)
    assert await bench.import_days(first, CHUNK_ROWS + 3) == Imported(CHUNK_ROWS + 3, 0)
    assert await bench.import_days(first, CHUNK_ROWS + 3) == Imported(0, CHUNK_ROWS + 3)
    assert await bench.import_days(second, CHUNK_ROWS + 5) == Imported(2, CHUNK_ROWS + 3)
    rows = (await bench.archive.light_curves.page(target.pk, limit=10_000)).rows
    assert len(set(rows)) == len(rows) == CHUNK_ROWS + 5
    assert await bench.archive.light_curves.has_imports(target.pk)
    await bench.check_consistent()


async def test_imports_at_the_same_time_do_not_double_points(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    products = await bench.upload(target.pk, "a.csv", "b.csv")
    found = await asyncio.gather(*(bench.import_days(product, 7) for product in products))
    assert sorted(each.new for each in found) == [0, 7]
    assert len((await bench.archive.light_curves.page(target.pk, limit=100)).rows) == 7


async def test_what_a_run_has_measured_is_not_imported_again(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    run = await bench.run(target.pk)
    published = await bench.archive.outputs.publish(run, [bench.measurements(run, 5)])
    await bench.end(run, [], None, published.series)
    await bench.archive.outputs.confirm(published)
    [product] = await bench.upload(target.pk, "a.csv")
    assert await bench.import_days(product, 6) == Imported(1, 5)


async def test_points_that_differ_in_filter_value_limit_or_kind_are_different(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    [product] = await bench.upload(target.pk, "a.csv")
    points = [
        (58000.0, 12.0, 0.1, "V", False),
        (58000.0, 12.0, 0.1, "B", False),
        (58000.0, 12.5, 0.1, "V", False),
        (58000.0, 12.0, None, "V", True),
        (58000.0, 12.0, 0.2, "V", False),  # the same as the first: its error was estimated anew
    ]
    magnitudes = Curve(quantity="magnitude", points=list(points), left_out=[])
    assert await bench.archive.light_curves.add(product, magnitudes) == Imported(4, 1)
    fluxes = Curve(quantity="flux", points=list(points[:1]), left_out=[])
    assert await bench.archive.light_curves.add(product, fluxes) == Imported(1, 0)
    rows = (await bench.archive.light_curves.page(target.pk, limit=100)).rows
    assert b'"magnitude":null,"error":0.1,"filter":"V","process":null' in rows[0]
    assert b'"flux":12.0' in rows[0]
    assert sum(b'"limit":true' in row for row in rows) == 1


async def test_what_was_imported_goes_with_its_file_and_its_target(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    first, second = await bench.upload(target.pk, "a.csv", "b.csv")
    await bench.import_days(first, 3)
    await bench.import_days(second, 5)
    await bench.archive.products.delete(first.pk)
    assert len((await bench.archive.light_curves.page(target.pk, limit=100)).rows) == 2
    await bench.archive.targets.delete(target.pk)
    assert await bench.store.light_curves.read(target.pk, limit=10) == []
    await bench.check_consistent()


async def test_an_import_of_a_file_that_is_deleted_leaves_nothing(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    [product] = await bench.upload(target.pk, "a.csv")
    await bench.archive.products.delete(product.pk)
    with pytest.raises(NotFound):
        await bench.import_days(product, 3)
    assert await bench.store.light_curves.read(target.pk, limit=10) == []
    await bench.check_consistent()


async def test_an_import_that_fails_leaves_nothing_and_can_be_repeated(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = await bench.target()
    [product] = await bench.upload(target.pk, "a.csv")
    faults, call = Faults(monkeypatch), 0
    while True:
        call += 1
        faults.at(call, after=True, for_good=False)
        try:
            await bench.import_days(product, 3)
        except DatabaseAway:
            faults.none()
            await bench.archive.rollback.resolve_leftovers()
            rows = (await bench.archive.light_curves.page(target.pk, limit=100)).rows
            assert len(rows) in (0, 3)
            await bench.check_consistent()
        else:
            break
    assert call > 3
    faults.none()
    assert len((await bench.archive.light_curves.page(target.pk, limit=100)).rows) == 3
