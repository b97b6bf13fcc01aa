"""The heartbeats of all servers on this database: counters, as no two clocks are compared."""

from __future__ import annotations

from server.core.errors import AlreadyTaken
from server.store.driver.connection import Database


class Servers:
    """A counter for each server that runs, or ended without leaving."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("servers")

    async def ensure_indexes(self) -> None:
        """Make no index: there are few servers."""

    async def beat(self, server: str, now: float) -> int:
        """Add one heartbeat and return how many there are; `now` is there for people to read."""
        try:
            return await self._beat(server, now)
        except AlreadyTaken:  # another caller's upsert came first and inserted the document
            return await self._beat(server, now)

    async def all(self) -> dict[str, int]:
        """Return how many heartbeats each server has made."""
        return {found["_id"]: found["beats"] for found in await self._collection.find({})}

    async def delete(self, server: str) -> None:
        """Forget a server; a missing one is fine."""
        await self._collection.delete({"_id": server})

    async def _beat(self, server: str, now: float) -> int:
        document = await self._collection.change(
            {"_id": server}, set={"seen": now}, inc={"beats": 1}, upsert=True
        )
        assert document is not None, "an upsert always returns the document"
        beats: int = document["beats"]
        return beats
