"""Shares: what is known of each link to a process. The links themselves are not stored."""

from __future__ import annotations

from dataclasses import dataclass

from server.store.base import load
from server.store.driver.connection import Database


@dataclass(frozen=True)
class Share:
    """A link to a process: when it was made and by whom (a token's name, or None), and its end."""

    id: str
    process: int
    created: float
    expires: float
    by: str | None = None


class Shares:
    """All shares, by the ids that are in their links."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("shares")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        for field in ("process", "expires"):
            await self._collection.ensure_index(field)

    async def insert(self, share: Share) -> None:
        """Store a new share."""
        await self._collection.insert({"_id": _id(share.id), **vars(share)})

    async def get(self, id: str) -> Share | None:
        """Return a share, None when there is none with this id."""
        document = await self._collection.get(_id(id))
        return None if document is None else load(Share, document)

    async def of_process(self, process: int) -> list[Share]:
        """Return the shares of a process, the newest first."""
        found = await self._collection.find({"process": process})
        return sorted((load(Share, each) for each in found), key=lambda each: -each.created)

    async def delete(self, process: int) -> int:
        """Delete all shares of a process and return how many there were."""
        return await self._collection.delete({"process": process})

    async def delete_ended(self, now: float) -> int:
        """Delete the shares that have ended, of all processes, and return how many there were."""
        return await self._collection.delete({"expires": {"$lt": now}})


def _id(id: str) -> str:
    # The embedded engine would turn a text that looks like a number into one.
    return f"s{id}"
