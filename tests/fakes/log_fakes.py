"""Logs over a store kept in a dictionary, and what reads them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from server.core.errors import AlreadyTaken, NotFound
from server.core.hub import Hub
from server.core.records import ProcessRecord
from server.logs.cache import Slice
from server.logs.entries import Line
from server.logs.logs import Logs
from server.logs.reader import LogReader
from server.logs.segments.format import encode_segment
from server.logs.segments.sealed import SealedLogs
from server.store.processes.log_chunks import LogChunk, LogEnd
from tests.fakes import some_records

PK = 51


def a_process(pk: int = PK, **changes: Any) -> ProcessRecord:
    """Make a queued pipeline process of target 1, with an identifier and a time of its own."""
    own = {"created": float(pk), "identifier": f"dummy_m13_{pk}"}
    return some_records.a_process(pk, **(own | changes))


def lines(count: int, text: str = "line", level: str = "info", first: int = 1) -> list[Line]:
    """Make the lines `line 1`, `line 2` and so on."""
    return [Line(1.5, level, f"{text} {number}") for number in range(first, first + count)]


class FakeChunks:
    """The store of chunks; `reads` counts the queries."""

    def __init__(self) -> None:
        self.stored: dict[int, list[LogChunk]] = {}
        self.reads = 0
        self.fault: Exception | None = None

    async def insert(self, chunk: LogChunk) -> None:
        stored = self.stored.setdefault(chunk.process, [])
        if any(each.first == chunk.first for each in stored):
            raise AlreadyTaken("log_chunks")
        stored.append(chunk)
        await asyncio.sleep(0)

    async def get(self, process: int, first: int) -> LogChunk | None:
        return next((each for each in self.stored[process] if each.first == first), None)

    async def read(self, process: int, first_line: int, limit_chunks: int) -> list[LogChunk]:
        self.reads += 1
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        stored = self.stored.get(process, [])
        return [each for each in stored if each.last >= first_line][:limit_chunks]

    async def last_line(self, process: int) -> int:
        return (await self.end(process)).line

    async def end(self, process: int) -> LogEnd:
        self.reads += 1
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        stored = self.stored.get(process, [])
        if not stored:
            return LogEnd(0, 0, 0)
        return LogEnd(
            stored[-1].last, stored[-1].log_bytes, stored[-1].text_bytes, stored[-1].levels
        )

    async def delete(self, process: int) -> None:
        self.stored.pop(process, None)


@dataclass(frozen=True)
class FakeSegment:
    """A segment as the database has it."""

    file: str
    size: int
    sha256: str
    index: str
    first: int
    last: int


class FakeSegments:
    """The database of segments and the storage of their files; `bytes_read` counts the latter."""

    def __init__(self) -> None:
        self.stored: dict[int, list[FakeSegment]] = {}
        self.files: dict[str, bytes] = {}
        self.bytes_read = 0

    def add(self, process: int, slices: list[Slice]) -> None:
        """Seal these slices."""
        segment = encode_segment(slices)
        index = segment.index
        key = f"{process}/{index.first}"
        self.files[key] = segment.data
        self.stored.setdefault(process, []).append(
            FakeSegment(key, index.size, "", index.to_text(), index.first, index.last)
        )

    async def read(self, process: int, line: int = 1) -> list[FakeSegment]:
        await asyncio.sleep(0)
        return [each for each in self.stored.get(process, []) if each.last >= line]


class FakeFiles:
    """The files of some segments."""

    def __init__(self, segments: FakeSegments) -> None:
        self._segments = segments

    async def part(self, key: str, start: int, stop: int, *, expected: Any) -> bytes:
        await asyncio.sleep(0)
        if key not in self._segments.files:
            raise NotFound("file", key)
        assert len(self._segments.files[key]) == expected.size
        data = self._segments.files[key][start:stop]
        self._segments.bytes_read += len(data)
        return data


class FakeRepository:
    """Records in a dictionary; `show` wakes whoever waits, as the real one does."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.records: dict[int, ProcessRecord] = {}

    async def get(self, pk: int) -> ProcessRecord:
        if pk not in self.records:
            raise NotFound("process", pk)
        return self.records[pk]

    def accept(self, record: ProcessRecord) -> None:
        self.records[record.pk] = record
        self.hub.wake(("process", record.pk))

    def delete(self, pk: int) -> None:
        del self.records[pk]
        self.hub.wake(("process", pk))


class Reading:
    """Everything needed to read a log."""

    def __init__(self, cache_bytes: int = 2**20, alone: bool = True) -> None:
        self.hub = Hub()
        self.chunks = FakeChunks()
        self.repository = FakeRepository(self.hub)
        self.segments = FakeSegments()
        sealed = SealedLogs(self.segments, FakeFiles(self.segments), cache_bytes)
        self.logs = Logs(cast(Any, self.chunks), self.hub, cache_bytes, sealed=sealed, alone=alone)
        self.reader = LogReader(self.logs, None)
        self.repository.accept(a_process())

    async def write(self, count: int, process: int = PK, **how: Any) -> None:
        """Append lines, numbered on from the last one."""
        first = await self.logs.last_line(process) + 1
        await self.logs.append(process, 1, lines(count, first=first, **how))

    def seal(self, upto: int, process: int = PK, *, drop: bool = True) -> None:
        """Make a segment of the chunks up to a line, and delete them unless told otherwise."""
        before = max((each.last for each in self.segments.stored.get(process, [])), default=0)
        stored = self.chunks.stored[process]
        chosen = [chunk for chunk in stored if before < chunk.first and chunk.last <= upto]
        if chosen:
            slices = [Slice(each.first, each.last, each.entries.encode()) for each in chosen]
            self.segments.add(process, slices)
        if drop:
            stored[:] = [chunk for chunk in stored if chunk.last > upto]
