"""The lines of processes, in chunks that are appended and never changed.

What the entries contain is left to the writer: here they are text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from server.core.records import KEY_RANGE
from server.store.base import load
from server.store.driver.connection import Database

#: Room for the line numbers of one process in the key.
_DELETE_STEP = 500


@dataclass(frozen=True)
class LogChunk:
    """Consecutive lines of one process, numbered from `first`; `entries` is their JSON.

    `log_bytes` is the size of all entries of the log up to the end of this chunk, and `levels` how
    many lines there are of each level up to there: None in chunks of earlier versions.
    """

    process: int
    first: int
    count: int
    attempt: int
    entries: str
    log_bytes: int = 0
    levels: list[int] | None = None

    @property
    def last(self) -> int:
        """The number of the last line."""
        return self.first + self.count - 1


class LogEnd(NamedTuple):
    """Where a log ends: its last line, the size of all its entries, and its lines per level."""

    line: int
    log_bytes: int
    levels: list[int] | None = None


class LogChunks:
    """All chunks, by process and line."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("log_chunks")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        await self._collection.ensure_index("key", unique=True)

    async def insert(self, chunk: LogChunk) -> None:
        """Append a chunk. :raises AlreadyTaken: the process has one that begins at this line."""
        key = _key(chunk.process, chunk.first)
        # The embedded engine scans for a range on `_id`, so the same number is a field as well.
        await self._collection.insert({"_id": key, "key": key, **vars(chunk)})

    async def get(self, process: int, first: int) -> LogChunk | None:
        """Return the chunk that begins at exactly this line."""
        document = await self._collection.get(_key(process, first))
        return None if document is None else load(LogChunk, document)

    async def read(self, process: int, first_line: int, limit_chunks: int) -> list[LogChunk]:
        """Return chunks in order, from the one with `first_line` or else the first after it."""
        chunks, after = [], 0
        if first_line > 1:
            chunks, after = await self._holding(process, first_line), first_line + 1
        if room := limit_chunks - len(chunks):
            span = _range(process, after)
            found = await self._collection.find({"key": span}, sort=("key", 1), limit=room)
            chunks += [load(LogChunk, document) for document in found]
        return chunks

    async def last_line(self, process: int) -> int:
        """Return the number of the last line stored, 0 if there is none."""
        return (await self.end(process)).line

    async def end(self, process: int) -> LogEnd:
        """Return where the log ends, by its last chunk alone."""
        found = await self._collection.find(
            {"key": _range(process)},
            sort=("key", -1),
            limit=1,
            fields=("first", "count", "log_bytes", "levels"),
        )
        if not found:
            return LogEnd(0, 0)
        last = found[0]
        line = last["first"] + last["count"] - 1
        return LogEnd(line, last.get("log_bytes", 0), last.get("levels"))

    async def delete(self, process: int) -> None:
        """Delete all chunks of a process, in steps short enough not to hold others up."""
        while True:
            found = await self._collection.find(
                {"key": _range(process)}, sort=("key", 1), limit=_DELETE_STEP, fields=("key",)
            )
            if not found:
                return
            span = {"$gte": found[0]["key"], "$lte": found[-1]["key"]}
            await self._collection.delete({"key": span})

    async def _holding(self, process: int, line: int) -> list[LogChunk]:
        span = {"$gte": _key(process, 0), "$lte": _key(process, line)}
        found = await self._collection.find({"key": span}, sort=("key", -1), limit=1)
        chunks = [load(LogChunk, document) for document in found]
        return [chunk for chunk in chunks if chunk.last >= line]


def _key(process: int, line: int) -> int:
    return process * KEY_RANGE + line


def _range(process: int, line: int = 0) -> dict[str, Any]:
    return {"$gte": _key(process, line), "$lt": _key(process + 1, 0)}
