"""Where PKs come from: one counter per kind of document, never going back."""

from __future__ import annotations

from server.core.errors import AlreadyTaken
from server.store.driver.connection import Database


class Counters:
    """One atomic counter for each kind of document."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("counters")

    async def ensure_indexes(self) -> None:
        """Make no index: counters are found by `_id`."""

    async def next(self, kind: str, count: int = 1) -> int:
        """Reserve `count` consecutive PKs and return the first of them."""
        try:
            counter = await self._add(kind, count)
        except AlreadyTaken:  # another caller's upsert came first and inserted the counter
            counter = await self._add(kind, count)
        return counter - count + 1

    async def _add(self, kind: str, count: int) -> int:
        counter = await self._collection.change({"_id": kind}, inc={"last": count}, upsert=True)
        assert counter is not None, "an upsert always returns the document"
        last: int = counter["last"]
        return last
