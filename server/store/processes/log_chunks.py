"""The lines of processes, in chunks that are appended and never changed.

What the entries contain is left to the writer: here they are text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from server.core.records import KEY_RANGE
from server.store.base import load
from server.store.driver.connection import Database

#: Chunks that are deleted in one step: the first time, and at most. A step is to have some
#: megabytes: each chunk may have a quarter of one, or a line.
_FIRST_STEP, _LARGEST_STEP = 16, 512
_STEP_BYTES = 2**21


@dataclass(frozen=True)
class LogChunk:
    """Consecutive lines of one process, numbered from `first`; `entries` is their JSON.

    `log_bytes` is the size of all entries of the log up to the end of this chunk, `text_bytes` that
    of their text, and `levels` how many lines there are of each level up to there: None in chunks
    from before these were counted.
    """

    process: int
    first: int
    count: int
    attempt: int
    entries: str
    log_bytes: int = 0
    text_bytes: int | None = None
    levels: list[int] | None = None

    @property
    def last(self) -> int:
        """The number of the last line."""
        return self.first + self.count - 1


class LogEnd(NamedTuple):
    """Where a log ends: its last line, the size of its entries and its text, its lines per level.

    The latter are None where they are not known.
    """

    line: int
    log_bytes: int
    text_bytes: int | None = None
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

    async def insert_many(self, chunks: Sequence[LogChunk]) -> None:
        """Store chunks. :raises AlreadyTaken: there is one that begins at the same line."""
        keys = [_key(chunk.process, chunk.first) for chunk in chunks]
        await self._collection.insert_many(
            [
                {"_id": key, "key": key, **vars(chunk)}
                for key, chunk in zip(keys, chunks, strict=True)
            ]
        )

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

    async def next_process(self, after: int) -> int | None:
        """Return the next process behind this one that has chunks, if there is one."""
        found = await self._collection.find(
            {"key": {"$gte": _key(after + 1, 0)}}, sort=("key", 1), limit=1, fields=("process",)
        )
        return found[0]["process"] if found else None

    async def last_line(self, process: int) -> int:
        """Return the number of the last line stored, 0 if there is none."""
        return (await self.end(process)).line

    async def end(self, process: int) -> LogEnd:
        """Return where the log ends, by its last chunk alone."""
        found = await self._collection.find(
            {"key": _range(process)},
            sort=("key", -1),
            limit=1,
            fields=("first", "count", "log_bytes", "text_bytes", "levels"),
        )
        if not found:
            return LogEnd(0, 0, 0)
        last = found[0]
        line = last["first"] + last["count"] - 1
        return LogEnd(line, last.get("log_bytes", 0), last.get("text_bytes"), last.get("levels"))

    async def delete(
        self, process: int, *, upto: int | None = None, after: int = 0, attempt: int | None = None
    ) -> None:
        """Delete chunks of a process, in steps short enough not to hold others up.

        With `upto`, those that begin at most at this line; with `after`, those that begin behind
        that one; with `attempt`, those that this attempt has written.
        """
        low = _key(process, after) + 1
        high = _key(process + 1, 0) - 1 if upto is None else _key(process, upto)
        written = {} if attempt is None else {"attempt": attempt}
        step = _FIRST_STEP
        while True:
            found = await self._collection.find(
                {"key": {"$gte": low, "$lte": high}},
                sort=("key", 1),
                limit=step,
                fields=("key", "log_bytes"),
            )
            if not found:
                return
            span = {"$gte": low, "$lte": found[-1]["key"]}
            await self._collection.delete({"key": span} | written)
            low = found[-1]["key"] + 1
            size = found[-1].get("log_bytes", 0) - found[0].get("log_bytes", 0)
            step = _next_step(step, size)

    async def _holding(self, process: int, line: int) -> list[LogChunk]:
        span = {"$gte": _key(process, 0), "$lte": _key(process, line)}
        found = await self._collection.find({"key": span}, sort=("key", -1), limit=1)
        chunks = [load(LogChunk, document) for document in found]
        return [chunk for chunk in chunks if chunk.last >= line]


def _key(process: int, line: int) -> int:
    return process * KEY_RANGE + line


def _range(process: int, line: int = 0) -> dict[str, Any]:
    return {"$gte": _key(process, line), "$lt": _key(process + 1, 0)}


def _next_step(step: int, deleted_bytes: int) -> int:
    """Return how many chunks to delete next, by how much the last ones had."""
    if deleted_bytes > _STEP_BYTES:
        return max(_FIRST_STEP, step // 2)
    return min(_LARGEST_STEP, step * 2) if deleted_bytes < _STEP_BYTES // 4 else step
