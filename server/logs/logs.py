"""The logs: lines are numbered and stored; readers fetch them by cursor.

A cursor is the number of the last line seen. Recently written or read entries stay in memory. Who
may write is left to `server.execution`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from operator import add
from typing import Any

from server.core.concurrency import retry_while_unavailable
from server.core.errors import AlreadyTaken, LeaseLost
from server.core.hub import Hub
from server.core.metrics import Metrics
from server.core.records import LEVELS
from server.core.turns import take_turn
from server.logs.cache import Slice, joined
from server.logs.entries import Line, encode_entries
from server.logs.known_log import KnownLog
from server.logs.known_logs import KnownLogs
from server.logs.searching.filter import count_levels
from server.logs.segments.sealed import NoFiles, NoSegments, SealedLogs
from server.store.processes.log_chunks import LogChunk, LogChunks, LogEnd

CHUNK_LINES = 2_000
CHUNK_CHARACTERS = 262_144
#: How much is joined for one read, and how much a chunk that is longer is cut to.
READ_BYTES = 131_072
LONGEST_READ_BYTES = 262_144 - 64  # a frame of 256 KiB, less what encloses the entries


class Logs:
    """All logs: segments, chunks, and what of these is in memory, up to `cache_bytes` of chunks.

    `alone` says that no other server uses the database.
    """

    def __init__(
        self,
        chunks: LogChunks,
        hub: Hub,
        cache_bytes: int,
        *,
        sealed: SealedLogs | None = None,
        alone: bool = True,
        metrics: Metrics | None = None,
    ) -> None:
        self._alone = alone
        self._metrics = metrics or Metrics()
        self._notified = False
        self._chunks = chunks
        self._hub = hub
        #: the part of each log that has become segments
        self.sealed = sealed or SealedLogs(NoSegments(), NoFiles(), 0)
        self._known = KnownLogs(cache_bytes)
        #: the logs that this server writes to, and in which attempt of their processes
        self._growing: dict[int, int] = {}
        self._loading: dict[tuple[int, int], asyncio.Future[list[Slice]]] = {}
        self._counting: dict[int, asyncio.Future[Sequence[int]]] = {}

    async def append(self, process: int, attempt: int, lines: Sequence[Line]) -> int:
        """Store lines after the last one, wake the readers, and return the new last line.

        Raise LeaseLost when another server has written to this log meanwhile; what was stored
        before that stays. Only the server that owns the process may call this.
        """
        log = await retry_while_unavailable(lambda: self._log(process))
        async with log.lock:
            log.start_writing()
            self._growing[process] = attempt
            for part in parts_of(lines):
                await self._store(process, log, attempt, part)
                self._hub.wake(("log", process))
        return log.last

    async def last_line(self, process: int) -> int:
        """Return the number of the last stored line."""
        log = await self._log(process)
        if not self._is_current(log):
            await log.refresh(self._end(process))
        return log.last

    async def levels(self, process: int) -> Sequence[int]:
        """Return how many lines there are of each level, in the order of `LEVELS`."""
        last = await self.last_line(process)
        log = await self._log(process)
        if log.levels is not None:
            return log.levels
        counting = self._counting.get(process)
        if counting is None:
            counting = asyncio.ensure_future(self._count(process, log, last))
            self._counting[process] = counting
            counting.add_done_callback(lambda done: self._end_counting(process, done))
        return await asyncio.shield(counting)

    async def size(self, process: int) -> int:
        """Return the size of all entries that the writer has stored, in bytes."""
        return (await self._log(process)).log_bytes

    async def extent(self, process: int) -> dict[str, Any]:
        """Return what its process's record says of a log that this server writes to.

        The size of the text is left out where it was not always counted.
        """
        extent: dict[str, Any] = {"log_lines": await self.last_line(process)}
        text_bytes = (await self._log(process)).text_bytes
        return extent if text_bytes is None else extent | {"log_bytes": text_bytes}

    def growing(self) -> dict[int, int]:
        """Return the logs that this server writes to, with the attempt that does."""
        return dict(self._growing)

    def set_notified(self, notified: bool) -> None:
        """Say whether `grown` is called for whatever other servers write.

        While it is not, the end of a log that another server may write to is always read again.
        """
        self._notified = notified

    def grown(self, process: int) -> None:
        """Note that another server has written to this log, and wake its readers."""
        log = self._known.get(process)
        if log is not None and log.written_here:
            return  # the notification is about this server's own lines
        if log is not None:
            log.outdate()
        self._hub.wake(("log", process))

    def forget_ends(self) -> None:
        """Note that other servers may have written to any log."""
        self._known.outdate()

    def last_known(self, process: int) -> int | None:
        """Return the last line that this server knows of, None for a log not in memory."""
        log = self._known.get(process)
        return None if log is None else log.last

    def text_bytes_known(self, process: int) -> int | None:
        """Return the size of the text of a log that this server writes to, else None."""
        log = self._known.get(process)
        return log.text_bytes if log is not None and log.written_here else None

    async def read(
        self, process: int, after: int, limit_bytes: int = READ_BYTES, *, stored: int = 0
    ) -> Slice | None:
        """Return the next entries after a cursor, about `limit_bytes` of them, None at the end.

        They have at most `LONGEST_READ_BYTES`, or are one entry.

        `stored` is the last line that the reader knows to be stored, from an ended record.
        """
        log = await self._log(process)
        log.reach(stored)
        if after >= log.last and not self._is_current(log):
            await log.refresh(self._end(process))
        if after >= log.last:
            return None
        found = log.slices.read(after, limit_bytes)
        if found is None:
            found = await self.sealed.read(process, after)
        if found is None:
            found = await self._read_chunks(process, log, after, limit_bytes)
        return None if found is None else found.within(LONGEST_READ_BYTES)

    def begin(self, process: int, *, new: bool) -> None:
        """Make this server the writer of a log from now on; a new one has no lines yet."""
        self.forget(process)  # another server may have written to it
        if new:
            self._known.add(process, KnownLog(0, levels=[0] * len(LEVELS))).start_writing()

    def release(self, process: int) -> None:
        """Note that this server is no longer the writer of a log."""
        self._growing.pop(process, None)
        log = self._known.get(process)
        if log is not None:
            log.stop_writing()

    def forget(self, process: int) -> None:
        """Drop a log from memory."""
        self._growing.pop(process, None)
        self._known.forget(process)
        self.sealed.forget(process)

    async def delete(self, process: int) -> None:
        """Delete a log."""
        self.forget(process)
        await self._chunks.delete(process)

    def _is_current(self, log: KnownLog) -> bool:
        """Tell whether the log cannot be longer than this server knows."""
        return self._alone or log.is_current(self._notified)

    async def _log(self, process: int) -> KnownLog:
        log = self._known.use(process)
        if log is None:
            log = self._known.add(process, KnownLog(*await self._end(process)))
        return log

    async def _end(self, process: int) -> LogEnd:
        """Return where the log ends: in its last chunk, or in a segment if all chunks are gone."""
        end = await self._chunks.end(process)
        if end.line:
            return end
        sealed = await self.sealed.now(process)
        return LogEnd(sealed.last, sealed.entry_bytes, sealed.text_bytes, list(sealed.counts))

    async def _count(self, process: int, log: KnownLog, last: int) -> Sequence[int]:
        """Count the lines of each level up to a line, on from where that has been done."""
        sealed = await self.sealed.now(process)
        cursor, counts = log.counted
        if counts is None or cursor < sealed.last:
            cursor, counts = sealed.last, sealed.counts
        while cursor < last and (part := await self.read(process, cursor)) is not None:
            part = part.upto(last)
            counts = [*map(add, counts, count_levels(part.entries))]
            cursor = part.last
            await take_turn()
        log.count(cursor, counts)
        return counts

    def _end_counting(self, process: int, counting: asyncio.Future[Sequence[int]]) -> None:
        del self._counting[process]
        if not counting.cancelled():
            counting.exception()  # for whoever waits, if anybody does

    async def _store(
        self, process: int, log: KnownLog, attempt: int, lines: Sequence[Line]
    ) -> None:
        first = log.last + 1
        entries = encode_entries(first, lines)
        size = log.log_bytes + len(entries)
        text = None if log.text_bytes is None else log.text_bytes + text_bytes_of(lines, entries)
        levels = None if log.levels is None else with_levels(log.levels, lines)
        count = len(lines)
        chunk = LogChunk(process, first, count, attempt, entries.decode(), size, text, levels)
        try:
            await retry_while_unavailable(lambda: self._chunks.insert(chunk))
        except AlreadyTaken:
            # Either this very chunk was stored although the answer was lost, or another server
            # has written: then the log is no longer this server's.
            if await retry_while_unavailable(lambda: self._chunks.get(process, first)) != chunk:
                log.move_end(*await retry_while_unavailable(lambda: self._end(process)))
                raise LeaseLost(process, attempt) from None
        self._metrics.lines_stored(count)
        log.move_end(chunk.last, size, text, levels)
        self._known.cache(process, log, Slice(first, chunk.last, entries))

    async def _read_chunks(
        self, process: int, log: KnownLog, after: int, limit_bytes: int
    ) -> Slice | None:
        """Read what is in chunks; when these are gone, what has become a segment meanwhile."""
        loaded = await self._load_once(process, log, after)
        if not loaded or loaded[0].first > after + 1:
            # Read on even if nothing is new: another reader may have come first.
            await self.sealed.refresh(process)
            sealed = await self.sealed.read(process, after)
            if sealed is not None:
                return sealed
        return joined(loaded, 0, after, limit_bytes) if loaded else None

    async def _load_once(self, process: int, log: KnownLog, after: int) -> list[Slice]:
        """Read once for all who ask for the same at the same time."""
        asked = (process, after)
        loading = self._loading.get(asked)
        if loading is None:
            loading = self._loading[asked] = asyncio.ensure_future(self._load(process, log, after))
            loading.add_done_callback(lambda _: self._loading.pop(asked, None))
        return await asyncio.shield(loading)

    async def _load(self, process: int, log: KnownLog, after: int) -> list[Slice]:
        """Read the chunks after a cursor and cache them."""
        chunks = await self._chunks.read(process, after + 1, log.slices.chunks)
        loaded = [Slice(chunk.first, chunk.last, chunk.entries.encode()) for chunk in chunks]
        log.slices.adapt(loaded)
        for part in loaded:
            log.reach(part.last)
            self._known.cache(process, log, part)
        return loaded


def with_levels(counts: Sequence[int], lines: Sequence[Line]) -> list[int]:
    """Return the counts with these lines added."""
    levels = [line.level for line in lines]
    return [count + levels.count(level) for count, level in zip(counts, LEVELS, strict=True)]


def parts_of(lines: Sequence[Line]) -> list[Sequence[Line]]:
    """Return the lines in parts that fit into one document each."""
    if 0 < len(lines) <= CHUNK_LINES and sum([len(line[2]) for line in lines]) <= CHUNK_CHARACTERS:
        return [lines]
    parts: list[Sequence[Line]] = []
    start = characters = 0
    for index, line in enumerate(lines):
        if index > start and (
            index - start >= CHUNK_LINES or characters + len(line.text) > CHUNK_CHARACTERS
        ):
            parts.append(lines[start:index])
            start, characters = index, 0
        characters += len(line.text)
    if start < len(lines):
        parts.append(lines[start:])
    return parts


def text_bytes_of(lines: Sequence[Line], entries: bytes) -> int:
    """Return the size of the lines' text in UTF-8, with the line ends that the log shows."""
    if entries.isascii():  # by far the most frequent case; JSON leaves other characters as they are
        size = sum([len(line[2]) for line in lines])
    else:
        size = sum([len(line[2].encode()) for line in lines])
    return size + sum([not line[3] for line in lines])
