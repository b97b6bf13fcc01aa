"""What each server has changed, for the other servers on a database without change streams.

A server numbers its announcements without gaps, so that their readers know what they have missed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from server.store.base import text_key
from server.store.driver.connection import Database

_BATCH = 200


@dataclass(frozen=True)
class Announcement:
    """The `number`-th announcement of a server: the topics of what it has changed."""

    number: int
    topics: list[tuple[str, int]]


class Announcements:
    """All announcements that have not been pruned yet."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("announcements")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        await self._collection.ensure_index("key", unique=True)

    async def insert(self, server: str, number: int, topics: Iterable[tuple[str, int]]) -> None:
        """Store an announcement. :raises AlreadyTaken: the server has one of this number."""
        key = _key(server, number)
        kinds, pks = zip(*topics, strict=True)
        document = {"_id": key, "key": key, "number": number, "kinds": [*kinds], "pks": [*pks]}
        await self._collection.insert(document)

    async def last(self, server: str) -> int:
        """Return the number of a server's last announcement, 0 if it has none."""
        found = await self._collection.find(
            {"key": _range(server)}, sort=("key", -1), limit=1, fields=("number",)
        )
        return found[0]["number"] if found else 0

    async def after(self, server: str, number: int) -> list[Announcement]:
        """Return a server's announcements after a number, in order; not necessarily all."""
        span = _range(server, number + 1)
        found = await self._collection.find({"key": span}, sort=("key", 1), limit=_BATCH)
        return [
            Announcement(each["number"], list(zip(each["kinds"], each["pks"], strict=True)))
            for each in found
        ]

    async def prune(self, server: str, number: int) -> None:
        """Delete a server's announcements up to and including a number."""
        await self._collection.delete(
            {"key": {"$gte": _key(server, 0), "$lte": _key(server, number)}}
        )


def _key(server: str, number: int) -> str:
    return f"{text_key(server)}\x1f{number:015d}"


def _range(server: str, number: int = 0) -> dict[str, str]:
    return {"$gte": _key(server, number), "$lt": _key(server, 10**15 - 1)}
