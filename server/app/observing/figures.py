"""The figures of a server: those of `/api/status/`, and those that `/metrics` reads.

What is in memory is read when it is asked for. What has to be measured is kept for some seconds and
measured again by whoever asks then, once for all who ask; if that takes long, as while the database
is away, they get what was known before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from server.core.errors import HeliographError
from server.core.records import ProcessRecord
from server.processes.queue import ProcessQueue

log = logging.getLogger(__name__)

#: How long what was measured is good for, the failures less long as others may write them, and how
#: long who asks waits for new figures.
KEPT_SECONDS, FAILURES_SECONDS = 10.0, 0.5
WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class Measured:
    """What had to be measured; None where that has not been possible yet."""

    disk_free_bytes: int | None = None
    disk_used_bytes: int | None = None
    database_bytes: int | None = None
    failed_24h: int | None = None


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the figures come from. `facts` are those that stay as they are while it runs."""

    facts: dict[str, Any]
    slots: Callable[[], int]
    dashboard: Callable[[], str | None]
    running_here: Callable[[], int]
    viewers: Callable[[], int]
    queue: ProcessQueue
    process: Callable[[int], Awaitable[ProcessRecord]]
    failures: Callable[[], Awaitable[int]]
    database_bytes: Callable[[], Awaitable[int]]
    folder: str


class Figures:
    """The figures of this server."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self.measured = Measured()
        #: the oldest process of the queue, and when it was submitted
        self._oldest: tuple[int, float] | None = None
        self._begun_at = self._measured_at = self._counted_at = -math.inf
        self._measuring: asyncio.Task[None] | None = None

    async def status(self) -> dict[str, Any]:
        """Return the figures of `/api/status/`, measured some seconds ago at most if possible."""
        await self.refresh()
        await self._look_at_queue()  # which may have changed while it was measured
        sources, measured = self._sources, self.measured
        return {
            **sources.facts,
            "slots": sources.slots(),
            "dashboard": sources.dashboard(),
            "running": len(sources.queue.running),
            "running_here": sources.running_here(),
            "queue_length": len(sources.queue.queued),
            "queue_age_seconds": self.queue_age_seconds(),
            "failed_24h": measured.failed_24h,
            "viewers": sources.viewers(),
            "disk_free_bytes": measured.disk_free_bytes,
            "disk_used_bytes": measured.disk_used_bytes,
            "database_bytes": measured.database_bytes,
        }

    def queue_age_seconds(self) -> float | None:
        """Return how long the oldest process of the queue has waited, None if it is empty."""
        if self._oldest is None or not self._sources.queue.queued:
            return None
        return max(0.0, time.time() - self._oldest[1])

    async def refresh(self) -> None:
        """Measure again unless it has just been done; wait for that, but not for long."""
        await self._look_at_queue()
        if self._measuring is None:
            if time.monotonic() - self._counted_at < min(FAILURES_SECONDS, KEPT_SECONDS):
                return
            self._begun_at = time.monotonic()
            self._measuring = asyncio.create_task(self._measure(), name="figures")
        left = self._begun_at + WAIT_SECONDS - time.monotonic()
        if left > 0:
            await asyncio.wait({self._measuring}, timeout=left)

    def close(self) -> None:
        """Measure no more."""
        if self._measuring is not None:
            self._measuring.cancel()

    async def _look_at_queue(self) -> None:
        """Note when the oldest process of the queue was submitted; mostly, that is in memory."""
        pk = self._sources.queue.oldest
        if pk is None or (self._oldest is not None and self._oldest[0] == pk):
            return
        with contextlib.suppress(HeliographError, TimeoutError):
            record = await asyncio.wait_for(self._sources.process(pk), WAIT_SECONDS)
            self._oldest = (pk, record.created)

    def _set(self, **figures: int) -> None:
        self.measured = replace(self.measured, **figures)

    async def _measure(self) -> None:
        try:
            sizes_too = time.monotonic() - self._measured_at >= KEPT_SECONDS
            if sizes_too:
                self._measured_at = time.monotonic()
                disk = await asyncio.to_thread(shutil.disk_usage, self._sources.folder)
                self._set(disk_free_bytes=disk.free, disk_used_bytes=disk.used)
            self._set(failed_24h=await self._sources.failures())
            if sizes_too:
                self._set(database_bytes=await self._sources.database_bytes())
        except HeliographError as error:
            log.debug("Not measured: %s", error, extra={"action": "figures_not_measured"})
        except Exception:
            log.exception("The figures cannot be measured", extra={"action": "figures_failed"})
        finally:
            self._counted_at = time.monotonic()
            self._measuring = None
