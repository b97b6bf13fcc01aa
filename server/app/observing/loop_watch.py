"""Measures how late the event loop comes to its work, and warns when it was held for long."""

from __future__ import annotations

import asyncio
import logging
import time

from server.core.metrics import Metrics

log = logging.getLogger(__name__)

TICK_SECONDS = 0.05
#: From this on, somebody should look for what holds the loop.
HELD_SECONDS = 0.25
#: Between two warnings in the log.
REPORT_SECONDS = 60.0


class LoopWatch:
    """A timer that is late whenever something holds the loop."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._reported_at = -REPORT_SECONDS
        self._unreported = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._watch(), name="loop watch")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        while True:
            # The loop's own clock stands still while it is held.
            due, worked = time.monotonic() + TICK_SECONDS, time.thread_time()
            await asyncio.sleep(TICK_SECONDS)
            self.note(max(0.0, time.monotonic() - due), time.thread_time() - worked)

    def note(self, late_seconds: float, worked_seconds: float) -> None:
        """Note how late the timer was, and for how long the loop's thread computed meanwhile."""
        self._metrics.loop_lag(late_seconds)
        if late_seconds < HELD_SECONDS:
            return
        self._metrics.loop_held()
        now = time.monotonic()
        if now - self._reported_at < REPORT_SECONDS:
            self._unreported += 1
            return
        log.warning(
            "The event loop was held for %.2f s, of which it computed %.2f s%s",
            late_seconds,
            worked_seconds,
            f"; {self._unreported} times more since the last warning" if self._unreported else "",
            extra={
                "action": "loop_held",
                "seconds": round(late_seconds, 3),
                "worked_seconds": round(worked_seconds, 3),
                "more_times": self._unreported,
            },
        )
        self._reported_at, self._unreported = now, 0
