"""What runs were made of, one document for each attempt that told.

What the facts are is the writer's business: here they are one ready text.
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
        """Make the indexes that the methods upper_bound need."""
        await self._collection.ensure_index("process")

    async def put(self, process: int, attempt: int, facts: str) -> None:
        """Keep the facts of an attempt. May be repeated."""
        # In the key too: an attempt that was given up for lost cannot speak for the next one.
        key = {"_id": _key(process, attempt), "process": process}
        await self._collection.replace(key | {"facts": facts}, upsert=True)

    async def get(self, process: int, attempt: int) -> str | None:
        """The facts of an attempt, None if it did not tell any."""
        document = await self._collection.get(_key(process, attempt))
        return None if document is None else str(document["facts"])

    async def delete(self, process: int) -> None:
        """Forget all attempts of a process."""
        await self._collection.delete({"process": process})


def _key(process: int, attempt: int) -> int:
    return process * _ATTEMPTS + attempt
