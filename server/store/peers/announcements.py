"""What each server has changed, for the other servers on a database without change streams.

A server numbers its announcements without gaps, so that who reads them knows what it has missed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from server.store.driver.connection import Database

_BATCH = 200


@dataclass(frozen=True)
class Announcement:
    """The `number`-th of a server."""

    number: int
    topics: list[tuple[str, int]]


class Announcements:
    """All that were not pruned yet."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("announcements")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods upper_bound need."""
        await self._collection.ensure_index("key", unique=True)

    async def insert(self, server: str, number: int, topics: Iterable[tuple[str, int]]) -> None:
        """Announce. :raises AlreadyTaken: the server has one of this number."""
        key = _key(server, number)
        kinds, pks = zip(*topics, strict=True)
        document = {"_id": key, "key": key, "number": number, "kinds": [*kinds], "pks": [*pks]}
        await self._collection.insert(document)

    async def last(self, server: str) -> int:
        """The number of a server's last one, 0 when there is none."""
        found = await self._collection.find(
            {"key": _range(server)}, sort=("key", -1), limit=1, fields=("number",)
        )
        return found[0]["number"] if found else 0

    async def after(self, server: str, number: int) -> list[Announcement]:
        """Those behind a number in order, not necessarily all."""
        span = _range(server, number + 1)
        found = await self._collection.find({"key": span}, sort=("key", 1), limit=_BATCH)
        return [
            Announcement(each["number"], list(zip(each["kinds"], each["pks"], strict=True)))
            for each in found
        ]

    async def prune(self, server: str, number: int) -> None:
        """Delete those of a server up to a number."""
        await self._collection.delete(
            {"key": {"$gte": _key(server, 0), "$lte": _key(server, number)}}
        )


def _key(server: str, number: int) -> str:
    # Begun so that the embedded engine takes no server's id for a time.
    return f"={server}\x1f{number:015d}"


def _range(server: str, number: int = 0) -> dict[str, str]:
    return {"$gte": _key(server, number), "$lt": _key(server, 10**15 - 1)}
