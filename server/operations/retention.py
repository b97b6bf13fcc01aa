"""Removes what has been kept for long enough, and what has to go so that the disk keeps free space.

Ended processes are looked at in the order of their ends. How far logs and outputs have been removed
is noted in the database, so that a round looks only at what is new. Uploads are never removed. How
a process, a log or outputs are deleted is left to `server.processes`.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from server.config.sections import Retention as Settings
from server.core.concurrency import repeat_every
from server.core.errors import Conflict, NotFound
from server.core.records import ProcessRecord
from server.store import Store

log = logging.getLogger(__name__)

DAY_SECONDS = 86_400
#: The pause before the first round, and between two.
FIRST_SECONDS, ROUND_SECONDS = 5.0, 600.0
#: Processes that are read at once.
BATCH = 200
#: How long the disk may take to have the space that deleting has given up, and how often to look.
SETTLE_SECONDS, SETTLE_STEP_SECONDS = 10.0, 0.5
#: Clocks of servers differ, so a round begins so much before the end of the last one.
OVERLAP_SECONDS = 600.0


@dataclass(frozen=True)
class Removers:
    """What deletes for the retention; each returns about how many bytes that gives back.

    All may raise Conflict while something is needed, and NotFound for what is gone already.
    """

    process: Callable[[ProcessRecord], Awaitable[int]]
    log: Callable[[ProcessRecord], Awaitable[int]]
    outputs: Callable[[ProcessRecord], Awaitable[int]]


class Retention:
    """Applies the settings from time to time; does nothing without any.

    `free` returns the free bytes of the disk that is to keep some, `size` all of its bytes.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        removers: Removers,
        free: Callable[[], int],
        size: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._store = store
        self._removers = removers
        self._free = free
        self._size = size
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the background."""
        if self._settings != Settings():
            self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        """End; what is just being deleted is completed before."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        await asyncio.sleep(FIRST_SECONDS)
        await repeat_every(ROUND_SECONDS, self._apply_alone, name="retention", log=log)

    async def _apply_alone(self) -> None:
        # Two servers that make space at the same time would delete twice as much.
        async with self._store.locks.held("retention"):
            await self.apply()

    async def apply(self) -> None:
        """Remove everything that is to go now, and log what that was."""
        settings, now = self._settings, time.time()
        for days, work in (
            (settings.process_days, self._remove_processes),
            (settings.output_days, self._remove_outputs),
            (settings.log_days, self._remove_logs),
        ):
            if days is not None:
                await work(now - days * DAY_SECONDS)
        if settings.free_bytes is not None:
            await self._make_space(settings.free_bytes)

    async def _remove_processes(self, before: float) -> None:
        async for record in self._ended(0.0, before):
            await self._remove("process", record, self._removers.process)

    async def _remove_outputs(self, before: float) -> None:
        facts = await self._store.installation.get()
        done = 0.0 if facts is None else facts.outputs_removed_until
        until = await self._remove_parts("outputs", self._removers.outputs, done, before)
        await self._store.installation.change(outputs_removed_until=until)

    async def _remove_logs(self, before: float) -> None:
        facts = await self._store.installation.get()
        done = 0.0 if facts is None else facts.logs_removed_until
        until = await self._remove_parts("log", self._removers.log, done, before)
        await self._store.installation.change(logs_removed_until=until)

    async def _remove_parts(
        self,
        what: str,
        remove: Callable[[ProcessRecord], Awaitable[int]],
        done: float,
        before: float,
    ) -> float:
        """Remove a part of each process that ended; return up to which end all is removed."""
        until = max(done, before)
        async for record in self._ended(done - OVERLAP_SECONDS, before):
            if await self._remove(what, record, remove) is None:
                until = min(until, record.terminal_timestamp or 0.0)
        return until

    async def _make_space(self, wanted: int) -> None:
        """Delete the processes that ended first until so many bytes are free.

        Nothing is deleted for more than the whole disk has, which no deleting can reach.
        """
        size = await asyncio.to_thread(self._size)
        if wanted > size:
            log.error(
                "retention.free_bytes is more than the whole disk has, %d bytes: nothing goes",
                size,
                extra={"action": "retention_unreachable", "disk_bytes": size},
            )
            return
        missing = wanted - await asyncio.to_thread(self._free)
        if missing <= 0:
            return
        async for record in self._ended(0.0, time.time()):
            missing -= await self._remove("process", record, self._removers.process) or 0
            if missing > 0:
                continue
            missing = wanted - await self._settled(wanted)
            if missing <= 0:
                return
        log.warning(
            "Nothing that may be removed is left, and %d bytes less than wanted are free",
            missing,
            extra={"action": "retention_exhausted", "missing_bytes": missing},
        )

    async def _settled(self, wanted: int) -> int:
        """Return the free bytes once they are enough, or have had time to become so."""
        for _ in range(round(SETTLE_SECONDS / SETTLE_STEP_SECONDS)):
            free = await asyncio.to_thread(self._free)
            if free >= wanted:
                break
            await asyncio.sleep(SETTLE_STEP_SECONDS)
        return free

    async def _remove(
        self, what: str, record: ProcessRecord, remove: Callable[[ProcessRecord], Awaitable[int]]
    ) -> int | None:
        """Return about how many bytes were given back, None if it is needed and has to stay."""
        try:
            given_back = await remove(record)
        except NotFound:
            return 0  # somebody else has deleted it
        except Conflict as error:
            log.info(
                "The %s of process %s is kept for now: %s", what, record.pk, error,
                extra={"action": "retention_deferred", "process_pk": record.pk},
            )  # fmt: skip
            return None
        if given_back:
            log.info(
                "Retention removed the %s of %s: about %d bytes",
                what,
                record.identifier,
                given_back,
                extra={
                    "action": "retention_removed",
                    "what": what,
                    "process_pk": record.pk,
                    "ended": record.terminal_timestamp,
                },
            )
        return given_back

    async def _ended(self, start: float, before: float) -> AsyncIterator[ProcessRecord]:
        """Yield the processes that ended in this time, the one that did first first."""
        seen: set[int] = set()
        at, limit = start, BATCH
        while True:
            found = await self._store.processes.ended_since(at, before, limit)
            new = [record for record in found if record.pk not in seen]
            for record in new:
                yield record
            if len(found) < limit:
                return
            last = found[-1].terminal_timestamp or 0.0
            # More may have ended at the same time as the last one: these are read again.
            limit = limit if last > at else 2 * limit
            at, seen = last, {each.pk for each in found if each.terminal_timestamp == last}


def free_bytes(folder: Path) -> int:
    """Return the bytes that are free on the disk of a folder."""
    return shutil.disk_usage(folder).free


def disk_bytes(folder: Path) -> int:
    """Return the bytes that the disk of a folder has in all."""
    return shutil.disk_usage(folder).total
