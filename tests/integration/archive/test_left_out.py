"""Points of light curves: left out and taken in again, and where they come from."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import msgspec
import pytest

from server.archive.light_curves import CHUNK_ROWS, READ_CHUNKS, Row
from server.archive.outputs import OutputFile
from server.core.changes import LIGHT_CURVE
from server.core.errors import InvalidInput, NotFound
from server.core.records import ProcessRecord
from tests.integration.archive.archive_bench import Bench, bench

__all__ = ["bench"]

_names = itertools.count()


async def publish(bench: Bench, run: ProcessRecord, file: OutputFile) -> None:
    """End a run with these measurements."""
    published = await bench.archive.outputs.publish(run, [file])
    await bench.end(run, [], None, published.series)
    await bench.archive.outputs.confirm(published)


async def numbers(bench: Bench, target: int, *, left_out: bool) -> list[int]:
    """Return the numbers of the points that are left out, or of those that are not."""
    found: list[int] = []
    before: int | None = None
    while True:
        curves = bench.archive.light_curves
        page = await curves.page(target, before=before, limit=700, numbered=True)
        rows = [msgspec.json.decode(row, type=Row) for row in page.rows]
        found += [int(row.number) for row in rows if (row.left_out is True) is left_out]
        before = page.next
        if before is None:
            return found


async def test_points_of_any_chunk_are_left_out_and_taken_in_again(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    other = await bench.archive.targets.create("M 14")
    own = [2 * CHUNK_ROWS + 5] * (READ_CHUNKS // 2)
    many = sum(own)
    for owner, count in (*((target, each) for each in own), (other, 3), (target, 2)):
        run = await bench.run(owner.pk, f"run-{next(_names)}")
        await publish(bench, run, bench.measurements(run, count))
    everything = await numbers(bench, target.pk, left_out=False)
    assert len(set(everything)) == many + 2
    chosen = {everything[0], everything[2], everything[5000], everything[-1]}
    curves = bench.archive.light_curves
    assert await curves.leave_out(target.pk, chosen, True) == 4
    assert await curves.leave_out(target.pk, chosen | {everything[1]}, True) == 1
    assert set(await numbers(bench, target.pk, left_out=True)) == chosen | {everything[1]}
    kept = [row async for rows in curves.all(target.pk, left_out=False) for row in rows]
    assert len(kept) == many + 2 - 5
    assert await numbers(bench, other.pk, left_out=True) == []
    row = await curves.point(target.pk, everything[5000])
    assert (row.number, row.left_out) == (everything[5000], True)
    assert await curves.leave_out(target.pk, chosen | {everything[1]}, False) == 5
    assert await numbers(bench, target.pk, left_out=True) == []
    assert await bench.store.light_curves._left_out.find({}) == []


async def test_all_points_are_left_out_or_none(runner: asyncio.Runner, bench: Bench) -> None:
    target = await bench.target()
    other = await bench.archive.targets.create("M 14")
    for owner in (target, other):
        run = await bench.run(owner.pk, f"run-{owner.pk}")
        await publish(bench, run, bench.measurements(run, 3))
    [foreign, *_] = await numbers(bench, other.pk, left_out=False)
    hidden = await bench.run(target.pk, "unended")
    await bench.archive.outputs.publish(hidden, [bench.measurements(hidden, 3)])
    own = await numbers(bench, target.pk, left_out=False)
    for unknown in (foreign, max(own) + 1_000, foreign + 3, 2**40):
        with pytest.raises(InvalidInput, match=f"There is no point {unknown} in this"):
            await bench.archive.light_curves.leave_out(target.pk, {*own, unknown}, True)
        with pytest.raises(NotFound):
            await bench.archive.light_curves.point(target.pk, unknown)
    assert await numbers(bench, target.pk, left_out=True) == []


async def test_many_at_once_leave_out_their_points(runner: asyncio.Runner, bench: Bench) -> None:
    target = await bench.target()
    run = await bench.run(target.pk)
    await publish(bench, run, bench.measurements(run, 12))
    own = await numbers(bench, target.pk, left_out=False)
    archives = [bench.archive, bench.restarted()]
    changes = [
        archives[place % 2].light_curves.leave_out(target.pk, {number}, True)
        for place, number in enumerate(own)
    ]
    assert await asyncio.gather(*changes) == [1] * 12
    assert await numbers(bench, target.pk, left_out=True) == own


async def test_what_is_left_out_goes_with_its_series(runner: asyncio.Runner, bench: Bench) -> None:
    target = await bench.target()
    [product] = await bench.upload(target.pk, "days.csv")
    await bench.import_days(product, 4)
    run = await bench.run(target.pk)
    await publish(bench, run, bench.measurements(run, 2))
    own = await numbers(bench, target.pk, left_out=False)
    await bench.archive.light_curves.leave_out(target.pk, own, True)
    assert len(await bench.store.light_curves._left_out.find({})) == 2
    await bench.archive.products.delete(product.pk)
    assert await numbers(bench, target.pk, left_out=True) == own[:2]
    await bench.check_consistent()
    [record] = await bench.store.processes.get_many([run.pk])
    await bench.archive.transactions.remove_process(
        record, lambda each: bench.store.processes.delete(each.pk)
    )
    assert await bench.store.light_curves._left_out.find({}) == []


async def test_a_change_is_told_and_no_change_is_not(runner: asyncio.Runner, bench: Bench) -> None:
    told: list[Any] = []
    target = await bench.target()
    run = await bench.run(target.pk)
    await publish(bench, run, bench.measurements(run, 2))
    own = await numbers(bench, target.pk, left_out=False)
    curves = bench.archive.light_curves
    curves._tell = told.append
    await curves.leave_out(target.pk, own, True)
    await curves.leave_out(target.pk, own, True)
    assert told == [(LIGHT_CURVE, target.pk)]


START = 86_400.0 * (58_000 - 40_587)


async def measured(bench: Bench, target: int, table: str, products: list[int]) -> Row:
    """Return the point of a run that gave a table with one row."""
    run = await bench.run(target, f"run-{next(_names)}", products=products)
    [file] = bench.outputs(run, "light curve.csv")
    file.path.write_text(table)
    await publish(bench, run, OutputFile(file.path, file.name, "ReducedDatum"))
    [number, *_] = await numbers(bench, target, left_out=False)
    return await bench.archive.light_curves.point(target, number)


async def test_a_point_leads_to_the_frame_that_its_run_names(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    frames = await bench.upload(target.pk, "a.fits", "b.fits", "b.fits")
    pks = [frame.pk for frame in frames]
    table = "time,magnitude,file\n58000.5,12,/data/night 1/a.fits\n"
    row = await measured(bench, target.pk, table, pks)
    assert row.frame == pks[0]
    origin = await bench.archive.origins.of(row)
    assert (origin.frame and origin.frame.pk, origin.by, origin.reason) == (pks[0], "name", None)
    assert origin.process is not None
    assert origin.process.pk == row.process
    for name in ("b.fits", "c.fits", "../../etc/passwd", ""):  # one that two have, and none
        row = await measured(bench, target.pk, f"time,magnitude,file\n58001,12,{name}\n", pks)
        origin = await bench.archive.origins.of(row)
        assert (origin.frame, origin.by) == (None, None)
        assert (
            origin.reason == "The files that its run measured have no date, and the run names none."
        )
    row = await measured(bench, target.pk, table, pks[:1])
    await bench.archive.products.delete(pks[0])
    assert (await bench.archive.origins.of(row)).reason == (
        "The frame that it was measured on was deleted."
    )


async def test_a_point_leads_to_the_only_frame_that_was_exposed_then(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    frames = await bench.upload(target.pk, "a.fits", "b.fits", "c.fits")
    pks = [frame.pk for frame in frames]
    for pk, begin in zip(pks, (0, 60, 80), strict=True):
        facts = {"date": START + begin, "exposure": 30.0}
        await bench.store.products.set_metadata(pk, facts)
    cases = (
        (15, pks, pks[0], None),
        (60, pks, pks[1], None),
        (85, pks, None, "2 frames of its run were being exposed at that time."),
        (85, pks[:2], pks[1], None),
        (45, pks, None, "No frame of its run was being exposed at that time"),
        (15, [], None, "The files that its run measured were deleted."),
    )
    for seconds, inputs, expected, reason in cases:
        time = 58_000 + seconds / 86_400
        row = await measured(bench, target.pk, f"time,magnitude\n{time:.9f},12\n", inputs)
        origin = await bench.archive.origins.of(row)
        assert (origin.frame and origin.frame.pk, origin.by) == (
            (expected, "time") if expected else (None, None)
        )
        assert (origin.reason or "").startswith(reason or "")


async def test_an_imported_point_leads_to_its_table(runner: asyncio.Runner, bench: Bench) -> None:
    target = await bench.target()
    [product] = await bench.upload(target.pk, "days.csv")
    await bench.import_days(product, 1)
    [number] = await numbers(bench, target.pk, left_out=False)
    row = await bench.archive.light_curves.point(target.pk, number)
    origin = await bench.archive.origins.of(row)
    assert (origin.table and origin.table.pk, origin.process) == (product.pk, None)
    assert "imported from a table" in (origin.reason or "")
