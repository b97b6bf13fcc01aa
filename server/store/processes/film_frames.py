"""What is known of the frames of films, in documents of a bounded number of frames each.

What the facts are is left to the writer: here they are text.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from server.core.records import KEY_RANGE
from server.store.driver.connection import Database

#: Room for the documents of one attempt in the key, and so for the attempts of a process.
_CHUNKS = 2**12
_ATTEMPTS = KEY_RANGE // _CHUNKS
#: How many documents are deleted, or read, at a time.
_STEP = 100


class FramesChunk(NamedTuple):
    """Consecutive frames: JSON objects with commas between them, in the film and left out of it."""

    frames: str
    left_out: str


class FilmFrames:
    """The frames of all films, by process, attempt and place."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("film_frames")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        await self._collection.ensure_index("key")

    async def put(self, process: int, attempt: int, number: int, chunk: FramesChunk) -> None:
        """Store the chunk with this number, from 0, in place of what it was. May be repeated."""
        # The attempt is in the key too: one that was given up for lost cannot speak for the next.
        key = _key(process, attempt, number)
        # The embedded engine scans for a range on `_id`, so the same number is a field as well.
        document = {"_id": key, "key": key, "process": process, **chunk._asdict()}
        await self._collection.replace(document, upsert=True)

    async def read(self, process: int, attempt: int) -> list[FramesChunk]:
        """Return the chunks of an attempt in order."""
        chunks: list[FramesChunk] = []
        low = _key(process, attempt, 0)
        high = low + _CHUNKS
        while True:
            span = {"key": {"$gte": low, "$lt": high}}
            found = await self._collection.find(span, sort=("key", 1), limit=_STEP)
            chunks += [FramesChunk(each["frames"], each["left_out"]) for each in found]
            if len(found) < _STEP:
                return chunks
            low = found[-1]["key"] + 1

    async def delete(self, process: int) -> None:
        """Delete the frames of all attempts of a process, in short steps."""
        span: dict[str, Any] = {"$gte": process * KEY_RANGE, "$lt": (process + 1) * KEY_RANGE}
        while True:
            found = await self._collection.find(
                {"key": span}, sort=("key", 1), limit=_STEP, fields=("key",)
            )
            if not found:
                return
            step = {"$gte": found[0]["key"], "$lte": found[-1]["key"]}
            await self._collection.delete({"key": step})


def _key(process: int, attempt: int, number: int) -> int:
    # Attempts come around only after a million: such an old one has no server any more.
    return process * KEY_RANGE + attempt % _ATTEMPTS * _CHUNKS + number
