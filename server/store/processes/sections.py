"""Where in its log each status of a process begins, so that a log can be read by sections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from server.core.records import KEY_RANGE
from server.store.driver.collection import Document
from server.store.driver.connection import Database

#: Room for the line numbers of one process in the key.
#: The most in one answer: a page cannot show more.
NEWEST = 1_000


class Section(NamedTuple):
    """A status, the number of the first line after it, and when it came, in Unix seconds."""

    line: int
    time: float
    status: str


class Sections:
    """All sections, by process and line; of two at one line the later counts."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("sections")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        await self._collection.ensure_index("key")

    async def put(self, process: int, sections: Sequence[Section]) -> None:
        """Store sections. May be repeated."""
        for section in sections:
            await self._collection.replace(_document(process, section), upsert=True)

    async def newest(self, process: int) -> list[Section]:
        """Return the newest sections of a process, in the order of their lines."""
        found = await self._collection.find({"key": _span(process)}, sort=("key", -1), limit=NEWEST)
        return [_section(document) for document in reversed(found)]

    async def delete(self, process: int) -> None:
        """Delete the sections of a process."""
        await self._collection.delete({"key": _span(process)})


def _document(process: int, section: Section) -> Document:
    # The embedded engine scans for a range on `_id`, so the same number is a field as well.
    key = process * KEY_RANGE + section.line
    return {"_id": key, "key": key, "time": section.time, "status": section.status}


def _section(document: Document) -> Section:
    return Section(document["key"] % KEY_RANGE, document["time"], document["status"])


def _span(process: int) -> dict[str, int]:
    return {"$gte": process * KEY_RANGE, "$lt": (process + 1) * KEY_RANGE}
