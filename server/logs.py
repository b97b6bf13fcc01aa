"""The logs: lines go in, get their numbers and are stored; readers take them out by cursor.

A cursor is the number of the last line seen. What was written or read lately stays in memory, up to
a limit for all logs together. Who may write is left to `attempt` and `ledger`.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from server.errors import AlreadyTaken, LeaseLost
from server.hub import Hub
from server.lines import SEPARATOR, Line, encode_entries, entries_text
from server.persistence import persistently
from server.store.log_chunks import LogChunk, LogChunks, LogEnd

CHUNK_LINES = 2_000
CHUNK_CHARACTERS = 262_144
SLICE_BYTES = 131_072
READ_CHUNKS = 32
KNOWN_LOGS = 10_000


class Slice(NamedTuple):
    """Consecutive entries, the inside of a JSON array: lines `first` to `last`."""

    first: int
    last: int
    entries: bytes

    def after(self, line: int) -> Slice:
        """The part behind a line."""
        if line < self.first:
            return self
        rest = self.entries.split(SEPARATOR, line - self.first + 1)[-1]
        return Slice(line + 1, self.last, rest)


class _Log:
    """What is in memory of one log: some of its slices, and its end as far as it is known."""

    def __init__(self, end: LogEnd) -> None:
        self.last, self.log_bytes = end
        self.written = False
        self.lock = asyncio.Lock()
        self.firsts: list[int] = []
        self.slices: list[Slice] = []

    def holding(self, line: int) -> int | None:
        """The index of the slice in memory that holds a line."""
        index = bisect_right(self.firsts, line) - 1
        if index >= 0 and self.slices[index].last >= line:
            return index
        return None

    def keep(self, new: Slice) -> int:
        """Keep a slice; how many bytes that adds."""
        index = bisect_right(self.firsts, new.first)
        if index and self.firsts[index - 1] == new.first:
            return 0
        self.firsts.insert(index, new.first)
        self.slices.insert(index, new)
        return len(new.entries)

    def forget_oldest(self) -> int:
        """Forget the slice of the lowest numbers; how many bytes that frees."""
        del self.firsts[0]
        return len(self.slices.pop(0).entries)


class Logs:
    """All logs of this server's database. `cache_bytes` bounds the entries kept in memory."""

    def __init__(self, chunks: LogChunks, hub: Hub, cache_bytes: int, alone: bool = True) -> None:
        # Alone on the database, or while we are the writer, what is not in memory is not there.
        self._alone = alone
        self._chunks = chunks
        self._hub = hub
        self._cache_bytes = cache_bytes
        self._used_bytes = 0
        self._logs: OrderedDict[int, _Log] = OrderedDict()

    async def append(self, process: int, attempt: int, lines: Sequence[Line]) -> int:
        """Store lines behind the last one, then wake the readers; the new last line.

        Raises LeaseLost when another server has written to this log meanwhile; what is stored by
        then stays. To be called by one writer, the server that owns the process.
        """
        log = await persistently(lambda: self._log(process))
        async with log.lock:
            log.written = True
            for part in _parts(lines):
                await self._store(process, log, attempt, part)
                self._hub.wake(("log", process))
        return log.last

    async def last_line(self, process: int) -> int:
        """The number of the last stored line."""
        log = await self._log(process)
        if not (self._alone or log.written):
            log.last = max(log.last, await self._chunks.last_line(process))
        return log.last

    async def size(self, process: int) -> int:
        """How long the entries are that the writer has stored, in bytes, all attempts together."""
        return (await self._log(process)).log_bytes

    def last_known(self, process: int) -> int | None:
        """The last line as far as it is known in memory."""
        log = self._logs.get(process)
        return None if log is None else log.last

    async def read(self, process: int, after: int, limit_bytes: int = SLICE_BYTES) -> Slice | None:
        """The next entries behind a cursor, about `limit_bytes` of them, or None at the end."""
        log = await self._log(process)
        if after >= log.last and (self._alone or log.written):
            return None
        found = log.holding(after + 1)
        if found is not None:
            return _joined(log.slices, found, after, limit_bytes)
        loaded = await self._load(process, log, after)
        return _joined(loaded, 0, after, limit_bytes) if loaded else None

    def release(self, process: int) -> None:
        """We are not the writer of this log any more."""
        if process in self._logs:
            self._logs[process].written = False

    def forget(self, process: int) -> None:
        """Drop a log from memory."""
        log = self._logs.pop(process, None)
        if log is not None:
            self._used_bytes -= sum(len(part.entries) for part in log.slices)

    async def delete(self, process: int) -> None:
        """Delete a log."""
        self.forget(process)
        await self._chunks.delete(process)

    async def _log(self, process: int) -> _Log:
        log = self._logs.get(process)
        if log is None:
            log = self._logs.setdefault(process, _Log(await self._chunks.end(process)))
            if len(self._logs) > KNOWN_LOGS:
                self.forget(next(iter(self._logs)))
        self._logs.move_to_end(process)
        return log

    async def _store(self, process: int, log: _Log, attempt: int, lines: Sequence[Line]) -> None:
        first = log.last + 1
        entries = encode_entries(first, lines)
        size = log.log_bytes + len(entries)
        chunk = LogChunk(process, first, len(lines), attempt, entries.decode(), size)
        try:
            await persistently(lambda: self._chunks.insert(chunk))
        except AlreadyTaken:
            # Either this very chunk was stored though we were told otherwise, or somebody else
            # wrote: then this log is not ours any more.
            if await persistently(lambda: self._chunks.get(process, first)) != chunk:
                log.last, log.log_bytes = await persistently(lambda: self._chunks.end(process))
                raise LeaseLost(process, attempt) from None
        log.last, log.log_bytes = first + len(lines) - 1, size
        self._keep(process, log, Slice(first, log.last, entries))

    async def _load(self, process: int, log: _Log, after: int) -> list[Slice]:
        """Read the chunks behind a cursor, and keep them."""
        chunks = await self._chunks.read(process, after + 1, READ_CHUNKS)
        loaded = [
            Slice(chunk.first, chunk.first + chunk.count - 1, chunk.entries.encode())
            for chunk in chunks
        ]
        for part in loaded:
            log.last = max(log.last, part.last)
            self._keep(process, log, part)
        return loaded

    def _keep(self, process: int, log: _Log, new: Slice) -> None:
        self._used_bytes += log.keep(new)
        if self._used_bytes > self._cache_bytes:
            self._evict(process)

    def _evict(self, busy: int) -> None:
        """Forget the oldest slices, of the logs that were not used for longest first."""
        for process, log in list(self._logs.items()):
            spare = 1 if process == busy else 0
            while self._used_bytes > self._cache_bytes and len(log.slices) > spare:
                self._used_bytes -= log.forget_oldest()
            if self._used_bytes <= self._cache_bytes:
                return


def _parts(lines: Sequence[Line]) -> list[Sequence[Line]]:
    """The lines in pieces that fit into one document each."""
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


def _joined(slices: list[Slice], index: int, after: int, limit_bytes: int) -> Slice:
    """The slices from an index on that follow each other, cut at the cursor, as one."""
    start = slices[index].after(after)
    parts, last, size = [start.entries], start.last, len(start.entries)
    for following in slices[index + 1 :]:
        if following.first != last + 1 or size + len(following.entries) > limit_bytes:
            break
        parts.append(following.entries)
        last, size = following.last, size + len(following.entries)
    return Slice(start.first, last, SEPARATOR.join(parts))


def text_of(part: Slice) -> str:
    """The text of a slice as `logs` shows it."""
    return entries_text(part.entries)
