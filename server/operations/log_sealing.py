"""Seals logs in the background: ended ones soon after their end, long ones as they grow.

A sealed stretch is one compressed file in the file storage. `server.archive.rollback` describes how
it is brought there, so that no line is lost or doubled whenever the server ends;
`server.logs.segments`, what is in the file.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from server.archive.rollback import Rollback
from server.archive.storage import FileStorage, in_thread
from server.core.concurrency import finish_even_if_cancelled
from server.core.errors import DatabaseAway, NoRoom, StorageAway
from server.core.metrics import Metrics
from server.core.records import ProcessRecord
from server.logs.cache import Slice
from server.logs.entries import entries_text
from server.logs.logs import Logs
from server.logs.segments.format import SEGMENT_BYTES, SEGMENT_LINES, encode_segment
from server.store import Store
from server.store.archive.journal import JournalEntry
from server.store.processes.index import LINE_BYTES, SEALED_BYTES
from server.store.processes.log_segments import LogSegment

log = logging.getLogger(__name__)

#: The pauses between two rounds: the usual one, and those after failures that follow each other.
PAUSE_SECONDS = (2.0, 4.0, 8.0, 16.0, 30.0)
#: The bytes of entries, in chunks, from which on a stretch of a log that grows is sealed.
LIVE_BYTES = 8 * 1024**2
#: A pause follows each stretch of a log that grows, as long as its sealing took, but no longer.
LONGEST_PAUSE_SECONDS = 2.0
#: Where several servers might seal the same log, each waits so long, and at most so much longer.
OTHERS_SECONDS, OTHERS_MORE_SECONDS = 4.0, 12.0
#: Chunks that are read at once, and the bytes of entries that one read should have.
LEAST_CHUNKS, MOST_CHUNKS = 4, 256
READ_BYTES = 2**20
#: Logs that are taken up in one go: of processes that ended, and after an upgrade.
ENDED_AT_ONCE = 500
#: When so many logs of one look could not be sealed, it is the storage, and not the logs.
FAILURES_AT_ONCE = 20
EXAMINED_AT_ONCE = 200


class BrokenLog(Exception):
    """A log with a gap, or one whose entries cannot be read: it stays as it is."""


@dataclass
class _Stretch:
    """Consecutive lines that are not sealed yet, after line `after`; `chunks` is their number."""

    after: int
    slices: list[Slice] = field(default_factory=list)
    chunks: int = 0
    entry_bytes: int = 0

    @property
    def last(self) -> int:
        """The number of the last line."""
        return self.slices[-1].last if self.slices else self.after

    @property
    def full(self) -> bool:
        """Whether a segment should not have more."""
        return self.last - self.after >= SEGMENT_LINES or self.entry_bytes >= SEGMENT_BYTES

    @property
    def stored_bytes(self) -> int:
        """What it takes in the database, roughly."""
        return self.entry_bytes + LINE_BYTES * self.chunks

    def add(self, part: Slice) -> None:
        """Add the lines of a chunk. Raise BrokenLog if they do not follow."""
        if part.first > self.last + 1:
            raise BrokenLog(f"its lines {self.last + 1} to {part.first - 1} are missing")
        self.chunks += 1
        if part.last > self.last:  # a lost run may have written what others have written too
            part = part.after(self.last)
            self.slices.append(part)
            self.entry_bytes += len(part.entries)


class LogSealer:
    """Seals one stretch at a time. `alone` says that no other server uses the database.

    `changed` is called with each record whose `log_bytes` was counted, `full` tells whether the
    disk has no room.
    """

    def __init__(
        self,
        *,
        store: Store,
        logs: Logs,
        files: FileStorage,
        rollback: Rollback,
        incoming: Path,
        server: str,
        changed: Callable[[ProcessRecord], object],
        full: Callable[[], bool],
        alone: bool,
        metrics: Metrics | None = None,
    ) -> None:
        self._store = store
        self._logs = logs
        self._files = files
        self._rollback = rollback
        self._incoming = incoming
        self._server = server
        self._changed = changed
        self._full = full
        self._alone = alone
        self._metrics = metrics or Metrics()
        self._examined = False
        #: what failed in this look, by process
        self._failed: dict[int, Exception] = {}
        #: logs that cannot be sealed while they grow
        self._broken: set[int] = set()
        #: when an ended log of several servers is this one's to seal, by the loop's clock
        self._due: dict[int, float] = {}
        #: the last failure that was logged, while it lasts
        self._reported: str | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run(), name="log sealer")

    async def stop(self) -> None:
        """End; a stretch that is being stored is completed before."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self.look()
            except Exception as error:  # each kind of storage has its own
                failures = min(failures + 1, len(PAUSE_SECONDS) - 1)
                self._report(error)
            else:
                failures, self._reported = 0, None
            await asyncio.sleep(PAUSE_SECONDS[failures])

    def _report(self, error: Exception) -> None:
        """Log a failure, once for as long as it lasts."""
        kind = type(error).__name__
        if self._reported == kind:
            return
        self._reported = kind
        expected = isinstance(error, DatabaseAway | NoRoom | StorageAway)
        log.warning(
            "Logs cannot be sealed now; trying again later: %s",
            error,
            exc_info=not expected,
            extra={"action": "log_sealing_deferred"},
        )

    async def look(self) -> None:
        """Seal everything that is to be sealed now.

        What fails for one log keeps no other one; the first failure is raised after them.

        :raises NoRoom: the disk is full.
        """
        if not self._examined:
            self._examined = await self._examine()
        self._failed = {}
        more = True
        while more:
            more = False
            for process, attempt in self._logs.growing().items():
                if process in self._broken or process in self._failed:
                    continue
                seal = partial(self._seal_growing, process, attempt)
                began = asyncio.get_running_loop().time()
                more = await self._guarded(process, seal) or more
                # What writes has at least as much of the machine as what seals.
                spent = asyncio.get_running_loop().time() - began
                await asyncio.sleep(min(spent, LONGEST_PAUSE_SECONDS))
            for record in await self._ended():
                if record.pk in self._failed:
                    continue
                seal = partial(self._seal_ended, record)
                more = await self._guarded(record.pk, seal) or more
        if self._failed:
            raise next(iter(self._failed.values()))

    async def _examine(self) -> bool:
        """Mark logs from before there were segments; return whether all are marked."""
        facts = await self._store.installation.get()
        if facts is None or facts.examined_logs is None:
            return True
        last = facts.examined_logs
        for _ in range(EXAMINED_AT_ONCE):
            process = await self._store.logs.next_process(last)
            if process is None:
                await self._store.installation.change(examined_logs=None)
                return True
            for record in await self._store.processes.get_many([process]):
                if record.state.ended:
                    await self._store.processes.mark_unsealed(process)
            last = process
        await self._store.installation.change(examined_logs=last)
        return False

    async def _ended(self) -> list[ProcessRecord]:
        """Return the ended processes whose logs are this server's to seal now."""
        records = await self._store.processes.unsealed(limit=ENDED_AT_ONCE)
        if self._alone:
            return records
        now = asyncio.get_running_loop().time()
        due = {record.pk: self._due.get(record.pk, now + _waiting_seconds()) for record in records}
        self._due = due
        return [record for record in records if due[record.pk] <= now]

    async def _guarded(self, process: int, seal: Callable[[], Awaitable[bool]]) -> bool:
        """Return what `seal` returns; a log that cannot be sealed stays as it is, with an error."""
        if self._full():
            raise NoRoom
        self._files.check_here()
        try:
            return await seal()
        except BrokenLog as error:
            log.error(
                "The log of process %s is not sealed: %s",
                process,
                error,
                extra={"action": "log_not_sealed", "process_pk": process},
            )
            self._broken.add(process)
            await self._store.processes.note_sealed(process)
            return False
        except (DatabaseAway, NoRoom, StorageAway):
            raise  # no other log will do better
        except Exception as error:  # each kind of storage has its own
            if len(self._failed) >= FAILURES_AT_ONCE:
                raise
            self._failed[process] = error
            return False

    async def _seal_growing(self, process: int, attempt: int) -> bool:
        """Seal a stretch of a log that this server writes; return whether there may be more.

        Chunks of earlier attempts stay until the end: a server that lost one of them might write to
        this log once more, and finds out by the chunk that is in its way.
        """
        before = await self._store.segments.last(process)
        if await self._logs.size(process) - _log_bytes(before) < LIVE_BYTES:
            return False
        # The last chunk stays, as it says where the log ends.
        upto = (self._logs.last_known(process) or 1) - 1
        stretch = await self._stretch(process, before, upto, whole=True)
        if stretch.entry_bytes < LIVE_BYTES // 2 or self._logs.growing().get(process) != attempt:
            return False
        await self._seal(process, stretch, before, attempt)
        return stretch.full

    async def _seal_ended(self, record: ProcessRecord) -> bool:
        """Seal a stretch of a log that has ended; return whether there is more."""
        before = await self._store.segments.last(record.pk)
        stretch = await self._stretch(record.pk, before, record.log_lines)
        if stretch.last < record.log_lines and not stretch.full:
            raise BrokenLog(f"it ends at line {stretch.last} instead of {record.log_lines}")
        if stretch.stored_bytes >= SEALED_BYTES:
            await self._seal(record.pk, stretch, before, None)
            return True
        await self._tidy(record, before)
        log_bytes = None
        if record.log_bytes is None:
            text = await asyncio.to_thread(_text_bytes, stretch.slices)
            log_bytes = text + await self._store.segments.text_bytes(record.pk)
        changed = await self._store.processes.note_sealed(record.pk, log_bytes)
        if changed is not None:
            self._changed(changed)
        return False

    async def _tidy(self, record: ProcessRecord, sealed: LogSegment | None) -> None:
        """Delete what nobody reads: chunks behind the end or sealed, and all of a removed log."""
        await self._store.logs.delete(record.pk, after=record.log_lines)
        if record.log_removed is not None:
            await self._rollback.delete_sealed(record.pk)
            await self._store.sections.delete(record.pk)
        elif sealed is not None:
            await self._store.logs.delete(record.pk, upto=sealed.last)

    async def _stretch(
        self, process: int, before: LogSegment | None, upto: int, *, whole: bool = False
    ) -> _Stretch:
        """Return the lines that follow what is sealed, at most up to a line.

        A chunk that goes on behind that line is cut, or left out with `whole`.
        """
        stretch = _Stretch(0 if before is None else before.last)
        step = LEAST_CHUNKS
        while not stretch.full and stretch.last < upto:
            chunks = await self._store.logs.read(process, stretch.last + 1, step)
            size = stretch.entry_bytes
            for chunk in chunks:
                if stretch.full or (chunk.last if whole else chunk.first) > upto:
                    return stretch
                part = Slice(chunk.first, chunk.last, chunk.entries.encode())
                stretch.add(part.upto(upto))
            if len(chunks) < step:
                return stretch
            step = _next_step(step, stretch.entry_bytes - size)
        return stretch

    async def _seal(
        self, process: int, stretch: _Stretch, before: LogSegment | None, attempt: int | None
    ) -> None:
        encode = partial(_encode, process, stretch.slices, _log_bytes(before))
        try:
            segment, data = await asyncio.to_thread(encode)
        except ValueError as error:  # msgspec's errors too
            raise BrokenLog(str(error)) from error
        entry = JournalEntry(
            pk=await self._store.counters.next("journal"),
            server=self._server,
            products=[],
            keys=[segment.file],
            process=process,
            token=f"t{secrets.token_hex(8)}",
            sealing=True,
            sealed_attempt=attempt,
        )
        await finish_even_if_cancelled(self._put(entry, segment, data))

    async def _put(self, entry: JournalEntry, segment: LogSegment, data: bytes) -> None:
        """Bring a segment into the storage, and decide that it takes the place of the chunks."""
        local = self._incoming / secrets.token_hex(8)
        try:
            await self._store.journal.insert(entry)
            await in_thread(local.write_bytes, data)
            await self._files.put(local, segment.file)
            if await self._store.journal.decide(entry, vars(segment)):
                self._metrics.segment_sealed()
            else:  # another server took this one for dead, and has undone it
                await self._files.delete_many([segment.file])
        finally:
            await in_thread(local.unlink, True)
            await self._rollback.resolve_now_or_later(entry)


