"""The measurements of targets, in immutable chunks that are stored once and deleted together.

What the rows hold is the writer's business: here they are ready text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.store.base import PK_RANGE, upper_bound
from server.store.driver.collection import Document
from server.store.driver.connection import Database


@dataclass(frozen=True)
class LightCurveChunk:
    """Consecutive measurements of a target, numbered from `first`; `rows` has one JSON a line.

    `series` is the number of the first one that the same attempt of a process gave.
    """

    first: int
    count: int
    target: int
    process: int
    series: int
    rows: str


class LightCurves:
    """All chunks, by target and number."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("light_curves")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods upper_bound need."""
        for field in ("by_target", "series"):
            await self._collection.ensure_index(field)

    async def insert_many(self, chunks: Sequence[LightCurveChunk]) -> None:
        """Store new chunks. :raises AlreadyTaken: one of the numbers exists."""
        await self._collection.insert_many(
            [
                {
                    "_id": chunk.first,
                    "by_target": chunk.target * PK_RANGE + chunk.first,
                    **vars(chunk),
                }
                for chunk in chunks
            ]
        )

    async def read(
        self, target: int, *, before: int | None = None, limit: int
    ) -> list[LightCurveChunk]:
        """Return the newest chunks of a target that begin before a number, at most `limit`."""
        start = target * PK_RANGE
        found = await self._collection.find(
            {"by_target": {"$gt": start, "$lt": start + upper_bound(before)}},
            sort=("by_target", -1),
            limit=limit,
        )
        return [_chunk(document) for document in found]

    async def delete(self, series: int) -> None:
        """Delete a series; a missing one is fine."""
        await self._collection.delete({"series": series})


def _chunk(document: Document) -> LightCurveChunk:
    return LightCurveChunk(
        **{name: document[name] for name in LightCurveChunk.__dataclass_fields__}
    )
