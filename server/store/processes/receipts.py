"""What runs were made of, one document for each attempt that has reported it.

What the facts are is left to the writer: here they are text.
"""

from __future__ import annotations

from server.store.driver.connection import Database

#: Room for the attempts of one process in the key.
_ATTEMPTS = 2**20


class Receipts:
    """The facts of all attempts."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("receipts")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        await self._collection.ensure_index("process")

    async def put(self, process: int, attempt: int, facts: str) -> None:
        """Store the facts of an attempt. May be repeated."""
        # The attempt is in the key too: one that was given up for lost cannot speak for the next.
        key = {"_id": _key(process, attempt), "process": process}
        await self._collection.replace(key | {"facts": facts}, upsert=True)

    async def get(self, process: int, attempt: int) -> str | None:
        """Return the facts of an attempt, None if it has not reported any."""
        document = await self._collection.get(_key(process, attempt))
        return None if document is None else str(document["facts"])

    async def delete(self, process: int) -> None:
        """Delete the facts of all attempts of a process."""
        await self._collection.delete({"process": process})


def _key(process: int, attempt: int) -> int:
    return process * _ATTEMPTS + attempt
