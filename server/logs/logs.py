"""The logs: lines go in, get their numbers and are stored; readers take them out by cursor.

A cursor is the number of the last line seen. What was written or read lately stays in memory, up to
a limit for all logs together. Who may write is left to `attempt` and `repository`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from server.core.concurrency import retry_while_unavailable
from server.core.errors import AlreadyTaken, LeaseLost
from server.core.hub import Hub
from server.logs.cache import KnownLog, Slice, joined
from server.logs.entries import Line, encode_entries, entries_text
from server.store.processes.log_chunks import LogChunk, LogChunks

CHUNK_LINES = 2_000
CHUNK_CHARACTERS = 262_144
READ_BYTES = 131_072
KNOWN_LOGS = 10_000


class Logs:
    """All logs of this server's database. `cache_bytes` bounds the entries kept in memory."""

    def __init__(self, chunks: LogChunks, hub: Hub, cache_bytes: int, alone: bool = True) -> None:
        self._alone = alone
        #: whether we are told, by `grown`, of what other servers write
        self.watched = False
        self._chunks = chunks
        self._hub = hub
        self._cache_bytes = cache_bytes
        self._used_bytes = 0
        self._logs: OrderedDict[int, KnownLog] = OrderedDict()
        self._loading: dict[tuple[int, int], asyncio.Future[list[Slice]]] = {}

    async def append(self, process: int, attempt: int, lines: Sequence[Line]) -> int:
        """Store lines behind the last one, then wake the readers; the new last line.

        Raises LeaseLost when another server has written to this log meanwhile; what is stored by
        then stays. To be called by one writer, the server that owns the process.
        """
        log = await retry_while_unavailable(lambda: self._log(process))
        async with log.lock:
            log.written = True
            for part in _parts(lines):
                await self._store(process, log, attempt, part)
                self._hub.wake(("log", process))
        return log.last

    async def last_line(self, process: int) -> int:
        """The number of the last stored line."""
        log = await self._log(process)
        if not self._ends_in_memory(log):
            await self._look_for_end(process, log)
        return log.last

    async def size(self, process: int) -> int:
        """How long the entries are that the writer has stored, in bytes, all attempts together."""
        return (await self._log(process)).log_bytes

    def grown(self, process: int) -> None:
        """Another server has written to this log."""
        log = self._logs.get(process)
        if log is not None and log.written:
            return  # it was ourselves
        if log is not None:
            log.told += 1
        self._hub.wake(("log", process))

    def forget_ends(self) -> None:
        """Any log may have grown elsewhere."""
        for log in self._logs.values():
            log.told += 1

    def last_known(self, process: int) -> int | None:
        """The last line as far as it is known in memory."""
        log = self._logs.get(process)
        return None if log is None else log.last

    async def read(
        self, process: int, after: int, limit_bytes: int = READ_BYTES, stored: int = 0
    ) -> Slice | None:
        """The next entries behind a cursor, about `limit_bytes` of them, or None at the end.

        `stored` is the last line that the reader knows to be there, from a record that has ended.
        """
        log = await self._log(process)
        log.last = max(log.last, stored)
        if after >= log.last and not self._ends_in_memory(log):
            await self._look_for_end(process, log)
        if after >= log.last:
            return None
        found = log.read(after, limit_bytes)
        if found is not None:
            return found
        loaded = await self._load_once(process, log, after)
        return joined(loaded, 0, after, limit_bytes) if loaded else None

    def begin(self, process: int, new: bool) -> None:
        """We are the writer of this log from now on; a new one has no lines yet."""
        self.forget(process)  # another server may have written to it
        if new:
            self._add(process, KnownLog(0)).written = True

    def release(self, process: int) -> None:
        """We are not the writer of this log any more."""
        if process in self._logs:
            self._logs[process].written = False
            self._logs[process].told += 1

    def forget(self, process: int) -> None:
        """Drop a log from memory."""
        log = self._logs.pop(process, None)
        if log is not None:
            self._used_bytes -= log.size

    async def delete(self, process: int) -> None:
        """Delete a log."""
        self.forget(process)
        await self._chunks.delete(process)

    def _ends_in_memory(self, log: KnownLog) -> bool:
        """Whether what is not known in memory is not there."""
        return self._alone or log.written or (self.watched and not log.stale)

    async def _look_for_end(self, process: int, log: KnownLog) -> None:
        told = log.told  # it may be once more while we look
        log.last = max(log.last, await self._chunks.last_line(process))
        log.looked = max(log.looked, told)

    async def _log(self, process: int) -> KnownLog:
        log = self._logs.get(process)
        if log is None:
            log = self._add(process, KnownLog(*await self._chunks.end(process)))
        self._logs.move_to_end(process)
        return log

    def _add(self, process: int, log: KnownLog) -> KnownLog:
        log = self._logs.setdefault(process, log)
        if len(self._logs) > KNOWN_LOGS:
            self.forget(next(iter(self._logs)))
        return log

    async def _store(
        self, process: int, log: KnownLog, attempt: int, lines: Sequence[Line]
    ) -> None:
        first = log.last + 1
        entries = encode_entries(first, lines)
        size = log.log_bytes + len(entries)
        chunk = LogChunk(process, first, len(lines), attempt, entries.decode(), size)
        try:
            await retry_while_unavailable(lambda: self._chunks.insert(chunk))
        except AlreadyTaken:
            # Either this very chunk was stored though we were told otherwise, or somebody else
            # wrote: then this log is not ours any more.
            if await retry_while_unavailable(lambda: self._chunks.get(process, first)) != chunk:
                log.last, log.log_bytes = await retry_while_unavailable(
                    lambda: self._chunks.end(process)
                )
                raise LeaseLost(process, attempt) from None
        log.last, log.log_bytes = first + len(lines) - 1, size
        self._keep(process, log, Slice(first, log.last, entries))

    async def _load_once(self, process: int, log: KnownLog, after: int) -> list[Slice]:
        """Read for all who ask for the same at the same time."""
        asked = (process, after)
        loading = self._loading.get(asked)
        if loading is None:
            loading = self._loading[asked] = asyncio.ensure_future(self._load(process, log, after))
            loading.add_done_callback(lambda _: self._loading.pop(asked, None))
        return await asyncio.shield(loading)

    async def _load(self, process: int, log: KnownLog, after: int) -> list[Slice]:
        """Read the chunks behind a cursor, and keep them."""
        chunks = await self._chunks.read(process, after + 1, log.chunks)
        loaded = [Slice(chunk.first, chunk.last, chunk.entries.encode()) for chunk in chunks]
        log.loaded(loaded)
        for part in loaded:
            log.last = max(log.last, part.last)
            self._keep(process, log, part)
        return loaded

    def _keep(self, process: int, log: KnownLog, new: Slice) -> None:
        if self._logs.get(process) is not log:
            return  # forgotten while it was read
        before = log.size
        log.keep(new)
        self._used_bytes += log.size - before
        if self._used_bytes > self._cache_bytes:
            self._evict(log)

    def _evict(self, busy: KnownLog) -> None:
        """Forget the oldest slices: of a log that fills half the room by itself, so that reading
        it through leaves the others in memory, then of those that were not used for longest.
        """
        self._shrink(busy, self._cache_bytes // 2, 1)
        for log in list(self._logs.values()):
            if self._used_bytes <= self._cache_bytes:
                return
            self._shrink(log, 0, 1 if log is busy else 0)

    def _shrink(self, log: KnownLog, size: int, spare: int) -> None:
        while self._used_bytes > self._cache_bytes and log.size > size and len(log) > spare:
            self._used_bytes -= log.forget_oldest()


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


def text_of(entries: bytes) -> str:
    """The text of entries as `logs` shows it."""
    return entries_text(entries)
