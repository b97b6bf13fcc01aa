"""The measurements of targets, in chunks that never change and are deleted a series at a time.

What the rows contain is left to the writer: here they are text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from server.core.records import KEY_RANGE
from server.store.base import load, upper_bound
from server.store.driver.connection import Database


@dataclass(frozen=True)
class LightCurveChunk:
    """Consecutive measurements of a target, numbered from `first`; a line of JSON for each.

    `series` is the number of the first measurement that the same attempt of a process made, or the
    same import of a table: then there is no `process`.
    """

    first: int
    count: int
    target: int
    process: int | None
    series: int
    rows: str
    #: the data product that it was imported from
    product: int | None = None


@dataclass(frozen=True)
class Import:
    """A series that was imported from a data product. What has no such record is not visible.

    Without a product, as from an old site, that is 0.
    """

    series: int
    product: int
    target: int
    count: int


class LightCurves:
    """All chunks, by target and number."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("light_curves")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        for field in ("by_target", "series"):
            await self._collection.ensure_index(field)

    async def insert_many(self, chunks: Sequence[LightCurveChunk]) -> None:
        """Store new chunks. :raises AlreadyTaken: one of the numbers exists."""
        await self._collection.insert_many(
            [
                {
                    "_id": chunk.first,
                    "by_target": chunk.target * KEY_RANGE + chunk.first,
                    **vars(chunk),
                }
                for chunk in chunks
            ]
        )

    async def read(
        self, target: int, *, before: int | None = None, limit: int
    ) -> list[LightCurveChunk]:
        """Return the newest chunks of a target that begin before a number, at most `limit`."""
        start = target * KEY_RANGE
        found = await self._collection.find(
            {"by_target": {"$gt": start, "$lt": start + upper_bound(before)}},
            sort=("by_target", -1),
            limit=limit,
        )
        return [load(LightCurveChunk, document) for document in found]

    async def delete_numbered(self, first: int, end: int) -> list[int]:
        """Delete the series that begin in a range of numbers, and return which there were."""
        span = {"series": {"$gte": first, "$lt": end}}
        found = await self._collection.find(span, fields=("series",))
        await self._collection.delete(span)
        return sorted({each["series"] for each in found})

    async def delete(self, series: int, process: int | None) -> None:
        """Delete a series that a process has made; a missing one is fine."""
        await self._collection.delete({"series": series, "process": process})

    async def delete_import(self, series: int, product: int) -> None:
        """Delete a series that was imported from a product; a missing one is fine."""
        await self._collection.delete({"series": series, "process": None, "product": product})


class Imports:
    """What was imported into light curves, by series."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("light_curve_imports")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        for field in ("product", "target"):
            await self._collection.ensure_index(field)

    async def insert(self, imported: Import) -> None:
        """Store a new record. :raises AlreadyTaken: its series is known."""
        await self._collection.insert({"_id": imported.series, **vars(imported)})

    async def get_many(self, series: Iterable[int]) -> list[Import]:
        """Return the records of these series, without missing ones."""
        return [load(Import, found) for found in await self._collection.get_many(series)]

    async def of_products(self, products: Iterable[int]) -> list[Import]:
        """Return what was imported from these data products."""
        wanted = list(products)
        found = await self._collection.find({"product": {"$in": wanted}}) if wanted else []
        return [load(Import, document) for document in found]

    async def of_target(self, target: int) -> list[Import]:
        """Return what was imported into the light curve of a target."""
        return [load(Import, found) for found in await self._collection.find({"target": target})]

    async def delete_many(self, series: Iterable[int]) -> None:
        """Delete the records of series, of whatever product; missing ones are fine."""
        await self._collection.delete_many(series)

    async def exist(self, target: int) -> bool:
        """Return whether anything was imported into the light curve of a target."""
        return bool(await self._collection.find({"target": target}, limit=1, fields=("series",)))

    async def delete(self, series: int, product: int) -> None:
        """Delete the record of a series of a product; a missing one is fine."""
        await self._collection.delete({"_id": series, "product": product})
