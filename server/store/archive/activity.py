"""When something was last done about each target, so that those come first.

In a collection of its own: a target's document does not change by what is done about it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from server.store.base import text_key
from server.store.driver.connection import Database


class Active(NamedTuple):
    """A target, and when something was last done about it, in Unix seconds."""

    time: float
    target: int


class Activity:
    """The last activity of all targets."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("activity")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        await self._collection.ensure_index("by_time")

    async def put(self, active: Active) -> None:
        """Store the last activity of a target in place of an earlier one. May be repeated."""
        document = {"_id": active.target, "time": active.time, "by_time": _key(active)}
        await self._collection.replace(document, upsert=True)

    async def newest(self, behind: Active | None, limit: int) -> list[Active]:
        """Return the targets about which something was done last, behind this one."""
        end = text_key(":") if behind is None else _key(behind)
        found = await self._collection.find(
            {"by_time": {"$gte": text_key(""), "$lt": end}}, sort=("by_time", -1), limit=limit
        )
        return [Active(each["time"], each["_id"]) for each in found]

    async def get_many(self, targets: Iterable[int]) -> list[Active]:
        """Return the last activity of these targets, without those of which none is known."""
        found = await self._collection.get_many(targets)
        return [Active(each["time"], each["_id"]) for each in found]

    async def delete(self, targets: Iterable[int]) -> None:
        """Forget targets; missing ones are fine."""
        await self._collection.delete_many(targets)


def _key(active: Active) -> str:
    """Return a text that sorts by time and then by PK."""
    return text_key(f"{max(0.0, active.time):018.6f}-{active.target:010d}")
