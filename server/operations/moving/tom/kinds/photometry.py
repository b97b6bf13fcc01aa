"""The measurements of an old site, which become points of light curves; other texts are named.

A series is what one product has given to one target, or what has come without a product.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from server.archive.light_curves import Row as CurveRow
from server.archive.light_curves import chunks_of_rows
from server.operations.moving.tom.database import Row
from server.operations.moving.tom.site import DATA
from server.operations.moving.tom.values import excerpt, julian, moment, point_of
from server.operations.moving.tom.work import Work
from server.store.archive.light_curves import Import, LightCurveChunk

#: Data that are stored in one go.
_AT_ONCE = 5_000
#: The product of measurements that have none.
NO_PRODUCT = 0


class _Datum(NamedTuple):
    pk: int
    target: int
    product: int
    row: CurveRow


class Progress(NamedTuple):
    """How far the data have been brought: the last PK, and how many are measurements.

    `begin` and `end` are the numbers of the measurements that are being stored behind that.
    """

    last: int = 0
    measurements: int = 0
    begin: int = 0
    end: int = 0


async def bring_photometry(work: Work) -> int:
    """Bring all data that are not here, and return how many measurements are."""
    store = work.here.store
    known = await store.old_sites.get(work.site.id)
    come = Progress(**known.through) if known else Progress()
    await _undo(work, come)
    total, done = work.site.count(DATA), 0
    waiting: list[_Datum] = []
    for rows in work.site.data():
        # All are read, so that what is no measurement is named each time.
        waiting += [each for each in await _measured(work, rows) if each.pk > come.last]
        if len(waiting) >= _AT_ONCE:
            come, waiting = await _store(work, come, waiting), []
        done += len(rows)
        work.progress("Measurements", done, total)
    if waiting:
        come = await _store(work, come, waiting)
    return come.measurements


async def _undo(work: Work, come: Progress) -> None:
    """Delete what an import has stored that was killed before it could note so."""
    if come.end > come.begin:
        store = work.here.store
        series = await store.light_curves.delete_numbered(come.begin, come.end)
        await store.imports.delete_many(series)


async def _store(work: Work, come: Progress, data: Sequence[_Datum]) -> Progress:
    """Store measurements; none are visible before the record of their series is there."""
    store = work.here.store
    first = await store.counters.next("measurement", len(data))
    begun = come._replace(begin=first, end=first + len(data))
    await store.old_sites.advance(work.site.id, begun._asdict())
    chunks = list(_chunks(data, first))
    await store.light_curves.insert_many(chunks)
    for imported in _imports(chunks):
        await store.imports.insert(imported)
    stored = Progress(data[-1].pk, come.measurements + len(data))
    await store.old_sites.advance(work.site.id, stored._asdict())
    work.report.written += len(data)
    return stored


def _chunks(data: Sequence[_Datum], first: int) -> Iterator[LightCurveChunk]:
    series: dict[tuple[int, int], list[CurveRow]] = defaultdict(list)
    for each in data:
        series[each.target, each.product].append(each.row)
    for (target, product), rows in series.items():
        yield from chunks_of_rows(rows, first, target, product=product)
        first += len(rows)


def _imports(chunks: Sequence[LightCurveChunk]) -> Iterator[Import]:
    counts: dict[int, int] = defaultdict(int)
    for chunk in chunks:
        counts[chunk.series] += chunk.count
    for chunk in chunks:
        if chunk.first == chunk.series:
            product = NO_PRODUCT if chunk.product is None else chunk.product
            yield Import(chunk.series, product, chunk.target, counts[chunk.series])


async def _measured(work: Work, rows: Sequence[Row]) -> list[_Datum]:
    """Return what was measured; the rest is named."""
    targets = await work.targets_here(row["target_id"] for row in rows)
    pks = work.known_pks("dataproduct", (row["data_product_id"] for row in rows))
    products = {each.pk: each.target for each in await work.here.store.products.get_many(pks)}
    return [each for row in rows if (each := _datum(work, row, targets, products)) is not None]


def _datum(work: Work, row: Row, targets: set[int], products: Mapping[int, int]) -> _Datum | None:
    target, point = work.pks.new("target", row["target_id"]), point_of(row["value"])
    time = moment(row["timestamp"])
    if target is None or target not in targets:
        work.report.lost.add(f"Datum {row['id']} has no target")
    elif point is None:
        work.report.lost.add(
            f"Datum {row['id']} of target {row['target_id']} is not a measurement but a text or "
            f"data of another kind: {excerpt(row['value']) or 'empty'}"
        )
    elif time is None:
        work.report.lost.add(f"Datum {row['id']} of target {row['target_id']} has no time")
    else:
        named = work.pks.new("dataproduct", row["data_product_id"])
        product = named if named is not None and products.get(named) == target else None
        curve = CurveRow(julian(time), point.magnitude, point.error, point.filter, process=None)
        if product is not None:
            curve.product = product
        if point.limit:
            curve.limit = True
        return _Datum(row["id"], target, product or NO_PRODUCT, curve)
    return None
