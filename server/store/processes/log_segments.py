"""The sealed stretches of logs: where the file of each is, and what is in it.

A segment is one compressed file in the file storage. Its index is left to the writer: here it is
text. Lines that no segment has are in `log_chunks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.core.records import KEY_RANGE
from server.store.base import load
from server.store.driver.collection import Document
from server.store.driver.connection import Database

#: Documents that are read at once: an index may have some kilobytes.
_BATCH = 200


@dataclass(frozen=True)
class LogSegment:
    """The lines `first` to `last` of a process, sealed in the file under the key `file`.

    `size` and `sha256` are those of the file, so that storage can check it. `text_bytes` is the
    size of the text of these lines, `log_bytes` that of all entries of the log up to their end.
    """

    process: int
    first: int
    last: int
    file: str
    size: int
    sha256: str
    text_bytes: int
    log_bytes: int
    index: str


class LogSegments:
    """All segments, by process and line. Those of one process follow each other without a gap."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("log_segments")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        await self._collection.ensure_index("key", unique=True)

    async def insert(self, segment: LogSegment) -> None:
        """Store a segment.

        :raises AlreadyTaken: the process has one that begins at this line.
        """
        key = _key(segment.process, segment.first)
        # The embedded engine scans for a range on `_id`, so the same number is a field as well.
        await self._collection.insert({"_id": key, "key": key, **vars(segment)})

    async def get(self, process: int, first: int) -> LogSegment | None:
        """Return the segment that begins at exactly this line."""
        document = await self._collection.get(_key(process, first))
        return None if document is None else load(LogSegment, document)

    async def read(self, process: int, line: int = 1) -> list[LogSegment]:
        """Return the segments in order, from the one with this line or else the first after it."""
        found = await self._between(_key(process, 0), _key(process, line), sort=-1, limit=1)
        segments = [segment for segment in found if segment.last >= line]
        after = _key(process, line)
        while found := await self._between(after, _key(process + 1, 0) - 1, sort=1, limit=_BATCH):
            segments += found
            after = _key(process, found[-1].first)
            if len(found) < _BATCH:
                break
        return segments

    async def last(self, process: int) -> LogSegment | None:
        """Return the segment with the highest lines, None without any."""
        found = await self._between(_key(process, 0), _key(process + 1, 0) - 1, sort=-1, limit=1)
        return found[0] if found else None

    async def stored_bytes(self, process: int) -> int:
        """Return the size of all files of a process."""
        documents = await self._collection.find({"key": _range(process)}, fields=("size",))
        return sum(document["size"] for document in documents)

    async def text_bytes(self, process: int) -> int:
        """Return the size of the text of all sealed lines of a process."""
        documents = await self._collection.find({"key": _range(process)}, fields=("text_bytes",))
        return sum(document["text_bytes"] for document in documents)

    async def files(self, process: int) -> list[str]:
        """Return the keys of all files of a process."""
        documents = await self._collection.find({"key": _range(process)}, fields=("file",))
        return [document["file"] for document in documents]

    async def delete(self, process: int) -> None:
        """Delete the segments of a process; their files are left to the caller."""
        await self._collection.delete({"key": _range(process)})

    async def _between(self, after: int, upto: int, sort: int, limit: int) -> list[LogSegment]:
        span = {"key": {"$gt": after, "$lte": upto}}
        found: list[Document] = await self._collection.find(span, sort=("key", sort), limit=limit)
        return [load(LogSegment, document) for document in found]


def _key(process: int, line: int) -> int:
    return process * KEY_RANGE + line


def _range(process: int) -> dict[str, Any]:
    return {"$gte": _key(process, 0), "$lt": _key(process + 1, 0)}
