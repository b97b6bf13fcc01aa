"""Tickets: each lets its holder open one websocket, soon. Only their hashes are stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from server.store.base import load
from server.store.driver.connection import Database


@dataclass(frozen=True)
class StoredTicket:
    """The digest of the token that a ticket stands for, None without any, and its end."""

    token: str | None
    expires: float


class Tickets:
    """All tickets that have not been used, or not been removed since they ended."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("tickets")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        await self._collection.ensure_index("expires")

    async def insert(self, secret: str, ticket: StoredTicket) -> None:
        """Store a new ticket."""
        await self._collection.insert({"_id": _id(secret), **vars(ticket)})

    async def take(self, secret: str) -> StoredTicket | None:
        """Remove a ticket and return it; of all who try, on any server, only one gets it."""
        document = await self._collection.get(_id(secret))
        if document is None or await self._collection.delete({"_id": _id(secret)}) != 1:
            return None
        return load(StoredTicket, document)

    async def delete_ended(self, now: float) -> int:
        """Delete the tickets that have ended and return how many there were."""
        return await self._collection.delete({"expires": {"$lt": now}})


def _id(secret: str) -> str:
    # The letter in front keeps a digest of digits only from looking like a number.
    return f"k{hashlib.sha256(secret.encode()).hexdigest()}"
