"""The light curve of a target: from the measurements of runs and imports to pages of rows.

Rows are stored as JSON, so that showing them takes no decoding. Reading tables is left to
`runners.tables`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakValueDictionary

import msgspec
from msgspec import UNSET, UnsetType

from runners.pipeline.measurements import Measurement
from server.archive.transactions import FileTransactions
from server.archive.visibility import Visibility
from server.core.records import DataProduct, ProcessRecord
from server.store import Store
from server.store.archive.light_curves import LightCurveChunk

CHUNK_ROWS = 1_000
#: What two rows of the same measurement have in common.
Sameness = tuple[object, ...]
#: Chunks read at a time, and at most for one page: with many small series it may be short.
READ_CHUNKS = 8
PAGE_CHUNKS = 128

_encode = msgspec.json.Encoder().encode


class Row(msgspec.Struct):
    """One measurement as it is shown; `time` is a Modified Julian Date.

    A row has a magnitude or a `flux`, and a `process` or the `product` that it was imported from.
    For a `limit`, the target was fainter than that.
    """

    time: float
    magnitude: float | None
    error: float | None
    filter: str | None
    process: int | None
    product: int | UnsetType = UNSET
    flux: float | UnsetType = UNSET
    limit: bool | UnsetType = UNSET


class Curve(msgspec.Struct):
    """The light curve that was read from a table: a point is time, value, error, filter, limit."""

    quantity: Literal["magnitude", "flux"]
    points: list[tuple[float, float, float | None, str | None, bool]]
    left_out: list[dict[str, Any]]


class TableRead(msgspec.Struct):
    """What `runners.tables.summary` has found in a table."""

    lightcurve: Curve


@dataclass(frozen=True)
class Imported:
    """How many measurements were imported, and how many were in the light curve already."""

    new: int
    known: int


_decode = msgspec.json.Decoder(Row).decode


@dataclass(frozen=True)
class LightCurvePage:
    """Rows as JSON, newest first; `next` is the `before` of the following page, or None."""

    rows: list[bytes]
    next: int | None


class LightCurves:
    """All measurements that may be seen, of all targets."""

    def __init__(
        self, store: Store, transactions: FileTransactions, visibility: Visibility
    ) -> None:
        self._chunks = store.light_curves
        self._imports = store.imports
        self._counters = store.counters
        self._locks = store.locks
        self._transactions = transactions
        self._visibility = visibility
        self._importing: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def page(self, target: int, *, before: int | None = None, limit: int) -> LightCurvePage:
        """Return a page of a target's measurements; it may be short and still have a `next`."""
        rows: list[bytes] = []
        cursor, seen = before, 0
        while seen < PAGE_CHUNKS:
            chunks = await self._chunks.read(target, before=cursor, limit=READ_CHUNKS)
            visible = {chunk.first for chunk in await self._visibility.chunks(chunks)}
            for chunk in chunks:
                if chunk.first in visible:
                    texts = _rows_below(chunk, cursor)
                    room = limit - len(rows)
                    rows += texts[:room]
                    if len(texts) > room:
                        return LightCurvePage(rows, chunk.first + len(texts) - room)
                cursor = chunk.first
            seen += len(chunks)
            if len(chunks) < READ_CHUNKS:
                return LightCurvePage(rows, None)
        return LightCurvePage(rows, cursor)

    async def all(self, target: int) -> AsyncIterator[list[Row]]:
        """Iterate over all measurements of a target, newest first, some at a time."""
        cursor: int | None = None
        while True:
            page = await self.page(target, before=cursor, limit=CHUNK_ROWS)
            yield [_decode(row) for row in page.rows]
            if page.next is None:
                return
            cursor = page.next

    async def has_imports(self, target: int) -> bool:
        """Return whether rows of a target may be imported ones, limits or fluxes."""
        return await self._imports.exist(target)

    async def add(self, product: DataProduct, curve: Curve) -> Imported:
        """Add the measurements of a table to its target's light curve, without those it has.

        :raises NotFound: the product was deleted meanwhile.
        :raises NoRoom: the database is full.
        :raises LockLost: this server stood still, and another one may have imported meanwhile.
        """
        # One at a time, on all servers, as two would not see each other's measurements.
        async with (
            self._importing.setdefault(product.target, asyncio.Lock()),
            self._locks.held(f"import-{product.target}") as lock,
        ):
            rows = await asyncio.to_thread(_rows_of, curve, product.pk)
            await self._remove_known(product.target, rows)
            if new := list(rows.values()):
                first = await self._counters.next("measurement", len(new))
                chunks = await asyncio.to_thread(
                    chunks_of_rows, new, first, product.target, product.pk
                )
                await lock.renew()
                await self._transactions.add_measurements(product, chunks)
        return Imported(len(new), len(curve.points) - len(new))

    async def _remove_known(self, target: int, left: dict[Sameness, Row]) -> None:
        """Remove the rows that the light curve of a target has already."""
        cursor: int | None = None
        while left:
            page = await self.page(target, before=cursor, limit=CHUNK_ROWS)
            for row in page.rows:
                left.pop(_sameness(_decode(row)), None)
            if page.next is None:
                break
            cursor = page.next


def chunks_of(
    measurements: Sequence[Measurement], first: int, run: ProcessRecord
) -> list[LightCurveChunk]:
    """Return the chunks of a run's measurements, sorted by time and numbered from `first`."""
    rows = [
        Row(each.time, each.magnitude, each.error, each.filter, run.pk, limit=each.limit or UNSET)
        for each in measurements
    ]
    return chunks_of_rows(rows, first, run.target, process=run.pk)


def chunks_of_rows(
    rows: Sequence[Row],
    first: int,
    target: int,
    product: int | None = None,
    process: int | None = None,
) -> list[LightCurveChunk]:
    """Return the chunks of a series of rows, sorted by time and numbered from `first`."""
    ordered = sorted(rows, key=lambda row: row.time)
    chunks = []
    for start in range(0, len(ordered), CHUNK_ROWS):
        part = ordered[start : start + CHUNK_ROWS]
        chunks.append(
            LightCurveChunk(
                first=first + start,
                count=len(part),
                target=target,
                process=process,
                series=first,
                rows="\n".join(_encode(row).decode() for row in part),
                product=product,
            )
        )
    return chunks


def _rows_of(curve: Curve, product: int) -> dict[Sameness, Row]:
    """Return the rows that are imported from a product, each once."""
    flux = curve.quantity == "flux"
    rows = (
        Row(
            time=time,
            magnitude=None if flux else value,
            error=error,
            filter=name,
            process=None,
            product=product,
            flux=value if flux else UNSET,
            limit=limit or UNSET,
        )
        for time, value, error, name, limit in curve.points
    )
    return {_sameness(row): row for row in rows}


def _sameness(row: Row) -> Sameness:
    """Return what two rows of the same measurement have in common, whichever files they are in."""
    value = row.magnitude if row.magnitude is not None else row.flux
    rounded = value if value is UNSET else float(f"{value:.7g}")
    return round(row.time, 6), rounded, row.magnitude is None, row.filter, row.limit is True


def _rows_below(chunk: LightCurveChunk, number: int | None) -> list[bytes]:
    """Return the rows with lower numbers, newest first."""
    rows = chunk.rows.encode().split(b"\n")
    return (rows if number is None else rows[: number - chunk.first])[::-1]