def _encode(process: int, slices: list[Slice], sealed_bytes: int) -> tuple[LogSegment, bytes]:
    """Return these lines as a segment, and the bytes of its file. For a thread."""
    encoded = encode_segment(slices)
    index = encoded.index
    segment = LogSegment(
        process=process,
        first=index.first,
        last=index.last,
        file=f"log-{process}/{index.first}-{secrets.token_hex(4)}.segment",
        size=len(encoded.data),
        sha256=hashlib.sha256(encoded.data).hexdigest(),
        text_bytes=index.text_bytes,
        log_bytes=sealed_bytes + index.entry_bytes,
        index=index.to_text(),
    )
    return segment, encoded.data


def _log_bytes(segment: LogSegment | None) -> int:
    return 0 if segment is None else segment.log_bytes


def _next_step(step: int, read_bytes: int) -> int:
    """Return how many chunks to read next, by how much the last ones had."""
    if read_bytes > 2 * READ_BYTES:
        return max(LEAST_CHUNKS, step // 2)
    return min(MOST_CHUNKS, step * 4) if read_bytes < READ_BYTES // 2 else step


def _text_bytes(slices: list[Slice]) -> int:
    return sum(len(entries_text(part.entries).encode()) for part in slices)


def _waiting_seconds() -> float:
    return OTHERS_SECONDS + random.random() * OTHERS_MORE_SECONDS
