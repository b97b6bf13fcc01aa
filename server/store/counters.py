"""Where PKs come from: one counter per kind of document, never going back."""

from __future__ import annotations

from server.store.driver.connection import Database


class Counters:
    """One atomic counter for each kind of document."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("counters")

    async def ensure_indexes(self) -> None:
        """Make no index: counters are found by `_id`."""

    async def next(self, kind: str, count: int = 1) -> int:
        """Reserve `count` consecutive PKs and return the first of them."""
        return await self._collection.add_to(kind, "last", count) - count + 1

    async def last(self, kind: str) -> int:
        """Return the PK that was reserved last, 0 before the first."""
        counter = await self._collection.get(kind)
        return 0 if counter is None else int(counter["last"])

    async def raise_to(self, kind: str, last: int) -> None:
        """Let the next PKs be larger than `last`."""
        if await self.last(kind) < last:
            await self.next(kind, 0)
            await self._collection.change({"_id": kind, "last": {"$lt": last}}, set={"last": last})
